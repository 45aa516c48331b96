"""A model that does what the test says, and notes what it is asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from voicetrio.worker.engines.whisper.model import Generated, TimedWord

TIMESTAMP = 10_000
"""Token of 0.00 s; one more for each 0.02 s."""


def said(
    text: str, *, log: float = -0.1, no_speech: float = 0.0, end: float | None = None, stop: bool = False
) -> Generated:
    """Text as the model writes it: a token for each word, of its own number."""
    tokens = [TIMESTAMP, *(VOCABULARY.token(word) for word in text.split())]
    if end is not None:
        tokens.append(TIMESTAMP + round(end * 50))
    if stop:
        tokens.append(tokens[-1])
    return Generated(tuple(tokens if text else ()), log, no_speech)


class Vocabulary:
    def __init__(self) -> None:
        self._words: list[str] = []

    def token(self, word: str) -> int:
        if word not in self._words:
            self._words.append(word)
        return self._words.index(word)

    def word(self, token: int) -> str:
        return self._words[token]


VOCABULARY = Vocabulary()


@dataclass
class Asked:
    """One call of `generate`."""

    items: list[int]
    """What was in the first sample of each window, times 1000."""
    frames: int
    """Of 20 ms, of the padded window."""
    prompts: list[list[int]]
    temperature: float


@dataclass
class FakeModel:
    answer: Callable[[int, float, float], Generated]
    """From an item's number, the window's seconds and the temperature."""
    languages: tuple[str, ...] = ("en",)
    multilingual: bool = False
    context_max: int = 223
    detected: str = "de"
    asked: list[Asked] = field(default_factory=list)
    encoded: list[tuple[int, int]] = field(default_factory=list)
    """Items and frames of 10 ms of each call of `encode`."""
    aligned: list[tuple[str, int]] = field(default_factory=list)
    """Language and items of each call of `align`."""

    def features(self, samples):
        return np.full((1, len(samples) // 160), samples[0], np.float32)

    def mel_power(self, samples):
        return np.zeros((1, (len(samples) - 400) // 160 + 1), np.float32)

    def log_mel(self, power):
        return power

    def encode(self, features):
        self.encoded.append((features.shape[0], features.shape[2]))
        return np.repeat(features[:, :, :1], features.shape[2] // 2, axis=1)

    def detect_languages(self, encoded):
        return [self.detected] * len(encoded)

    def prompt(self, context: Sequence[int], language: str) -> list[int]:
        return [*context, -1 - self.languages.index(language)]

    def generate(self, encoded, prompts, *, beam_size, temperature):
        items = [round(1000 * float(item[0, 0])) for item in encoded]
        assert len({len(prompt) for prompt in prompts}) == 1
        self.asked.append(Asked(items, encoded.shape[1], [list(prompt) for prompt in prompts], temperature))
        return [self.answer(item, encoded.shape[1] / 50, temperature) for item in items]

    def tokens(self, text: str) -> list[int]:
        return [VOCABULARY.token(word) for word in text.split()]

    def text(self, tokens):
        return " ".join(VOCABULARY.word(token) for token in tokens if token < TIMESTAMP)

    def segments(self, tokens):
        words = [token for token in tokens if token < TIMESTAMP]
        ends = [(token - TIMESTAMP) / 50 for token in tokens if token > TIMESTAMP]
        return [(0.0, ends[0] if ends else None, words)] if words else []

    def stops_at(self, tokens):
        doubled = len(tokens) > 1 and tokens[-1] == tokens[-2] > TIMESTAMP
        return (tokens[-1] - TIMESTAMP) / 50 if doubled else None

    def align(self, encoded, texts, language, frames):
        self.aligned.append((language, len(texts)))
        return [
            [
                TimedWord(VOCABULARY.word(token), 0.5 + 0.3 * place, 0.8 + 0.3 * place, 0.9)
                for place, token in enumerate(text)
            ]
            for text in texts
        ]
