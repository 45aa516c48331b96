"""Whatever one client does, it is told what was wrong, and no other one notices."""

import gc
import json
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import trio

from voicetrio.cli.native_client import SessionRefused

from .client import Client, open_client
from .processes import ServerProcess, http_status, memory_kb
from .raw_client import OPCODE_BINARY, OPCODE_CLOSE, OPCODE_TEXT, RawClient, frame, open_raw, open_raw_session
from .sound import GOOD_IDEA, THANK_YOU

pytestmark = [
    pytest.mark.slow,
    # trio-websocket leaves the socket of a refused connection to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

BOUND_S = 30.0
"""Seconds for any answer."""

Misbehaviour = Callable[[ServerProcess], Awaitable[None]]
MISBEHAVIOURS: list[Misbehaviour] = []


def misbehaviour(function: Misbehaviour) -> Misbehaviour:
    MISBEHAVIOURS.append(function)
    return function


async def is_told(client: Client, code: str, *words: str) -> None:
    """Once, in a text that says what to do; and the session goes on."""
    error = await client.wait_for("error")
    assert error["code"] == code
    assert error["recoverable"] is True
    for word in words:
        assert word in error["message"], error
    await client.send("session.configure")
    await client.wait_for("session.configured")
    assert len(client.got("error")) == 1


@misbehaviour
async def text_that_is_no_json(server: ServerProcess) -> None:
    async with open_client(server.url) as client:
        await client.session._connection.send_message('{"type": "tts.speak", ')
        await is_told(client, "invalid_json", "JSON")
        await client.session._connection.send_message("[" * 100_000)
        assert (await client.wait_for("error", count=2))["code"] == "invalid_json"
        await client.session._connection.send_message('["no", "object"]')
        assert (await client.wait_for("error", count=3))["code"] == "invalid_message"


@misbehaviour
async def an_unknown_type(server: ServerProcess) -> None:
    async with open_client(server.url) as client:
        await client.send("session.explode")
        await is_told(client, "unknown_type", "session.configure", "tts.speak")


@misbehaviour
async def a_field_of_the_wrong_type(server: ServerProcess) -> None:
    async with open_client(server.url) as client:
        await client.send("session.configure", input_sample_rate="much", silence_timeout_ms=500)
        await is_told(client, "invalid_field", "input_sample_rate", "Nothing was changed")
        config = client.got("session.configured")[0]["config"]
        assert config == client.got("session.created")[0]["config"]


@misbehaviour
async def an_unknown_language(server: ServerProcess) -> None:
    async with open_client(server.url) as client:
        await client.send("session.configure", language="tlh")
        await is_told(client, "unknown_language", "language", "en")


@misbehaviour
async def an_odd_number_of_bytes(server: ServerProcess) -> None:
    async with open_client(server.url) as client:
        for start in range(0, len(THANK_YOU.pcm), 641):
            await client.session.send_audio(THANK_YOU.pcm[start : start + 641])
        assert await client.finish() == THANK_YOU.text, "half a sample waits for its other half"
        assert client.got("error") == []


@misbehaviour
async def a_message_of_ten_megabytes(server: ServerProcess) -> None:
    for data in (bytes(10_000_000), "x" * 10_000_000):
        async with open_client(server.url) as client:
            await client.session._connection.send_message(data)
            await client.ended.wait()
            (error,) = client.got("error")
            assert (error["code"], error["recoverable"]) == ("message_too_large", False)
            assert "1048576" in error["message"]
            assert client.got()[-1]["reason"] == "message_too_large"
            assert client.session.close_code == 1009


@misbehaviour
async def a_message_that_the_transport_itself_refuses(server: ServerProcess) -> None:
    async with open_raw_session(server.port, "huge-message") as client:
        with trio.fail_after(BOUND_S):
            await client.send(frame(OPCODE_BINARY, bytes(20_000_000)))
            while b"\x03\xf1message_too_large" not in client.received:  # a close frame with 1009
                client.received += await client.receive()


@misbehaviour
async def session_ids_that_are_none(server: ServerProcess) -> None:
    for session_id in ("no%20spaces", "%2E%2E%2Fetc", "a" * 129, "%0A", "caf%C3%A9"):
        with pytest.raises(SessionRefused) as caught:
            async with open_client(server.url, session_id):
                pytest.fail("there is no session")
        assert caught.value.status in (400, 404), session_id
        del caught
    with pytest.raises(SessionRefused, match="a session id is 1 to 128 characters") as caught:
        async with open_client(server.url, "a" * 129):
            pytest.fail("there is no session")
    assert caught.value.status == 400


@misbehaviour
async def a_session_id_that_is_in_use(server: ServerProcess) -> None:
    async with open_client(server.url, "mine") as first:
        with pytest.raises(SessionRefused, match="live") as caught:
            async with open_client(server.url, "mine"):
                pytest.fail("there are no two of them")
        assert caught.value.status == 409
        await first.finish()
    with trio.fail_after(BOUND_S):
        while True:  # the server notices the end of the first one a moment after us
            try:
                async with open_client(server.url, "mine") as again:
                    await again.finish()
                return
            except SessionRefused:
                await trio.sleep(0.02)


async def is_cut_off(client: RawClient, garbage: bytes) -> None:
    await client.send(garbage)
    with trio.fail_after(BOUND_S):
        await client.receive_all()


GARBAGE = {
    "an invalid opcode": frame(3, b"what is this"),
    "reserved bits": frame(OPCODE_TEXT, b"{}", first_bits=0xF0),
    "text that is not UTF-8": frame(OPCODE_TEXT, b"\xff\xfe\xc0"),
    "a frame without a mask": frame(OPCODE_TEXT, b"{}", mask=False),
    "an invalid close code": frame(OPCODE_CLOSE, b"\x00\x01"),
    "a long ping": frame(9, bytes(200)),
    "no WebSocket at all": b"GET / HTTP/1.1\r\nHost: here\r\n\r\n" * 3,
}


@misbehaviour
async def frames_that_break_the_protocol(server: ServerProcess) -> None:
    async def one(session_id: str, garbage: bytes) -> None:
        async with open_raw_session(server.port, session_id) as client:
            await is_cut_off(client, garbage)

    # Several times each: what happens depends on what the server is doing just then.
    for _ in range(8):
        async with trio.open_nursery() as nursery:
            for number, garbage in enumerate(GARBAGE.values()):
                nursery.start_soon(one, f"garbage-{number}-{secrets.token_hex(4)}", garbage)


@misbehaviour
async def bytes_that_are_no_http(server: ServerProcess) -> None:
    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"\0" * 1000, b"HELLO\r\n\r\n"):
        async with open_raw(server.port) as client:
            await is_cut_off(client, garbage + b"\r\n\r\n")


