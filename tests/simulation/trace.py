"""What happened in a run: one list of (virtual seconds, who, what, facts), which checkers read and seeds are compared by.

Facts are plain values. Never put in what differs between two runs of a seed: ids of objects, real time, sets.
"""

import hashlib
from collections import Counter, defaultdict
from typing import Any

import trio


class Trace:
    def __init__(self) -> None:
        self.events: list[tuple[float, str, str, object]] = []
        self._index: dict[tuple[str, str], list[tuple[float, object]]] = defaultdict(list)

    def note(self, who: str, what: str, facts: object = None) -> None:
        now = trio.current_time()
        self.events.append((now, who, what, facts))
        self._index[who, what].append((now, facts))

    def of(self, who: str, what: str) -> list[tuple[float, object]]:
        """When, and the facts, of everything of this kind, in order."""
        return self._index.get((who, what), [])

    def summary(self) -> Counter[str]:
        """How often each kind of thing happened: what was done, what was told, and how sessions ended."""
        counts: Counter[str] = Counter()
        for _, _, what, facts in self.events:
            counts[what] += 1
            if what == "post":
                told: dict[str, Any] = facts
                counts[f"{told['type']} {told.get('code', told.get('outcome', ''))}".strip()] += 1
            elif what == "ended":
                counts[f"ended {facts}"] += 1
        return counts

    def digest(self) -> str:
        """The same for two runs that went alike in every detail."""
        lines = "\n".join(f"{when:.9f} {who} {what} {facts!r}" for when, who, what, facts in self.events)
        return hashlib.sha256(lines.encode()).hexdigest()

    def text(self, *, last: int = 0) -> str:
        """For people; the last so many events, or all."""
        events = self.events[-last:] if last else self.events
        return "\n".join(f"{when:9.3f} {who:8} {what:12} {_short(facts)}" for when, who, what, facts in events)


def _short(facts: object) -> str:
    text = "" if facts is None else repr(facts)
    return text if len(text) <= 300 else text[:297] + "..."
