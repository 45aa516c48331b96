"""The recordings, what is said in them, and other shapes of the same sound. PCM is 16-bit little-endian mono."""

import csv
import difflib
import wave
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr

from .processes import ROOT

RATE = 16_000
_FOLDER = ROOT / "tests" / "recordings" / "english"


@dataclass(frozen=True, slots=True)
class Recording:
    path: str
    pcm: bytes
    """At 16 kHz."""
    text: str

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / RATE


def _read(name: str, text: str) -> Recording:
    with wave.open(str(_FOLDER / name)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return Recording(str(_FOLDER / name), file.readframes(file.getnframes()), text)


with (_FOLDER / "transcripts.tsv").open() as _table:
    RECORDINGS = [_read(row["file"], row["text"]) for row in csv.DictReader(_table, delimiter="\t")]

THANK_YOU = next(recording for recording in RECORDINGS if recording.text.startswith("thank"))
"""The shortest."""
GOOD_IDEA = next(recording for recording in RECORDINGS if recording.text.startswith("she"))
"""The longest."""

SAYABLE = (
    "are you ready",
    "where are you",
    "who are you",
    "i love you",
    "we are ready",
    "right or wrong",
)
"""What espeak-ng says so well, at `SAYING_SPEED`, that pocketsphinx understands every word of it, nearly always: the
samples that espeak-ng makes differ a little from run to run."""
SAYING_SPEED = 0.8

LONG_TEXT = "The quick brown fox jumps over the lazy dog, and nobody knows why it does so. " * 50
"""Nearly four minutes of speech: far more than is synthesised before the first of it is heard."""


def closest(heard: str, texts: Sequence[str]) -> str:
    """Which of the texts it is, when a word of it may have been misheard."""
    return max(texts, key=lambda text: difflib.SequenceMatcher(None, heard, text).ratio())


def speech(seconds: float, *, seed: int) -> bytes:
    """Speech without any pause, in which no half second is like another one, nor like one of another seed."""
    begin, end = 0.74, 3.42  # seconds: all of it but the silence around it
    spoken = np.frombuffer(GOOD_IDEA.pcm[2 * round(begin * RATE) : 2 * round(end * RATE)], "<i2").astype(np.int32)
    samples = np.resize(spoken, round(seconds * RATE))
    noise = np.random.default_rng(seed).integers(-8, 9, len(samples))  # about -70 dBFS: no detector minds
    return np.clip(samples + noise, -32_768, 32_767).astype("<i2").tobytes()


def silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE))


def resampled(pcm: bytes, rate: int, new_rate: int) -> bytes:
    samples = soxr.resample(np.frombuffer(pcm, "<i2"), rate, new_rate)
    return samples.astype("<i2").tobytes()


def mu_law(pcm: bytes) -> bytes:
    """G.711: a sign, three bits of exponent and four of mantissa, all inverted."""
    samples = np.frombuffer(pcm, "<i2").astype(np.int32)
    sign = np.where(samples < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(samples), 32_635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8).tobytes()
