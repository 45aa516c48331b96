"""A connection that breaks Hypercorn ends itself only. Real sockets on this machine; nothing sleeps."""

import socket
from functools import partial

import hypercorn.trio
import pytest
import trio
from hypercorn.config import Config

from voicetrio.gateway.app import make_gateway
from voicetrio.gateway.connections import contain_connections

UPGRADE = (
    b"GET /ws/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


async def ask(port: int, request: bytes) -> bytes:
    """The first of the answer; empty: the connection was closed without one."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(request)
        return bytes(await stream.receive_some())


@pytest.mark.parametrize("header", [b"Sec-WebSocket-Protocol: \xff", b"Sec-WebSocket-Extensions: \xff"])
async def test_a_header_that_breaks_the_handshake_ends_its_own_connection(header):
    contain_connections()
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{sock.detach()}"]
    config.loglevel = "CRITICAL"
    stopping = trio.Event()
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(hypercorn.trio.serve, make_gateway(), config, shutdown_trigger=stopping.wait))
            await ask(port, UPGRADE + header + b"\r\n\r\n")
            answer = await ask(port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            stopping.set()
    assert answer.startswith(b"HTTP/1.1 200")
