"""Long segments, exactly: a decoder that reads the words of `fakes.audio` shows each word that is lost, doubled or cut.

It behaves as Whisper does: times jitter, a word at the very end may be misheard, it ends segments in pauses, and now and
then it stops before the end of its window.
"""

import random
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest

from voicetrio.worker.engines.contract import StreamOptions
from voicetrio.worker.engines.whisper.decoder import Decoded, DecoderOptions, Window
from voicetrio.worker.engines.whisper.engine import Whisper
from voicetrio.worker.engines.whisper.gate import Thresholds
from voicetrio.worker.engines.whisper.model import TimedWord
from voicetrio.worker.engines.whisper.schedule import Schedule
from voicetrio.worker.engines.whisper.voice import VoiceFinder

from ...fakes.audio import silence, word, words_in
from .fake_model import FakeModel, said

RATE = 16_000
SHORTEST = RATE * 15 // 100
"""A word of less is not understood: it was cut."""


@dataclass
class ReadingDecoder:
    dice: random.Random
    stops: float
    """Share of the passes that stop early, at the end of a sentence."""
    passes: list[float] = field(default_factory=list)

    def decode(self, windows: list[Window]) -> list[Decoded]:
        return [self._decode(window) for window in windows]

    def _decode(self, window: Window) -> Decoded:
        self.passes.append(window.seconds)
        pcm = np.round(window.samples * 32_768).astype("<i2").tobytes()
        words, ends = [], []
        found = words_in(pcm)
        for place, (number, start, length) in enumerate(found):
            end = (start + length) / RATE
            after = found[place + 1][1] / RATE if place + 1 < len(found) else window.seconds
            text = f"w{number}" if length >= SHORTEST else "mumble"
            if window.seconds - end < 0.2 and not window.thorough and self.dice.random() < 0.5:
                text = "misheard"
            jitter = self.dice.uniform(-0.04, 0.04)
            words.append(TimedWord(text, max(0.0, start / RATE + jitter), min(window.seconds, end + jitter), 0.9))
            if after - end > 0.3:
                ends.append(min(end + 0.1, window.seconds))
                if self.dice.random() < self.stops and window.seconds - end > 2:
                    return Decoded(tuple(words), "en", 0.9, tuple(ends), stopped_at=ends[-1])
        return Decoded(tuple(words), "en", 0.9, tuple(ends))


def speech(dice: random.Random, seconds: float) -> tuple[bytes, list[str]]:
    """Words of 0.2 to 0.5 s, sentences of 3 to 12 of them, and no word alike within the last thousand."""
    pcm, words, number = b"", [], dice.randrange(100, 1000)
    while len(pcm) < 2 * RATE * seconds:
        for _ in range(dice.randint(3, 12)):
            number += 1
            pcm += word(number, dice.uniform(0.2, 0.5)) + silence(dice.choice((0.02, 0.05, 0.15)))
            words.append(f"w{number}")
        pcm += silence(dice.uniform(0.35, 0.9))
    return pcm, words


def open_engine(dice: random.Random, *, stops: float = 0.0) -> tuple[Whisper, ReadingDecoder]:
    model = FakeModel(lambda *_: said(""))
    engine = Whisper(model, DecoderOptions((30.0,), 1, (0.0,), Thresholds()), Schedule(8, 0.5), VoiceFinder(0), 8.0)
    decoder = ReadingDecoder(dice, stops)
    engine._decoder = decoder
    return engine, decoder


def hear(engine, pcm: bytes, piece_ms: int, start: int):
    stream = engine.open(StreamOptions("test", "en"))
    step = 2 * RATE * piece_ms // 1000
    partials = []
    for offset in range(0, len(pcm), step):
        partial = stream.accept(1, start + offset // 2, pcm[offset : offset + step])
        if partial is not None:
            partials.append(partial)
    return partials, stream.end_segment(1, start + len(pcm) // 2)


@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize("piece_ms", [100, 1000, 60_000])
def test_no_word_of_a_long_segment_is_lost_or_said_twice(seed, piece_ms):
    dice = random.Random(seed)
    pcm, words = speech(dice, dice.uniform(10, 50))
    engine, decoder = open_engine(dice, stops=dice.choice((0.0, 0.3)))
    partials, final = hear(engine, pcm, piece_ms, start=dice.randrange(10**6))
    assert [heard.text for heard in final.words] == words, f"seed {seed}"
    assert all(one.end_sample <= other.start_sample for one, other in pairwise(final.words)), f"seed {seed}"
    assert max(decoder.passes) <= 28.0
    for partial in partials:
        heard = [one.text for one in partial.words]
        for place, text in enumerate(heard):
            unsure = place >= len(heard) - 2 and text in ("misheard", "mumble")
            assert unsure or text == words[place], f"seed {seed}"


def test_passes_over_a_minute_stay_short():
    dice = random.Random(1)
    pcm, _ = speech(dice, 50)
    engine, decoder = open_engine(dice)
    hear(engine, pcm, 100, 0)
    assert max(decoder.passes) < 12
    assert sum(decoder.passes) < 8 * len(decoder.passes)


def test_a_language_is_kept_once_it_was_detected_in_enough_audio():
    asked = []

    class Polyglot(ReadingDecoder):
        def _decode(self, window: Window) -> Decoded:
            asked.append((window.seconds, window.language))
            return Decoded((TimedWord("oui", 0.1, 0.4, 0.9),), "fr" if window.seconds < 2 else "de", 0.9)

    engine, _ = open_engine(random.Random(1))
    engine._decoder = Polyglot(random.Random(1), 0.0)
    stream = engine.open(StreamOptions("test", ""))
    pcm, _ = speech(random.Random(1), 4)
    for offset in range(0, 2 * 4 * RATE, 3200):
        stream.accept(1, offset // 2, pcm[offset : offset + 3200])
    assert stream.end_segment(1, 4 * RATE).language == "de"
    assert {language for seconds, language in asked if seconds <= 2} == {""}
    assert {language for seconds, language in asked if seconds > 2} == {"de"}
    stream.accept(2, 4 * RATE, pcm[: 2 * RATE])
    assert asked[-1] == (1.0, "")


def test_a_pause_after_the_words_of_a_segment_is_nothing_that_was_thrown_away():
    class OneWord(ReadingDecoder):
        def _decode(self, window: Window) -> Decoded:
            return Decoded((TimedWord("oui", 0.1, 0.3, 0.9),), "fr", 0.9, (0.6,))

    class Once:
        """Finds a voice in what it is asked about first."""

        def __init__(self):
            self.asked = 0

        def find(self, samples, *, lead=True):
            self.asked += 1
            return len(samples) if self.asked == 1 else None

    engine, _ = open_engine(random.Random(1))
    engine._decoder, engine._voice = OneWord(random.Random(1), 0.0), Once()
    noise = np.random.default_rng(1).normal(0, 500, 12 * RATE).astype("<i2").tobytes()
    _, final = hear(engine, noise, 100, 0)
    assert engine._voice.asked > 1, "what is left after the trim was searched, in vain"
    assert [word.text for word in final.words] == ["oui"]
    assert final.gated == ()
