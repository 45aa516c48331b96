"""What the session manager's specification says of a running session's states, in virtual time, where no other test
says it. docs/session-manager.md has the whole list, line by line, each with its test.
"""

import pytest
import trio

from tests.fakes.audio import FakeDetector
from tests.fakes.client import FakeClient, open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from tests.session.hearing import RATE, SURE, merged_words, spoken
from voicetrio.core import backpressure
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.states import State


def note_states(client: FakeClient) -> list[State]:
    """The states of this session from now on."""
    timeouts = client.session._timeouts
    states, move = [timeouts.state], timeouts.move

    def noted(trigger):
        move(trigger)
        states.append(timeouts.state)

    timeouts.move = noted
    return states


async def test_before_the_first_speech_audio_is_preprocessed_and_none_goes_to_a_worker(autojump_clock):
    asked = 0

    class HearsNobody(FakeDetector):
        def is_speech(self, frame: bytes) -> bool:
            nonlocal asked
            asked += 1
            return False

    async with open_client(config=SessionConfig(input_sample_rate=48_000), detector=HearsNobody) as client:
        for _ in range(500):
            await client.outbox.send(b"\x10\x00" * 960)  # 20 ms
            await trio.sleep(0.02)
        assert client.session.state is State.INIT
        ring = client.session._body.ear.ring
        assert 9.9 * RATE < ring.head <= 10 * RATE, "resampled, all but what the resampler holds"
        assert asked == ring.head // 320, "and listened to"
        assert client.recognizer.opened == []
        assert client.recognizer.chunks == []


async def speak_and_wait_hold(client: FakeClient) -> float:
    await client.send("session.configure", silence_timeout_ms=500)
    await client.say(1)
    await client.be_silent(2.0)
    assert client.session.state is State.HOLD
    return client.at("session.hold")[0]


ANOTHER_WORKER = 0.5
"""Seconds in which a worker that says nothing of the last words is left for another one, which has them at once."""


@pytest.mark.parametrize("state", ["init", "silence", "hold", "closing"])
async def test_each_timeout_can_be_configured_by_the_client(autojump_clock, state):
    slow = [Behaviour(final_delay=60.0)] if state == "closing" else []
    async with open_client(recognizer=FakeRecognizer(behaviours=slow)) as client:
        await client.send("session.configure", **{f"{state}_timeout_ms": 1700})
        match state:
            case "init":
                ends_at = 1.7
            case "silence":
                await client.say(1)
                await client.be_silent(1.0)
                await client.wait_for("session.hold")
                assert client.at("session.hold") == [pytest.approx(0.4 + SURE + 1.7)]
                ends_at = 0.4 + SURE + 1.7 + 300.0
            case "hold":
                ends_at = await speak_and_wait_hold(client) + 1.7
            case "closing":
                await client.say(1)
                await client.send("session.close")
                ends_at = 0.4 + 1.7 + ANOTHER_WORKER
        await client.wait_for("session.closed")
    assert client.ended_at == pytest.approx(ends_at, abs=ANOTHER_WORKER if state == "closing" else 0.001)


async def test_in_silence_the_stream_stays_for_the_next_speech(autojump_clock):
    async with open_client() as client:
        for number in (1, 2, 3):
            await client.say(number)
            await client.be_silent(25.0)
            assert client.session.state is State.SILENCE
    assert client.finals() == ["w1", "w2", "w3"]
    assert len(client.recognizer.opened) == 1


async def test_on_hold_no_frame_goes_to_a_worker_and_the_next_speech_has_its_first_syllable(autojump_clock):
    async with open_client() as client:
        await speak_and_wait_hold(client)
        before = list(client.recognizer.chunks)
        await client.be_silent(60.0)
        assert client.session.state is State.HOLD
        assert (client.recognizer.in_use, client.recognizer.chunks) == (0, before)
        await client.say(2)
        assert client.session.state is State.ACTIVE
        await client.be_silent(1.0)
    first = client.recognizer.chunks[len(before)]
    assert first[1] == round((62.4 - 0.3) * RATE), "300 ms of pre-roll, out of the ring"
    assert merged_words(client)[1:] == spoken(range(2, 3), begin=62.4)


