"""Event streams as servers really send them: the same events come out, however the bytes are written and cut."""

import random
from collections.abc import AsyncIterator

import httpx2
import pytest
import trio

from voicetrio.agent.config import AgentConfig
from voicetrio.agent.sse import open_events
from voicetrio.core.errors import AgentError
from voicetrio.session.ports import AgentAlive

TYPE = {"content-type": "text/event-stream"}


def limits(event: int = 1_048_576, **more: int) -> AgentConfig:
    return AgentConfig("embedded", max_event_bytes=event, **more)


async def events_of(
    *pieces: bytes, limit: int = 1_048_576, headers: dict[str, str] = TYPE, **more: int
) -> list[tuple[str, str]]:
    """Name and data of all events of a stream that comes in these pieces and ends in order."""

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            await trio.lowlevel.checkpoint()
            yield piece

    request = httpx2.Request("POST", "http://127.0.0.1/")
    response = httpx2.Response(200, headers=headers, content=body(), request=request)
    found = []
    async with open_events(response, limits(limit, **more)) as events:
        while (event := await events.receive()) is not None:
            if not isinstance(event, AgentAlive):
                found.append((event.event, event.data))
    return found


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"\xef\xbb\xbfdata: a\n\ndata: b\n\n", ["a", "b"]),  # a byte order mark
        (b"data: a\n\ndata: b", ["a", "b"]),  # no end of the last event, nor of its line
        (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
        (b"data: a\r\rdata: b\r\r", ["a", "b"]),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b"data:a\n\ndata:  b\n\n", ["a", " b"]),  # one space at most is the field's
        (b": ping\n\n:\n\ndata: a\n: OPENROUTER PROCESSING\n\n", ["a"]),
        (b"id: 7\nretry: 10\ndata: a\n\n", ["a"]),
        ("data: один\n\n".encode(), ["один"]),
        ('data: {"a":"\u2028\u2029\u0085\u000b"}\n\n'.encode(), ['{"a":"\u2028\u2029\u0085\u000b"}']),
        (b"data: \xff\xfe\n\n", ["\ufffd\ufffd"]),
        (b"errors: a\nerro: b\nerror\ndata: error: c\n\n", ["error: c"]),
        (b"", []),
        (b"\xef\xbb\xbf", []),
    ],
)
async def test_every_way_to_write_a_stream_is_read(stream, expected):
    assert [data for _, data in await events_of(stream)] == expected
    assert [data for _, data in await events_of(*(bytes([byte]) for byte in stream))] == expected


ENTIRE = (
    "\ufeff: hi\r\n\r\nevent: one\r\ndata: {\"t\":\"žluťoučký 🐎\"}\r\n\r\n"
    "data: first\rdata: second\r\rdata:\n\nevent: error\ndata: e\n\nid: 3\ndata: error:\nerr: x\n\ndata: [DONE]"
).encode()  # fmt: skip


async def test_where_the_bytes_are_cut_makes_no_difference():
    expected = await events_of(ENTIRE)
    assert [name for name, _ in expected] == ["one", "message", "message", "error", "message", "message"]
    for seed in range(200):
        dice = random.Random(seed)
        cuts = sorted(dice.sample(range(1, len(ENTIRE)), dice.randint(1, 20)))
        pieces = [ENTIRE[start:end] for start, end in zip([0, *cuts], [*cuts, len(ENTIRE)], strict=True)]
        assert await events_of(*pieces) == expected, f"seed {seed}"


async def test_an_error_field_is_seen_wherever_the_bytes_are_cut():
    stream = b'data: a\n\nerror: {"message":"what a server says"}\n\n'
    for cut in range(1, len(stream)):
        with pytest.raises(AgentError, match="error") as caught:
            await events_of(stream[:cut], stream[cut:])
        assert caught.value.code == "agent_failed"
        assert "what a server says" not in str(caught.value)


async def test_an_error_field_without_its_blank_line_is_seen():
    with pytest.raises(AgentError) as caught:
        await events_of(b"error: x")
    assert caught.value.code == "agent_failed"


async def test_a_stream_is_utf_8_whatever_it_says_itself():
    headers = {"content-type": "Text/Event-Stream; charset=latin-1"}
    assert await events_of("data: é\n\n".encode(), headers=headers) == [("message", "é")]


@pytest.mark.parametrize("size", [100, 1_048_576])
async def test_an_event_of_the_limit_is_refused_and_one_byte_less_is_not(size):
    for character in (b"x", "é".encode()):
        under = b"data: " + character * (size // 2 - 10)
        under += b"y" * (size - 1 - len(under))
        assert len(await events_of(b"data: a\n\n", under + b"\n\n", limit=size)) == 2
        with pytest.raises(AgentError) as caught:
            await events_of(under + b"y\n\n", limit=size)
        assert caught.value.code == "agent_event_too_large"
        assert str(size) in str(caught.value)


async def test_an_event_that_never_ends_is_refused_while_it_comes():
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            await trio.lowlevel.checkpoint()  # as a socket does
            read += 100
            yield b"x" * 100

    response = httpx2.Response(200, headers=TYPE, content=body(), request=httpx2.Request("POST", "http://127.0.0.1/"))
    async with open_events(response, limits(1000)) as events:
        with pytest.raises(AgentError, match="1000 bytes"):
            while await events.receive() == AgentAlive():
                pass
    assert read <= 1100


async def test_many_lines_of_one_event_count_together():
    with pytest.raises(AgentError, match="50 bytes"):
        await events_of(b"data: 123\n" * 10 + b"\n", limit=50)
    assert len(await events_of(b"data: 123\n\n" * 10, limit=50)) == 10


@pytest.mark.parametrize("kind", ["application/json", "text/html; charset=utf-8", ""])
async def test_an_answer_that_is_no_event_stream_is_refused_without_its_body(kind):
    with pytest.raises(AgentError, match="text/event-stream") as caught:
        await events_of(b"<html>some secret</html>", headers={"content-type": kind})
    assert caught.value.code == "agent_malformed"
    assert "secret" not in str(caught.value)
