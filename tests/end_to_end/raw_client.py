"""A client that is no client: a socket on which anything can be sent."""

import os
import struct
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import SO_LINGER, SO_RCVBUF, SOL_SOCKET, socket

import trio

OPCODE_TEXT, OPCODE_BINARY, OPCODE_CLOSE = 1, 2, 8


def frame(opcode: int, payload: bytes, *, mask: bool = True, first_bits: int = 0x80) -> bytes:
    """A WebSocket frame; `first_bits` are FIN and the reserved ones."""
    head = bytes([first_bits | opcode])
    masked = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([masked | len(payload)])
    elif len(payload) < 65_536:
        head += bytes([masked | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([masked | 127]) + struct.pack(">Q", len(payload))
    # A mask of zeros is as good as any, and cheap.
    return head + (bytes(4) if mask else b"") + payload


class RawClient:
    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.received = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def receive(self) -> bytes:
        """What comes next; there has to be something."""
        chunk = await self.stream.receive_some(65_536)
        assert chunk, f"the server closed the connection after {self.received[-200:]!r}"
        return chunk

    async def receive_all(self) -> bytes:
        """What comes until the server has closed the connection."""
        try:
            while chunk := await self.stream.receive_some(65_536):
                self.received += chunk
        except trio.BrokenResourceError:
            pass  # closed by force is closed
        return self.received

    def reset(self) -> None:
        """Vanish: the server gets a RST, and no goodbye."""
        self.stream.socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()


@asynccontextmanager
async def open_raw(port: int, *, receive_buffer: int | None = None) -> AsyncIterator[RawClient]:
    """A connection and nothing on it."""
    with socket() as plain:
        if receive_buffer is not None:
            plain.setsockopt(SOL_SOCKET, SO_RCVBUF, receive_buffer)  # has to come before the connection
        plain.setblocking(False)
        sock = trio.socket.from_stdlib_socket(plain)
        await sock.connect(("127.0.0.1", port))
        async with trio.SocketStream(sock) as stream:
            yield RawClient(stream)


@asynccontextmanager
async def open_raw_session(
    port: int, session_id: str, *, receive_buffer: int | None = None
) -> AsyncIterator[RawClient]:
    """A session after its handshake, whose first message was received."""
    async with open_raw(port, receive_buffer=receive_buffer) as client:
        await client.send(_upgrade(session_id))
        while b"session.created" not in client.received:
            client.received += await client.receive()
        assert b"101" in client.received.split(b"\r\n")[0]
        yield client


async def upgrade_status(port: int, session_id: str, query: str) -> int:
    """The HTTP status that a client gets who wants to open this session with this query."""
    async with open_raw(port) as client:
        await client.send(_upgrade(f"{session_id}?{query}"))
        while b"\r\n" not in client.received:
            client.received += await client.receive()
        return int(client.received.split()[1])


def _upgrade(session: str) -> bytes:
    key = b64encode(os.urandom(16)).decode()
    return (
        f"GET /ws/{session} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
