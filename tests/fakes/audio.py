"""Speech that can be checked: a word is a stretch of samples that all have the word's number as their value.

Silence is zeros. What a fake recogniser reads out of the audio is therefore exactly what was put in: a lost, repeated or
shifted stretch shows as a lost, repeated or cut word.
"""

import array
from itertools import pairwise

import numpy as np

RATE = 16_000


def silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE))


def word(number: int, seconds: float = 0.4) -> bytes:
    return array.array("h", [number]).tobytes() * round(seconds * RATE)


def words_in(pcm: bytes) -> list[tuple[int, int, int]]:
    """Number, first sample and length of each word."""
    samples = np.frombuffer(pcm, np.int16)
    borders = [0, *(np.flatnonzero(np.diff(samples)) + 1).tolist(), len(samples)]
    return [
        (int(samples[start]), start, stop - start)
        for start, stop in pairwise(borders)
        if start < stop and samples[start] != 0
    ]


class FakeDetector:
    """Hears every frame that is not all zeros."""

    lag = 0

    def __init__(self, sensitivity: str = "normal") -> None:
        self.sensitivity = sensitivity

    def is_speech(self, frame: bytes) -> bool:
        assert len(frame) == 640, "20 ms at 16 kHz"
        return frame.count(0) != len(frame)
