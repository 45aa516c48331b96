"""`voicetrio bench vad`: what counts as truth, how a detector is judged, and the command."""

import json
import math
import wave

import numpy as np
import pytest

from tests.vad.listening import RECORDINGS, recorded
from voicetrio.cli import bench_vad
from voicetrio.cli.bench_process import BenchError
from voicetrio.cli.bench_vad_noise import STEADY, babble_of
from voicetrio.cli.bench_vad_truth import Found, Recording, Score, read_recordings, segments
from voicetrio.cli.main import main

RATE = 16_000


def write_wav(path, pcm: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm)


def folder_with(path, *rows: str, pcm: bytes = b"\x10\x00" * RATE * 4):
    write_wav(path / "a.wav", pcm)
    (path / "transcripts.tsv").write_text("\n".join(["file\ttext\twords", *rows]) + "\n")
    return path


# -- the truth ------------------------------------------------------------------------------------------------------


def test_words_closer_than_the_end_silence_are_one_utterance(tmp_path):
    folder = folder_with(tmp_path, "a.wav\tone two three\tone:0.5-1.0 two:1.4-1.6 three:2.1-2.5")
    (recording,) = read_recordings(folder)
    assert recording.words == ((8000, 16_000), (22_400, 25_600), (33_600, 40_000))
    assert recording.utterances == ((8000, 25_600), (33_600, 40_000))


def test_without_word_times_what_is_loud_is_speech(tmp_path):
    tone = (8000 * np.sin(np.arange(RATE) * 0.3)).astype(np.int16)
    quiet = np.full(RATE, 20, np.int16)
    folder = folder_with(tmp_path, "a.wav\tone", pcm=np.concatenate([quiet, tone, quiet]).tobytes())
    (recording,) = read_recordings(folder)
    assert recording.utterances == ((RATE, 2 * RATE),)
    assert recording.words == ()


@pytest.mark.parametrize(
    "words", ["one", "one:1.0", "one:2.0-1.0", "one:-1.0-1.0", "one:1.0-9.0", "one:a-b", "one:nan-1"]
)
def test_a_word_time_that_makes_no_sense_is_told_with_its_line(tmp_path, words):
    folder = folder_with(tmp_path, "a.wav\tone\tone:0.5-1.0", f"a.wav\tone\t{words}")
    with pytest.raises(BenchError, match="line 3: words"):
        read_recordings(folder)


def test_recordings_that_cannot_be_used_are_told(tmp_path):
    with pytest.raises(BenchError, match=r"transcripts\.tsv cannot be read"):
        read_recordings(tmp_path)
    with pytest.raises(BenchError, match="names no recordings"):
        read_recordings(folder_with(tmp_path))
    with pytest.raises(BenchError, match=r"line 2: file: .*b\.wav"):
        read_recordings(folder_with(tmp_path, "b.wav\t\t"))
    with pytest.raises(BenchError, match="nothing is said"):
        read_recordings(folder_with(tmp_path, "a.wav\t\t", pcm=bytes(RATE)))


# -- the judgement --------------------------------------------------------------------------------------------------

