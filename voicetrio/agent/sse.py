"""Server-sent events out of an HTTP answer, each as soon as its last byte is there.

The parser is that of httpx2, given text from `event_text`. What is ours is the end: an answer that is left early, because
somebody interrupts it, must leave nothing open. httpx2 nests generators which do not close each other, so closing the
outermost leaves the innermost to the garbage collector. `open_events` ends all of them at once, from below.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import httpx2
import trio

from voicetrio.agent.event_text import ERROR_FIELD, EventText
from voicetrio.core.errors import AgentError


class Events:
    """Use `open_events`."""

    def __init__(self, events: AsyncIterator[httpx2.ServerSentEvent], max_event_bytes: int) -> None:
        self._events = events
        self._max_event_bytes = max_event_bytes

    async def receive(self) -> httpx2.ServerSentEvent | None:
        """The next event; its data may be empty. None at the end of the HTTP answer, if it came in order.

        Raises `AgentError` otherwise. After that or a cancel, it is not used again.
        """
        # Many events may have come at once: whoever interrupts need not wait for all of them.
        await trio.lowlevel.checkpoint()
        try:
            event = await anext(self._events)
        except StopAsyncIteration:
            return None
        except httpx2.SSEError:
            text = (
                f"an event of the agent's answer has {self._max_event_bytes} bytes or more; see agent.max_event_bytes"
            )
            raise AgentError("agent_event_too_large", text) from None
        except httpx2.HTTPError as error:
            raise broken(type(error).__name__) from None
        if event.event == ERROR_FIELD:
            raise AgentError("agent_failed", "the agent has ended its answer with an error; see its own log")
        return event


@asynccontextmanager
async def open_events(response: httpx2.Response, *, max_event_bytes: int) -> AsyncIterator[Events]:
    """Entering raises `AgentError` if the answer is something else. Leaving, also by cancellation, does not wait."""
    kind, _, _ = response.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "text/event-stream":
        text = "the agent's answer is not text/event-stream; does agent.url lead to an agent, and agent.kind fit it?"
        raise AgentError("agent_malformed", text)
    body = response.aiter_bytes()
    # The parser refuses what is above its limit; ours itself is refused, too.
    source = httpx2.EventSource(cast("Any", _Source(response, body)), max_event_bytes - 1)
    try:
        async with aclosing(cast("AsyncGenerator[httpx2.ServerSentEvent]", aiter(source))) as events:
            yield Events(events, max_event_bytes)
    finally:
        with trio.move_on_after(0, shield=True):  # no time at all: see there
            await _end(body)


def broken(how: str) -> AgentError:
    """An answer that stopped before its end, so that nobody knows what is missing."""
    return AgentError("agent_broken", f"the agent's answer broke off ({how}); see its own log")


class _Source:
    """A response, as far as `EventSource` looks at it, and its text, which is an iterator: it needs no closing."""

    def __init__(self, response: httpx2.Response, body: AsyncIterator[bytes]) -> None:
        self.headers = response.headers
        self.request = response.request
        self._body = body
        self._text = EventText()
        self._ended = False

    def aiter_text(self) -> "_Source":
        return self

    def __aiter__(self) -> "_Source":
        return self

    async def __anext__(self) -> str:
        if self._ended:
            raise StopAsyncIteration
        try:
            return self._text.feed(await anext(self._body))
        except StopAsyncIteration:
            self._ended = True
            return self._text.end()


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
