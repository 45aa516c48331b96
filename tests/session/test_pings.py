"""`session.ping`: a sign of life for clients that cannot see those of the WebSocket protocol."""

import pytest
import trio

from tests.fakes.client import open_client


@pytest.mark.parametrize("fields", [{}, {"id": 7}, {"id": "a-1"}])
async def test_a_ping_is_answered_at_once_with_its_id(autojump_clock, fields):
    async with open_client() as client:
        await client.send("session.ping", **fields)
        assert await client.wait_for("session.pong") == {"type": "session.pong", **fields}


@pytest.mark.parametrize("wrong", [1.5, [], {}, True, "x" * 65])
async def test_an_id_that_is_none_is_refused(autojump_clock, wrong):
    async with open_client() as client:
        await client.send("session.ping", id=wrong)
        assert (await client.wait_for("error"))["code"] == "invalid_field"
        assert client.got("session.pong") == []


async def test_a_pong_is_neither_counted_nor_repeated(autojump_clock):
    async with open_client() as client:
        await client.send("session.ping", id=1)
        await client.say(1)
        await client.be_silent(1.0)
        await client.wait_for("transcript.final")
        counted = [one for one in client.got() if one["type"] not in ("session.created", "session.pong")]
        client.leave()
        await client.come_back(received=len(counted))
        await trio.sleep(0.1)
        await client.send("session.ping", id=2)
        await client.say(2)
        await client.be_silent(1.0)
        await trio.sleep(0.1)
        assert client.finals() == ["w1", "w2"], "with the pong counted, a message would be missing or come twice"
        assert [one["id"] for one in client.got("session.pong")] == [1, 2]


async def test_a_ping_is_answered_before_what_waits_and_a_flood_of_them_does_not_grow(autojump_clock):
    async with open_client() as client:
        client.link.reading = trio.Event()
        await client.send("tts.speak", text="x" * 100)
        for number in range(500):
            await client.send("session.ping", id=number)
        await trio.sleep(0.1)
        client.link.reading.set()
        await trio.sleep(0.1)
        answered = [one["id"] for one in client.got("session.pong")]
        assert 499 in answered[:2], "at most one was on its way before"
        assert len(answered) <= 9
