"""One detector: what it hears, and when it says so."""

import subprocess
import sys

import numpy as np
import pytest

from tests.vad.listening import RECORDINGS, answers, frames, make_room, model, noise, recorded
from voicetrio.core.config import endpoint_rule
from voicetrio.core.endpointing import Endpointer, SpeechStarted
from voicetrio.vad.silero import LAG_SAMPLES, SileroDetector
from voicetrio.vad.silero_model import CONTEXT_SAMPLES, FIRST_STATE, WINDOW_SAMPLES


def starts(voiced: list[bool], sensitivity: str = "normal") -> int:
    endpointer = Endpointer(endpoint_rule(sensitivity, 0.5))
    return sum(isinstance(endpointer.push(answer), SpeechStarted) for answer in voiced)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_recordings_of_speech_are_speech(path):
    assert starts(answers(recorded(path) + bytes(32_000))) >= 1


@pytest.mark.parametrize("sensitivity", ["low", "normal", "high"])
@pytest.mark.parametrize("dbfs", [-90, -50, -30])
def test_noise_is_no_speech(sensitivity, dbfs):
    assert starts(answers(noise(10.0, dbfs), sensitivity=sensitivity), sensitivity) == 0


def test_silence_is_no_speech():
    assert not any(answers(bytes(320_000), sensitivity="high"))


def test_a_higher_sensitivity_hears_more():
    pcm = recorded(RECORDINGS[0])
    heard = [sum(answers(pcm, sensitivity=sensitivity)) for sensitivity in ("low", "normal", "high")]
    assert heard == sorted(set(heard))


class ScriptedModel:
    """Says of each window what it was told to, and what it was asked."""

    def __init__(self, *voice: float) -> None:
        self.voice = list(voice)
        self.asked: list[np.ndarray] = []

    def run(self, windows, states):
        assert len(windows) == len(states) == 1
        self.asked.append(np.frombuffer(windows[0], np.int16))
        return [self.voice[len(self.asked) - 1]], list(states)


def scripted(*voice: float) -> tuple[SileroDetector, ScriptedModel]:
    room = make_room()
    room.model = ScriptedModel(*voice)
    return SileroDetector("normal", room), room.model


@pytest.mark.parametrize("loud", range(12))
def test_the_answer_to_a_frame_is_of_the_window_with_the_last_sample_three_frames_before(loud):
    detector, _ = scripted(*(float(window == loud) for window in range(20)))
    for frame in range(24):
        told_of = 320 * (frame + 1) - 1 - LAG_SAMPLES
        assert detector.is_speech(bytes(640)) == (told_of // WINDOW_SAMPLES == loud), frame


def test_the_model_gets_every_sample_once_and_the_end_of_the_window_before_it_again():
    detector, listened = scripted(*[0.0] * 40)
    samples = np.arange(1, 32 * 512 + 1, dtype=np.int16)
    for frame in frames(samples.tobytes()):
        detector.is_speech(frame)
    assert len(listened.asked) >= 29, "all but what the lag keeps"
    before = np.zeros(CONTEXT_SAMPLES, np.int16)
    for number, window in enumerate(listened.asked):
        new = samples[number * WINDOW_SAMPLES : (number + 1) * WINDOW_SAMPLES]
        assert window.tolist() == [*before, *new]
        before = new[-CONTEXT_SAMPLES:]


def test_speech_goes_on_with_less_than_it_begins_with():
    detector, _ = scripted(0.4, 0.49, 0.5, 0.36, 0.34, 0.4, *[0.0] * 9)
    told = [detector.is_speech(bytes(640)) for _ in range(20)]
    windows = [told[(LAG_SAMPLES + WINDOW_SAMPLES * number) // 320] for number in range(6)]
    assert windows == [False, False, True, True, False, False]


def test_what_waits_is_bounded_and_a_new_detector_shares_its_beginning():
    room = make_room()
    detector = SileroDetector("normal", room)
    for frame in frames(noise(3.0, -30)):
        detector.is_speech(frame)
        assert len(detector._waiting) <= 1
        assert len(detector._answers) <= 1
        assert len(detector._audio) < 2 * (CONTEXT_SAMPLES + WINDOW_SAMPLES)
    fresh = SileroDetector("normal", room)
    assert fresh._state is FIRST_STATE
    assert not FIRST_STATE.any()


def test_it_is_the_model_as_it_was_trained():
    """Against the file of faster-whisper's package as it comes, which takes a whole recording at once."""
    import faster_whisper.vad

    samples = np.frombuffer(recorded(RECORDINGS[0]), np.int16)
    samples = samples[: len(samples) // 512 * 512].astype(np.float32) / 32_768
    expected = faster_whisper.vad.get_vad_model()(samples).ravel()
    state, context, probabilities = FIRST_STATE, bytes(128), []
    pcm = (samples * 32_768).astype(np.int16).tobytes()
    for at in range(0, len(pcm), 1024):
        window = pcm[at : at + 1024]
        voice, states = model().run([context + window], [state])
        probabilities.append(voice[0])
        state, context = states[0], window[-128:]
    assert probabilities == pytest.approx(expected.tolist(), abs=1e-5)


def test_nothing_of_it_is_imported_before_it_is_chosen():
    heavy = "{'onnxruntime', 'onnx', 'faster_whisper', 'ctranslate2'}"
    program = f"import sys, voicetrio.cli.compose; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
