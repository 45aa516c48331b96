"""Hypercorn's connections without a network: bytes in, bytes out, in virtual time.

`open_server` serves an app as Hypercorn's trio worker would do it, on connections that are a pair of streams in memory.
"""

import os
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio
import trio.testing
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from tests.end_to_end.raw_client import frame
from voicetrio.gateway.connection_rules import ConnectionRules
from voicetrio.gateway.connections import ContainedConnection, contain_connections

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"


class _Socket:
    """What Hypercorn and we ask of a connection's socket."""

    family = socket.AF_INET

    def __init__(self, streams: tuple[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]) -> None:
        self._streams = streams
        self.options: list[tuple[int, int, Any]] = []
        self.closed = False

    def getpeername(self) -> tuple[str, int]:
        return ("127.0.0.1", 1)

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", 8000)

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        self.options.append((level, option, value))

    def close(self) -> None:
        self.closed = True
        for stream in self._streams:
            stream.close()


class _ServerStream:
    """The server's end."""

    def __init__(self, sender: trio.testing.MemorySendStream, receiver: trio.testing.MemoryReceiveStream) -> None:
        self._sender, self._receiver = sender, receiver
        self.socket = _Socket((sender, receiver))

    async def send_all(self, data: bytes) -> None:
        await self._sender.send_all(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytearray:
        return await self._receiver.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self._sender.aclose()

    async def aclose(self) -> None:
        self.socket.close()
        await trio.lowlevel.checkpoint()


@dataclass
class Client:
    """The client's end. It reads only when it is told to."""

    sender: trio.testing.MemorySendStream
    receiver: trio.testing.MemoryReceiveStream
    socket: _Socket
    """The server's, to look at."""
    over: trio.Event
    """Set when the server is done with the connection."""

    async def send(self, data: bytes) -> None:
        await self.sender.send_all(data)

    async def read(self) -> bytes:
        """What comes next; empty: the server has closed the connection."""
        try:
            return bytes(await self.receiver.receive_some(65_536))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def read_to_end(self) -> bytes:
        received = b""
        while data := await self.read():
            received += data
        return received

    async def upgrade(self, session_id: str = "one", *headers: str) -> bytes:
        """Ask for a session; the head of the answer."""
        key = b64encode(os.urandom(16)).decode()
        lines = (
            f"GET /ws/{session_id} HTTP/1.1",
            "Host: 127.0.0.1:8000",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            *headers,
        )
        await self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        head = b""
        while b"\r\n\r\n" not in head:
            head += (data := await self.read())
            if not data:
                break
        head, _, self._rest = head.partition(b"\r\n\r\n")
        return head

    _rest = b""

    async def frames(self) -> list[Any]:
        """All that comes over the WebSocket until the server closes it: wsproto's events."""
        parser = Connection(ConnectionType.CLIENT)
        parser.receive_data(self._rest + await self.read_to_end())
        return [
            event for event in parser.events() if isinstance(event, TextMessage | BytesMessage | CloseConnection | Ping)
        ]

    async def say(self, text: str) -> None:
        await self.send(frame(1, text.encode()))

    async def vanish(self) -> None:
        """As a client does that is killed: the other end sees the end of the stream."""
        await self.sender.aclose()
        await self.receiver.aclose()


class Server:
    """Use `open_server`."""

    def __init__(self, app: Any, rules: ConnectionRules, nursery: trio.Nursery) -> None:
        self._app = ASGIWrapper(app)
        self._nursery = nursery
        self._context = WorkerContext(None)
        self._config = Config()
        self._config.loglevel = "CRITICAL"
        self._state: dict[str, Any] = {}
        rules.into({"state": self._state})

    def connect(self) -> Client:
        to_server, from_client = trio.testing.memory_stream_one_way_pair()
        to_client, from_server = trio.testing.memory_stream_one_way_pair()
        stream = _ServerStream(to_client, from_client)
        client = Client(to_server, from_server, stream.socket, trio.Event())
        self._nursery.start_soon(self._serve, stream, client.over)
        return client

    async def _serve(self, stream: _ServerStream, over: trio.Event) -> None:
        await ContainedConnection(self._app, self._config, self._context, dict(self._state), stream)
        over.set()


@asynccontextmanager
async def open_server(app: Any, rules: ConnectionRules | None = None) -> AsyncIterator[Server]:
    contain_connections()
    async with trio.open_nursery() as nursery:
        yield Server(app, rules or ConnectionRules(), nursery)
        nursery.cancel_scope.cancel(reason="the test has ended")
