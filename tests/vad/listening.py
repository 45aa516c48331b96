"""What the tests here listen to: recordings, rooms in virtual time, and how a detector answers to each frame."""

import wave
from functools import cache
from pathlib import Path

import numpy as np

from tests.fakes.telemetry import FakeTelemetry
from voicetrio.vad.batches import BatchRoom
from voicetrio.vad.silero import SileroDetector
from voicetrio.vad.silero_model import SileroModel, load_model

RECORDINGS = sorted((Path(__file__).parents[1] / "recordings").glob("*/*.wav"))
FRAME_BYTES = 640


@cache
def model() -> SileroModel:
    return load_model()


@cache
def recorded(path: Path) -> bytes:
    with wave.open(str(path)) as recording:
        return recording.readframes(recording.getnframes())


def frames(pcm: bytes) -> list[bytes]:
    """20 ms each; what is left over is left out."""
    return [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]


def make_room() -> BatchRoom:
    """One that decides only when it is told to."""
    return BatchRoom(model(), FakeTelemetry())


def answers(pcm: bytes, *, sensitivity: str = "normal") -> list[bool]:
    """Of a detector whose windows are decided one by one, when they are due."""
    detector = SileroDetector(sensitivity, make_room())
    return [detector.is_speech(frame) for frame in frames(pcm)]


def noise(seconds: float, dbfs: float, *, seed: int = 1) -> bytes:
    """White; its root mean square is `dbfs` of full scale."""
    samples = np.random.default_rng(seed).normal(0.0, 32_768 * 10 ** (dbfs / 20), round(16_000 * seconds))
    return samples.clip(-32_768, 32_767).astype(np.int16).tobytes()
