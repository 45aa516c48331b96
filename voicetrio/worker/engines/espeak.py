"""espeak-ng: speech by formula. It sounds like a robot, speaks a hundred languages, and makes a minute in 50 ms.

The text is spoken as it is written: markup and phoneme codes in it are read out, never obeyed. Words that it runs
together ("a while") have one mark, at the first of them.
"""

from collections.abc import Callable
from dataclasses import replace

from voicetrio.core.errors import WorkerRejected, WorkerUnavailable
from voicetrio.core.playback import WordMark
from voicetrio.core.tempo import Tempo
from voicetrio.core.voices import languages_meant, near, normal, speaks
from voicetrio.worker.engines.contract import PieceRequest, SpeakingDescription, SpeakingSetup, SpokenChunk, Voice
from voicetrio.worker.engines.espeak_library import EspeakLibrary, InstalledVoice, WordEvent
from voicetrio.worker.engines.options import check_all, read_options
from voicetrio.worker.errors import SetupError

DEFAULT_VOICE = "en-us"
USUAL_RATE = 175
"""Words per minute at speed 1.0."""
RATE_MIN = 80
"""The library's own limit, which speeds below 0.46 would need less than."""
FACTOR_TOLERANCE = 0.03
"""Of the length that a speed stands for: nobody hears more or less than that."""


def open_espeak(setup: SpeakingSetup) -> "Espeak":
    """Raises:
    SetupError: the library cannot be loaded, or there is no such voice.
    """
    read_options("tts", "espeak-ng", setup.options, {})
    return Espeak(EspeakLibrary(), setup.voice or DEFAULT_VOICE)


def check_speaking(setup: SpeakingSetup) -> None:
    """Raises `SetupError` as `open_espeak`, which takes milliseconds."""
    check_all(
        lambda: read_options("tts", "espeak-ng", setup.options, {}),
        lambda: open_espeak(replace(setup, options={})),
    )


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
            voices=tuple(_described(name, voice) for name, voice in sorted(self._voices.items())),
            default_voice=default_voice,
            sample_rate=library.sample_rate,
            word_marks=True,
        )

    def resolve_voice(self, wanted: str) -> str:
        """A name ("en-gb-scotland") or a language ("en", "pt_PT"), perhaps with a variant of the library's ("en-us+f3")."""
        base, plus, variant = (wanted or self.description.default_voice).partition("+")
        voice = self._voices.get(normal(base)) or self._speaker_of(languages_meant(base))
        if voice is None:
            raise WorkerRejected(f"unknown voice {wanted[:64]!r}; there are {near(base, list(self._voices))}")
        if plus and variant not in self._library.variants:
            some = near(variant, sorted(self._library.variants))
            raise WorkerRejected(f"unknown variant of a voice in {wanted[:64]!r}; there are {some}")
        return voice.identifier + plus + variant

    def speak(self, request: PieceRequest, emit: Callable[[SpokenChunk], None]) -> None:
        text = request.text
        marks_end = 0
        rate = max(RATE_MIN, round(USUAL_RATE * request.speed))
        tempo = Tempo(self.description.sample_rate, self._correction(request, rate))

        def emit_chunk(pcm: bytes, words: list[WordEvent]) -> None:
            nonlocal marks_end
            marks = []
            for word in words:
                offset = word.text_position - 1
                length = min(word.length, len(text) - offset)
                # A number is announced digit by digit after it was announced as a whole, and some symbols with a space.
                if offset >= marks_end and text[offset : offset + length].strip():
                    marks.append(WordMark(offset, length, round(word.sample / tempo.factor)))
                    marks_end = offset + length
            pcm = tempo.push(pcm)
            if pcm or marks:
                emit(SpokenChunk(pcm, tuple(marks)))

        self._synthesize(request, rate, emit_chunk)
        if rest := tempo.push(b"", last=True):
            emit(SpokenChunk(rest))

    def _correction(self, request: PieceRequest, rate: int) -> float:
        """By how much what is made at `rate` has to be faster still, for the whole to be as fast as it is asked for.

        The library follows its own rate by up to 20 % more or less, by the voice and the text, and not below its least
        one. Making a minute of speech takes it 50 ms, so the lengths are just tried.
        """
        if request.speed == 1:
            return 1.0
        usual, made = self._length(request, USUAL_RATE), self._length(request, rate)
        factor = made * request.speed / usual if usual and made else 1.0
        return factor if abs(factor - 1) > FACTOR_TOLERANCE else 1.0

    def _length(self, request: PieceRequest, rate: int) -> int:
        """In samples."""
        size = 0

        def count(pcm: bytes, words: list[WordEvent]) -> None:
            nonlocal size
            size += len(pcm)

        self._synthesize(request, rate, count)
        return size // 2

    def _synthesize(self, request: PieceRequest, rate: int, emit: Callable[[bytes, list[WordEvent]], None]) -> None:
        text, pause = request.text, request.pause_after
        if not self._library.synthesize(text, request.voice, rate, end_pause=pause, emit=emit):
            raise WorkerUnavailable("espeak-ng failed on a piece of the text")

    def _speaker_of(self, languages: tuple[str, ...]) -> InstalledVoice | None:
        """The voice that the library ranks first for the first of these tags that one of its voices has."""
        ranked = [
            (place, priority, voice.identifier)
            for voice in self._voices.values()
            for tag, priority in voice.languages
            for place, language in enumerate([*languages, *languages])
            if (tag == language if place < len(languages) else speaks(language, tag))
        ]
        by_identifier = {voice.identifier: voice for voice in self._voices.values()}
        return by_identifier[min(ranked)[2]] if ranked else None


def _described(name: str, voice: InstalledVoice) -> Voice:
    own, *others = [tag for tag, _ in voice.languages]
    return Voice(name, own, tuple(others))


def _named(voices: list[InstalledVoice]) -> dict[str, InstalledVoice]:
    """Voices by their own language's tag; where two have the same, the second one by its file's name."""
    named: dict[str, InstalledVoice] = {}
    for voice in voices:
        tag = voice.languages[0][0].lower()
        named[tag if tag not in named else voice.identifier.rpartition("/")[2].lower()] = voice
    return named
