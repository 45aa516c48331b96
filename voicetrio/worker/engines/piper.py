"""piper: voices that sound like people, in many languages, faster than real time on a CPU. Each voice is a file.

Synthesis is per sentence: the first one is heard while the next is made. The text is spoken as it is written: phoneme
codes in it are read out, never obeyed. A voice that knows how long its phonemes are has a mark at each word; any other
one has a mark at each sentence, so that a sentence counts as heard when all of it was.

The package piper-tts has the licence GPL-3.0-or-later. It is not installed unless asked for, and not imported unless
this engine is chosen.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt
import structlog
from piper import SynthesisConfig

from voicetrio.core.errors import WorkerUnavailable
from voicetrio.core.playback import WordMark
from voicetrio.core.resampling import Resampler
from voicetrio.core.tempo import Tempo
from voicetrio.worker.engines.contract import PieceRequest, SpeakingDescription, SpeakingSetup, SpokenChunk, Voice
from voicetrio.worker.engines.options import check_all, read_options
from voicetrio.worker.engines.piper_files import VoiceCatalogue, VoiceFile, find_voices
from voicetrio.worker.engines.piper_marks import Sentence, SpokenPart, sentences_of, words_of
from voicetrio.worker.engines.piper_voices import LoadedVoice, LoadedVoices, uses_cuda
from voicetrio.worker.errors import SetupError

CHUNK_MS = 60
"""Audio per chunk: small, so that cancelling stops soon; crossing threads costs nothing beside it."""
PHONEMES_MAX = 400
"""In one run of the net, about 30 s of speech: a run cannot be stopped, and its memory grows with its length. Only texts
like 200 digits have such sentences; they are cut between two words. The phonemizer drops what goes beyond about 1000."""

OPTIONS: dict[str, str | int | float | bool] = {
    "noise_scale": 0.667,  # how much the voice varies; not given: as the voice's own settings say
    "noise_w_scale": 0.8,  # how much its rhythm varies; not given: as the voice's own settings say
    "volume": 1.0,
    "sentence_silence": 0.2,  # seconds after a sentence at speed 1: nets make the sentence, not the pause after it
    "voices_loaded": 4,  # files of 60 to 120 MB; one more takes the place of the one unused for longest
}
_RANGES = {
    "noise_scale": (0, 2),
    "noise_w_scale": (0, 2),
    "volume": (0, 4),
    "sentence_silence": (0, 5),
    "voices_loaded": (1, 64),
}

log = structlog.get_logger()


def open_piper(setup: SpeakingSetup) -> "Piper":
    """Raises:
    SetupError: an option, a voice or CUDA is missing or wrong, or the default voice cannot be loaded.
    """
    options = _read(setup)
    catalogue, default = find_voices(setup.model, setup.voice)
    how = SynthesisConfig(
        noise_scale=options["noise_scale"] if "noise_scale" in setup.options else None,
        noise_w_scale=options["noise_w_scale"] if "noise_w_scale" in setup.options else None,
        volume=options["volume"],
    )
    voices = LoadedVoices(setup.device, int(options["voices_loaded"]))
    return Piper(catalogue, default, voices, how, options["sentence_silence"])


def check_speaking(setup: SpeakingSetup) -> None:
    """Raises `SetupError`: an option, a voice's file or CUDA is missing or wrong. No voice is loaded."""
    check_all(
        lambda: _read(setup),
        lambda: find_voices(setup.model, setup.voice),
        lambda: uses_cuda(setup.device),
    )


def _read(setup: SpeakingSetup) -> dict[str, float]:
    options = cast("dict[str, float]", read_options("tts", "piper", setup.options, OPTIONS))
    faults = [
        f"tts.options.{name}: {options[name]:g} is outside {lowest} to {highest}"
        for name, (lowest, highest) in _RANGES.items()
        if not lowest <= options[name] <= highest
    ]
    if faults:
        raise SetupError("\n".join(faults))
    return options


