"""From what a bench has measured to what a person reads: percentiles, ratios, a table. Arithmetic only.

The budgets are those of the design. A ratio is the part of a budget that is used: below 1.00 is within it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

MB = 1_000_000

LATE_MS_MAX = 5.0
"""Of the client's 99th percentile: beyond it the client, and not the server, may be what was measured."""

OTHER_LOAD_MAX = 0.2
"""Of a core, used by programs that do not belong to the bench: beyond it, delays tell more about them."""


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` % of the values do not exceed; `values` are sorted. nan for none."""
    if not values:
        return math.nan
    return values[max(0, math.ceil(len(values) * percent / 100) - 1)]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured with so many sessions."""

    sessions: int
    seconds: float
    """Measured time; CPU times below are of exactly that."""
    gateway_cpu_s: float
    worker_cpu_s: float
    client_cpu_s: float
    other_cpu_s: float
    """All other programs of this machine together."""
    gateway_bytes: int
    """More memory than without a session; a ring counts whole from the start, since it is made by writing zeros."""
    worker_bytes: int
    delays_ms: tuple[float, ...]
    """From the sending of the frame that ended a segment to its final; sorted."""
    finals: int
    expected: int
    missing: int
    """Expected and not received."""
    unexpected: int
    """Received and not expected, or twice."""
    failures: tuple[str, ...]
    """One text per session that failed."""
    late_ms_p99: float
    """How late the client sent its frames."""
    late_ms_max: float

    @property
    def cpu_ms(self) -> float:
        """Of the gateway, per session-second."""
        return 1000 * self.gateway_cpu_s / (self.seconds * self.sessions)

    @property
    def worker_cpu_ms(self) -> float:
        return 1000 * self.worker_cpu_s / (self.seconds * self.sessions)

    @property
    def sessions_per_core(self) -> float:
        """By extrapolation: one core has 1000 ms in a second."""
        return 1000 / self.cpu_ms if self.cpu_ms > 0 else math.nan

    @property
    def memory_mb(self) -> float:
        return self.gateway_bytes / self.sessions / MB

    @property
    def worker_memory_mb(self) -> float:
        return self.worker_bytes / self.sessions / MB

    @property
    def passed(self) -> bool:
        return not (self.missing or self.unexpected or self.failures)

    @property
    def doubts(self) -> list[str]:
        """Why these figures are not to be trusted."""
        doubts = []
        if math.isnan(self.late_ms_p99):
            doubts.append("NOT TO BE TRUSTED: the client had no session left to send to")
        elif self.late_ms_p99 > LATE_MS_MAX:
            doubts.append(
                f"NOT TO BE TRUSTED: the client was late by {self.late_ms_p99:.1f} ms (p99; at most {LATE_MS_MAX:g} ms)"
            )
        other = self.other_cpu_s / self.seconds
        if other > OTHER_LOAD_MAX:
            doubts.append(f"repeat it on a quiet machine: other programs used {100 * other:.0f} % of a core meanwhile")
        return doubts


@dataclass(frozen=True, slots=True)
class Budget:
    name: str
    text: str
    limit: float
    used: Callable[[Figures], float]

    def ratio(self, figures: Figures) -> float:
        return self.used(figures) / self.limit


BUDGETS = (
    Budget("cpu", "gateway CPU   10 ms/session-second (100 per core)", 10.0, lambda f: f.cpu_ms),
    Budget("delay_p50", "delay p50     10 ms at 50 sessions", 10.0, lambda f: percentile(f.delays_ms, 50)),
    Budget("delay_p99", "delay p99     50 ms at 50 sessions", 50.0, lambda f: percentile(f.delays_ms, 99)),
    Budget("memory", "memory        3 MB/session, 1.92 of them the ring", 3.0, lambda f: f.memory_mb),
)

_ROWS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("sessions", lambda f: str(f.sessions)),
    ("gateway CPU, ms per session-second", lambda f: _number(f.cpu_ms, 2)),
    ("  sessions per core, extrapolated", lambda f: _number(f.sessions_per_core, 0)),
    ("worker CPU, ms per session-second", lambda f: _number(f.worker_cpu_ms, 2)),
    ("gateway memory, MB per session", lambda f: _number(f.memory_mb, 2)),
    ("worker memory, MB per session", lambda f: _number(f.worker_memory_mb, 2)),
    ("server's own delay p50, ms", lambda f: _number(percentile(f.delays_ms, 50), 1)),
    ("                   p90, ms", lambda f: _number(percentile(f.delays_ms, 90), 1)),
    ("                   p99, ms", lambda f: _number(percentile(f.delays_ms, 99), 1)),
    ("                   max, ms", lambda f: _number(percentile(f.delays_ms, 100), 1)),
    ("  segments it was measured on", lambda f: str(len(f.delays_ms))),
    ("finals received / expected", lambda f: f"{f.finals}/{f.expected}"),
    ("failed sessions", lambda f: str(len(f.failures))),
    ("client CPU, % of a core", lambda f: _number(100 * f.client_cpu_s / f.seconds, 0)),
    ("client late p99, ms", lambda f: _number(f.late_ms_p99, 1)),
    ("            max, ms", lambda f: _number(f.late_ms_max, 1)),
    ("other programs, % of a core", lambda f: _number(100 * f.other_cpu_s / f.seconds, 0)),
)

_LABEL = 50
_COLUMN = 11
_FAILURES_SHOWN = 5


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def table(runs: Sequence[Figures], title: str) -> str:
    """Everything, for people; ends without a newline."""

    def line(label: str, cells: list[str]) -> str:
        return label.ljust(_LABEL) + "".join(cell.rjust(_COLUMN) for cell in cells)

    lines = [title, ""]
    lines += [line(label, [show(figures) for figures in runs]) for label, show in _ROWS]
    lines += ["", "Part of the budget that is used; below 1.00 is within it"]
    lines += [line(budget.text, [_number(budget.ratio(figures), 2) for figures in runs]) for budget in BUDGETS]
    notes = [
        f"{figures.sessions} sessions: {note}" for figures in runs for note in [*_faults(figures), *figures.doubts]
    ]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def _faults(figures: Figures) -> list[str]:
    faults = list(figures.failures[:_FAILURES_SHOWN])
    if len(figures.failures) > _FAILURES_SHOWN:
        faults.append(f"and {len(figures.failures) - _FAILURES_SHOWN} more sessions failed")
    if figures.missing:
        faults.append(f"{figures.missing} finals are missing")
    if figures.unexpected:
        faults.append(f"{figures.unexpected} finals came that should not have come, or came twice")
    return faults


def as_json(figures: Figures) -> dict[str, Any]:
    """The same for programs; None for what could not be measured."""

    def known(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 4)

    return {
        "sessions": figures.sessions,
        "seconds": known(figures.seconds),
        "gateway_cpu_ms_per_session_second": known(figures.cpu_ms),
        "sessions_per_core": known(figures.sessions_per_core),
        "worker_cpu_ms_per_session_second": known(figures.worker_cpu_ms),
        "gateway_mb_per_session": known(figures.memory_mb),
        "worker_mb_per_session": known(figures.worker_memory_mb),
        "delay_ms": {f"p{percent}": known(percentile(figures.delays_ms, percent)) for percent in (50, 90, 99, 100)},
        "segments_measured": len(figures.delays_ms),
        "finals": figures.finals,
        "finals_expected": figures.expected,
        "finals_missing": figures.missing,
        "finals_unexpected": figures.unexpected,
        "failures": list(figures.failures),
        "client_cpu_share": known(figures.client_cpu_s / figures.seconds),
        "client_late_ms": {"p99": known(figures.late_ms_p99), "max": known(figures.late_ms_max)},
        "other_cpu_share": known(figures.other_cpu_s / figures.seconds),
        "budget_used": {budget.name: known(budget.ratio(figures)) for budget in BUDGETS},
        "doubts": figures.doubts,
        "passed": figures.passed,
    }
