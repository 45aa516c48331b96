"""pocketsphinx: small, old, no download and no GPU. Two kinds of decoder, since it cannot be quick and right at once.

* Partials come from a light decoder that hears the audio live. It guesses the mean of the cepstra (CMN) and adapts it
  while it listens, so its first words may be wrong. It is lent to a stream for one segment at a time.
* Finals come from one full decoder for all streams of the process: a whole segment at once, with the segment's own
  mean, so that a final depends on nothing but its audio. Replaying audio after a crash relies on that.

Measured with 5.1.1 on one core of the build machine: partials cost 0.08 of the audio's time, finals 0.10.
"""

import random
import re
from array import array
from pathlib import Path
from typing import Any

import pocketsphinx

from voicetrio.core.errors import WorkerRejected
from voicetrio.core.hypothesis import Hypothesis, Word
from voicetrio.worker.engines.contract import HearingDescription, HearingFacts, HearingSetup, StreamOptions
from voicetrio.worker.engines.options import check_all, read_options
from voicetrio.worker.engines.pocketsphinx_model import SphinxModel, find_model
from voicetrio.worker.engines.stable_words import StableWords
from voicetrio.worker.errors import SetupError

SAMPLE_RATE = 16_000
FRAME_SAMPLES = 160
"""The library counts time in frames of 10 ms."""
SEGMENT_SECONDS_MAX = 60
"""A segment is kept until its final, and its final is one call, a tenth as long, in which no other stream is served."""
SHORTEST_SAMPLES = 1600
"""0.1 s. Below it there is no word, and below 26 ms not one frame for the decoder."""
SILENCE_SPAN = 32
"""From the lowest to the highest sample, of 65536: -66 dBFS. Less is silence, in which the decoder finds a "dog"."""
PARTIAL_SAMPLES_MAX = SAMPLE_RATE // 2
"""A partial is repeated after so much audio even if no word changed: it says how far the audio was heard."""

# States examined per frame. On clear speech these limits change no word; they bound the cost of noise and mumbling.
FULL_STATES_MAX = 5000
LIGHT_STATES_MAX = 3000

