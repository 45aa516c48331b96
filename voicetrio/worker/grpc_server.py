"""grpclib's server inside trio: it starts, drains and ends with one block. The only file that reaches into grpclib.

grpclib can end, but not drain: its `close` cancels all calls, and it leaves connections open. So this one keeps its
connections, to close them itself, and can stop listening while calls go on.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakSet

import structlog
import trio
import trio_asyncio  # before grpclib, see `edge`
from grpclib.config import Configuration
from grpclib.protocol import H2Protocol
from grpclib.server import Server

STREAM_WINDOW_BYTES = 256 * 1024
"""Of one call, received and not yet read: 8 s of audio. Beyond it, gRPC's flow control holds the client back."""
CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024
"""Of all calls of a connection: 64 streams can be full before one of them could hold back another."""
CLOSE_TIMEOUT = 1.0
"""Seconds that cancelled calls have to say goodbye."""

log = structlog.get_logger()


class DrainableServer(Server):
    def __init__(self, services: Sequence[Any]) -> None:
        """Asyncio: needs a running loop."""
        windows = Configuration(
            http2_stream_window_size=STREAM_WINDOW_BYTES, http2_connection_window_size=CONNECTION_WINDOW_BYTES
        )
        super().__init__(services, config=windows)
        self._protocols: WeakSet[H2Protocol] = WeakSet()

    def _protocol_factory(self) -> H2Protocol:
        protocol = super()._protocol_factory()
        self._protocols.add(protocol)
        return protocol

    def stop_listening(self) -> None:
        """Calls on the connections that are open go on, and so may new ones there."""
        if self._server is not None:
            self._server.close()

    def close_connections(self) -> None:
        for protocol in self._protocols:
            if hasattr(protocol, "processor"):
                protocol.processor.close("the worker has ended")


@asynccontextmanager
async def serving(
    services: Sequence[Any], sock: socket.socket, loop: trio_asyncio.TrioEventLoop
) -> AsyncIterator[DrainableServer]:
    """Serve on a bound, listening socket for as long as the block lives; leaving it cancels all calls."""
    loop.set_exception_handler(_log_loop_error)

    async def start() -> DrainableServer:
        server = DrainableServer(services)
        await server.start(sock=sock)
        return server

    server = await trio_asyncio.aio_as_trio(start, loop=loop)()
    try:
        yield server
    finally:
        server.close()
        server.close_connections()
        # Transports close in callbacks of the loop, too: without these turns they would be found open when it is gone.
        with trio.move_on_after(CLOSE_TIMEOUT, shield=True):
            await trio_asyncio.aio_as_trio(server.wait_closed, loop=loop)()
            await trio_asyncio.aio_as_trio(asyncio.sleep, loop=loop)(0)


def _log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What a connection's callbacks raise, such as a frame that nobody knows, ends that connection and not the worker.

    The message and the type only: asyncio's contexts hold transports and whatever they were about to send.
    """
    error = context.get("exception")
    with contextlib.suppress(Exception):
        log.warning("connection_failed", what=context.get("message"), error=type(error).__name__ if error else None)