async def test_a_hold_that_nobody_ends_closes_in_order(autojump_clock):
    async with open_client() as client:
        states = note_states(client)
        await client.say(1)
        await client.be_silent(1.0)
        await client.wait_for("session.closed")
    assert [state.name for state in states] == ["INIT", "ACTIVE", "SILENCE", "HOLD", "CLOSING", "CLOSED"]
    assert client.ended_at == pytest.approx(0.4 + SURE + 30.0 + 300.0)
    assert client.link.closed == (4408, "timed_out")


@pytest.mark.parametrize("state", [State.INIT, State.ACTIVE, State.SILENCE, State.HOLD, State.CLOSING])
async def test_a_close_goes_through_closing_from_every_state(autojump_clock, state):
    slow = FakeRecognizer(default=Behaviour(final_delay=1.0 if state is State.CLOSING else 0.0))
    async with open_client(recognizer=slow) as client:
        match state:
            case State.ACTIVE | State.CLOSING:
                await client.say(1)
            case State.SILENCE:
                await client.say(1)
                await client.be_silent(1.0)
            case State.HOLD:
                await speak_and_wait_hold(client)
        if state is State.CLOSING:
            await client.send("session.close")
            await trio.sleep(0.1)
        states = note_states(client)
        assert states == [state]
        await client.send("session.close")
        await client.wait_for("session.closed")
    tail = [State.CLOSED] if state is State.CLOSING else [State.CLOSING, State.CLOSED]
    assert states == [state, *tail]
    assert client.link.closed == (1000, "client_closed")
    assert client.finals() == ([] if state is State.INIT else ["w1"])


async def test_what_is_said_while_a_session_closes_is_not_taken_and_moves_no_state(autojump_clock):
    async with open_client(recognizer=FakeRecognizer(default=Behaviour(final_delay=1.5))) as client:
        await client.say(1)
        states = note_states(client)
        await client.send("session.close")
        await client.say(2, 3)
        await client.wait_for("session.closed")
    assert states == [State.ACTIVE, State.CLOSING, State.CLOSED]
    assert client.finals() == ["w1"]
    assert client.end.reason == "client_closed"


async def test_hot_words_and_language_reach_the_worker(autojump_clock):
    async with open_client() as client:
        await client.send("session.configure", language="de", hot_words=["Hamburg", "Brunn"])
        await client.say(1)
        await client.be_silent(1.0)
    (config,) = client.recognizer.opened
    assert (config.language, config.hot_words, config.partials) == ("de", ("Hamburg", "Brunn"), True)


def test_the_thresholds_of_backpressure_are_those_of_the_specification():
    limits = SessionLimits()
    assert (limits.max_rate, limits.max_backlog) == (1.2, 10.0)
    assert (backpressure.WINDOW, backpressure.MIN_ELAPSED, backpressure.COOLDOWN) == (5.0, 0.5, 1.0)


def test_what_waits_for_a_client_that_reads_slowly_is_bounded_as_documented():
    limits = SessionLimits()
    assert (limits.max_queued_events, limits.max_queued_audio_bytes, limits.send_stall) == (512, 262_144, 20.0)


async def test_the_five_hundred_and_thirteenth_waiting_event_ends_the_session(autojump_clock):
    async with open_client() as client:
        client.link.reading = trio.Event()
        while client.session._body.outbox.queued < 512:  # what is in the hands of the transport does not count
            await client.send("session.configure")
            await trio.sleep(0.01)
        await trio.sleep(1.0)
        assert client.end is None
        await client.send("session.configure")
        await trio.sleep(0.1)
        client.link.reading.set()
        await client.wait_for("session.closed")
    assert client.link.closed == (1013, "slow_client")
