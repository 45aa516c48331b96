"""Features of a segment that grows are those that the library makes of the whole."""

import random
from pathlib import Path

import numpy as np
import pytest

from voicetrio.cli.recordings import load_recordings
from voicetrio.worker.engines.contract import HearingSetup
from voicetrio.worker.engines.whisper.mel import MelFrames
from voicetrio.worker.engines.whisper.model import WhisperModel

TESTS = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model() -> WhisperModel:
    return WhisperModel(HearingSetup(str(TESTS / "models" / "tiny-whisper-en"), "cpu", threads=1))


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    pcm = load_recordings(TESTS / "recordings" / "commands")[0].pcm
    return np.frombuffer(pcm, np.int16).astype(np.float32) / 32768


@pytest.mark.parametrize("seed", range(10))
def test_pieces_of_any_length_make_the_same_frames(model, samples, seed):
    dice = random.Random(seed)
    mel = MelFrames(model)
    at = 0
    while at < len(samples):
        piece = dice.choice((1, 7, 160, 320, 1600, 8000))
        mel.append(samples[at : at + piece])
        at = min(len(samples), at + piece)
        if at > 1600 and dice.random() < 0.3:
            count = at // 160
            np.testing.assert_allclose(mel.features(0, count), model.features(samples[:at]), atol=2e-3)
    np.testing.assert_allclose(mel.features(0, at // 160), model.features(samples), atol=2e-3)


def test_a_window_that_starts_later_has_the_frames_of_the_whole(model, samples):
    mel = MelFrames(model)
    mel.append(samples[:30_000])
    mel.drop_before(100)
    mel.append(samples[30_000:])
    later = mel.features(100, 300)
    # The library knows nothing of the audio around a window: the frames that reach beyond it differ.
    np.testing.assert_allclose(later[:, 2:-2], model.features(samples[16_000:48_000])[:, 2:-2], atol=2e-2)
    mel.drop_before(150)
    np.testing.assert_allclose(mel.features(150, 300)[:, -50:], later[:, -50:], atol=2e-2)
