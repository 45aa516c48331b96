"""The agent that comes with the server, for trying things out: no network, no model, the same answer every time.

To a client it is an agent as any other: it names the dialog, and its answer comes in tokens. What it says is in
`small_talk`.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Literal

import trio

from voicetrio.agent.payloads import encodable, new_dialog, token_event, whole_event
from voicetrio.agent.small_talk import reply
from voicetrio.core.errors import AgentError
from voicetrio.session.ports import AgentEvent, AgentRequest

_TOKEN = re.compile(r"\s*\S+")
"""A word with the space before it, as models count them."""


def _local_time() -> datetime:
    return datetime.now().astimezone()


class EmbeddedAgent:
    """The session's `Agent`. It remembers nothing: what was said is in the request."""

    kind: Literal["embedded"] = "embedded"
    keeps_dialogs = False

    def __init__(self, now: Callable[[], datetime] = _local_time) -> None:
        self._now = now

    @asynccontextmanager
    async def open_turn(self, request: AgentRequest) -> AsyncIterator["EmbeddedStream"]:
        await trio.lowlevel.checkpoint()
        content = request.message.get("content")
        if not isinstance(content, str):
            raise AgentError("agent_bad_message", "a message needs its text in the field content, as a string")
        answer = reply(encodable(content), request.history, self._now())
        yield EmbeddedStream(_events(answer, names_dialog=request.dialog_id is None))


class EmbeddedStream:
    """The session's `AgentStream`."""

    def __init__(self, events: Iterator[AgentEvent]) -> None:
        self._events = events

    async def receive(self) -> AgentEvent | None:
        # All is known at once, and yet an interruption has its chance after every word.
        await trio.lowlevel.checkpoint()
        return next(self._events, None)


def _events(answer: str, *, names_dialog: bool) -> Iterator[AgentEvent]:
    if names_dialog:
        yield new_dialog()
    for token in _TOKEN.findall(answer):
        yield AgentEvent(token_event(token), text=token)
    yield AgentEvent(whole_event(answer))
