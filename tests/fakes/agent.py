"""An agent that does what it was told to: each request takes the next of its answers, and the last one again and again.

An answer is a list of steps: a text (one token), a number (seconds to wait), an `AgentEvent`, an `AgentFault`, an
`AgentAlive`, or an exception to raise. `refuse` is raised instead of opening a turn.
"""

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from voicetrio.session.ports import AgentAlive, AgentEvent, AgentFault, AgentRequest

Step = str | float | AgentEvent | AgentFault | AgentAlive | Exception


def token(text: str) -> AgentEvent:
    payload = {"type": "assistant_message", "token": text, "is_final": False}
    return AgentEvent(json.dumps(payload, separators=(",", ":")), text)


def session_info(session_id: str) -> AgentEvent:
    return AgentEvent(json.dumps({"type": "session_info", "session_id": session_id}), dialog_id=session_id)


@dataclass
class FakeAgent:
    answers: list[list[Step]] = field(default_factory=lambda: [["Hello there."]])
    opening: float = 0.0
    """Seconds until a turn is open."""
    refuse: Exception | None = None
    keeps_dialogs: bool = False
    requests: list[AgentRequest] = field(default_factory=list)
    asked_at: list[float] = field(default_factory=list)
    left_at: list[float] = field(default_factory=list)
    """When a turn's stream was left, for whatever reason."""
    open_calls: int = 0

    @property
    def kind(self) -> str:
        return "runtime" if self.keeps_dialogs else "chat"

    @asynccontextmanager
    async def open_turn(self, request: AgentRequest) -> AsyncIterator["FakeTurn"]:
        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
        self.requests.append(request)
        self.asked_at.append(trio.current_time())
        self.open_calls += 1
        try:
            await trio.sleep(self.opening)
            if self.refuse is not None:
                raise self.refuse
            yield FakeTurn(list(answer))
        finally:
            self.open_calls -= 1
            self.left_at.append(trio.current_time())


class FakeTurn:
    def __init__(self, steps: list[Step]) -> None:
        self._steps = steps

    async def receive(self) -> AgentEvent | AgentFault | AgentAlive | None:
        await trio.lowlevel.checkpoint()
        while self._steps:
            match self._steps.pop(0):
                case float() | int() as seconds:
                    await trio.sleep(seconds if seconds != math.inf else 1e9)
                case str() as text:
                    return token(text)
                case Exception() as error:
                    raise error
                case step:
                    return step
        return None


class FakeTurnDetector:
    """Sure of every text but those that it was told are unfinished."""

    def __init__(self, *unfinished: str, delay: float = 0.0) -> None:
        self.unfinished = unfinished
        self.delay = delay
        self.asked: list[str] = []

    async def end_of_turn(self, text: str, language: str) -> float:
        self.asked.append(text)
        await trio.sleep(self.delay)
        return 0.1 if text in self.unfinished else 0.9