@misbehaviour
async def clients_that_vanish(server: ServerProcess) -> None:
    """In the middle of an upgrade, of a frame, of speech, and of being spoken to."""
    async with open_raw(server.port) as client:
        await client.send(b"GET /ws/half-an-upgrade HTTP/1.1\r\nUpgrade: webso")
        client.reset()
    async with open_raw_session(server.port, "half-a-frame") as client:
        await client.send(frame(OPCODE_BINARY, bytes(640))[:100])
        client.reset()
    async with open_raw_session(server.port, "half-a-word") as client:
        await client.send(frame(OPCODE_BINARY, THANK_YOU.pcm[: 2 * 16_000]))
        client.reset()
    async with open_raw_session(server.port, "half-a-speech") as client:
        speak = {"type": "tts.speak", "text": "This goes on for longer than anybody listens."}
        await client.send(frame(OPCODE_TEXT, json.dumps(speak).encode()))
        await client.stream.receive_some(1000)
        client.reset()


@pytest.mark.parametrize("misbehave", MISBEHAVIOURS, ids=[function.__name__ for function in MISBEHAVIOURS])
async def test_it_is_answered_clearly(server: ServerProcess, misbehave: Misbehaviour):
    await misbehave(server)
    assert http_status(server.port, "/readyz") == 200
    gc.collect()


async def test_none_of_it_harms_another_session(server: ServerProcess):
    async def listen(bystander: Client) -> None:
        await bystander.play(GOOD_IDEA.pcm)
        assert await bystander.finish() == GOOD_IDEA.text
        assert bystander.got("error") == []

    async with open_client(server.url, "bystander") as bystander, trio.open_nursery() as nursery:
        nursery.start_soon(listen, bystander)
        for misbehave in MISBEHAVIOURS:
            await misbehave(server)
    gc.collect()


async def test_a_message_without_end_is_not_kept(server: ServerProcess):
    async with open_raw_session(server.port, "without-end") as client, trio.open_nursery() as nursery:
        nursery.start_soon(client.receive_all)
        head = frame(OPCODE_BINARY, bytes(16_000_000))
        before = memory_kb(server.process.pid)
        # The server closes as soon as it is too large, so the rest cannot be sent.
        with trio.fail_after(BOUND_S), suppress(trio.BrokenResourceError):
            await client.send(bytes([OPCODE_BINARY]) + head[1:])  # not the last piece of its message
            for _ in range(8):
                await client.send(bytes([0]) + head[1:])
            await client.send(frame(OPCODE_BINARY, b""))
        assert memory_kb(server.process.pid) - before < 64_000
        nursery.cancel_scope.cancel()


async def test_sessions_that_vanished_are_gone(server: ServerProcess):
    """Their ids, that is their sessions, can be used again."""
    await clients_that_vanish(server)
    for session_id in ("half-a-frame", "half-a-word", "half-a-speech"):
        with trio.fail_after(BOUND_S):
            while True:
                try:
                    async with open_client(server.url, session_id) as client:
                        await client.finish()
                    break
                except SessionRefused:
                    await trio.sleep(0.02)
    gc.collect()
