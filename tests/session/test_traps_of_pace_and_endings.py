"""Traps 10 to 12 of those in test_traps.py: a client's pace, which is not always its own, and how sessions end."""

from functools import partial

import pytest
import trio

from tests.fakes.audio import silence, word
from tests.fakes.client import FakeClient, open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from tests.session.hearing import merged_words, spoken
from voicetrio.cli.compose import connection_rules
from voicetrio.core.errors import WorkerUnavailable
from voicetrio.core.states import State
from voicetrio.settings import Settings

FRAME = 640
"""Bytes of 20 ms."""


def speech(words: int) -> bytes:
    return b"".join(word(number) for number in range(1, words + 1))


async def play_live(client: FakeClient, pcm: bytes, transfer: float) -> None:
    """As a microphone does: a frame is there when its time has come, whatever the server does meanwhile.

    Frames that have piled up are read at once, or take `transfer` seconds each.
    """
    began = trio.current_time()
    for start in range(0, len(pcm), FRAME):
        await trio.sleep(transfer)
        await trio.sleep_until(began + (start + FRAME) / 32_000)
        await client.outbox.send(pcm[start : start + FRAME])


# 10. A rate that is measured over the whole session, a flood of events, and clients that are blamed for our own stalls.


async def test_idle_time_earns_no_credit_for_a_burst(autojump_clock):
    async def told_after(idle: float) -> float:
        async with open_client() as client:
            await trio.sleep(idle)
            began = trio.current_time()
            await client.play(speech(30), pace=1 / 3)
        return client.at("session.rate_limit")[0] - began

    assert await told_after(0.0) <= 1.0
    assert await told_after(25.0) <= 1.0


async def test_silence_in_real_time_earns_no_credit_for_a_burst(autojump_clock):
    async with open_client() as client:
        await client.be_silent(25.0)
        began = trio.current_time()
        await client.play(speech(30), pace=1 / 3)
    assert client.at("session.rate_limit")[0] - began <= 1.0, "5 s of window: over 1.2x after 0.5 s at 3x"


@pytest.mark.parametrize("speed", [None, 1.0], ids=["worker takes it at once", "worker takes real time"])
async def test_forty_seconds_at_once_give_a_handful_of_events(autojump_clock, speed):
    async with open_client(recognizer=FakeRecognizer(default=Behaviour(speed=speed, partials=False))) as client:
        await client.play(speech(100), pace=0)
        await trio.sleep(20.0)
    told = client.got("session.rate_limit", "session.frames_dropped", "error")
    assert (0 if speed is None else 2) <= len(told) <= 5


@pytest.mark.parametrize("transfer", [0.0, 0.0002, 0.004])
@pytest.mark.parametrize("phase", [0.013, 0.31, 0.5, 0.999])
@pytest.mark.parametrize("stall", [0.4, 1.0, 4.0, 8.0])
async def test_a_stall_of_the_server_is_not_the_clients_fault(autojump_clock, stall, phase, transfer):
    pcm = speech(80)  # 32 s
    async with open_client() as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(play_live, client, pcm, transfer)
            await trio.sleep(6.0 + phase)
            autojump_clock.jump(stall)  # nothing runs, and the client's frames are due all the same
            await trio.sleep(7.0)
            autojump_clock.jump(stall)
        await client.be_silent(1.0)
    assert client.got("session.rate_limit", "session.frames_dropped") == []
    assert merged_words(client) == spoken(range(1, 81))


async def test_the_delay_that_is_asked_for_goes_with_the_excess(autojump_clock):
    async def delay_at(rate: float) -> int:
        async with open_client() as client:
            await client.play(speech(50), pace=1 / rate)
        return client.got("session.rate_limit")[0]["delay_ms"]

    delays = [await delay_at(rate) for rate in (1.3, 3.0, 6.0, 12.0)]
    assert delays == sorted(delays)
    assert len(set(delays)) >= 3
    assert delays[0] < 2000 < 4000 < delays[-1]


# 11. No close frame, no heartbeats, a language that stays with the server, a documented timeout that kills the session.


@pytest.mark.parametrize(("ask", "reason"), [("session.close", "client_closed"), ("session.cancel", "cancelled")])
async def test_a_close_frame_follows_the_last_message(autojump_clock, ask, reason):
    async with open_client() as client:
        await client.say(1)
        await client.send(ask)
        await client.wait_for("session.closed")
    assert client.got()[-1]["type"] == "session.closed"
    assert client.link.closed == (1000, reason)


def test_the_server_sends_heartbeats():
    """And `tests/gateway/test_wire.py` counts them."""
    rules = connection_rules(Settings())
    assert 5 <= rules.ping_interval <= 30, "seconds: proxies cut idle connections after 60, mostly"
    assert 20 <= rules.silence <= 40, "seconds until a client that answers none is gone"


async def test_the_language_reaches_the_worker_and_a_short_silence_timeout_only_gives_the_slot_back(autojump_clock):
    async with open_client() as client:
        await client.send("session.configure", language="de", silence_timeout_ms=500)
        for number in (1, 2):
            await client.say(number)
            await client.be_silent(2.0)
            assert client.session.state is State.HOLD
            assert client.recognizer.in_use == 0
    assert [config.language for config in client.recognizer.opened] == ["de", "de"]
    assert client.finals() == ["w1", "w2"]


# 12. A session that is over and a socket that is not: frames vanish.


async def test_a_recovery_that_fails_is_told_with_its_place_and_the_session_goes_on(autojump_clock):
    gone = Behaviour(refuse=WorkerUnavailable("away"))
    recognizer = FakeRecognizer(behaviours=[Behaviour(break_after=8000)], default=gone)
    async with open_client(recognizer=recognizer) as client:
        await client.be_silent(1.0)
        await client.say(1, 2)
        broke_at = 1.5
        await client.be_silent(11.0)
        (error,) = client.got("error")
        assert (error["code"], error["recoverable"]) == ("worker_unavailable", True)
        assert (error["start_ms"], error["end_ms"]) == (700, 2260)
        assert broke_at + 9.0 < client.at("error")[0] <= broke_at + 10.1, "the recovery timeout is 10 s"
        assert client.session.state is State.SILENCE
        recognizer.default = Behaviour()
        await client.say(3)
        await client.be_silent(1.0)
        await client.send("session.close")
    assert client.finals() == ["w3"]
    assert merged_words(client) == spoken(range(3, 4), begin=12.8)
    assert client.link.closed == (1000, "client_closed")


async def test_whatever_ends_a_session_closes_its_socket(autojump_clock):
    async with open_client() as client:
        client.session._body.ear.hear = partial(client.session._body.ear.ring.read, 5)  # a bug of our own
        await client.outbox.send(silence(0.02))
        await client.wait_for("session.closed")
    assert client.link.closed == (1011, "internal_error")
