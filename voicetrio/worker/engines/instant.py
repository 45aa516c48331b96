"""An engine that understands nothing and answers at once: for benches, and for tests that must see every sample.

Hearing: one "word" per half second of a segment, which names that audio's checksum. A sample that was lost, doubled or
shifted on the way changes a word. Speaking: a quiet tone whose length follows from the text.
It is cheap enough to run inside the server's own process.
"""

import zlib
from array import array
from collections.abc import Callable
from math import pi, sin

from voicetrio.core.errors import WorkerRejected
from voicetrio.core.hypothesis import Hypothesis, Word
from voicetrio.core.playback import WordMark
from voicetrio.core.voices import KnownVoice, knows_voice
from voicetrio.worker.engines.contract import (
    HearingDescription,
    HearingFacts,
    HearingSetup,
    PieceRequest,
    SpeakingDescription,
    SpeakingSetup,
    SpokenChunk,
    StreamOptions,
    Voice,
)
from voicetrio.worker.engines.options import read_options
from voicetrio.worker.errors import SetupError

HEARING_RATE = 16_000
WORD_SAMPLES = HEARING_RATE // 2
WORD_BYTES = 2 * WORD_SAMPLES

SPEAKING_RATE = 24_000
CHARACTER_SAMPLES = SPEAKING_RATE * 60 // 1000
"""60 ms per character: about the pace of speech."""
CHUNK_SAMPLES = SPEAKING_RATE * 40 // 1000
TONE_HZ = 440
TONE_AMPLITUDE = 1000
"""Of 32767: about -30 dBFS, to be heard and not to startle."""


class InstantHearing:
    description = HearingDescription(
        engine="instant", model="checksum", architecture="streaming", languages=("en",), sample_rate=HEARING_RATE
    )

    def open(self, options: StreamOptions) -> "InstantStream":
        if options.language.split("-")[0].lower() not in ("", *self.description.languages):
            raise WorkerRejected(f"unknown language {options.language[:16]!r}; this engine knows: en")
        return InstantStream(partials=options.partials)


class InstantStream:
    def __init__(self, *, partials: bool) -> None:
        self._partials = partials
        self._words: list[Word] = []
        self._rest = b""
        self._start: int | None = None

    def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        pass

    def accept(self, segment_id: int, start_sample: int, pcm: bytes) -> Hypothesis | None:
        if self._start is None:
            self._start = start_sample
        self._rest += pcm
        while len(self._rest) >= WORD_BYTES:
            self._add_word(self._rest[:WORD_BYTES])
            self._rest = self._rest[WORD_BYTES:]
        if not self._partials:
            return None
        consumed = start_sample + len(pcm) // 2
        return Hypothesis(segment_id, False, consumed, tuple(self._words), len(self._words), 1.0, "en")

    def end_segment(self, segment_id: int, end_sample: int) -> Hypothesis:
        if self._rest:
            self._add_word(self._rest)
        words = tuple(self._words)
        self._words, self._rest, self._start = [], b"", None
        return Hypothesis(segment_id, True, end_sample, words, len(words), 1.0, "en")

    def close(self) -> None:
        self._words, self._rest = [], b""

    def _add_word(self, pcm: bytes) -> None:
        assert self._start is not None
        index = len(self._words)
        start = self._start + index * WORD_SAMPLES
        self._words.append(Word(word_for(index, pcm), start, start + len(pcm) // 2, 1.0))


def word_for(index: int, pcm: bytes) -> str:
    """What this engine hears in the half second with this index in its segment, such as "w004711"."""
    return f"w{zlib.crc32(pcm, index) % 1_000_000:06d}"


class InstantSpeaking:
    description = SpeakingDescription(
        engine="instant",
        voices=(Voice("tone", "en"),),
        default_voice="tone",
        sample_rate=SPEAKING_RATE,
        word_marks=True,
    )

    def resolve_voice(self, wanted: str) -> str:
        if wanted and not knows_voice(wanted, (KnownVoice("tone", ("en",)),)):
            raise WorkerRejected(f"unknown voice {wanted[:64]!r}; this engine has: tone")
        return "tone"

    def speak(self, request: PieceRequest, emit: Callable[[SpokenChunk], None]) -> None:
        character_samples = max(1, round(CHARACTER_SAMPLES / request.speed))
        marks = [WordMark(offset, length, offset * character_samples) for offset, length in _word_places(request.text)]
        total = len(request.text) * character_samples
        for start in range(0, total, CHUNK_SAMPLES):
            end = min(start + CHUNK_SAMPLES, total)
            due = tuple(mark for mark in marks if start <= mark.start_sample < end)
            emit(SpokenChunk(_TONE[: 2 * (end - start)], due))


def _word_places(text: str) -> list[tuple[int, int]]:
    places = []
    offset = 0
    for word in text.split():
        offset = text.index(word, offset)
        places.append((offset, len(word)))
        offset += len(word)
    return places


# 40 ms hold 17.6 periods, so chunks do not join smoothly: nobody listens to this voice for pleasure.
_TONE = array(
    "h", (round(TONE_AMPLITUDE * sin(2 * pi * TONE_HZ * n / SPEAKING_RATE)) for n in range(CHUNK_SAMPLES))
).tobytes()


def open_instant_hearing(setup: HearingSetup) -> InstantHearing:
    read_options("stt", "instant", setup.options, {})
    return InstantHearing()


def check_hearing(setup: HearingSetup) -> HearingFacts:
    engine = open_instant_hearing(setup).description
    return HearingFacts(engine.model, engine.languages)


def check_speaking(setup: SpeakingSetup) -> None:
    open_instant_speaking(setup)


def open_instant_speaking(setup: SpeakingSetup) -> InstantSpeaking:
    read_options("tts", "instant", setup.options, {})
    engine = InstantSpeaking()
    try:
        engine.resolve_voice(setup.voice)
    except WorkerRejected as error:
        raise SetupError(f"tts.voice: {error}") from error
    return engine
