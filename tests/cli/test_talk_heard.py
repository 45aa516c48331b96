import io
import os
import wave

import numpy as np
import pytest

from voicetrio.cli.player import Stretch
from voicetrio.cli.talk_heard import SILENT_RATE, heard_wav
from voicetrio.cli.wav_file import write_whole


def read(data: bytes) -> tuple[int, np.ndarray]:
    with wave.open(io.BytesIO(data)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth()) == (1, 2)
        return reader.getframerate(), np.frombuffer(reader.readframes(10**9), np.int16)


def sound(samples: int) -> bytearray:
    return bytearray(np.full(samples, 1000, np.int16).tobytes())


def test_what_was_heard_lies_where_it_was_heard():
    rate, samples = read(heard_wav([Stretch(10.5, 8000, sound(800)), Stretch(11, 8000, sound(80))], begin=10, end=12))
    assert (rate, len(samples)) == (8000, 16_000)
    assert np.flatnonzero(samples).tolist() == [*range(4000, 4800), *range(8000, 8080)]


def test_nothing_heard_is_silence():
    rate, samples = read(heard_wav([], begin=1.0, end=1.5))
    assert (rate, len(samples)) == (SILENT_RATE, SILENT_RATE // 2)
    assert not samples.any()


def test_a_server_that_changes_its_rate_keeps_the_time_line():
    stretches = [Stretch(0.0, 8000, sound(800)), Stretch(1.0, 16_000, sound(1600))]
    rate, samples = read(heard_wav(stretches, begin=0.0, end=2.0))
    assert (rate, len(samples)) == (8000, 16_000)
    loud = np.flatnonzero(np.abs(samples) > 500)
    assert abs(int(loud[loud > 4000][0]) - 8000) <= 2
    assert abs(int(loud[-1]) - 8800) <= 2


def test_a_file_that_cannot_be_moved_into_place_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "a.wav").write_bytes(b"old")

    def fail(*_):
        raise OSError("no")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        write_whole(b"new", tmp_path / "a.wav")
    assert os.listdir(tmp_path) == ["a.wav"]
    assert (tmp_path / "a.wav").read_bytes() == b"old"
