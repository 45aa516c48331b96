"""Hypercorn's connections under trio, kept from harming each other and from keeping the server.

In Hypercorn 0.18 an exception in any task of one connection leaves through the nursery of all of them and ends the whole
server. It takes no more than a client that closes, or breaks the protocol, in the moment in which something is sent to
it: the close and the send meet on the socket (`trio.BusyResourceError`). And what is being sent to a client that has
stopped reading is shielded from every cancel, so that only the kernel could end it. And a message that is refused for
its length is collected all the same, for as long as the client goes on with it.

Here a connection's failure is logged and ends that connection, a cancelled connection is cut off when its farewell has
had its time, and what is refused is not kept.
"""

from contextvars import ContextVar
from typing import Any

import structlog
import trio
from hypercorn.events import Closed, Event
from hypercorn.protocol import ws_stream
from hypercorn.protocol.ws_stream import FrameTooLargeError, WebsocketBuffer
from hypercorn.trio import run as hypercorn_run
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from wsproto.events import Message

_FAREWELL = 2.5
"""Seconds that a cancelled connection has for its last messages; sessions have 2 s for theirs."""

log = structlog.get_logger()


class ContainedConnection(TCPServer):
    async def run(self) -> None:
        """Serve the connection to its end. Raises nothing but `Cancelled`."""
        ended = trio.Event()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._cut_off, ended)
                try:
                    await super().run()
                finally:
                    ended.set()
        except* Exception as group:
            # Types only: the text of a transport's error may hold what was about to be sent.
            log.error("connection_failed", errors=sorted({type(error).__name__ for error in _leaves(group)}))
        finally:
            self._close_socket()

    async def protocol_send(self, event: Event) -> None:
        try:
            await super().protocol_send(event)
        except trio.BusyResourceError:
            # Another task is closing the connection at this very moment.
            await self.protocol.handle(Closed())

    async def _cut_off(self, ended: trio.Event) -> None:
        try:
            await ended.wait()
        finally:
            with trio.move_on_after(_FAREWELL, shield=True):
                await ended.wait()
            self._close_socket()  # wakes a send that is stuck, with an error that Hypercorn expects

    def _close_socket(self) -> None:
        """At once, and without a goodbye. Harmless when it is closed."""
        getattr(self.stream, "transport_stream", self.stream).socket.close()


def _leaves(group: BaseExceptionGroup[Exception]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


class BoundedBuffer(WebsocketBuffer):
    """Puts a message together from its pieces, and forgets them when they are too many."""

    def extend(self, event: Message[Any]) -> None:
        if self.length + len(event.data) > self.max_length:
            self.clear()
            self.max_length = -1  # the rest of the message is not the beginning of a shorter one
            raise FrameTooLargeError
        super().extend(event)


_serving: ContextVar[WorkerContext] = ContextVar("serving")
"""Of the tasks of one Hypercorn server, its lifespan's among them."""


class KnownContext(WorkerContext):
    """What a Hypercorn server has for all of its connections. Only those ever see it; an application would not be told that
    the server stops until after they have been cut.
    """

    def __init__(self, max_requests: int | None) -> None:
        super().__init__(max_requests)
        _serving.set(self)


async def wait_terminated() -> None:
    """Until the Hypercorn server that runs this task takes no connection any more; for ever under another server."""
    context = _serving.get(None)
    if context is None:
        await trio.sleep_forever()
    else:
        await context.terminated.wait()


def contain_connections() -> None:
    """Let Hypercorn's trio worker, whoever starts it in this process, serve its connections in this way."""
    hypercorn_run.TCPServer = ContainedConnection  # type: ignore[attr-defined]
    hypercorn_run.WorkerContext = KnownContext  # type: ignore[attr-defined]
    ws_stream.WebsocketBuffer = BoundedBuffer  # type: ignore[misc]
