"""Connections as bytes: floods, silence, rubbish and ends; through Hypercorn and wsproto, in virtual time."""

import socket
import struct
from contextlib import suppress
from importlib.metadata import version

import pytest
import trio
import trio.testing
from wsproto.events import CloseConnection, Ping, TextMessage

from tests.end_to_end.raw_client import frame
from tests.fakes.telemetry import FakeTelemetry
from tests.gateway.caller import open_door
from voicetrio.core.config import SessionConfig
from voicetrio.core.flood import FloodRules
from voicetrio.core.states import StateTimeouts
from voicetrio.gateway.connection_rules import ConnectionRules

from .wire import GET, Client, open_server

BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
FIN = 0x80
HANDSHAKE_400 = b"HTTP/1.1 400"
PATIENT = SessionConfig(timeouts=StateTimeouts(init=1000.0))
"""A session that waits for somebody to speak for longer than any of these tests takes."""


def test_the_libraries_that_are_mended_are_those_that_were_read():
    """Their faults are named with their versions in gateway/connections.py and websocket_stream.py: look again."""
    assert version("hypercorn").startswith("0.18.")
    assert version("wsproto").startswith("1.3.")
    assert version("quart-trio").startswith("0.12.")


async def check_cut(client: Client, telemetry: FakeTelemetry, code: str, close_code: int = 1008) -> None:
    """The client was told why, in all the ways there are, and its connection is closed."""
    *_, error, closed, close = [event for event in await client.frames() if not isinstance(event, Ping)]
    assert isinstance(error, TextMessage)
    assert f'"code":"{code}"' in error.data
    assert '"recoverable":false' in error.data
    assert isinstance(closed, TextMessage)
    assert f'"type":"session.closed","reason":"{code}"' in closed.data
    assert isinstance(close, CloseConnection)
    assert (close.code, close.reason) == (close_code, code)
    with trio.fail_after(5):
        await client.over.wait()
    assert telemetry.counts[f"connection_cut:{code}"] == 1


def dust(opcode: int, payload: bytes, count: int, first_bits: int = FIN) -> bytes:
    return frame(opcode, payload, first_bits=first_bits) * count


@pytest.mark.parametrize(
    ("flood", "code"),
    [
        (frame(BINARY, b"\0", first_bits=0) + dust(0, b"\0", 2_000, 0), "too_many_fragments"),
        (frame(1, b"", first_bits=0) + dust(0, b"", 2_000, 0), "too_many_fragments"),
        (dust(BINARY, b"", 10_000), "too_many_frames"),
        (dust(1, b"{", 4_000), "too_many_frames"),
        (dust(PING, b"x" * 125, 1_000), "too_many_control_frames"),
        (dust(PONG, b"", 1_000), "too_many_control_frames"),
        (dust(1, b"[" * 500_000, 20), "too_much_data"),
        (dust(BINARY, bytes(64_000), 400), "too_much_data"),
    ],
)
async def test_a_flood_ends_its_own_session_with_an_explanation(autojump_clock, flood: bytes, code: str):
    telemetry = FakeTelemetry()
    async with open_door() as door, open_server(door.app, ConnectionRules(telemetry=telemetry)) as server:
        other = await door.enter("other")
        client = server.connect()
        assert b" 101 " in await client.upgrade()
        await client.send(flood)
        await check_cut(client, telemetry, code)
        assert door.house.registry.find("one") is None, "it is not waited for"
        await other.say("session.close")
        await other.over.wait()
        assert other.closed == 1000


async def test_what_is_too_large_is_refused_before_it_is_collected(autojump_clock):
    telemetry = FakeTelemetry()
    rules = ConnectionRules(telemetry=telemetry, flood=FloodRules(max_message_bytes=100_000))
    async with open_door() as door, open_server(door.app, rules) as server:
        client = server.connect()
        await client.upgrade()
        await client.send(frame(BINARY, bytes(10_000_000)))
        await check_cut(client, telemetry, "message_too_large", 1009)


async def test_a_flood_is_taken_apart_in_turns(autojump_clock):
    """While one connection's thousands of frames are taken apart, everybody else runs, many times."""
    async with open_door() as door, open_server(door.app) as server:
        client = server.connect()
        await client.upgrade()
        await trio.testing.wait_all_tasks_blocked()
        rounds = 0
        async with trio.open_nursery() as nursery:

            async def count_rounds() -> None:
                nonlocal rounds
                while True:
                    await trio.lowlevel.checkpoint()
                    rounds += 1

            nursery.start_soon(count_rounds)
            await client.send(dust(1, b"", 1_000) + frame(PING, b"mark"))
            while b"mark" not in await client.read():
                pass
            nursery.cancel_scope.cancel()
        assert rounds > 1_000 / 32


