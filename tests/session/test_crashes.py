"""Engines that die of a segment, or of somebody else's, and engines that hang: what is lost, and what is told."""

import pytest

from tests.fakes.client import open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from voicetrio.core.config import SessionLimits
from voicetrio.core.errors import EngineLost, WorkerCrashed

WORD_MS = 400

DIES = Behaviour(break_after=8000, broken_by=WorkerCrashed("it died of it"))
"""Half a second of a segment kills its engine."""
LOSES = Behaviour(break_after=8000, broken_by=EngineLost("it died of something else"))


async def test_what_an_engine_dies_of_is_tried_three_times_and_given_up_with_its_place(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[DIES] * 3)
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2, 3)
        await client.be_silent(1.0)
        await client.say(4)
        await client.be_silent(1.0)
        [error] = client.got("error")
        assert (error["code"], error["recoverable"]) == ("recognizer_failed", True)
        assert error["start_ms"] == 0
        assert 500 <= error["end_ms"] <= 3 * WORD_MS
        assert client.finals()[-1] == "w4"
        # What was said after that is heard: each word is in the final, or in what is told to be lost.
        assert "w3" in " ".join(client.finals())
    assert client.telemetry.counts["segment_lost"] == 1


async def test_after_a_crash_it_is_decoded_alone_until_it_has_its_final(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[DIES, DIES])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2)
        await client.be_silent(1.0)
        await client.say(3)
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w2", "w3"]
    assert client.got("error") == []
    assert [config.alone for config in recognizer.opened] == [False, True, True, False]


async def test_only_the_segment_that_kills_is_given_up(autojump_clock):
    slow = Behaviour(break_after=14_000, broken_by=WorkerCrashed("it died of it"), final_delay=3.0)
    recognizer = FakeRecognizer(behaviours=[slow] * 3)
    async with open_client(recognizer=recognizer) as client:
        await client.say(1)
        await client.be_silent(1.0)
        await client.say(2)
        await client.be_silent(1.0)
        await client.wait_for("error")
        await client.wait_for("transcript.final")
    [error] = client.got("error")
    assert error["code"] == "recognizer_failed"
    assert client.finals() == ["w2"]


async def test_what_dies_of_others_is_heard_however_often_that_happens(autojump_clock):
    """For longer than the session would look for a worker that answers."""
    recognizer = FakeRecognizer(default=LOSES)
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2, 3)
        await client.be_silent(3 * SessionLimits().recovery_timeout)
        assert client.got("error") == []
        recognizer.default = Behaviour()
        await client.wait_for("transcript.final")
    assert client.finals() == ["w1 w2 w3"]


async def test_streams_that_get_further_each_time_are_no_failure(autojump_clock):
    recognizer = FakeRecognizer(
        behaviours=[Behaviour(break_after=1600 * number) for number in range(5, 200)], default=Behaviour()
    )
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 50))
        await client.be_silent(1.0)
        await client.wait_for("transcript.final")
    assert client.got("error") == []
    assert client.finals() == [" ".join(f"w{number}" for number in range(1, 50))]


@pytest.mark.parametrize("stuck", [True, False])
async def test_who_talks_live_is_not_asked_to_slow_down_because_an_engine_hangs(autojump_clock, stuck):
    """Twice in a row, 6 s each: more than may wait by the rule for clients that send too quickly."""
    hangs = Behaviour(stuck=stuck, mute=True, dies_after=6.0, broken_by=EngineLost("its process was killed"))
    recognizer = FakeRecognizer(behaviours=[hangs, hangs])
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 61))
        await client.be_silent(1.0)
        await client.wait_for("transcript.final")
    assert client.got("session.rate_limit", "session.frames_dropped", "error") == []
    assert client.finals() == [" ".join(f"w{number}" for number in range(1, 61))]


async def test_who_talks_live_is_not_asked_to_slow_down_because_engines_die_of_others(autojump_clock):
    """Each takes all there is of the speech and dies before it says anything: it has caught up with nothing."""
    dies = Behaviour(mute=True, dies_after=0.05, broken_by=EngineLost("it died of something else"))
    recognizer = FakeRecognizer(default=dies)
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 31))
        assert client.got("session.rate_limit", "session.frames_dropped", "error") == []
        recognizer.default = Behaviour()
        await client.be_silent(1.0)
        await client.wait_for("transcript.final")
    assert client.finals() == [" ".join(f"w{number}" for number in range(1, 31))]