ONE_SECOND = Recording("", np.ones(RATE), ((0, RATE),), ((0, RATE // 2), (RATE // 2, RATE)))
"""Speech from its beginning to its end: two words of half a second."""


def judged(*found: Found, recording: Recording = ONE_SECOND) -> Score:
    """The recording begins after one of three seconds."""
    score = Score()
    score.add(recording, RATE, 3 * RATE, found)
    return score


def at(start: float, end: float, sure_of_start: float, sure_of_end: float | None) -> Found:
    ended = None if sure_of_end is None else round(sure_of_end * RATE)
    return Found((round(start * RATE), round(end * RATE)), round(sure_of_start * RATE), ended)


def test_what_was_not_heard_is_missed():
    score = judged(at(1.5, 2.0, 1.6, 2.5))
    assert (score.missed, score.speech) == (8000, 16_000)
    assert (score.words_missed, score.words) == (1, 2)
    assert judged().missed == judged().speech == 16_000
    assert judged(at(1.4, 2.0, 1.6, 2.5)).words_missed == 0, "a part of it was heard"


def test_what_was_heard_where_nobody_spoke_is_a_false_alarm():
    score = judged(at(0.5, 2.5, 0.6, None))
    assert score.quiet == round(1.8 * RATE), "all but the speech, and a tenth of a second around it"
    assert score.false == round(0.8 * RATE)


def test_delays_are_from_the_speech_to_the_certainty_about_it():
    score = judged(at(1.05, 1.9, 1.15, 2.5))
    assert score.onset_ms == [pytest.approx(150)]
    assert score.end_ms == [pytest.approx(500)]
    assert score.ends_lost == 0


def test_a_detector_that_was_sure_before_has_no_onset_and_one_that_never_stops_no_end():
    score = judged(at(0.0, 3.0, 0.1, None))
    assert score.onset_ms == score.end_ms == []
    assert (score.ends_lost, score.utterances) == (1, 1)


def test_an_end_that_comes_after_the_next_beginning_is_lost():
    two = Recording("", np.ones(2 * RATE), ((0, 4000), (RATE, RATE + 4000)), ())
    assert judged(at(1.0, 1.25, 1.1, 1.7), at(2.0, 2.25, 2.1, 2.7), recording=two).ends_lost == 0
    assert judged(at(1.0, 2.25, 1.1, 2.7), recording=two).ends_lost == 1


def test_segments_lie_where_the_audio_was_and_are_known_later():
    voiced = [False] * 10 + [True] * 20 + [False] * 40
    (prompt,) = segments(voiced, lag=0)
    (late,) = segments(voiced, lag=960)
    assert prompt.span == (10 * 320, 30 * 320)
    assert late.span == (7 * 320, 27 * 320)
    assert (prompt.sure_of_start, prompt.sure_of_end) == (late.sure_of_start, late.sure_of_end) == (14 * 320, 53 * 320)
    (going_on,) = segments([True] * 20, lag=960)
    assert going_on == Found((0, 20 * 320), 4 * 320, None)


# -- the noises -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*STEADY, "babble"])
def test_a_noise_has_the_power_of_one_and_is_the_same_for_the_same_dice(name):
    voices = [np.frombuffer(recorded(path), np.int16).astype(float) for path in RECORDINGS[:3]]
    make = {**STEADY, "babble": babble_of(voices)}[name]
    one, same, other = (make(2 * RATE, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.mean(one**2) == pytest.approx(1.0, rel=0.02)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("name", "per_octave"), [("white", 0.0), ("pink", -3.0)])
def test_the_colour_of_a_noise(name, per_octave):
    spectrum = np.abs(np.fft.rfft(STEADY[name](8 * RATE, np.random.default_rng(1)))) ** 2
    levels = [10 * math.log10(spectrum[8 * low : 16 * low].mean()) for low in (200, 400, 800, 1600, 3200)]
    assert np.diff(levels) == pytest.approx([per_octave] * 4, abs=0.5)


# -- the command ----------------------------------------------------------------------------------------------------


def test_it_says_what_it_wants(capsys, tmp_path):
    assert main(["bench", "vad"]) == 2
    assert "transcripts.tsv" in capsys.readouterr().err
    assert main(["bench", "vad", str(tmp_path)]) == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.fixture
def quick(monkeypatch):
    for name, value in {"SNRS_DB": (0,), "_ALONE_S": 2, "_BATCHES": (8,), "_COST_S": 1, "_REPEATS": 1}.items():
        monkeypatch.setattr(bench_vad, name, value)


def test_it_tells_what_each_detector_has_found(capsys, quick):
    folder = RECORDINGS[-1].parent
    assert main(["bench", "vad", str(folder), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    judged = {(one["noise"], one["detector"]): one for one in figures["judged"]}
    assert {noise for noise, _ in judged} == {"none", *STEADY, "babble"}
    for one in judged.values():
        assert one["utterances"] == 4
    assert judged["none", "webrtc"]["speech_missed"] < 0.1
    assert judged["none", "silero"]["speech_missed"] < 0.1
    assert judged["fan", "webrtc"]["ends_lost"] == 1.0, "it takes a loud fan for a voice that never stops"
    assert judged["fan", "silero"]["ends_lost"] == 0.0
    assert [(cost["detector"], cost["batch"]) for cost in figures["frame_cost"]] == [
        ("webrtc", 1),
        ("silero", 1),
        ("silero", 8),
    ]
    assert len(figures["nobody_speaks"]) == 2 * 5
    json.dumps(figures, allow_nan=False)


def test_the_table_has_the_detectors_side_by_side(capsys, quick, monkeypatch):
    monkeypatch.setattr(bench_vad, "STEADY", {})
    assert main(["bench", "vad", str(RECORDINGS[-1].parent)]) == 0
    shown = capsys.readouterr().out
    assert "webrtc / silero" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("none ")]
    assert line.count(" / ") == 8
    assert "silero, 8 at once" in shown