async def test_of_many_floods_one_has_a_turn_at_a_time(autojump_clock):
    rules = ConnectionRules()
    running = most = 0

    async def flood() -> None:
        nonlocal running, most
        for _ in range(10):
            await rules.next_turn()
            running += 1
            most = max(most, running)
            trio.lowlevel.spawn_system_task(forget)

    async def forget() -> None:
        nonlocal running
        await trio.lowlevel.checkpoint()
        running = 0

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(flood)
    assert most <= 2


async def test_nothing_is_compressed(autojump_clock):
    telemetry = FakeTelemetry()
    async with open_door() as door, open_server(door.app, ConnectionRules(telemetry=telemetry)) as server:
        client = server.connect()
        head = await client.upgrade("one", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
        assert b" 101 " in head
        assert b"extensions" not in head.lower()
        await client.send(
            frame(BINARY, bytes(100), first_bits=0xC0)
        )  # and who compresses all the same is not understood
        events = await client.frames()
        assert events[-1].code == 1002
        assert telemetry.counts["connection_cut:protocol_error"] == 1


@pytest.mark.parametrize(
    ("rubbish", "code"),
    [
        (frame(1, b"\xff\xfe"), 1007),
        (frame(1, b"\xe2\x82", first_bits=0) + frame(0, b"\xff"), 1007),
        (frame(BINARY, b"ab", mask=False), 1002),
        (frame(BINARY, b"ab", first_bits=FIN | 0x20), 1002),
        (frame(3, b"ab"), 1002),
        (frame(0, b"ab"), 1002),
        (frame(PING, b"ab", first_bits=0), 1002),
        (frame(CLOSE, b"x"), 1002),
        (b"\x82\xff" + struct.pack(">Q", 1 << 63) + bytes(4), 1002),
    ],
)
async def test_rubbish_is_answered_with_a_close_frame_and_costs_nobody_else(autojump_clock, rubbish: bytes, code: int):
    async with open_door() as door, open_server(door.app) as server:
        client, other = server.connect(), server.connect()
        await client.upgrade("one")
        await other.upgrade("two")
        await client.send(rubbish)
        events = await client.frames()
        assert isinstance(events[-1], CloseConnection)
        assert events[-1].code == code
        await client.over.wait()
        await other.say('{"type":"session.close"}')
        assert next(event for event in await other.frames() if isinstance(event, CloseConnection)).code == 1000


async def test_a_message_byte_by_byte_is_a_message(autojump_clock):
    async with open_door() as door, open_server(door.app) as server:
        client = server.connect()
        await client.upgrade()
        for byte in frame(1, b'{"type":"session.cancel"}'):
            await client.send(bytes([byte]))
            await trio.testing.wait_all_tasks_blocked()
        assert (await client.frames())[-1].reason == "cancelled"


# -- silence ----------------------------------------------------------------------------------------------------------


async def test_who_answers_no_ping_is_cut_off_for_good(autojump_clock):
    telemetry = FakeTelemetry()
    rules = ConnectionRules(ping_interval=10, pong_timeout=15, telemetry=telemetry)
    async with open_door() as door, open_server(door.app, rules) as server:
        client = server.connect()
        await client.upgrade()
        await client.say('{"type":"session.configure"}')
        began = trio.current_time()
        await client.over.wait()
        assert 20 <= trio.current_time() - began <= 40
        assert telemetry.counts["connection_cut:no_pong"] == 1
        assert (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)) in client.socket.options
        assert client.socket.closed
        session = door.house.registry.find("one")
        assert session is not None
        assert session.waits_for_client, "its grace has begun"


@pytest.mark.parametrize("signs", [frame(PONG, b"") * 5, frame(PING, b"") * 5, frame(BINARY, bytes(6))])
async def test_any_byte_is_a_sign_of_life(autojump_clock, signs: bytes):
    async with open_door(config=PATIENT) as door, open_server(door.app) as server:
        client = server.connect()
        await client.upgrade()
        for byte in signs:
            await trio.sleep(ConnectionRules().silence - 0.5)
            await client.send(bytes([byte]))
            assert not client.over.is_set()


