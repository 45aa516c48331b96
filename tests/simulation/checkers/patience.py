"""How long an agent is waited for: as long as it is alive, and not for ever; and how often its faults are told."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.simulation.checkers.replies import steady
from tests.simulation.checkers.story import Story
from tests.simulation.checkers.turns import events
from voicetrio.session.conversation import MAX_FAULTS

LIFE = ("alive", "given", "given_fault")
SLACK = 6.0
"""Seconds in which nobody waits for the agent: a client holds up the stream, or the turn is not certain yet."""


@dataclass(slots=True)
class _Wait:
    asked_at: float
    heard_at: float
    faults: int = 0
    left_at: float | None = None


def check_patience(story: Story) -> Iterator[str]:
    waits: dict[int, _Wait] = {}
    told: Counter[tuple[str, str]] = Counter()
    latest = 0
    for when, what, facts in events(story):
        if what == "asked":
            latest = facts[0]
            waits[latest] = _Wait(when, when)
        elif what in LIFE:
            waits[facts[0]].heard_at = when
            waits[facts[0]].faults += what == "given_fault"
        elif what == "left":
            waits[facts[0]].left_at = when
        elif what == "post" and facts["type"] == "error" and "turn_id" in facts:
            told[facts["turn_id"], facts["code"]] += 1
            yield from _check_error(story, facts["code"], when, waits.get(latest))
    yield from (f"{code} is told {times} times about {turn}" for (turn, code), times in told.items() if times > 1)
    for number, wait in waits.items():
        yield from (f"request {number}: {text}" for text in _check_wait(story, wait))


def _check_error(story: Story, code: str, when: float, wait: _Wait | None) -> Iterator[str]:
    limits = story.room.limits
    if wait is not None and code == "agent_silent" and when - wait.heard_at < limits.agent_silence - 0.001:
        yield f"agent_silent, {when - wait.heard_at:.3f} s after a sign of life"
    if wait is not None and code == "agent_answer_too_long" and when - wait.asked_at < limits.agent_answer - 0.001:
        yield f"agent_answer_too_long after {when - wait.asked_at:.3f} s"


def _check_wait(story: Story, wait: _Wait) -> Iterator[str]:
    if wait.faults > MAX_FAULTS:
        yield f"{wait.faults} faults were taken of it"
    if wait.left_at is None or not steady(story):
        return
    limits = story.room.limits
    if wait.left_at - wait.heard_at > limits.agent_silence + SLACK:
        yield f"it was waited for, although it said nothing for {wait.left_at - wait.heard_at:.3f} s"
    if wait.left_at - wait.asked_at > limits.agent_answer + SLACK:
        yield f"it was waited for, although its answer had no end after {wait.left_at - wait.asked_at:.3f} s"
