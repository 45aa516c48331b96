"""espeak-ng: speech by formula. It sounds like a robot, speaks a hundred languages, and makes a minute in 50 ms.

The text is spoken as it is written: markup and phoneme codes in it are read out, never obeyed. Words that it runs
together ("a while") have one mark, at the first of them.
"""

import re
from collections.abc import Callable

from voicetrio.core.errors import WorkerRejected, WorkerUnavailable
from voicetrio.core.playback import WordMark
from voicetrio.worker.engines.contract import PieceRequest, SpeakingDescription, SpeakingSetup, SpokenChunk, Voice
from voicetrio.worker.engines.espeak_library import EspeakLibrary, InstalledVoice, WordEvent
from voicetrio.worker.engines.options import read_options
from voicetrio.worker.errors import SetupError

DEFAULT_VOICE = "en-us"
USUAL_RATE = 175
"""Words per minute at speed 1.0."""
RATE_MIN = 80
"""The library's own limit: speeds below 0.46 sound like 0.46. Above its 450 it goes on by shortening what it has made,
so speeds up to 4.0 are what they say."""

_REJECTION_EXAMPLES = 6


def open_espeak(setup: SpeakingSetup) -> "Espeak":
    """Raises:
    SetupError: the library cannot be loaded, or there is no such voice.
    """
    read_options("tts", "espeak-ng", setup.options, {})
    return Espeak(EspeakLibrary(), setup.voice or DEFAULT_VOICE)


class Espeak:
    def __init__(self, library: EspeakLibrary, default_voice: str) -> None:
        self._library = library
        self._voices = _named(list(library.voices()))
        try:
            self.resolve_voice(default_voice)
        except WorkerRejected as error:
            raise SetupError(f"tts.voice: {error}") from error
        self.description = SpeakingDescription(
            engine="espeak-ng",
            voices=tuple(Voice(name, voice.languages[0][0]) for name, voice in sorted(self._voices.items())),
            default_voice=default_voice,
            sample_rate=library.sample_rate,
            word_marks=True,
        )

    def resolve_voice(self, wanted: str) -> str:
        """A name ("en-gb-scotland") or a language ("en"), perhaps with one of the library's variants ("en-us+f3")."""
        base, plus, variant = (wanted or self.description.default_voice).partition("+")
        base = base.lower().replace("_", "-")
        voice = self._voices.get(base) or self._speaker_of(base)
        if voice is None or (plus and variant not in self._library.variants):
            raise WorkerRejected(f"unknown voice {wanted[:64]!r}; there are {', '.join(self._similar(base))}, and more")
        return voice.identifier + plus + variant

    def speak(self, request: PieceRequest, emit: Callable[[SpokenChunk], None]) -> None:
        text = request.text
        marks_end = 0

        def emit_chunk(pcm: bytes, words: list[WordEvent]) -> None:
            nonlocal marks_end
            marks = []
            for word in words:
                offset = word.text_position - 1
                length = min(word.length, len(text) - offset)
                # A number is announced digit by digit after it was announced as a whole, and some symbols with a space.
                if offset >= marks_end and text[offset : offset + length].strip():
                    marks.append(WordMark(offset, length, word.sample))
                    marks_end = offset + length
            if pcm or marks:
                emit(SpokenChunk(pcm, tuple(marks)))

        rate = max(RATE_MIN, round(USUAL_RATE * request.speed))
        spoken = self._library.synthesize(text, request.voice, rate, end_pause=request.pause_after, emit=emit_chunk)
        if not spoken:
            raise WorkerUnavailable("espeak-ng failed on a piece of the text")

    def _speaker_of(self, language: str) -> InstalledVoice | None:
        ranked = [
            (priority, voice.identifier, voice)
            for voice in self._voices.values()
            for tag, priority in voice.languages
            if tag == language
        ]
        return min(ranked)[2] if ranked else None

    def _similar(self, wanted: str) -> list[str]:
        """Some names, those of the same language first."""
        language = re.split(r"[-_+]", wanted)[0]
        names = sorted(
            self._voices, key=lambda name: (name.split("-")[0] != language, not name.startswith("en-"), name)
        )
        return names[:_REJECTION_EXAMPLES]


def _named(voices: list[InstalledVoice]) -> dict[str, InstalledVoice]:
    """Voices by their own language's tag; where two have the same, the second one by its file's name."""
    named: dict[str, InstalledVoice] = {}
    for voice in voices:
        tag = voice.languages[0][0].lower()
        named[tag if tag not in named else voice.identifier.rpartition("/")[2].lower()] = voice
    return named
