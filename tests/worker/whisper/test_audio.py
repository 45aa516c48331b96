"""The audio of a segment: what is kept, and what is searched for a voice."""

import numpy as np
import pytest

from voicetrio.core.errors import WorkerRejected
from voicetrio.worker.engines.whisper.audio import SAMPLE_RATE, SECONDS_MAX, SegmentAudio
from voicetrio.worker.engines.whisper.voice import LEAD_SAMPLES

from .fake_model import FakeModel, said


class Finder:
    """Finds a voice where a sample is above a half, and notes what it was asked about."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, bool]] = []

    def find(self, samples, *, lead=True):
        self.asked.append((len(samples), lead))
        voiced = np.flatnonzero(samples > 0.5)
        return int(voiced[-1]) + 1 if len(voiced) else None


def audio(finder: Finder | None = None, start: int = 1000) -> SegmentAudio:
    return SegmentAudio(start, FakeModel(lambda *_: said("")), finder or Finder())


def pcm(seconds: float, level: float = 0.0) -> bytes:
    return np.full(round(seconds * SAMPLE_RATE), round(level * 32_767), np.int16).tobytes()


def test_positions_are_those_of_the_session():
    one = audio()
    one.append(pcm(1))
    assert (one.start, one.end) == (1000, 17_000)
    assert len(one.samples(9000)) == 8000
    assert one.features(17_000).shape == (1, 100)


def test_trims_lie_on_the_grid_of_frames():
    one = audio()
    one.append(pcm(1, 0.1) + pcm(1, 0.2))
    one.drop_before(1000 + 16_001)
    assert (one.start, one.end) == (1000 + 16_160, 33_000)
    assert one.samples(33_000)[0] == pytest.approx(0.2, abs=1e-3)
    assert one.features(33_000).shape == (1, 99)
    one.drop_before(5000)
    assert one.start == 17_160


def test_what_was_searched_is_not_searched_again():
    finder = Finder()
    one = audio(finder)
    one.append(pcm(1))
    assert not one.has_voice(17_000)
    one.append(pcm(0.5))
    assert not one.has_voice(25_000)
    assert not one.has_voice(25_000)
    assert finder.asked == [(16_000, True), (8000 + LEAD_SAMPLES, True)]


def test_after_a_voice_nothing_is_searched_until_it_is_trimmed_away():
    finder = Finder()
    one = audio(finder)
    one.append(pcm(0.5) + pcm(0.5, 0.8))
    assert one.has_voice(17_000)
    one.append(pcm(2))
    assert one.has_voice(49_000)
    assert len(finder.asked) == 1
    one.drop_before(33_000)
    assert not one.has_voice(49_000)
    assert finder.asked[1] == (16_000, False), "all that is left, and its start may be a word"


def test_a_segment_without_end_is_refused():
    one = audio()
    for _ in range(SECONDS_MAX):
        one.append(pcm(1))
    with pytest.raises(WorkerRejected, match="a segment of more than 300 s"):
        one.append(bytes(2))
