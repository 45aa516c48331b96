"""Workers that break, hang, refuse and repeat themselves: what the client sees is the same words, each once."""

from contextlib import asynccontextmanager

import pytest
import trio

from tests.fakes.client import open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from voicetrio.core.errors import WorkerBusy, WorkerRejected, WorkerSilent, WorkerUnavailable


@pytest.mark.parametrize("samples", [1, 3000, 8000, 16_000, 24_000])
async def test_a_worker_that_breaks_in_mid_utterance_costs_no_word(autojump_clock, samples):
    recognizer = FakeRecognizer(behaviours=[Behaviour(break_after=samples)])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2, 3)
        await client.be_silent(1.0)
        await client.say(4)
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w2 w3", "w4"]
    assert client.got("error") == []
    assert client.telemetry.counts["worker_recovery"] == 1


async def test_a_worker_that_breaks_again_and_again_costs_no_word(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[Behaviour(break_after=3000 * n) for n in range(1, 5)])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2, 3)
        await client.be_silent(2.0)
    assert client.finals() == ["w1 w2 w3"]


async def test_a_worker_that_takes_everything_and_says_nothing_is_replaced(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[Behaviour(mute=True)])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2)
        await client.be_silent(1.0)
        await client.wait_for("transcript.final")
    assert client.finals() == ["w1 w2"]


async def test_a_final_that_comes_twice_is_told_once(autojump_clock):
    recognizer = FakeRecognizer(default=Behaviour(repeat_finals=True))
    async with open_client(recognizer=recognizer) as client:
        for number in (1, 2, 3):
            await client.say(number)
            await client.be_silent(1.0)
    assert client.finals() == ["w1", "w2", "w3"]


async def test_without_a_worker_the_client_is_told_and_the_session_goes_on(autojump_clock):
    recognizer = FakeRecognizer(default=Behaviour(refuse=WorkerUnavailable("away")))
    async with open_client(recognizer=recognizer) as client:
        await client.say(1)
        await client.be_silent(1.0)
        error = await client.wait_for("error")
        assert (error["code"], error["recoverable"]) == ("worker_unavailable", True)
        # The speech was sure at 0.08 s; ten seconds were spent on finding a worker.
        assert 9.0 < client.at("error")[0] < 10.2
        recognizer.default = Behaviour()
        await client.say(2)
        await client.be_silent(1.0)
    assert client.finals() == ["w2"]
    assert client.telemetry.counts["segment_lost"] == 1


async def test_a_session_that_nobody_has_room_for_is_told_so_after_five_seconds_and_ends(autojump_clock):
    recognizer = FakeRecognizer(default=Behaviour(refuse=WorkerBusy("full")))
    async with open_client(recognizer=recognizer) as client:
        await client.say(1)
        error = await client.wait_for("error")
        assert (error["code"], error["recoverable"], error["start_ms"]) == ("overloaded", False, 0)
        assert 4.0 < client.at("error")[0] < 5.2
        await client.over.wait()
    assert (client.end.reason, client.end.code, client.link.closed) == ("overloaded", 1013, (1013, "overloaded"))
    assert client.got()[-1]["reason"] == "overloaded"
    assert client.telemetry.counts["session_closed:overloaded"] == 1
    assert client.telemetry.counts["client_error:overloaded"] == 1


async def test_a_slot_that_comes_free_in_time_costs_no_word(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[Behaviour(refuse=WorkerBusy("full"))] * 6)
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2)
        await client.be_silent(5.0)
    assert client.finals() == ["w1 w2"]
    assert client.got("error") == []


async def test_the_wait_for_a_slot_begins_when_there_is_a_worker(autojump_clock):
    away = [Behaviour(refuse=WorkerUnavailable("it loads its models"))] * 25  # 4.6 s
    full = [Behaviour(refuse=WorkerBusy("full"))] * 4
    async with open_client(recognizer=FakeRecognizer(behaviours=[*away, *full])) as client:
        await client.say(1, 2)
        await client.be_silent(7.0)
    assert client.finals() == ["w1 w2"]
    assert client.got("error") == []


async def test_a_session_that_was_heard_waits_longer_for_a_slot(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[Behaviour(break_after=8000)], default=Behaviour(refuse=WorkerBusy("full")))
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2, 3)
        await client.wait_for("error")
        assert 9.0 < client.at("error")[0] < 11.0
        await client.over.wait()
    assert client.end.code == 1013