async def test_pings_come_also_to_those_who_send(autojump_clock):
    """Proxies cut a connection on which one side is silent for a minute."""
    async with open_door(config=PATIENT) as door, open_server(door.app) as server:
        client = server.connect()
        await client.upgrade()
        for _ in range(250):
            await client.send(frame(BINARY, bytes(6400)))
            await trio.sleep(0.2)
        await client.say('{"type":"session.cancel"}')
        pings = [event for event in await client.frames() if isinstance(event, Ping) and not event.payload]
        assert len(pings) in (4, 5), "in 50 s"


async def test_a_process_that_stood_still_reads_before_it_judges(autojump_clock):
    """All timers are due when it goes on; what the client sent meanwhile has not been read yet."""
    async with open_door() as door, open_server(door.app) as server:
        client = server.connect()
        await client.upgrade()
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:

            async def answer_late() -> None:
                await trio.sleep(ConnectionRules().silence)  # due in the same moment as the judgement
                await client.send(frame(PONG, b""))

            nursery.start_soon(answer_late)
        await trio.sleep(5)
        assert not client.over.is_set()


@pytest.mark.parametrize("ask", [b"", frame(CLOSE, b"\x03\xe8")])
async def test_a_client_that_vanishes_leaves_nothing_open(autojump_clock, ask: bytes):
    """Not even for the time between two pings."""
    async with open_door() as door, open_server(door.app) as server:
        client = server.connect()
        await client.upgrade()
        await client.send(ask)
        await client.vanish()
        with trio.fail_after(2.5):
            await client.over.wait()
        assert client.socket.closed


async def test_who_cancels_and_vanishes_leaves_nothing_open(autojump_clock):
    async with open_door() as door, open_server(door.app) as server:
        client = server.connect()
        await client.upgrade()
        await client.say('{"type":"session.cancel"}')
        await client.vanish()
        with trio.fail_after(5):
            await client.over.wait()


# -- HTTP -------------------------------------------------------------------------------------------------------------


async def test_a_connection_that_was_to_be_closed_is_closed_at_once(autojump_clock):
    async with open_door() as door, open_server(door.app) as server:
        client = server.connect()
        began = trio.current_time()
        await client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert (await client.read_to_end()).startswith(b"HTTP/1.1 200")
        assert trio.current_time() - began < 0.1
        await client.over.wait()


async def test_a_connection_that_was_used_is_closed_when_it_is_idle(autojump_clock):
    async with open_door() as door, open_server(door.app) as server:
        client = server.connect()
        for _ in range(3):
            await client.send(GET)
            answer = await client.read()
            while not answer.endswith(b"}"):
                answer += await client.read()
            assert answer.startswith(b"HTTP/1.1 200")
            began = trio.current_time()
            await trio.sleep(4.0)
        await client.over.wait()
        assert trio.current_time() - began == pytest.approx(5.0, abs=0.1)
        assert client.socket.closed


@pytest.mark.parametrize("request_head", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_who_never_comes_to_the_end_of_a_request_is_not_waited_for(autojump_clock, request_head: bytes):
    async with open_door() as door, open_server(door.app) as server:
        client = server.connect()
        async with trio.open_nursery() as nursery:

            async def drip() -> None:
                await client.send(request_head)
                with suppress(trio.BrokenResourceError):
                    while request_head:
                        await trio.sleep(1.0)
                        await client.send(b"x")

            nursery.start_soon(drip)
            with trio.fail_after(10):
                await client.over.wait()
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "header",
    [
        "Sec-WebSocket-Protocol: \xff",
        "Sec-WebSocket-Version: 12",
        "Sec-WebSocket-Version: \xff",
        "Connection: Upgrade, \xff",
    ],
)
async def test_a_handshake_that_cannot_be_is_refused_and_its_connection_closed(autojump_clock, header: str):
    async with open_door() as door, open_server(door.app) as server:
        client = server.connect()
        assert (await client.upgrade("one", header)).startswith(HANDSHAKE_400)
        with trio.fail_after(1):
            assert await client.read() == b""
            await client.over.wait()


async def test_a_header_that_nobody_asks_for_may_hold_anything(autojump_clock):
    async with open_door() as door, open_server(door.app) as server:
        client = server.connect()
        assert b" 101 " in await client.upgrade("one", "Sec-WebSocket-Extensions: \xff")


async def test_who_speaks_before_the_answer_is_refused(autojump_clock):
    async with open_door() as door, open_server(door.app) as server:
        client = server.connect()
        head = (
            b"GET /ws/early HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await client.send(head + frame(BINARY, bytes(640)) * 3)
        with trio.fail_after(5):
            await client.read_to_end()
            await client.over.wait()
        assert len(door.house.registry) == 0
