"""The turns of a conversation as the trace tells of them: who asked what, what the agent gave, and what became of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.simulation.checkers.story import Story


@dataclass(slots=True)
class Asked:
    """A request to the agent, as it got it."""

    number: int
    content: str
    dialog_id: object
    said: tuple[tuple[str, str], ...]
    interruption: tuple[str, int] | None
    when: float
    given: list[tuple[str, str]] = field(default_factory=list)
    """Payload and text of its events, in order."""
    opened: bool = False
    left: str | None = None
    """`done`, `refused`, `broken`, or `stopped` by the session."""


@dataclass(slots=True)
class Turn:
    turn_id: str
    source: str
    text: str
    certain: bool
    asked: Asked | None = None
    withdrawn: bool = False
    started: list[float] = field(default_factory=list)
    """When `turn.started` was posted; only for what was spoken."""
    outcomes: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    """What of the reply was passed on to the client, as text."""

    @property
    def reply(self) -> str:
        return "".join(self.passed)


Event = tuple[float, str, object]


def events(story: Story) -> Iterator[Event]:
    """When, what and the facts of all that has to do with this caller."""
    for when, who, what, facts in story.run.trace.events:
        if who == story.plan.name:
            yield when, what, facts


class Ledger:
    """Turns while they go on: feed it `events`, and look at it in between."""

    def __init__(self) -> None:
        self.turns: dict[str, Turn] = {}
        """In the order in which they were queued."""
        self.requests: dict[int, Asked] = {}
        self.by_request: dict[int, Turn] = {}

    def note(self, when: float, what: str, facts: object) -> str:
        """Returns what is wrong with it, if it cannot be true."""
        match what:
            case "queued":
                turn_id, source, text = facts
                self.turns[turn_id] = Turn(turn_id, source, text, certain=True)
            case "early":
                turn_id, text = facts
                self.turns[turn_id] = Turn(turn_id, "voice", text, certain=False)
            case "confirmed":
                self.turns[facts].certain = True
            case "withdrawn":
                self.turns[facts].withdrawn = True
            case "asked":
                return self._ask(Asked(*facts, when))
            case "opened":
                self.requests[facts].opened = True
            case "left":
                self.requests[facts[0]].left = facts[1]
            case "given":
                self.requests[facts[0]].given.append(facts[1:])
            case "post" if facts["type"] == "turn.started":
                return self._start(when, facts)
            case "post" if facts["type"] == "turn.ended":
                return self._end(facts)
        return ""

    def _ask(self, asked: Asked) -> str:
        self.requests[asked.number] = asked
        waiting = [turn for turn in self.turns.values() if turn.asked is None and not turn.withdrawn]
        due = [turn for turn in waiting if not turn.outcomes]
        if not due or due[0].text != asked.content:
            return f"request {asked.number} asks {asked.content!r}, but what waits is {[turn.text for turn in due]}"
        due[0].asked = asked
        self.by_request[asked.number] = due[0]
        return ""

    def _start(self, when: float, message: dict) -> str:
        turn = self.turns.get(message["turn_id"])
        if turn is None or turn.withdrawn or not turn.certain or turn.started or turn.source != "voice":
            return f"turn.started of {message['turn_id']}: {turn}"
        turn.started.append(when)
        return "" if turn.text == message["text"] else f"turn.started with {message['text']!r} instead of {turn.text!r}"

    def _end(self, message: dict) -> str:
        turn = self.turns.get(message["turn_id"])
        if turn is None or turn.withdrawn or turn.outcomes or (turn.source == "voice" and not turn.started):
            return f"turn.ended of {message['turn_id']}: {turn}"
        turn.outcomes.append(message["outcome"])
        return ""
