"""State timeouts, and every way a session can end."""

import gc
import weakref

import pytest
import trio

from tests.fakes.audio import FakeDetector, word
from tests.fakes.client import open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.states import State, StateTimeouts
from voicetrio.session.endings import GOING_AWAY


async def test_nobody_speaks_for_thirty_seconds(autojump_clock):
    async with open_client() as client:
        await client.wait_for("session.closed")
    assert client.ended_at == pytest.approx(30.0)
    assert client.link.closed == (4408, "timed_out")


async def test_silence_leads_to_hold_and_gives_the_slot_back(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        await client.be_silent(1.0)
        assert client.session.state is State.SILENCE
        assert client.recognizer.in_use == 1
        hold = await client.wait_for("session.hold")
        await trio.sleep(0.01)
        assert client.session.state is State.HOLD
        assert client.recognizer.in_use == 0
        assert hold["hold_timeout_ms"] == 300_000
        # The end of speech was sure at 0.86 s.
        assert client.at("session.hold") == [pytest.approx(30.86)]
        await client.wait_for("session.closed")
    assert client.ended_at == pytest.approx(330.86)
    assert client.link.closed == (4408, "timed_out")


async def test_speech_wakes_a_session_on_hold_and_loses_nothing(autojump_clock):
    async with open_client(config=SessionConfig(timeouts=StateTimeouts(silence=1.0))) as client:
        await client.say(1)
        await client.be_silent(3.0)
        assert client.session.state is State.HOLD
        await client.say(2)
        await client.be_silent(0.6)
    assert client.finals() == ["w1", "w2"]
    assert len(client.recognizer.opened) == 2


async def test_a_short_silence_timeout_does_not_end_the_session(autojump_clock):
    async with open_client() as client:
        await client.send("session.configure", silence_timeout_ms=500)
        for number in range(1, 5):
            await client.say(number)
            await client.be_silent(2.0)
    assert client.finals() == ["w1", "w2", "w3", "w4"]


async def test_timeouts_can_be_configured_while_they_run(autojump_clock):
    async with open_client() as client:
        await trio.sleep(5.0)
        await client.send("session.configure", init_timeout_ms=6000)
        await client.wait_for("session.closed")
    assert client.ended_at == pytest.approx(6.0)


async def test_a_client_that_is_gone_ends_its_session(autojump_clock):
    async with open_client() as client:
        await client.say(1)
    assert client.end.reason == "disconnected"


async def test_the_server_says_goodbye_when_it_stops(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        client.session.end(GOING_AWAY)
        await client.wait_for("session.closed")
    assert client.link.closed == (1001, "going_away")


async def test_a_cancel_from_outside_still_says_goodbye(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        client.scope.cancel()
        await client.wait_for("session.closed")
    assert client.link.closed == (1001, "going_away")


async def test_a_bug_ends_its_own_session_with_1011(autojump_clock):
    class Broken(FakeDetector):
        def is_speech(self, frame: bytes) -> bool:
            if any(frame):
                raise RuntimeError("a bug")
            return False

    async with open_client() as other, open_client(detector=Broken) as client:
        await client.play(word(1, 0.02))
        await other.say(1)
        await other.be_silent(1.0)
        await client.wait_for("session.closed")
        await other.wait_for("transcript.final")
    assert client.end.reason == "internal_error"
    assert client.link.closed == (1011, "internal_error")
    assert other.finals() == ["w1"]


async def test_a_client_that_stops_reading_loses_its_session_in_bounded_time(autojump_clock):
    limits = SessionLimits(send_stall=20.0, farewell=2.0)
    async with open_client(limits=limits) as client:
        client.link.reading = trio.Event()
        await client.say(1)
        await trio.sleep(30.0)
        assert client.end is not None
        assert client.end.reason == "slow_client"
    assert client.ended_at < 0.4 + 20.0 + 1.0 + 2.1


async def test_too_many_waiting_events_end_the_session(autojump_clock):
    async with open_client(limits=SessionLimits(max_queued_events=10)) as client:
        client.link.reading = trio.Event()
        for _ in range(15):
            await client.send("session.configure")
            await trio.sleep(0.01)
        client.link.reading.set()
        await client.wait_for("session.closed")
    assert client.link.closed == (1013, "slow_client")


async def test_partials_for_a_slow_reader_are_merged(autojump_clock):
    async with open_client() as client:
        reading, client.link.reading = client.link.reading, trio.Event()
        await client.say(*range(1, 9))
        held = client.link.reading
        client.link.reading = reading
        held.set()
        await client.be_silent(1.0)
    # One was in the hands of the transport, one waited and was replaced; the rest come after the release.
    assert len(client.got("transcript.partial")) <= 2
    assert client.finals() == ["w1 w2 w3 w4 w5 w6 w7 w8"]


async def test_working_worker_does_not_keep_a_cancelled_session(autojump_clock):
    async with open_client(recognizer=FakeRecognizer(default=Behaviour(final_delay=100, working=True))) as client:
        await client.say(1)
        await client.be_silent(1.0)
        await client.send("session.cancel")
        await client.wait_for("session.closed")
    assert client.ended_at == pytest.approx(1.4, abs=0.05)


async def test_a_connection_with_a_bug_ends_its_own_session_with_1011(autojump_clock):
    async with open_client() as other, open_client() as client:

        async def broken(message: str | bytes) -> None:
            await trio.lowlevel.checkpoint()
            raise RuntimeError("a bug of the transport")

        client.link.send = broken
        await client.play(word(1, 0.08))
        await client.over.wait()
        client.link.reading = trio.Event()  # it could not be told of its end
        await other.say(2)
        await other.be_silent(1.0)
    assert client.end.reason == "internal_error"
    assert client.link.closed == (1011, "internal_error")
    assert other.finals() == ["w2"]


async def test_the_audio_of_a_session_that_is_over_is_forgotten_at_once(autojump_clock):
    gc.disable()  # whoever waits for it has two megabytes more for each session that has ended lately
    try:
        async with open_client() as client:
            await client.say(1)
            audio = weakref.ref(client.session._body.ear.ring._view)
            assert audio() is not None
        assert audio() is None
    finally:
        gc.enable()
