"""Server-sent events out of an HTTP answer, each as soon as its last byte is there, within the answer's bounds.

An answer that is left early, because somebody interrupts it, must leave nothing open. httpx2 nests generators which do
not close each other, so closing the outermost leaves the innermost to the garbage collector. `open_events` ends all of
them at once, from below.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import trio

from voicetrio.agent.config import AgentConfig
from voicetrio.agent.event_stream import ERROR_FIELD, EventParser, EventTooLarge, ServerSentEvent
from voicetrio.core.errors import AgentError
from voicetrio.session.ports import AgentAlive


class Events:
    """Use `open_events`."""

    def __init__(self, response: httpx2.Response, body: AsyncIterator[bytes], config: AgentConfig) -> None:
        self._body = body
        self._config = config
        self._parser = EventParser(config.max_event_bytes)
        self._ready: deque[ServerSentEvent] = deque()
        self._bytes = self._events = 0
        self._over = False
        self._failure: AgentError | None = None
        self.framed = "transfer-encoding" in response.headers or "content-length" in response.headers
        """Whether HTTP itself tells where the answer ends. If not, it ends with its connection, however that ended."""

    async def receive(self) -> ServerSentEvent | AgentAlive | None:
        """The next event, whose data may be empty; `AgentAlive`: some bytes have come, and no event is complete yet, such as
        a comment; None at the end of the HTTP answer, if it came in order.

        Raises `AgentError` otherwise. After that or a cancel, it is not used again.
        """
        # Many events may have come at once: whoever interrupts need not wait for all of them.
        await trio.lowlevel.checkpoint()
        if not self._ready and not self._over and self._failure is None:
            await self._read()
        if not self._ready:
            if self._failure is not None:
                raise self._failure
            return None if self._over else AgentAlive()
        self._events += 1
        if self._events > self._config.max_answer_events:
            raise _too_long(f"{self._config.max_answer_events} events (agent.max_answer_events)")
        event = self._ready.popleft()
        if event.event == ERROR_FIELD:
            raise AgentError("agent_failed", "the agent has ended its answer with an error; see its own log")
        return event

    async def _read(self) -> None:
        try:
            data = await anext(self._body)
        except StopAsyncIteration:
            self._over = True
            self._ready.extend(self._parser.end())
            return
        except httpx2.HTTPError as error:
            raise broken(type(error).__name__) from None
        self._bytes += len(data)
        if self._bytes > self._config.max_answer_bytes:
            raise _too_long(f"{self._config.max_answer_bytes} bytes (agent.max_answer_bytes)")
        try:
            self._ready.extend(self._parser.feed(data))
        except EventTooLarge as error:
            self._ready.extend(error.before)
            text = (
                f"an event of the agent's answer has {self._config.max_event_bytes} bytes or more; "
                "see agent.max_event_bytes"
            )
            self._failure = AgentError("agent_event_too_large", text)


@asynccontextmanager
async def open_events(response: httpx2.Response, config: AgentConfig) -> AsyncIterator[Events]:
    """Entering raises `AgentError` if the answer is something else. Leaving, also by cancellation, does not wait."""
    kind, _, _ = response.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "text/event-stream":
        text = "the agent's answer is not text/event-stream; does agent.url lead to an agent, and agent.kind fit it?"
        raise AgentError("agent_malformed", text)
    body = response.aiter_bytes()
    try:
        yield Events(response, body, config)
    finally:
        with trio.move_on_after(0, shield=True):  # no time at all: see there
            await _end(body)


def broken(how: str) -> AgentError:
    """An answer that stopped before its end, so that nobody knows what is missing."""
    return AgentError("agent_broken", f"the agent's answer broke off ({how}); see its own log")


def _too_long(size: str) -> AgentError:
    return AgentError("agent_answer_too_long", f"the agent's answer has more than {size}; what came before is there")


async def _end(body: AsyncIterator[bytes]) -> None:
    """End a body's generators where they stand, by an exception from the lowest one, which passes through all of them.

    To be called in a cancelled scope: reading gives what was received already, at most a buffer of the socket, and then
    `Cancelled`.
    """
    try:
        async for _ in body:
            pass
    except httpx2.HTTPError:
        pass  # it broke; nobody listens any more
