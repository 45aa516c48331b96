"""One pass: the windows of many streams through the model, in batches, and through the gate.

    features -> encode (a batch per window length) -> generate (a batch per length of prompt) -> gate
                         -> again, what is to be tried again -> align (a batch per language) -> words

What a window's words are depends on that window alone, never on what else is in the batch.

Whisper was made for windows of 30 s, and pads shorter ones. A pass over 3 s of speech need not pay for that: the window is
the shortest of a few lengths that the audio fits in. Some models lose accuracy by it, so that a text which fails the gate
is first tried with 30 s, and then at higher temperatures.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from voicetrio.worker.engines.whisper.gate import REPETITION, Fault, Thresholds, cut_repetition, find_fault
from voicetrio.worker.engines.whisper.model import Float32Array, Generated, TimedWord, WhisperModel

FULL_WINDOW = 30.0
"""Seconds that the model's encoder can take."""
FRAMES_PER_SECOND = 100
CONTEXT_LENGTHS = (0, 16, 64)
"""Tokens of context that are used, besides the most: prompts of one length can share a batch. Cut at their beginning."""
LONGEST_START = 2.0
"""Times the median word, at most, that the first word of a window lasts: its start is often put at 0."""


@dataclass(frozen=True, slots=True)
class Window:
    """What is to be decoded."""

    samples: Float32Array
    """16 kHz, -1 to 1, up to 30 s."""
    language: str
    """One of the model's; empty: to be detected."""
    context: tuple[int, ...] = ()
    """Tokens of what was said before."""
    thorough: bool = True
    """Whether a text that fails the gate is tried again."""
    features: Float32Array | None = None
    """Of these samples, if they are known already."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / 16_000


@dataclass(frozen=True, slots=True)
class Decoded:
    """Times are seconds from the start of the window."""

    words: tuple[TimedWord, ...]
    language: str
    confidence: float
    """Mean probability of a token."""
    segment_ends: tuple[float, ...] = ()
    """Where the model ended what it takes for a segment."""
    stopped_at: float | None = None
    """The model says that there is more to hear from here on, and that it has not decoded it."""
    gated: tuple[str, ...] = ()
    """Why text was thrown away."""


@dataclass(frozen=True, slots=True)
class DecoderOptions:
    windows: tuple[float, ...]
    """Seconds, ascending; the last one is `FULL_WINDOW`."""
    beam_size: int
    temperatures: tuple[float, ...]
    """Tried one after the other; the first is 0."""
    thresholds: Thresholds


@dataclass(slots=True)
class _Job:
    window: Window
    features: Float32Array
    encoded: Float32Array | None = None
    language: str = ""
    tries: list[tuple[Generated, str, Fault | None]] = field(default_factory=list)

    @property
    def frames(self) -> int:
        frames: int = self.features.shape[1]
        return frames

    def best(self) -> tuple[Generated, str, Fault | None]:
        """The first good text, else the most probable one that does not loop."""
        for one in self.tries:
            if one[2] is None:
                return one
        return max(self.tries, key=lambda one: (one[2] != "compression", one[0].mean_log_probability))


class Decoder:
    def __init__(self, model: WhisperModel, options: DecoderOptions) -> None:
        assert options.windows[-1] == FULL_WINDOW
        assert options.temperatures[0] == 0
        self._model = model
        self._options = options

    def decode(self, windows: Sequence[Window]) -> list[Decoded]:
        """The words of each window. Raises whatever the model does, for all of them."""
        jobs = [_Job(window, self._features(window), language=window.language) for window in windows]
        self._encode(jobs, [self._window_of(job) for job in jobs])
        self._detect_languages(jobs)
        self._generate(jobs, 0.0)
        self._try_again([job for job in jobs if self._may_improve(job)])
        return self._finish(jobs)

    def _features(self, window: Window) -> Float32Array:
        return self._model.features(window.samples) if window.features is None else window.features

    def _window_of(self, job: _Job) -> float:
        return next((length for length in self._options.windows if job.window.seconds <= length), FULL_WINDOW)

    def _encode(self, jobs: Sequence[_Job], lengths: Sequence[float]) -> None:
        batches = defaultdict[float, list[_Job]](list)
        for job, length in zip(jobs, lengths, strict=True):
            batches[length].append(job)
        for length, batch in batches.items():
            frames = round(length * FRAMES_PER_SECOND)
            # As faster-whisper does it: features are padded, and not the audio.
            stacked = np.stack([_padded(job.features, frames) for job in batch])
            encoded = self._model.encode(stacked)
            for place, job in enumerate(batch):
                job.encoded = encoded[place]

    def _detect_languages(self, jobs: Sequence[_Job]) -> None:
        if not self._model.multilingual:
            for job in jobs:
                job.language = self._model.languages[0]
            return
        for batch in _alike([job for job in jobs if not job.language]):
            for job, language in zip(batch, self._model.detect_languages(_stacked(batch)), strict=True):
                job.language = language

    def _generate(self, jobs: Sequence[_Job], temperature: float) -> None:
        batches = defaultdict[int, list[tuple[_Job, list[int]]]](list)
        for job in jobs:
            context = job.window.context
            length = max(count for count in (*CONTEXT_LENGTHS, self._model.context_max) if count <= len(context))
            prompt = self._model.prompt(context[len(context) - length :], job.language)
            batches[len(prompt)].append((job, prompt))
        for batch in batches.values():
            prompts = {id(job): prompt for job, prompt in batch}
            for alike in _alike([job for job, _ in batch]):
                results = self._model.generate(
                    _stacked(alike),
                    [prompts[id(job)] for job in alike],
                    beam_size=self._options.beam_size,
                    temperature=temperature,
                )
                for job, result in zip(alike, results, strict=True):
                    text = self._model.text(result.tokens)
                    fault = find_fault(
                        self._options.thresholds,
                        text=text,
                        no_speech=result.no_speech,
                        mean_log_probability=result.mean_log_probability,
                    )
                    job.tries.append((result, text, fault))

    def _may_improve(self, job: _Job) -> bool:
        """Whether another try makes sense: not where nobody speaks."""
        return job.window.thorough and all(fault in ("log_probability", "compression") for _, _, fault in job.tries)

    def _try_again(self, jobs: list[_Job]) -> None:
        short = [job for job in jobs if self._window_of(job) < FULL_WINDOW]
        if short:
            self._encode(short, [FULL_WINDOW] * len(short))
            self._generate(short, 0.0)
        for temperature in self._options.temperatures[1:]:
            jobs = [job for job in jobs if self._may_improve(job)]
            if jobs:
                self._generate(jobs, temperature)

    def _finish(self, jobs: Sequence[_Job]) -> list[Decoded]:
        batches = defaultdict[tuple[int, str], list[_Job]](list)
        for job in jobs:
            _, text, fault = job.best()
            if text and fault is None:
                assert job.encoded is not None
                batches[job.encoded.shape[0], job.language].append(job)
        words: dict[int, list[TimedWord]] = {}
        for (_, language), batch in batches.items():
            texts = [
                [token for *_, part in self._model.segments(job.best()[0].tokens) for token in part] for job in batch
            ]
            aligned = self._model.align(_stacked(batch), texts, language, [job.frames for job in batch])
            words.update((id(job), timed) for job, timed in zip(batch, aligned, strict=True))
        return [self._decoded(job, words.get(id(job), [])) for job in jobs]

    def _decoded(self, job: _Job, words: list[TimedWord]) -> Decoded:
        result, text, fault = job.best()
        confidence = float(np.exp(result.mean_log_probability))
        if fault is not None:
            return Decoded((), job.language, confidence, gated=(fault,))
        if not text:
            return Decoded((), job.language, confidence)
        kept = cut_repetition([word.text for word in words])
        ends = [end for _, end, _ in self._model.segments(result.tokens) if end is not None]
        return Decoded(
            words=tuple(_plausible(words[:kept], job.window.seconds)),
            language=job.language,
            confidence=confidence,
            segment_ends=tuple(min(end, job.window.seconds) for end in ends),
            stopped_at=self._model.stops_at(result.tokens),
            gated=(REPETITION,) if kept < len(words) else (),
        )


def _padded(features: Float32Array, frames: int) -> Float32Array:
    missing = frames - features.shape[1]
    return np.pad(features, ((0, 0), (0, missing))) if missing > 0 else features[:, :frames]


def _stacked(jobs: Sequence[_Job]) -> Float32Array:
    return np.stack([job.encoded for job in jobs if job.encoded is not None])


def _alike(jobs: Sequence[_Job]) -> list[list[_Job]]:
    """Those whose encodings have one length, and so fit in a batch."""
    batches = defaultdict[int, list[_Job]](list)
    for job in jobs:
        assert job.encoded is not None
        batches[job.encoded.shape[0]].append(job)
    return list(batches.values())


def _plausible(words: Sequence[TimedWord], seconds: float) -> list[TimedWord]:
    """Times that a listener would believe: inside the window, in order, and no first word from the very start."""
    if not words:
        return []
    median = float(np.median([word.end - word.start for word in words]))
    first_start = max(words[0].start, words[0].end - LONGEST_START * max(median, 0.1))
    plausible = []
    border = 0.0
    for place, word in enumerate(words):
        start = min(max(border, first_start if place == 0 else word.start), seconds)
        end = min(max(word.end, start), seconds)
        plausible.append(TimedWord(word.text, start, end, word.probability))
        border = end
    return plausible
