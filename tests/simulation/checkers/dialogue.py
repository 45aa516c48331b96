"""Turns: each begins and ends once, is asked once and in order, and what the agent gave for it is passed on unchanged.
One that was withdrawn has left no trace.
"""

import json
from collections.abc import Iterator

from tests.simulation.checkers.story import Message, Story
from tests.simulation.checkers.turns import Ledger, Turn, events


def check_dialogue(story: Story) -> Iterator[str]:
    ledger = Ledger()
    for when, what, facts in events(story):
        problem = ledger.note(when, what, facts)
        if problem:
            yield f"at {when:.3f}: {problem}"
        if what == "post" and isinstance(facts, dict) and "n" in facts:
            yield from _check_passed(ledger, facts)
    for turn in ledger.turns.values():
        yield from (f"{turn.turn_id} ({turn.text!r}): {text}" for text in _check_turn(story, turn))


def _check_passed(ledger: Ledger, message: Message) -> Iterator[str]:
    number = message["n"][0]
    turn = ledger.by_request.get(number)
    if turn is None or turn.withdrawn or not turn.certain or turn.outcomes or turn.asked is None:
        yield f"an event of request {number} was passed on out of its turn: {message}"
        return
    payload, text = turn.asked.given[len(turn.passed)] if len(turn.passed) < len(turn.asked.given) else ("", "")
    if not payload or json.loads(payload) != message:
        yield f"{message} was passed on, but the agent gave {payload!r}"
    turn.passed.append(text)


def _check_turn(story: Story, turn: Turn) -> Iterator[str]:
    outcome = turn.outcomes[0] if turn.outcomes else None
    if turn.withdrawn:
        return
    begun = bool(turn.started) or turn.asked is not None
    if begun and turn.certain and outcome is None and story.end[0] != "slow_client":
        yield "it has no end"
    if turn.asked is None:
        if turn.started and outcome not in ("interrupted", "cancelled"):
            yield f"it was not asked, but ended as {outcome}"
        return
    asked = turn.asked
    if asked.left is None:
        yield "the agent's turn was never left"
    if outcome == "completed" and asked.left != "done":
        yield f"it was completed, but the agent's turn was {asked.left}"
    if outcome in ("completed", "failed") and len(turn.passed) != len(asked.given):
        yield f"{len(asked.given)} events were given, and {len(turn.passed)} passed on"
    if story.gentle and outcome == "failed":
        yield "it failed in a gentle run"
