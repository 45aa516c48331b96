"""What `voicetrio bench worker` has measured, and how it is shown."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Work:
    """What an engine has done."""

    seconds: float = 0.0
    runs: int = 0
    """Calls of the engine, of one stream or of many."""
    answers: int = 0
    """Partials and finals: about one for each pass over one stream."""
    finals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One way to do the same work."""

    name: str
    work: Work
    audio_seconds: float

    def as_json(self) -> dict[str, object]:
        return {
            "run": self.name,
            "engine_seconds": round(self.work.seconds, 3),
            "runs": self.work.runs,
            "answers": self.work.answers,
            "audio_seconds": round(self.audio_seconds, 1),
        }


@dataclass(frozen=True, slots=True)
class Windows:
    """Accuracy and cost of one set of window lengths, over whole recordings."""

    windows: str
    errors: int
    words: int
    seconds: float
    passes: int

    def as_json(self) -> dict[str, object]:
        return {
            "windows": self.windows,
            "word_error_rate": round(self.errors / max(1, self.words), 4),
            "ms_per_pass": round(1000 * self.seconds / max(1, self.passes), 2),
        }


def table(results: Sequence[Run | Windows], what: str) -> str:
    """For people; `what` was measured."""
    lines = [f"{what}; {os.cpu_count()} cores, Python {platform.python_version()}"]
    first = results[0]
    for result in results:
        if isinstance(result, Run) and isinstance(first, Run):
            same = sum(a == b for a, b in zip(result.work.finals, first.work.finals, strict=True))
            alike = f"{same} of {len(first.work.finals)} finals the same"
            lines.append(
                f"  {result.name:30}{result.work.seconds:8.2f} s{result.work.seconds / first.work.seconds:8.2f} x"
                f"{result.work.runs:6} runs{result.work.answers:6} answers   {alike}"
            )
        elif isinstance(result, Windows):
            lines.append(
                f"  windows {result.windows:14}word error rate {100 * result.errors / max(1, result.words):5.1f} %"
                f"{1000 * result.seconds / max(1, result.passes):10.1f} ms a pass"
                f"{result.seconds / results[-1].seconds if isinstance(results[-1], Windows) else 0:8.2f} x of 30 s alone"
            )
    return "\n".join(lines)
