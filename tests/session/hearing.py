"""What was said, what was heard of it, and how it went to the recogniser, each as values that can be compared."""

import wave
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.fakes.client import FakeClient
from tests.fakes.recognizer import FakeRecognizer, FakeStream

RATE = 16_000
"""Hertz."""

SURE = 0.46
"""Seconds from the last sample of speech to the decision that it has ended: 23 of the end window's 25 frames."""


RECORDING = Path(__file__).parents[1] / "recordings" / "english" / "open-the-door-rms.wav"
"""3.7 s, mono, 16 bit at `RATE`: silence, a sentence of 1.7 s, silence."""


def recorded() -> bytes:
    with wave.open(str(RECORDING)) as recording:
        return recording.readframes(recording.getnframes())


@dataclass
class WatchedRecognizer(FakeRecognizer):
    streams: list[FakeStream] = field(default_factory=list)
    most: int = 0
    """Streams that were open at once."""

    @asynccontextmanager
    async def open_stream(self, config):
        async with super().open_stream(config) as stream:
            self.streams.append(stream)
            self.most = max(self.most, self.in_use)
            yield stream


def merged_words(client: FakeClient) -> list[tuple[str, float, float]]:
    """All words of all finals; the two parts of a word that a cut went through are one again if they meet exactly."""
    words: list[tuple[str, float, float]] = []
    for final in client.got("transcript.final"):
        for word in final["words"]:
            if words and words[-1][0] == word["word"] and words[-1][2] == word["start"]:
                words[-1] = (word["word"], words[-1][1], word["end"])
            else:
                words.append((word["word"], word["start"], word["end"]))
    return words


def spoken(numbers: range, *, begin: float = 0.0) -> list[tuple[str, float, float]]:
    """What `say` has said: words of 0.4 s, one after the other."""
    return [(f"w{n}", round(begin + 0.4 * i, 3), round(begin + 0.4 * (i + 1), 3)) for i, n in enumerate(numbers)]


def check_contiguous(recognizer: FakeRecognizer) -> None:
    assert all(before[2] == after[1] for before, after in pairwise(recognizer.chunks)), "each sample once"
