"""A worker that is about to end: its session finishes there, or goes on elsewhere, and not a word is lost or told twice."""

import pytest

from tests.fakes.client import open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from tests.session.hearing import WatchedRecognizer
from voicetrio.core.errors import WorkerBusy, WorkerUnavailable

HERE, THERE = "fake:1", "fake:2"


def places(recognizer: WatchedRecognizer) -> list[str]:
    return [stream.worker for stream in recognizer.streams]


async def test_a_segment_that_ends_in_time_is_finished_there_and_the_next_goes_elsewhere(autojump_clock):
    recognizer = WatchedRecognizer(behaviours=[Behaviour(drain=(0.5, 20.0)), Behaviour(worker=THERE)])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2, 3)
        await client.be_silent(1.0)
        await client.wait_for("transcript.final")
        assert client.session.overview().worker == THERE, "it is there before anything is said"
        assert recognizer.in_use == 1, "and not at the worker that ends"
        await client.say(4)
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w2 w3", "w4"]
    starts = [start for _, start, _ in recognizer.chunks]
    assert sorted(set(starts)) == starts, "nothing was sent again"
    assert client.telemetry.counts["stream_moved"] == client.telemetry.counts["worker_recovery"] == 0
    assert client.got("error") == []


async def test_a_segment_that_takes_long_is_moved_after_half_of_the_time(autojump_clock):
    recognizer = WatchedRecognizer(behaviours=[Behaviour(drain=(1.0, 4.0)), Behaviour(worker=THERE)])
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 6))
        assert client.session.overview().worker == HERE
        await client.say(*range(6, 11))
        assert client.session.overview().worker == THERE, "4 s after the beginning: it was left after 3"
        assert recognizer.in_use == 1
        await client.say(*range(11, 16))
        await client.be_silent(1.0)
    assert client.finals() == [" ".join(f"w{number}" for number in range(1, 16))]
    assert recognizer.chunks[0][1] in [start for _, start, _ in recognizer.chunks[1:]], "it was heard again"
    assert client.telemetry.counts["stream_moved"] == 1
    assert client.telemetry.counts["worker_recovery"] == 0, "nothing has broken"
    assert client.got("error") == []


async def test_a_session_that_listens_leaves_at_once(autojump_clock):
    recognizer = WatchedRecognizer(behaviours=[Behaviour(drain=(3.0, 20.0)), Behaviour(worker=THERE)])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1)
        await client.be_silent(2.5)
        assert client.session.overview().worker == HERE
        await client.be_silent(0.5)
        assert (client.session.overview().worker, recognizer.in_use) == (THERE, 1)
        await client.say(2)
        await client.be_silent(1.0)
    assert client.finals() == ["w1", "w2"]
    assert len(recognizer.opened) == 2


@pytest.mark.parametrize("refusal", [WorkerUnavailable("nobody else is there"), WorkerBusy("the other one is full")])
async def test_with_nowhere_to_go_it_stays_to_the_end_and_recovers(autojump_clock, refusal):
    recognizer = WatchedRecognizer(behaviours=[Behaviour(drain=(1.0, 4.0))], default=Behaviour(refuse=refusal))
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2, 3)  # to 1.2 s
        await client.be_silent(1.0)
        await client.say(4, 5, 6)  # from 2.2 s, also a segment that begins while it drains
        await client.wait_for("transcript.partial", 2)
        await client.say(*range(7, 13))  # to 5.8 s: at 5.1 s the worker has ended
        recognizer.default = Behaviour(worker=THERE)
        await client.be_silent(1.0)
        await client.wait_for("transcript.final", 2)
    assert client.finals() == ["w1 w2 w3", " ".join(f"w{number}" for number in range(4, 13))]
    assert places(recognizer) == [HERE, THERE]
    assert (client.telemetry.counts["stream_moved"], client.telemetry.counts["worker_recovery"]) == (0, 1)
    assert client.got("error") == []


async def test_a_place_that_comes_free_late_is_taken_at_once(autojump_clock):
    full = [Behaviour(refuse=WorkerBusy("full"))] * 5
    recognizer = WatchedRecognizer(behaviours=[Behaviour(drain=(0.5, 4.0)), *full, Behaviour(worker=THERE)])
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 11))
        assert client.session.overview().worker == THERE
        await client.be_silent(1.0)
    assert client.finals() == [" ".join(f"w{number}" for number in range(1, 11))]
    assert client.telemetry.counts["stream_moved"] == 1


async def test_a_final_that_comes_too_late_is_asked_for_elsewhere_and_told_once(autojump_clock):
    slow = Behaviour(drain=(1.0, 4.0), final_delay=3.9, working=True)
    recognizer = WatchedRecognizer(behaviours=[slow, Behaviour(worker=THERE)])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2)
        await client.be_silent(6.0)
    assert client.finals() == ["w1 w2"]
    assert client.telemetry.counts["stream_moved"] == 1


async def test_the_second_worker_may_drain_too(autojump_clock):
    drains = [Behaviour(drain=(1.0, 2.0), worker=f"fake:{number}") for number in range(4)]
    recognizer = WatchedRecognizer(behaviours=drains)
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 26))
        await client.be_silent(1.0)
    assert client.finals() == [" ".join(f"w{number}" for number in range(1, 26))]
    assert client.telemetry.counts["stream_moved"] == 4


async def test_a_second_worker_that_dies_while_it_is_waited_with_costs_no_word(autojump_clock):
    recognizer = WatchedRecognizer(behaviours=[Behaviour(drain=(0.5, 4.0)), Behaviour(break_after=1, worker=THERE)])
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 11))
        await client.be_silent(1.0)
    assert client.finals() == [" ".join(f"w{number}" for number in range(1, 11))]
    assert (client.telemetry.counts["stream_moved"], client.telemetry.counts["worker_recovery"]) == (1, 1)


async def test_a_session_that_ends_while_it_holds_two_streams_gives_both_back(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[Behaviour(drain=(0.5, 20.0))])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2, 3)
        assert recognizer.in_use == 2
        await client.send("session.cancel")
        await client.over.wait()
    assert recognizer.in_use == 0
