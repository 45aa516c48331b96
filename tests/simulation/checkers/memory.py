"""What is remembered of replies is what was heard of them: in the history, in what agents are given, in interruptions.

A reply counts as it was written when its turn was completed, or when it was never to be spoken; else no word counts that
was not heard to its end.
"""

from collections.abc import Iterator

from tests.simulation.checkers.speeches import Speech, speeches
from tests.simulation.checkers.story import Story
from tests.simulation.checkers.turns import Asked, Ledger, Turn, events
from voicetrio.session.ports import JsonNull


def check_memory(story: Story) -> Iterator[str]:
    ledger, said = Ledger(), {speech.turn_id: speech for speech in speeches(story) if speech.turn_id}
    begun: list[Turn] = []
    untold: Turn | None = None
    dialog_id = None if story.plan.temporary else story.plan.name
    for when, what, facts in events(story):
        ledger.note(when, what, facts)
        if what == "asked":
            asked = ledger.requests[facts[0]]
            begun = [turn for turn in ledger.turns.values() if turn.outcomes]
            yield from (f"request {asked.number}: {text}" for text in _check_history(story, asked, begun, said))
            if story.plan.agent.keeps_dialogs:
                yield from (f"request {asked.number}: {text}" for text in _check_told(story, asked, untold, said))
            if asked.dialog_id != dialog_id:
                yield f"request {asked.number} is asked in dialog {asked.dialog_id}, not {dialog_id}"
        elif what == "opened" and ledger.requests[facts].interruption is not None:
            untold = None
        elif what == "post" and facts["type"] == "turn.ended" and facts["outcome"] == "interrupted":
            untold = ledger.turns[facts["turn_id"]]
        elif what == "post" and facts["type"] == "session_info":
            name = facts["session_id"]  # whatever that is: the session's own id is another matter
            dialog_id = JsonNull.NULL if name is None else name
        elif what == "post" and "n" in facts:
            turn = ledger.by_request[facts["n"][0]]
            turn.passed.append(facts.get("token", ""))
    yield from _check_kept(story, ledger, said)


def _check_history(story: Story, asked: Asked, before: list[Turn], said: dict[str, Speech]) -> Iterator[str]:
    """Lines of dialog: each turn that has begun before, and what was heard of its reply."""
    lines = list(asked.said)
    for turn in before:
        if not lines or lines.pop(0) != ("user", turn.text):
            yield f"its history lacks {turn.text!r}, or has it elsewhere: {asked.said}"
            return
        told = lines.pop(0)[1] if lines and lines[0][0] == "assistant" else ""
        problem = _misremembered(story, turn, told, said)
        if problem:
            yield f"its history has {problem}"
    if lines:
        yield f"its history has more: {lines}"


def _check_told(story: Story, asked: Asked, untold: Turn | None, said: dict[str, Speech]) -> Iterator[str]:
    """A runtime, which remembers the dialog itself, is told once of an interruption."""
    if untold is None or asked.interruption is None:
        if untold is not None or asked.interruption is not None:
            yield f"it is told of the interruption {asked.interruption}, but should be of {untold}"
        return
    heard_text, heard_ms = asked.interruption
    problem = _misremembered(story, untold, heard_text, said)
    if problem:
        yield f"the interruption it is told of has {problem}"
    speech = said.get(untold.turn_id)
    due = speech.ending["heard_ms"] if speech is not None and speech.ending is not None else 0
    if heard_ms != due:
        yield f"the interruption it is told of was after {heard_ms} ms instead of {due} ms"


def _check_kept(story: Story, ledger: Ledger, said: dict[str, Speech]) -> Iterator[str]:
    """The session's own history, as it is in the end."""
    kept = story.room.session.history.turns
    due = [turn for turn in ledger.turns.values() if turn.outcomes]
    if [one.turn_id for one in kept] != [turn.turn_id for turn in due] and story.end[0] != "slow_client":
        yield f"the history has {[one.message for one in kept]}, not {[turn.text for turn in due]}"
        return
    for one, turn in zip(kept, due, strict=False):
        if (one.outcome, one.reply or "") != (turn.outcomes[0], turn.reply):
            yield f"the history has {one.outcome} {one.reply!r} of {turn.text!r}, not {turn.outcomes} {turn.reply!r}"
        problem = _misremembered(story, turn, one.received, said)
        if problem:
            yield f"the history has {problem}"


def _misremembered(story: Story, turn: Turn, told: str, said: dict[str, Speech]) -> str:
    """What is wrong with what is remembered of a reply; empty: nothing."""
    speech = said.get(turn.turn_id)
    wrong = f"{told!r} as the answer to {turn.text!r}"
    if turn.outcomes[0] == "completed":
        return "" if told.strip() == turn.reply.strip() else f"{wrong}, which was {turn.reply!r}"
    if speech is None:
        spoken = story.plan.config.get("speak_replies", False)
        if told and spoken and turn.text != "greeting":
            return f"{wrong}, of which nothing was heard"
        return "" if told.strip() in ("", turn.reply.strip()) else f"{wrong}, which was {turn.reply!r}"
    assert speech.ending is not None
    if speech.interrupted:
        due = speech.ending["heard_text"]
        return "" if told.strip() == due else f"{wrong}, of which {due!r} was heard"
    # Cut short by a synthesis or an agent that failed, and heard to that end.
    ends = [0, *(end for end, ended_ms, _ in speech.words() if ended_ms <= speech.ending["heard_ms"] + 2)]
    fits = speech.text.startswith(told) and len(told) in ends
    return "" if fits else f"{wrong}, of which {speech.ending['heard_ms']} ms of {speech.text!r} were heard"
