"""Hypercorn's connections under trio, kept from harming each other and from keeping the server.

In Hypercorn 0.18 an exception in any task of one connection leaves through the nursery of all of them and ends the whole
server. It takes no more than a client that closes, or breaks the protocol, in the moment in which something is sent to
it: the close and the send meet on the socket (`trio.BusyResourceError`). What is being sent to a client that has stopped
reading is shielded from every cancel, so that only the kernel could end it. And with Quart-Trio 0.12 no connection is
closed after a request: that cancels the handler when the answer is there, which is in the middle of telling Hypercorn to
close the connection, or to wait for another request for so long and no longer.

Here a connection's failure is logged and ends that connection, a cancelled connection is cut off when its farewell has
had its time, and what a connection's end or its idle time depend on is not cancelled halfway.
"""

import socket
import struct
from contextlib import suppress
from contextvars import ContextVar
from math import inf
from typing import Any

import structlog
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol import h2, h11
from hypercorn.trio import run as hypercorn_run
from hypercorn.trio.tcp_server import MAX_RECV, TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, LifespanState

from voicetrio.gateway.connection_rules import ConnectionRules
from voicetrio.gateway.websocket_stream import WIRE, GuardedWebSocket

_FAREWELL = 2.5
"""Seconds that a cancelled connection has for its last messages; sessions have 2 s for theirs."""

_NO_LINGER = struct.pack("ii", 1, 0)

log = structlog.get_logger()


class ContainedConnection(TCPServer):
    def __init__(
        self, app: AppWrapper, config: Config, context: WorkerContext, state: LifespanState, stream: Any
    ) -> None:
        super().__init__(app, config, context, ConnectionState({**state, WIRE: self}), stream)
        self.rules = ConnectionRules.of(state)
        self.heard_at = trio.current_time()

    async def run(self) -> None:
        """Serve the connection to its end. Raises nothing but `Cancelled`."""
        ended = trio.Event()
        self._limit_unsent()
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
            self.state.pop(WIRE)
            self._socket().close()  # at once, and without a goodbye; harmless when it is closed

    def abort(self) -> None:
        """Close the socket at once and for good: nothing is left to the kernel. Whoever uses it meets an error."""
        with suppress(OSError):  # it is closed
            self._socket().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._socket().close()

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, RawData):
            try:
                await super().protocol_send(event)
            except trio.BusyResourceError:
                # Another task is closing the connection at this very moment.
                await self.protocol.handle(Closed())
        else:
            with trio.move_on_after(_FAREWELL, shield=True):
                await super().protocol_send(event)

    async def _read_data(self) -> None:
        with suppress(trio.ClosedResourceError, trio.BrokenResourceError, trio.TooSlowError):
            while True:
                with trio.fail_after(self.config.read_timeout or inf):
                    data = await self.stream.receive_some(MAX_RECV)
                self.heard_at = trio.current_time()
                await self.protocol.handle(RawData(bytes(data)))
                if not data:
                    break
        await self.protocol.handle(Closed())

    async def _cut_off(self, ended: trio.Event) -> None:
        try:
            await ended.wait()
        finally:
            with trio.move_on_after(_FAREWELL, shield=True):
                await ended.wait()
            self._socket().close()  # wakes a send that is stuck, with an error that Hypercorn expects

    def _limit_unsent(self) -> None:
        """Let the kernel end the connection when what was sent is not taken.

        A client that has stopped reading would hold its connection's task in a send that nothing can cancel.
        """
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            with suppress(OSError):  # a Unix socket
                stall_ms = round(self.rules.send_stall * 1000)
                self._socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, stall_ms)

    def _socket(self) -> Any:
        return getattr(self.stream, "transport_stream", self.stream).socket


def _leaves(group: BaseExceptionGroup[Exception]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


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
    for protocol in (h11, h2):
        vars(protocol)["WSStream"] = GuardedWebSocket
