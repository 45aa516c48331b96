"""A caller's agent: answers by the dice of its plan, and notes what it was asked, what it gave, and how each turn ended.

No word of it comes twice in a run of one caller: `R3x17` is word 17 of the reply to request 3, and no two events are
alike. So whatever a client, a history or a loudspeaker has, one can say which reply it is of.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from tests.simulation.dice import Dice
from tests.simulation.plan import AgentPlan
from tests.simulation.trace import Trace
from voicetrio.core.errors import AgentError
from voicetrio.session.ports import AgentAlive, AgentEvent, AgentFault, AgentRequest, JsonNull

Item = AgentEvent | AgentFault | AgentAlive | AgentError | None
"""What comes next; None: nothing, ever."""

WORKS = (4, 12)
"""Signs of life in a row."""
WORKS_GAP = (0.2, 1.8)
"""Seconds between them: less than the shortest silence that is given up."""
FLOOD = 200
"""Parts in a row that cannot be used."""

ENDLESS_WORDS = (60, 150)


class SimulatedAgent:
    """The session's port."""

    def __init__(self, plan: AgentPlan, seed: int, caller: str, trace: Trace) -> None:
        self._plan = plan
        self._seed = seed
        self._caller = caller
        self._trace = trace
        self._turns = 0
        self.open_turns = 0

    @property
    def kind(self) -> str:
        return "runtime" if self._plan.keeps_dialogs else "chat"

    @property
    def keeps_dialogs(self) -> bool:
        return self._plan.keeps_dialogs

    @asynccontextmanager
    async def open_turn(self, request: AgentRequest) -> AsyncIterator["SimulatedTurn"]:
        self._turns += 1
        number, plan = self._turns, self._plan
        dice = Dice(self._seed, "agent", self._caller, number)
        told = (
            None if request.interruption is None else (request.interruption.heard_text, request.interruption.heard_ms)
        )
        said = tuple((line.role, line.text) for line in request.history)
        self._note("asked", (number, request.message["content"], request.dialog_id, said, told))
        if self.open_turns:
            self._note("anomaly", "the agent is asked before its last turn was over")
        self.open_turns += 1
        turn = SimulatedTurn(self._compose(dice, number, request.dialog_id), number, self._note)
        try:
            await trio.sleep(dice.seconds(*plan.opening))
            if dice.chance(plan.refuse):
                turn.end = "refused"
                raise AgentError("agent_unreachable", "the agent is not there")
            self._note("opened", number)
            yield turn
        finally:
            self.open_turns -= 1
            self._note("left", (number, turn.end))

    def _note(self, what: str, facts: object) -> None:
        self._trace.note(self._caller, what, facts)

    def _compose(self, dice: Dice, number: int, dialog_id: str | None) -> list[tuple[float, Item]]:
        """Seconds to wait, and what comes then."""
        plan, items = self._plan, []
        if plan.name != "" and dialog_id is None:
            payload = json.dumps({"type": "session_info", "session_id": plan.name, "n": [number]})
            items.append(AgentEvent(payload, dialog_id=JsonNull.NULL if plan.name is None else plan.name))
        for count, text in enumerate(_tokens(plan, dice, number)):
            if dice.chance(plan.other):
                items.append(AgentEvent(json.dumps({"type": "tool_call", "n": [number, count], "city": "Köln"})))
            if dice.chance(plan.fault):
                items.append(AgentFault("agent_malformed", f"event {count} of reply {number} is no JSON"))
            payload = json.dumps({"type": "assistant_message", "token": text, "n": [number, count]})
            items.append(AgentEvent(payload, text))
        if dice.chance(plan.breaks):
            items[dice.randrange(len(items) + 1) :] = [AgentError("agent_broken", "the connection to the agent broke")]
        elif dice.chance(plan.silent):
            items[dice.randrange(len(items) + 1) :] = [None]
        elif dice.chance(plan.floods):
            fault = AgentFault("agent_malformed", f"reply {number} is no JSON any more")
            items[dice.randrange(len(items) + 1) :] = [fault] * FLOOD
        first = dice.seconds(*plan.first)
        timed = [(dice.seconds(*plan.gap) if place else first, item) for place, item in enumerate(items)]
        if dice.chance(plan.works):
            signs = [(dice.seconds(*WORKS_GAP), AgentAlive()) for _ in range(dice.randrange(*WORKS))]
            place = dice.randrange(len(timed) + 1)
            timed[place:place] = signs
        return timed


def _tokens(plan: AgentPlan, dice: Dice, number: int) -> list[str]:
    """A reply as a model writes it: in parts that mind no words."""
    count = dice.randrange(plan.words[0], plan.words[1] + 1)
    if dice.chance(plan.empty):
        count = 0
    elif dice.chance(plan.endless):
        count = dice.randrange(*ENDLESS_WORDS)
    marks = ("", "", "", "", ",", ".", ".", "!")
    text = " ".join(f"R{number}x{place}{dice.pick(marks)}" for place in range(count))
    tokens, size = [], dice.pick((3, 8, 8, 30))
    while text:
        length = dice.randrange(1, size + 1)
        tokens.append(text[:length])
        text = text[length:]
    return tokens


class SimulatedTurn:
    def __init__(self, items: list[tuple[float, Item]], number: int, note: Callable[[str, object], None]) -> None:
        self._items = items[::-1]
        self._number = number
        self._note = note
        self.end = "stopped"
        """`done`, `broken`, `refused`, or `stopped` by the session."""

    async def receive(self) -> AgentEvent | AgentFault | AgentAlive | None:
        if not self._items:
            await trio.lowlevel.checkpoint()
            self.end = "done"
            return None
        delay, item = self._items.pop()
        await trio.sleep(delay)
        if item is None:
            self._note("falls_silent", self._number)
            await trio.sleep_forever()
        if isinstance(item, AgentError):
            self.end = "broken"
            raise item
        if isinstance(item, AgentEvent):
            self._note("given", (self._number, item.payload, item.text))
        elif isinstance(item, AgentAlive):
            self._note("alive", (self._number, None))
        else:
            self._note("given_fault", (self._number, item.message))
        return item


class SimulatedTurnDetector:
    """Believes now and then that the user will go on; sometimes it takes longer than anybody waits for it."""

    def __init__(self, plan: AgentPlan, dice: Dice) -> None:
        self._plan = plan
        self._dice = dice

    async def end_of_turn(self, text: str, language: str) -> float:
        await trio.sleep(self._dice.pick((0.0, 0.05, 0.5)))
        return 0.1 if self._dice.chance(self._plan.unfinished) else 0.9
