"""A bad network: `async with open_proxy(server.port) as proxy` passes on what comes to `proxy.port`, until it is cut.

    client <──> proxy <──> server

`cut` resets both sides; `leave_client` only the client's, of which the server hears nothing for now, and what it writes
is lost. `cut_after` does the former by itself, once each of the first connections has carried so many bytes to the server;
`cut_down_after`, once it has carried so many to the client.
"""

import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from socket import SO_LINGER, SOL_SOCKET

import trio

_CHUNK = 4096
"""Bytes that are passed on at a time: a cut is as exact as this."""


class Proxy:
    """Use `open_proxy`."""

    def __init__(self, server_port: int, cut_after: Sequence[int], cut_down_after: Sequence[int]) -> None:
        self.port = 0
        self.cuts = 0
        """So many connections were cut."""
        self._server_port = server_port
        self._cut_after, self._cut_down_after = list(cut_after), list(cut_down_after)
        self._pairs: list[tuple[trio.SocketStream, trio.SocketStream]] = []

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def serve(self, client: trio.SocketStream) -> None:
        """One connection to its end."""
        up = self._cut_after.pop(0) if self._cut_after else None
        down = self._cut_down_after.pop(0) if self._cut_down_after else None
        async with client, await trio.open_tcp_stream("127.0.0.1", self._server_port) as server:
            pair = client, server
            self._pairs.append(pair)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, client, server, up)
                await self._pass_on(server, client, down)
                nursery.cancel_scope.cancel(reason="the server has closed the connection")
            self._pairs.remove(pair)

    async def _pass_on(self, source: trio.SocketStream, sink: trio.SocketStream, limit: int | None) -> None:
        passed = 0
        while True:
            try:
                chunk = await source.receive_some(_CHUNK)
                if not chunk:
                    await sink.send_eof()
                    return
                await sink.send_all(chunk)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                if source.socket.fileno() == -1:
                    return
                continue  # read on: a writer whose reader is gone does not know
            passed += len(chunk)
            if limit is not None and passed >= limit:
                self.cut()
                return

    def cut(self) -> None:
        """Reset all connections on both sides. What was under way is lost."""
        self.cuts += len(self._pairs)
        for client, server in self._pairs:
            _reset(client)
            _reset(server)

    def leave_client(self) -> None:
        """Reset the clients' side of all connections; the server's stays, and what is written there is lost."""
        self.cuts += len(self._pairs)
        for client, _ in self._pairs:
            _reset(client)


def _reset(stream: trio.SocketStream) -> None:
    if stream.socket.fileno() != -1:
        stream.socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        stream.socket.close()


@asynccontextmanager
async def open_proxy(
    server_port: int, *, cut_after: Sequence[int] = (), cut_down_after: Sequence[int] = ()
) -> AsyncIterator[Proxy]:
    """A proxy to this port of this machine, which ends, with its connections, at the end of the block."""
    proxy = Proxy(server_port, cut_after, cut_down_after)
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, proxy.serve, 0, host="127.0.0.1"))
        proxy.port = listener.socket.getsockname()[1]
        yield proxy
        nursery.cancel_scope.cancel(reason="the test has ended")