# 0.1 s of noise at -64 dBFS. Of what was tried (none, -64, -50 and -36 dBFS, 0.1 and 0.3 s) it is right most often.
_NOISE = random.Random(7)
_QUIET_ROOM = array("h", (int(_NOISE.gauss(0, 20)) for _ in range(SAMPLE_RATE // 10))).tobytes()

_FILLER = re.compile(r"<.*>|\[.*\]|\+\+.*\+\+")
_VARIANT = re.compile(r"\(\d+\)$")


def open_pocketsphinx(setup: HearingSetup) -> "Pocketsphinx":
    """`setup.model` is a folder, see `pocketsphinx_model`; empty: the English one in the package. Takes about half a second.

    Raises:
        SetupError: the model is missing or cannot be read.
    """
    read_options("stt", "pocketsphinx", setup.options, {})
    return Pocketsphinx(_find(setup))


def check_hearing(setup: HearingSetup) -> HearingFacts:
    """Raises `SetupError`: the model is missing, or a file of it."""
    check_all(lambda: read_options("stt", "pocketsphinx", setup.options, {}), lambda: _find(setup))
    model = _find(setup)
    return HearingFacts(model.name, (model.language,))


def _find(setup: HearingSetup) -> SphinxModel:
    return find_model(Path(setup.model or pocketsphinx.get_model_path("en-us")))


class Pocketsphinx:
    def __init__(self, model: SphinxModel) -> None:
        self._model = model
        self._full = self._new_full()
        self._spare_lights = [self._new_light()]

    @property
    def description(self) -> HearingDescription:
        return HearingDescription("pocketsphinx", self._model.name, "streaming", (self._model.language,), SAMPLE_RATE)

    @property
    def usual_cmn(self) -> str:
        return self._model.usual_cmn

    def open(self, options: StreamOptions) -> "PocketsphinxStream":
        known = self._model.language
        if options.language.split("-")[0].lower() not in ("", known):
            raise WorkerRejected(f"unknown language {options.language[:16]!r}; this engine's model knows: {known}")
        return PocketsphinxStream(self, known, partials=options.partials)

    def borrow_light(self) -> Any:
        """A decoder for one segment of one stream. Make one if none is spare: 0.3 s, and 70 MB that stay."""
        return self._spare_lights.pop() if self._spare_lights else self._new_light()

    def return_light(self, decoder: Any) -> None:
        self._spare_lights.append(decoder)

    def decode(self, pcm: bytes, start_sample: int) -> tuple[Word, ...]:
        """All words of a whole segment, with confidences. The same audio gives the same words, whatever came before."""
        decoder = self._full
        try:
            _forget(decoder, whole=True)
            decoder.start_utt()
            decoder.process_raw(pcm, False, True)
            decoder.end_utt()
            return tuple(words_of(decoder, start_sample, with_confidence=True))
        except RuntimeError:
            # Nobody can say what state it is in: the next segment gets a new one.
            self._full = self._new_full()
            raise

    def _new_full(self) -> Any:
        return self._new(lm=str(self._model.words), maxhmmpf=FULL_STATES_MAX)

    def _new_light(self) -> Any:
        light = self._new(lm=None, maxhmmpf=LIGHT_STATES_MAX, fwdflat=False, bestpath=False)
        light.add_lm("shared", self._full.get_lm("_default"))
        light.activate_search("shared")
        return light

    def _new(self, **options: Any) -> Any:
        model = self._model
        try:
            decoder = pocketsphinx.Decoder(
                hmm=str(model.acoustic),
                dict=str(model.pronunciations),
                samprate=SAMPLE_RATE,
                loglevel="ERROR",
                **options,
            )
        except (RuntimeError, ValueError) as error:
            raise SetupError(f"stt.model: pocketsphinx cannot load the model {model.name!r}: {error}") from error
        # What the library says while loading tells what is wrong with a model; later it complains about short noises.
        pocketsphinx.set_loglevel("FATAL")
        return decoder


class PocketsphinxStream:
    def __init__(self, engine: Pocketsphinx, language: str, *, partials: bool) -> None:
        self._engine = engine
        self._language = language
        self._partials = partials
        self._cmn = engine.usual_cmn
        """Carried from segment to segment: the microphone and the voice stay the same within a stream."""
        self._pcm = bytearray()
        self._start = 0
        self._light: Any = None
        self._stability = StableWords(SAMPLE_RATE)
        self._reported: tuple[str, ...] = ()
        self._reported_at = 0

    def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        pass

    def accept(self, segment_id: int, start_sample: int, pcm: bytes) -> Hypothesis | None:
        if len(self._pcm) + len(pcm) > 2 * SAMPLE_RATE * SEGMENT_SECONDS_MAX:
            raise WorkerRejected(f"segment {segment_id} is longer than {SEGMENT_SECONDS_MAX} s; end segments at pauses")
        if not self._pcm:
            self._begin_segment(start_sample)
        self._pcm += pcm
        if not self._partials or not pcm:
            return None
        if self._light is None:
            self._light = self._engine.borrow_light()
            _forget(self._light, whole=False)
            self._light.set_cmn(self._cmn)
            self._light.start_utt()
        self._light.process_raw(pcm, False, False)
        return self._partial(segment_id, start_sample + len(pcm) // 2)

    def end_segment(self, segment_id: int, end_sample: int) -> Hypothesis:
        self._end_light()
        pcm, self._pcm = bytes(self._pcm), bytearray()
        words = self._engine.decode(pcm, self._start) if _may_hold_words(pcm) else ()
        confidence = sum(word.confidence or 0.0 for word in words) / len(words) if words else None
        return Hypothesis(segment_id, True, end_sample, words, len(words), confidence, self._language)

    def close(self) -> None:
        self._end_light()
        self._pcm.clear()

    def _begin_segment(self, start_sample: int) -> None:
        self._start = start_sample
        self._stability = StableWords(SAMPLE_RATE)
        self._reported = ()
        self._reported_at = start_sample

    def _partial(self, segment_id: int, consumed_sample: int) -> Hypothesis | None:
        heard = words_of(self._light, self._start, with_confidence=False)
        words, stable = self._stability.update(heard, consumed_sample)
        texts = tuple(word.text for word in words)
        if texts == self._reported and consumed_sample - self._reported_at < PARTIAL_SAMPLES_MAX:
            return None
        self._reported, self._reported_at = texts, consumed_sample
        return Hypothesis(segment_id, False, consumed_sample, words, stable, None, self._language)

    def _end_light(self) -> None:
        if self._light is None:
            return
        # Taken away first: a decoder that fails here is thrown away, not lent again.
        light, self._light = self._light, None
        light.end_utt()
        self._cmn = light.get_cmn(True)
        self._engine.return_light(light)


def _forget(decoder: Any, *, whole: bool) -> None:
    """Take from a decoder what it learned from the audio before; about 6 ms. `whole`: it decodes whole segments.

    After a whole utterance, however short, the library drops live audio that comes in longer pieces than that one was:
    a decoder stays with the way in which it began.

    Its noise reduction goes on from one utterance to the next, and no call resets it but this one. It then starts from
    nothing, which is wrong too where a recording begins with digital silence: let it hear a quiet room first.
    """
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(_QUIET_ROOM, False, whole)
    decoder.end_utt()


def words_of(decoder: Any, start_sample: int, *, with_confidence: bool) -> list[Word]:
    """A decoder's words at present, without silences and noises; "for(2)" is a "for" pronounced in the second way."""
    if decoder.hyp() is None:
        return []
    return [
        Word(
            text=_VARIANT.sub("", part.word),
            start_sample=start_sample + part.start_frame * FRAME_SAMPLES,
            end_sample=start_sample + (part.end_frame + 1) * FRAME_SAMPLES,
            confidence=min(1.0, part.prob) if with_confidence else None,
        )
        for part in decoder.seg()
        if not _FILLER.fullmatch(part.word)
    ]


def _may_hold_words(pcm: bytes) -> bool:
    samples = memoryview(pcm).cast("h")
    return len(samples) >= SHORTEST_SAMPLES and max(samples) - min(samples) >= SILENCE_SPAN
