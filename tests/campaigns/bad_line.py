"""A TCP proxy that a campaign spoils on purpose: it swallows, slows down, and cuts, by FIN or by RST."""

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import SO_LINGER, SOL_SOCKET

import trio

_CHUNK = 4096


class BadLine:
    """Use `open_bad_line`. What is set holds for the connections that there are; `mend` is for those to come."""

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self._server_port = server_port
        self._pairs: list[tuple[trio.SocketStream, trio.SocketStream]] = []
        self.mend()

    def mend(self) -> None:
        self.swallows_up = self.swallows_down = False
        """Bytes are taken, and go nowhere."""
        self.bytes_per_second = 0.0
        """Towards the client; 0: as many as come."""

    async def serve(self, client: trio.SocketStream) -> None:
        async with client, await trio.open_tcp_stream("127.0.0.1", self._server_port) as server:
            pair = client, server
            self._pairs.append(pair)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pump, client, server, True, nursery.cancel_scope)
                nursery.start_soon(self._pump, server, client, False, nursery.cancel_scope)
            if pair in self._pairs:
                self._pairs.remove(pair)

    async def _pump(
        self, source: trio.SocketStream, sink: trio.SocketStream, up: bool, scope: trio.CancelScope
    ) -> None:
        try:
            while chunk := await source.receive_some(_CHUNK):
                if self.swallows_up if up else self.swallows_down:
                    continue
                if self.bytes_per_second and not up:
                    await trio.sleep(len(chunk) / self.bytes_per_second)
                await sink.send_all(chunk)
            await sink.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            pass
        scope.cancel(reason="one side is gone")

    async def cut(self, *, reset: bool) -> None:
        for pair in self._pairs:
            for stream in pair:
                if reset and stream.socket.fileno() != -1:
                    stream.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                await trio.aclose_forcefully(stream)
        self._pairs.clear()


@asynccontextmanager
async def open_bad_line(server_port: int) -> AsyncIterator[BadLine]:
    line = BadLine(server_port)
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        line.port = listener.socket.getsockname()[1]
        await nursery.start(trio.serve_listeners, line.serve, [listener])
        yield line
        nursery.cancel_scope.cancel(reason="done")
