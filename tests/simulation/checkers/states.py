"""The six states: only the moves of the specification, and each timeout exactly when it is due."""

import math
from collections.abc import Iterator

from tests.simulation.checkers.story import Story

LEGAL = {
    ("INIT", "ACTIVE"),
    ("INIT", "CLOSED"),  # nobody spoke
    ("ACTIVE", "SILENCE"),
    ("SILENCE", "ACTIVE"),
    ("SILENCE", "HOLD"),
    ("HOLD", "ACTIVE"),
    # `session.close`, and the end of HOLD
    ("INIT", "CLOSING"),
    ("ACTIVE", "CLOSING"),
    ("SILENCE", "CLOSING"),
    ("HOLD", "CLOSING"),
    ("CLOSING", "CLOSED"),
}
"""As specified (`spec/session-manager.md`), written down anew: from, to."""

ABORTS = {("ACTIVE", "CLOSED"), ("SILENCE", "CLOSED"), ("HOLD", "CLOSED")}
"""Cancelled, disconnected, stopped: only with a trigger that says so."""

TIMEOUTS = {("INIT", "CLOSED"), ("SILENCE", "HOLD"), ("HOLD", "CLOSING"), ("CLOSING", "CLOSED")}
"""Where a timeout leads."""

EXACT = 1e-6
"""Seconds; virtual time passes only while everybody waits."""


def check_states(story: Story) -> Iterator[str]:
    clock = _Clock()
    state = "INIT"
    for when, what, facts in _timeline(story):
        if what == "farewell":
            clock.stop()
        elif what == "move":
            before, trigger, after = facts
            if before != state:
                yield f"at {when:.3f} it moves from {before}, but was {state}"
            if (before, after) not in LEGAL and not (trigger == "ABORT" and (before, after) in ABORTS):
                yield f"at {when:.3f} an illegal move from {before} to {after} on {trigger}"
            yield from clock.judge(when, before, trigger, after)
            state = after
            clock.enter(when, after)
        else:
            clock.note(when, what, facts)
    if state != "CLOSED":
        yield f"it ended in {state}"


class _Clock:
    """When the timeout of the current state is due."""

    def __init__(self) -> None:
        self._timeouts: dict[str, float] = {}
        self._since: float | None = None
        """When the state's time began; None before the session did."""
        self._changed = 0.0
        self._pauses = 0
        self._state = "INIT"
        self._somebody = False

    def enter(self, when: float, state: str) -> None:
        self._since = self._changed = when
        self._state = state

    def stop(self) -> None:
        """The last word has been said; until it is delivered no state times out."""
        self._timeouts = {}

    def note(self, when: float, what: str, facts: object) -> None:
        match what:
            case "timeouts":
                self._timeouts = facts
                self._since = when if self._since is None else self._since
                self._changed = when
            case "pause":
                self._pauses += 1
            case "resume":
                self._pauses -= 1
                self._since = self._changed = when
            case "rearm":
                self._since = self._changed = when
            case "somebody":
                self._somebody = True
                self._since = self._changed = when

    def _due(self) -> float:
        assert self._since is not None
        if self._pauses > 0 and self._state != "CLOSING":
            return math.inf
        limit = self._timeouts.get(self._state, math.inf)
        if self._state == "INIT" and self._somebody and self._timeouts:
            limit = max(limit, self._timeouts["SILENCE"] + self._timeouts["HOLD"])
        return max(self._since + limit, self._changed)

    def judge(self, when: float, before: str, trigger: str, after: str) -> Iterator[str]:
        due = self._due()
        if trigger == "TIMEOUT":
            if (before, after) not in TIMEOUTS:
                yield f"at {when:.3f} a timeout leads from {before} to {after}"
            if abs(when - due) > EXACT:
                yield f"the timeout of {before} came at {when:.3f} instead of {due:.3f}"
        elif when > due + EXACT:
            yield f"the timeout of {before} was due at {due:.3f}; nothing happened before {trigger} at {when:.3f}"


def _timeline(story: Story) -> Iterator[tuple[float, str, object]]:
    kinds = ("move", "timeouts", "pause", "resume", "rearm", "somebody")
    for when, who, what, facts in story.run.trace.events:
        if who == story.plan.name and what in kinds:
            yield when, what, facts
        elif who == story.plan.name and what == "post" and facts["type"] == "session.closed":
            yield when, "farewell", None