class Piper:
    def __init__(
        self,
        catalogue: VoiceCatalogue,
        default: str,
        voices: LoadedVoices,
        how: SynthesisConfig,
        sentence_silence: float,
    ) -> None:
        """Loads the default voice, whose rate is the engine's: voices with another one are resampled.

        Raises:
            SetupError: it cannot be loaded.
        """
        self._catalogue = catalogue
        self._voices = voices
        self._how = how
        self._sentence_silence = sentence_silence
        voice = voices.get(catalogue.speakers[default][0])
        self.description = SpeakingDescription(
            engine="piper",
            voices=tuple(Voice(name, file.language) for name, (file, _) in sorted(catalogue.speakers.items())),
            default_voice=default,
            sample_rate=voice.file.config.sample_rate,
            word_marks=voice.has_alignments,
        )

    def resolve_voice(self, wanted: str) -> str:
        """A name ("en_US-lessac-medium"), perhaps with a speaker ("en_US-libritts-high#p225"), or a language ("en")."""
        default = self.description.default_voice
        return self._catalogue.resolve(wanted or default, default)

    def speak(self, request: PieceRequest, emit: Callable[[SpokenChunk], None]) -> None:
        """What cannot be heard, such as an empty text or mere punctuation, makes no audio and no error.

        A voice that is not loaded yet is loaded now. What `emit` raises stops it with the sentence that is being made.
        """
        file, speaker = self._catalogue.speakers[request.voice]
        voice = self._load(file)
        how = replace(self._how, speaker_id=speaker, length_scale=file.config.length_scale)
        audio = _Audio(file.config.sample_rate, self.description.sample_rate, request.speed, emit)
        with _told_as_ours():
            sentences = sentences_of(request.text, voice.phonemize)
        silence = self._sentence_silence
        for index, sentence in enumerate(sentences):
            if index > 0:
                audio.pause(silence)
            self._say(request.text, sentence, voice, how, audio)
        if sentences and request.pause_after:
            audio.pause(silence)
        audio.finish()

    def _load(self, file: VoiceFile) -> LoadedVoice:
        try:
            return self._voices.get(file)
        except SetupError as error:
            # For those who run the worker; a client gets no paths.
            log.error("voice_not_loaded", voice=file.name, problem=str(error))
            raise WorkerUnavailable(f"the voice {file.name!r} cannot be loaded; the worker's log says why") from error

    def _say(self, text: str, sentence: Sentence, voice: LoadedVoice, how: SynthesisConfig, audio: "_Audio") -> None:
        with _told_as_ours():
            parts = words_of(text, sentence, voice.phonemize) if voice.has_alignments else []
        if not parts and sentence.offset is not None:
            parts = [SpokenPart(sentence.offset, sentence.end - sentence.offset, 0)]
        for start, end in _runs(sentence.phonemes):
            with _told_as_ours():
                said = voice.synthesize(sentence.phonemes[start:end], how)
            audio.add(
                said.samples,
                tuple(
                    WordMark(part.offset, part.length, audio.position + said.start_of(part.phoneme - start))
                    for part in parts
                    if start <= part.phoneme < end
                ),
            )


class _Audio:
    """What is said, on its way to `emit`: in chunks, as fast as it is asked for, and at the engine's rate.

    The net has a scale of its own for the length of its phonemes. It rounds each one up to 12 ms, so that speech four
    times as fast is only twice as fast ("medium" voices), and slow speech is up to 16 % too short: it is left as it is.
    """

    def __init__(self, source_rate: int, target_rate: int, speed: float, emit: Callable[[SpokenChunk], None]) -> None:
        self.position = 0
        """Samples so far, at the voice's rate and its own pace. Marks are told in these."""
        self._scale = target_rate / source_rate / speed
        self._rate = source_rate
        self._tempo = Tempo(source_rate, speed)
        self._step = source_rate * CHUNK_MS // 1000
        self._resampler = Resampler(source_rate, target_rate)
        self._emit = emit

    def add(self, samples: npt.NDArray[np.float32], marks: tuple[WordMark, ...] = ()) -> None:
        """`samples` of shape (n,), -1.0 to 1.0."""
        pcm = (samples * 32767).astype("<i2")
        placed = tuple(replace(mark, start_sample=int(mark.start_sample * self._scale)) for mark in marks)
        for start in range(0, len(pcm), self._step):
            self._hand_out(pcm[start : start + self._step].tobytes(), placed if start == 0 else ())
        self.position += len(pcm)

    def pause(self, seconds: float) -> None:
        self.add(np.zeros(round(seconds * self._rate), np.float32))

    def finish(self) -> None:
        """Hand out what the resampler still holds."""
        self._hand_out(b"", (), last=True)

    def _hand_out(self, pcm: bytes, marks: tuple[WordMark, ...], *, last: bool = False) -> None:
        pcm = self._resampler.push(self._tempo.push(pcm, last=last), last=last)
        if pcm or marks:
            self._emit(SpokenChunk(pcm, marks))


def _runs(phonemes: list[str]) -> Iterator[tuple[int, int]]:
    """Where to cut a sentence that is too long for one run: at the last space that fits, else anywhere."""
    start = 0
    while len(phonemes) - start > PHONEMES_MAX:
        end = start + PHONEMES_MAX
        spaces = [index for index in range(start + 1, end) if phonemes[index] == " "]
        end = spaces[-1] if spaces else end
        yield start, end
        start = end
    yield start, len(phonemes)


@contextmanager
def _told_as_ours() -> Iterator[None]:
    """Whatever piper or onnxruntime raise, in words that a client may read: theirs may hold the text."""
    try:
        yield
    except Exception as error:
        raise WorkerUnavailable("piper failed on a piece of the text") from error
