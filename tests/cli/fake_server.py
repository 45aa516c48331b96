"""A server that follows a script: what a test wants to happen, on a real socket on the loopback.

    async with open_fake_server(script) as server:
        ... server.url, server.peers ...

A script is called once per connection, after the handshake. When it returns, the connection is closed with code 1000.
An exception in it fails the test.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

BOUND_S = 20.0
"""Seconds of real time that any one test may take: far more than any needs."""


class Peer:
    """One client, as the server sees it."""

    def __init__(self, connection: WebSocketConnection, path: str) -> None:
        self.connection = connection
        self.path = path
        self.messages: list[dict[str, Any]] = []
        self.audio = bytearray()
        self.frame_times: list[float] = []

    async def send(self, kind: str, **fields: Any) -> None:
        await self.connection.send_message(json.dumps({"type": kind, **fields}))

    async def send_audio(self, pcm: bytes) -> None:
        await self.connection.send_message(pcm)

    async def receive(self) -> dict[str, Any] | bytes:
        data = await self.connection.get_message()
        if isinstance(data, bytes):
            self.audio += data
            self.frame_times.append(trio.current_time())
            return data
        self.messages.append(json.loads(data))
        return self.messages[-1]

    async def receive_until(self, kind: str) -> dict[str, Any]:
        """The next message of that type; the audio before it is collected."""
        while True:
            message = await self.receive()
            if isinstance(message, dict) and message["type"] == kind:
                return message

    async def create(self, **fields: Any) -> None:
        """Without `limits` among the fields, as an older server does it."""
        session_id = urlsplit(self.path).path.rpartition("/")[2]
        await self.send("session.created", session_id=session_id, resume_token="t", config={}, **fields)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query))

    async def say_closed(self, reason: str = "done") -> None:
        await self.send("session.closed", reason=reason, total_duration_ms=0, segments_transcribed=0)

    async def send_final(self, text: str, start_ms: int = 0, end_ms: int = 1000, **fields: Any) -> None:
        await self.send("transcript.final", text=text, segment_id="s", start_ms=start_ms, end_ms=end_ms, **fields)

    async def break_off(self) -> None:
        """As a killed server does: no close frame."""
        await self.connection._stream.aclose()


Script = Callable[[Peer], Awaitable[None]]


@dataclass
class FakeServer:
    url: str
    peers: list[Peer] = field(default_factory=list)


@asynccontextmanager
async def open_fake_server(script: Script, *, refuse: tuple[int, bytes] | None = None) -> AsyncIterator[FakeServer]:
    server = FakeServer("")

    async def handle(request: WebSocketRequest) -> None:
        if refuse is not None:
            await request.reject(refuse[0], body=refuse[1])
            return
        peer = Peer(await request.accept(), request.path)
        server.peers.append(peer)
        with suppress(ConnectionClosed):  # the client left, as some tests want it to
            await script(peer)

    with trio.fail_after(BOUND_S):
        async with trio.open_nursery() as nursery:
            listening = await nursery.start(partial(serve_websocket, handle, "127.0.0.1", 0, ssl_context=None))
            server.url = f"ws://127.0.0.1:{listening.port}"
            yield server
            nursery.cancel_scope.cancel()
