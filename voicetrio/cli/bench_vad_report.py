"""From what the voice detectors have found to what a person reads. Arithmetic only."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from voicetrio.cli.bench_report import percentile
from voicetrio.cli.bench_vad_truth import Score


@dataclass(frozen=True, slots=True)
class Judged:
    """A detector on all recordings with one noise."""

    detector: str
    noise: str
    snr_db: int | None
    """None: without noise."""
    score: Score

    @property
    def speech_missed(self) -> float:
        return _share(self.score.missed, self.score.speech)

    @property
    def words_missed(self) -> float:
        return _share(self.score.words_missed, self.score.words)

    @property
    def false_alarms(self) -> float:
        return _share(self.score.false, self.score.quiet)

    @property
    def ends_lost(self) -> float:
        return _share(self.score.ends_lost, self.score.utterances)

    def onset_ms(self, percent: float) -> float:
        return percentile(sorted(self.score.onset_ms), percent)

    def end_ms(self, percent: float) -> float:
        return percentile(sorted(self.score.end_ms), percent)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A detector in noise in which nobody speaks."""

    detector: str
    noise: str
    per_minute: float
    share: float
    """Of the time."""


@dataclass(frozen=True, slots=True)
class Cost:
    detector: str
    batch: int
    """Sessions that are decided together."""
    frame_us: float


@dataclass(frozen=True, slots=True)
class Figures:
    judged: tuple[Judged, ...]
    alarms: tuple[Alarm, ...]
    costs: tuple[Cost, ...]
    """The first one is what the others are compared with."""


_COLUMNS: tuple[tuple[str, Callable[[Judged], str]], ...] = (
    ("speech missed %", lambda one: _number(100 * one.speech_missed, 1)),
    ("words missed %", lambda one: _number(100 * one.words_missed, 1)),
    ("false alarm %", lambda one: _number(100 * one.false_alarms, 1)),
    ("onset p50 ms", lambda one: _number(one.onset_ms(50), 0)),
    ("onset p90 ms", lambda one: _number(one.onset_ms(90), 0)),
    ("end p50 ms", lambda one: _number(one.end_ms(50), 0)),
    ("end p90 ms", lambda one: _number(one.end_ms(90), 0)),
    ("end lost %", lambda one: _number(100 * one.ends_lost, 0)),
)
_LABEL = 16
_COLUMN = 17


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _line(label: str, cells: Sequence[str]) -> str:
    return label.ljust(_LABEL) + "".join(cell.rjust(_COLUMN) for cell in cells)


def table(figures: Figures, title: str) -> str:
    """Everything, for people; ends without a newline. Each cell holds the detectors' figures side by side."""
    names = list(dict.fromkeys(one.detector for one in figures.judged))
    lines = [title, "", f"In each cell: {' / '.join(names)}", "", _line("noise", [name for name, _ in _COLUMNS])]
    for noise, snr_db in dict.fromkeys((one.noise, one.snr_db) for one in figures.judged):
        beside = [one for one in figures.judged if (one.noise, one.snr_db) == (noise, snr_db)]
        label = noise if snr_db is None else f"{noise} {snr_db} dB"
        lines.append(_line(label, [" / ".join(show(one) for one in beside) for _, show in _COLUMNS]))
    lines += ["", _line("nobody speaks", ["starts a minute", "false alarm %"])]
    for noise in dict.fromkeys(alarm.noise for alarm in figures.alarms):
        alarms = [alarm for alarm in figures.alarms if alarm.noise == noise]
        cells = [[_number(alarm.per_minute, 1), _number(100 * alarm.share, 1)] for alarm in alarms]
        lines.append(_line(noise, [" / ".join(column) for column in zip(*cells, strict=True)]))
    lines += ["", _line("a 20 ms frame", ["microseconds", f"of {figures.costs[0].detector}'s"])]
    for cost in figures.costs:
        label = cost.detector if cost.batch == 1 else f"{cost.detector}, {cost.batch} at once"
        lines.append(_line(label, [_number(cost.frame_us, 1), _number(cost.frame_us / figures.costs[0].frame_us, 1)]))
    return "\n".join(lines)


def as_json(figures: Figures) -> dict[str, Any]:
    """The same for programs; None for what could not be measured."""

    def known(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 4)

    return {
        "judged": [
            {
                "detector": one.detector,
                "noise": one.noise,
                "snr_db": one.snr_db,
                "utterances": one.score.utterances,
                "speech_missed": known(one.speech_missed),
                "words_missed": known(one.words_missed),
                "false_alarms": known(one.false_alarms),
                "onset_ms": {f"p{percent}": known(one.onset_ms(percent)) for percent in (50, 90)},
                "end_ms": {f"p{percent}": known(one.end_ms(percent)) for percent in (50, 90)},
                "ends_lost": known(one.ends_lost),
            }
            for one in figures.judged
        ],
        "nobody_speaks": [
            {
                "detector": alarm.detector,
                "noise": alarm.noise,
                "starts_per_minute": known(alarm.per_minute),
                "share": known(alarm.share),
            }
            for alarm in figures.alarms
        ],
        "frame_cost": [
            {
                "detector": cost.detector,
                "batch": cost.batch,
                "us": known(cost.frame_us),
                "ratio": known(cost.frame_us / figures.costs[0].frame_us),
            }
            for cost in figures.costs
        ],
    }
