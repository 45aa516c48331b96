"""Recordings whose speech is known, and how well a detector has found it.

What a detector says goes through the server's own endpointing, so what is judged is what a session would do: its
segments, and when it was sure of their beginnings and ends.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from voicetrio.cli.bench_process import BenchError
from voicetrio.cli.bench_vad_noise import Samples
from voicetrio.cli.recordings import TABLE, load_recordings
from voicetrio.cli.recordings import Recording as Spoken
from voicetrio.core.config import SAMPLE_RATE, SessionLimits, endpoint_rule
from voicetrio.core.endpointing import FRAME_SAMPLES, Endpointer, SpeechEnded, SpeechStarted

_MERGED_S = SessionLimits().end_silence
"""Seconds of a pause that is a part of the utterance: the endpointing does not end at shorter ones either."""

_COLLAR = SAMPLE_RATE // 10
"""Samples, 0.1 s, around an utterance that are neither speech nor not: word times are good to half of it."""

_LOUD_DB = 40
"""Below the loudest frame of a recording without word times: louder ones are speech."""

Span = tuple[int, int]
"""First sample, and one past the last."""


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    samples: Samples
    utterances: tuple[Span, ...]
    words: tuple[Span, ...]
    """Empty, where only the utterances are known."""

    @property
    def speech_power(self) -> float:
        """The mean square of what is speech."""
        return float(np.mean(np.concatenate([self.samples[start:end] for start, end in self.utterances]) ** 2))


def read_recordings(folder: Path) -> list[Recording]:
    """Raises: BenchError, with what is wrong and where."""
    return [_with_truth(folder, recording) for recording in load_recordings(folder)]


def _with_truth(folder: Path, recording: Spoken) -> Recording:
    samples = np.frombuffer(recording.pcm, "<i2").astype(np.float64) / 32_768
    words = tuple((round(word.start * SAMPLE_RATE), round(word.end * SAMPLE_RATE)) for word in recording.words)
    utterances = _merged(words or _loud(samples))
    if not utterances:
        raise BenchError(f"{folder / TABLE}: nothing is said in {recording.name!r}")
    return Recording(recording.name, samples, utterances, words)


def _loud(samples: Samples) -> list[Span]:
    count = len(samples) // FRAME_SAMPLES
    power = np.mean(samples[: count * FRAME_SAMPLES].reshape(count, -1) ** 2, axis=1)
    loud = np.flatnonzero((power > 0) & (power >= power.max(initial=0.0) * 10 ** (-_LOUD_DB / 10)))
    return [(int(frame) * FRAME_SAMPLES, int(frame + 1) * FRAME_SAMPLES) for frame in loud]


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start - merged[-1][1] < _MERGED_S * SAMPLE_RATE:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


@dataclass(frozen=True, slots=True)
class Found:
    """One segment of what a detector took for speech."""

    span: Span
    sure_of_start: int
    """Samples that had been heard when it was told."""
    sure_of_end: int | None
    """None: it went on until the audio ended."""


def segments(voiced: Sequence[bool], *, lag: int, sensitivity: str = "normal") -> list[Found]:
    """What a session makes of a detector's answers to frames of 20 ms, which are late by `lag` samples."""
    assert sensitivity in ("low", "normal", "high")
    endpointer = Endpointer(endpoint_rule(sensitivity, SessionLimits().end_silence))  # type: ignore[arg-type]
    found: list[Found] = []
    start, sure = 0, 0
    for answer in voiced:
        match endpointer.push(answer):
            case SpeechStarted(at_sample):
                start, sure = max(0, at_sample - lag), endpointer.position
            case SpeechEnded(at_sample):
                found.append(Found((start, max(start, at_sample - lag)), sure, endpointer.position))
            case None:
                pass
    if endpointer.speaking:
        found.append(Found((start, endpointer.position), sure, None))
    return found


@dataclass(slots=True)
class Score:
    """Sums over recordings; the properties are shares."""

    speech: int = 0
    missed: int = 0
    quiet: int = 0
    false: int = 0
    words: int = 0
    words_missed: int = 0
    utterances: int = 0
    ends_lost: int = 0
    """Utterances after which the detector heard no end before the next one began, or before the audio ended."""
    onset_ms: list[float] = field(default_factory=list)
    """From an utterance's beginning until the detector was sure of it; not where it had been sure before."""
    end_ms: list[float] = field(default_factory=list)
    """From an utterance's end until the detector was sure of it."""

    def add(self, recording: Recording, offset: int, length: int, found: Sequence[Found]) -> None:
        """The recording began at sample `offset` of `length` samples."""
        heard = np.zeros(length, bool)
        for one in found:
            heard[one.span[0] : one.span[1]] = True
        speech, near = np.zeros(length, bool), np.zeros(length, bool)
        spans = [(start + offset, end + offset) for start, end in recording.utterances]
        for start, end in spans:
            speech[start:end] = True
            near[max(0, start - _COLLAR) : end + _COLLAR] = True
        self.speech += int(speech.sum())
        self.missed += int((speech & ~heard).sum())
        self.quiet += int((~near).sum())
        self.false += int((heard & ~near).sum())
        self.words += len(recording.words)
        self.words_missed += sum(not heard[start + offset : end + offset].any() for start, end in recording.words)
        for (start, end), following in zip(spans, [*spans[1:], (length, length)], strict=True):
            self._time(start, end, following[0], found)

    def _time(self, start: int, end: int, following: int, found: Sequence[Found]) -> None:
        self.utterances += 1
        matching = [one for one in found if one.span[0] < end and one.span[1] > start]
        if not matching:
            return
        if matching[0].span[0] >= start - 2 * _COLLAR:
            self.onset_ms.append((matching[0].sure_of_start - start) * 1000 / SAMPLE_RATE)
        sure = matching[-1].sure_of_end
        if sure is None or sure > following:
            self.ends_lost += 1
        else:
            self.end_ms.append((sure - end) * 1000 / SAMPLE_RATE)