async def test_a_worker_that_comes_back_in_time_costs_no_word(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[Behaviour(refuse=WorkerUnavailable("away"))] * 8)
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2)
        await client.be_silent(6.0)
    assert client.finals() == ["w1 w2"]
    assert client.got("error") == []


async def test_a_request_the_worker_rejects_is_not_repeated(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[Behaviour(refuse=WorkerRejected("language xx is not known"))])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1)
        await client.be_silent(1.0)
        assert client.at("error")[0] < 0.5
        assert client.got("error")[0]["code"] == "recognizer_rejected"
        await client.say(2)
        await client.be_silent(1.0)
    assert client.finals()[-1] == "w2"


async def test_another_language_takes_another_stream_at_the_next_segment(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        await client.be_silent(1.0)
        await client.send("session.configure", language="de")
        await client.say(2)
        await client.be_silent(1.0)
    assert [config.language for config in client.recognizer.opened] == ["", "de"]
    assert client.finals() == ["w1", "w2"]


async def test_another_language_in_mid_utterance_waits_for_its_end(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        await client.send("session.configure", language="de")
        await client.say(2)
        await client.be_silent(1.0)
        await client.say(3)
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w2", "w3"]
    assert [config.language for config in client.recognizer.opened] == ["", "de"]


async def test_a_worker_that_says_nothing_of_a_long_speech_is_replaced(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[Behaviour(mute=True)])
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 51))
        await client.be_silent(1.0)
        await client.wait_for("transcript.final")
    assert client.finals() == [" ".join(f"w{number}" for number in range(1, 51))]


async def test_a_worker_that_hangs_while_it_opens_a_stream_costs_no_word(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[Behaviour(hang_opening=True)])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1)
        await client.be_silent(1.0)
        await client.wait_for("transcript.final")
    assert client.finals() == ["w1"]
    assert client.got("error") == []


async def test_workers_that_all_hang_are_given_up(autojump_clock):
    recognizer = FakeRecognizer(default=Behaviour(hang_opening=True))
    async with open_client(recognizer=recognizer) as client:
        await client.say(1)
        await client.be_silent(1.0)
        await client.wait_for("error")
    assert client.got("error")[0]["code"] == "worker_unavailable"


async def test_a_second_crash_long_after_the_first_is_not_the_last_straw(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[Behaviour(break_after=8000), Behaviour(break_after=18 * 16_000)])
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 61))
        await client.be_silent(2.0)
    assert client.finals() == [" ".join(f"w{number}" for number in range(1, 61))]
    assert client.got("error") == []


async def test_a_speech_that_is_rejected_is_told_once_and_passes(autojump_clock):
    recognizer = FakeRecognizer(default=Behaviour(refuse=WorkerRejected("language xx is not known")))
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 41))
        assert len(client.got("error")) == 1
        await client.send("session.configure", language="de")
        recognizer.default = Behaviour()
        await client.say(41, 42)
        await client.be_silent(1.0)
    assert [m["code"] for m in client.got("error")] == ["recognizer_rejected"]
    assert " ".join(client.finals()).split()[-1] == "w42"


@pytest.mark.parametrize("late", [0.0, 2.9])
async def test_a_worker_that_froze_while_it_was_asked_for_a_stream_is_waited_for_until_it_is_replaced(
    autojump_clock, late
):
    """Its freeze, up to 3 s after the question, is noticed 6 s later, and a restart takes 7 s more."""
    recognizer = FreezesWhenAsked(until=0.4 + late + 6.0 + 7.0)
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2)
        await client.be_silent(20.0)
    assert client.finals() == ["w1 w2"]
    assert client.got("error") == []


class FreezesWhenAsked(FakeRecognizer):
    """The first stream that is asked for never comes; then nobody is there, until some moment."""

    def __init__(self, *, until: float) -> None:
        super().__init__()
        self._until = trio.current_time() + until
        self._asked = False

    @asynccontextmanager
    async def open_stream(self, config):
        if not self._asked:
            self._asked = True
            await trio.sleep(3.0)
            raise WorkerSilent("it does not answer")
        if trio.current_time() < self._until:
            raise WorkerUnavailable("away")
        async with super().open_stream(config) as stream:
            yield stream
