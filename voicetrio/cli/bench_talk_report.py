"""From the answers of a bench to what a person reads: how long they took, and which part of it. Arithmetic only."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from voicetrio.cli.bench_report import percentile
from voicetrio.cli.bench_talk_turn import Answer

PERCENTS = {"p50": 50, "p90": 90, "max": 100}

CLIENT = "voice_to_voice"

_ROWS: tuple[tuple[str, str, Callable[[Answer], float | None]], ...] = (
    ("voice to voice, by the client", CLIENT, lambda answer: answer.measured_ms),
    ("the same, by the server", "server_total", lambda answer: answer.parts_ms.get("total_ms")),
    ("  end of speech decided", "endpointing", lambda answer: answer.parts_ms.get("endpointing_ms")),
    ("  final there", "final", lambda answer: answer.parts_ms.get("final_ms")),
    ("  turn taken", "turn", lambda answer: answer.parts_ms.get("turn_ms")),
    ("  agent's first words", "agent", lambda answer: answer.parts_ms.get("agent_ms")),
    ("  first piece cut", "piece", lambda answer: answer.parts_ms.get("piece_ms")),
    ("  first sound", "audio", lambda answer: answer.parts_ms.get("audio_ms")),
)
"""What is shown, its name for programs, and where it comes from."""

_LABEL = 32
_COLUMN = 9


@dataclass(frozen=True, slots=True)
class TalkFigures:
    answers: tuple[Answer, ...]
    unanswered: tuple[str, ...]
    """Why, one text per turn that gave no answer."""

    @property
    def turns(self) -> int:
        return len(self.answers) + len(self.unanswered)

    @property
    def passed(self) -> bool:
        return not self.unanswered


def _percentiles(answers: Sequence[Answer], part: Callable[[Answer], float | None]) -> dict[str, float]:
    """Of a part that nothing was told of they are nan."""
    values = sorted(value for answer in answers if (value := part(answer)) is not None)
    return {name: percentile(values, percent) for name, percent in PERCENTS.items()}


def table(figures: TalkFigures, title: str) -> str:
    """For people; ends without a newline."""
    lines = [title, "", "ms".ljust(_LABEL) + "".join(name.rjust(_COLUMN) for name in PERCENTS)]
    for label, _, part in _ROWS:
        values = _percentiles(figures.answers, part).values()
        cells = ("-" if math.isnan(value) else f"{value:.0f}" for value in values)
        lines.append(label.ljust(_LABEL) + "".join(cell.rjust(_COLUMN) for cell in cells))
    lines += ["", f"{len(figures.answers)} of {figures.turns} turns were answered"]
    lines += [f"  {count} without an answer: {reason}" for reason, count in Counter(figures.unanswered).most_common()]
    return "\n".join(lines)


def as_json(figures: TalkFigures) -> dict[str, Any]:
    """The same for programs; None for what could not be measured."""
    delays = {name: _percentiles(figures.answers, part) for _, name, part in _ROWS}
    return {
        "turns": figures.turns,
        "answered": len(figures.answers),
        "unanswered": list(figures.unanswered),
        "delay_ms": {
            name: {key: None if math.isnan(value) else round(value, 1) for key, value in values.items()}
            for name, values in delays.items()
        },
        "passed": figures.passed,
    }
