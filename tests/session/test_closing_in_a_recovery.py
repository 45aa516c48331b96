"""Ends that come while a worker is away, frozen or about to be replaced: what was said before is finished first."""

import pytest
import trio

from tests.fakes.client import open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from voicetrio.core.config import SessionLimits
from voicetrio.core.errors import WorkerUnavailable
from voicetrio.session.endings import GOING_AWAY

AWAY = Behaviour(refuse=WorkerUnavailable("away"))


@pytest.mark.parametrize("retries", [1, 20, 45])
async def test_a_close_waits_for_a_worker_that_is_started_again(autojump_clock, retries):
    recognizer = FakeRecognizer(behaviours=[Behaviour(break_after=3000), *[AWAY] * retries])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2, 3)
        await client.send("session.close")
    assert client.finals() == ["w1 w2 w3"]
    assert client.got("error") == []
    assert client.link.closed == (1000, "client_closed")


@pytest.mark.parametrize("after", [3000, 17_000])
async def test_a_close_waits_for_a_frozen_worker_to_be_replaced(autojump_clock, after):
    """Nothing tells the session that it is frozen, until the pool has found out."""
    recognizer = FakeRecognizer(behaviours=[Behaviour(freeze=(after, 6.0)), *[AWAY] * 20])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2, 3)
        await client.send("session.close")
    assert client.finals() == ["w1 w2 w3"]
    assert client.got("error") == []


async def test_a_close_does_not_wait_for_ever(autojump_clock):
    async with open_client(recognizer=FakeRecognizer(behaviours=[Behaviour(break_after=3000)], default=AWAY)) as client:
        await client.say(1)
        await client.send("session.close")
    assert [m["code"] for m in client.got("error")] == ["worker_unavailable"]
    assert client.ended_at < 0.4 + SessionLimits().recovery_timeout + 0.5


async def test_a_worker_that_lives_and_says_nothing_of_the_last_words_is_left_for_another(autojump_clock):
    """It answers health checks; its engine may have been stopped a moment ago, which takes longer to be noticed."""
    async with open_client(recognizer=FakeRecognizer(behaviours=[Behaviour(mute=True)] * 2)) as client:
        await client.say(1)
        await client.send("session.close")
    assert client.finals() == ["w1"]
    assert client.got("error") == []
    assert 0.4 + 2 * 2.0 <= client.ended_at <= 0.4 + 2 * 2.0 + 1.0


async def test_workers_that_all_say_nothing_of_the_last_words_are_given_up(autojump_clock):
    async with open_client(recognizer=FakeRecognizer(default=Behaviour(mute=True))) as client:
        await client.say(1)
        await client.send("session.close")
    assert [m["code"] for m in client.got("error")] == ["worker_unavailable"]
    limits = SessionLimits()
    # They may be frozen, which is noticed later. The last of them is asked just before the end of the recovery.
    assert client.ended_at < 0.4 + 2.0 + limits.worker_silence + limits.recovery_timeout + 2.0 + 1.0


async def test_a_flush_has_an_end_whatever_is_hoped_for(autojump_clock):
    frozen = FakeRecognizer(default=Behaviour(freeze=(3000, 1000.0)))
    limits = SessionLimits(worker_silence=1000.0, closing_max=11.0)
    async with open_client(recognizer=frozen, limits=limits) as client:
        await client.say(1)
        await client.send("session.close")
    assert [m["code"] for m in client.got("error")] == ["final_timeout"]
    assert 0.4 + 11.0 <= client.ended_at <= 0.4 + 11.0 + 2.0


async def test_a_hold_that_ends_in_a_recovery_loses_nothing(autojump_clock):
    """Timeouts are short here: the session closes by itself while no worker is there."""
    recognizer = FakeRecognizer(behaviours=[Behaviour(break_after=3000), *[AWAY] * 30])
    async with open_client(recognizer=recognizer) as client:
        await client.send("session.configure", silence_timeout_ms=500, hold_timeout_ms=500)
        await client.say(1, 2, 3)
        await client.be_silent(0.8)
        await client.over.wait()
    assert client.finals() == ["w1 w2 w3"]
    assert client.link.closed == (4408, "timed_out")


async def test_when_the_server_stops_the_open_utterance_is_finished_and_told(autojump_clock):
    recognizer = FakeRecognizer(default=Behaviour(final_delay=0.5))
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2)
        client.session.go_away()
        await client.say(3)  # too late
        await client.over.wait()
    assert client.finals() == ["w1 w2"]
    assert client.ended_at == pytest.approx(0.8 + 0.5, abs=0.01)
    assert client.link.closed == (1001, "going_away")


async def test_when_the_server_stops_nobody_waits_for_what_is_not_owed(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        await client.be_silent(1.0)
        client.session.go_away()
        await client.over.wait()
    assert client.ended_at == pytest.approx(1.4, abs=0.01)
    assert client.link.closed == (1001, "going_away")


async def test_a_session_that_closes_anyhow_keeps_its_reason(autojump_clock):
    async with open_client(recognizer=FakeRecognizer(default=Behaviour(final_delay=0.3))) as client:
        await client.say(1)
        await client.send("session.close")
        await trio.sleep(0.1)
        client.session.go_away()
        await client.over.wait()
    assert client.finals() == ["w1"]
    assert client.link.closed == (1000, "client_closed")


async def test_the_grace_has_an_end(autojump_clock):
    async with open_client(recognizer=FakeRecognizer(default=Behaviour(final_delay=60.0, working=True))) as client:
        await client.say(1)
        client.session.go_away()
        await trio.sleep(4.0)
        client.session.end(GOING_AWAY)
        await client.over.wait()
    assert client.finals() == []
    assert client.ended_at == pytest.approx(4.4, abs=0.01)
    assert client.link.closed == (1001, "going_away")
