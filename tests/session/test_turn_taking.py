"""When the user's turn is over. A word is 0.4 s; the end of speech is decided 0.46 s after the last voice."""

from contextlib import asynccontextmanager

import pytest
import trio

from tests.fakes.agent import FakeAgent, FakeTurnDetector
from tests.fakes.client import open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.errors import AgentError
from voicetrio.core.segments import Segment, Segments
from voicetrio.session.ports import Said
from voicetrio.session.turn import Turn
from voicetrio.session.turn_taking import TurnTaking

DECIDED = 0.46


def config(minimum=0.5, maximum=1.5, **more):
    return SessionConfig(agent="on", turn_min_delay=minimum, turn_max_delay=maximum, **more)


async def test_a_turn_is_over_after_the_minimum_delay_since_the_last_voice(autojump_clock):
    async with open_client(config=config(0.8)) as client:
        await client.say(1)
        spoke = trio.current_time()
        await client.be_silent(2.0)
    assert client.agent.asked_at == [pytest.approx(spoke + 0.8)]


async def test_the_end_of_speech_is_a_part_of_the_delay(autojump_clock):
    async with open_client(config=config(0.1)) as client:
        await client.say(1)
        spoke = trio.current_time()
        await client.be_silent(2.0)
    assert client.agent.asked_at == [pytest.approx(spoke + DECIDED)], "as soon as it is known"


async def test_a_slow_final_is_waited_for_and_nothing_more(autojump_clock):
    recognizer = FakeRecognizer([Behaviour(final_delay=1.2)])
    async with open_client(config=config(0.5), recognizer=recognizer) as client:
        await client.say(1)
        spoke = trio.current_time()
        await client.be_silent(4.0)
    assert client.agent.asked_at == [pytest.approx(spoke + DECIDED + 1.2)]


async def test_what_sounds_unfinished_is_given_the_maximum_delay(autojump_clock):
    detector = FakeTurnDetector("w1")
    async with open_client(config=config(), turn_detector=detector) as client:
        await client.say(1)
        spoke = trio.current_time()
        await client.be_silent(3.0)
        await client.say(2)
        spoke_again = trio.current_time()
        await client.be_silent(3.0)
    assert client.agent.asked_at == [pytest.approx(spoke + 1.5), pytest.approx(spoke_again + 0.5)]
    assert detector.asked == ["w1", "w2"]


async def test_whoever_goes_on_within_the_delay_is_asked_for_all_of_it_at_once(autojump_clock):
    detector = FakeTurnDetector("w1", "w1 w2")
    async with open_client(config=config(), turn_detector=detector) as client:
        for number in (1, 2, 3):
            await client.say(number)
            await client.be_silent(1.0)
        await client.be_silent(2.0)
    assert [request.message["content"] for request in client.agent.requests] == ["w1 w2 w3"]
    assert client.finals() == ["w1", "w2", "w3"]


async def test_a_detector_that_does_not_answer_is_not_waited_for(autojump_clock):
    async with open_client(config=config(), turn_detector=FakeTurnDetector("w1", delay=100.0)) as client:
        await client.say(1)
        spoke = trio.current_time()
        await client.be_silent(3.0)
    assert client.agent.asked_at == [pytest.approx(spoke + 0.5 + 0.3)]


async def test_where_both_delays_are_the_same_no_detector_is_asked(autojump_clock):
    detector = FakeTurnDetector()
    async with open_client(config=config(0.7, 0.7), turn_detector=detector) as client:
        await client.say(1)
        await client.be_silent(2.0)
    assert len(client.agent.requests) == 1
    assert detector.asked == []


async def test_a_client_that_commits_has_ended_its_turn(autojump_clock):
    async with open_client(config=config(5.0, 5.0)) as client:
        await client.say(1, 2)
        await client.send("input_audio_buffer.commit")
        await trio.sleep(0.01)
        committed = trio.current_time()
        await client.wait_for("turn.ended")
        await client.say(3)
        spoke = trio.current_time()
        await client.be_silent(7.0)
        await client.wait_for("turn.ended", 2)
    assert [request.message["content"] for request in client.agent.requests] == ["w1 w2", "w3"]
    assert client.agent.asked_at == [pytest.approx(committed, abs=0.02), pytest.approx(spoke + 5.0)]


async def test_a_commit_of_nothing_does_not_end_the_next_turn_early(autojump_clock):
    async with open_client(config=config(2.0, 2.0)) as client:
        await client.send("input_audio_buffer.commit")
        await client.say(1)
        spoke = trio.current_time()
        await client.be_silent(1.0)
        await client.send("input_audio_buffer.commit")  # in the pause: there is a text now
        await client.be_silent(3.0)
        await client.say(2)
        spoke_again = trio.current_time()
        await client.be_silent(3.0)
    assert client.agent.asked_at[0] == pytest.approx(spoke + 1.0, abs=0.05)
    assert client.agent.asked_at[1] == pytest.approx(spoke_again + 2.0)


EARLY = SessionLimits(early_start=True)


async def test_an_early_start_hides_the_agents_delay_in_that_of_the_turn(autojump_clock):
    agent = FakeAgent([["Hello."]], opening=0.3)
    async with open_client(agent=agent, config=config(1.5, 1.5), limits=EARLY) as client:
        await client.say(1)
        spoke = trio.current_time()
        await client.be_silent(3.0)
    assert agent.asked_at == [pytest.approx(spoke + DECIDED)]
    assert client.at("turn.started") == [pytest.approx(spoke + 1.5)], "but nothing is told before"
    assert client.at("assistant_message") == [pytest.approx(spoke + 1.5)]
    assert client.got("turn.ended")[0]["outcome"] == "completed"


async def test_an_early_start_is_taken_back_without_trace_when_the_user_goes_on(autojump_clock):
    agent = FakeAgent([["Too early."], ["Hello."]], opening=0.1)
    async with open_client(agent=agent, config=config(1.5, 1.5), limits=EARLY) as client:
        await client.say(1)
        await client.be_silent(1.0)
        assert len(agent.requests) == 1
        await client.say(2)
        await client.be_silent(3.0)
    assert [request.message["content"] for request in agent.requests] == ["w1", "w1 w2"]
    assert agent.requests[1].history == ()
    assert [message["token"] for message in client.got("assistant_message")] == ["Hello."]
    assert len(client.got("turn.started")) == len(client.got("turn.ended")) == 1
    (turn,) = client.session.history.turns
    assert (turn.message, turn.reply) == ("w1 w2", "Hello.")
    assert client.telemetry.counts["agent_turn:withdrawn"] == 1


async def test_an_early_start_that_fails_and_is_taken_back_leaves_no_error(autojump_clock):
    agent = FakeAgent([[AgentError("agent_failed", "x")], ["Hello."]])
    async with open_client(agent=agent, config=config(1.5, 1.5), limits=EARLY) as client:
        await client.say(1)
        await client.be_silent(1.0)
        await client.say(2)
        await client.be_silent(3.0)
    assert client.got("error") == []
    assert len(client.got("turn.ended")) == 1


async def test_an_early_start_that_fails_and_is_confirmed_is_told(autojump_clock):
    agent = FakeAgent([[AgentError("agent_failed", "x")]])
    async with open_client(agent=agent, config=config(1.5, 1.5), limits=EARLY) as client:
        await client.say(1)
        await client.be_silent(3.0)
    assert [error["code"] for error in client.got("error")] == ["agent_failed"]
    assert client.got("turn.ended")[0]["outcome"] == "failed"
    assert len(agent.requests) == 1


async def test_an_agent_that_keeps_dialogs_is_never_asked_early(autojump_clock):
    agent = FakeAgent([["Hello."]], keeps_dialogs=True)
    async with open_client(agent=agent, config=config(1.5, 1.5), limits=EARLY) as client:
        await client.say(1)
        spoke = trio.current_time()
        await client.be_silent(3.0)
    assert agent.asked_at == [pytest.approx(spoke + 1.5)]


async def test_an_early_start_waits_for_an_answer_that_is_under_way(autojump_clock):
    agent = FakeAgent([[4.0, "First."], ["Second."]])
    async with open_client(agent=agent, config=config(1.5, 1.5), limits=EARLY) as client:
        await client.send("user_message", content="typed")
        await client.say(1)
        await client.be_silent(5.0)
        await client.wait_for("turn.ended", 2)
    assert [request.message["content"] for request in agent.requests] == ["typed", "w1"]
    assert agent.requests[1].history == (Said("user", "typed"), Said("assistant", "First."))


async def test_a_session_that_ends_with_an_early_start_under_way_leaves_nothing(autojump_clock):
    agent = FakeAgent([[100.0]])
    async with open_client(agent=agent, config=config(9.0, 9.0), limits=EARLY) as client:
        await client.say(1)
        await client.be_silent(1.0)
        await client.send("session.close")
        await client.over.wait()
    assert client.got("turn.started", "turn.ended", "error") == []
    assert client.session.history.turns == ()


class Asked:
    """A conversation that keeps what it is asked, and when."""

    def __init__(self, early=lambda: None):
        self.turns = []
        self._early = early

    def try_early(self, turn):
        self._early()
        return False

    def ask(self, turn):
        self.turns.append((trio.current_time(), turn.text))


@asynccontextmanager
async def open_turn_taking(conversation):
    class Listener:
        config = SessionConfig(agent="on", turn_min_delay=0.5, turn_max_delay=0.5)

    segments = Segments(pre_roll=0, max_duration=16_000)
    taking = TurnTaking(
        conversation=conversation, segments=segments, detector=FakeTurnDetector(), listener=Listener(), limits=EARLY
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(taking.run)  # noqa: ASYNC113 - it waits for work
        yield taking
        nursery.cancel_scope.cancel()


async def test_a_final_that_comes_while_a_turn_is_taken_belongs_to_the_next(autojump_clock):
    conversation = Asked(lambda: conversation.turns or taking.final(Segment(2, 100, 200), "b"))
    async with open_turn_taking(conversation) as taking:
        taking.final(Segment(1, 0, 100), "a")
        taking.committed()
        await trio.sleep(2.0)
    assert conversation.turns == [(0.0, "a"), (0.5, "b")]


async def test_somebody_who_never_pauses_is_asked_for_ten_minutes_at_once(autojump_clock):
    conversation, minute = Asked(), "x" * 820
    async with open_turn_taking(conversation) as taking:
        taking.speech_started()
        for number in range(25):
            taking.final(Segment(number + 1, 100 * number, 100 * number + 100), minute)
            await trio.sleep(60.0)
    assert [len(text.split()) for _, text in conversation.turns] == [10, 10]


async def test_the_timings_of_a_turn_are_those_of_its_own_speech(autojump_clock):
    async with open_client(config=SessionConfig(speak_replies=True)) as client:
        await client.say(1)
        await client.be_silent(3.0)
        await client.send("session.configure", agent="on")
        await client.say(2)
        await client.send("input_audio_buffer.commit")
        await client.be_silent(3.0)
    assert [request.message["content"] for request in client.agent.requests] == ["w2"]
    (timings,) = client.got("turn.timings")
    assert timings["endpointing_ms"] is None, "it had no end of speech: the client has ended it"
    assert timings["total_ms"] < 1000


async def test_nobody_is_asked_in_a_session_that_closes(autojump_clock):
    async with open_client(config=config(), limits=EARLY) as client:
        conversation = client.session._body.conversation
        conversation.stop()
        conversation.ask(Turn({"type": "user_message", "content": "a"}, "a", "voice"))
        assert not conversation.try_early(Turn({"type": "user_message", "content": "b"}, "b", "voice"))
        await trio.sleep(1.0)
    assert client.agent.requests == []
    assert client.got("turn.started", "turn.ended") == []


async def test_a_turn_that_is_confirmed_and_interrupted_in_one_moment_is_told_once(autojump_clock):
    agent = FakeAgent([[]])
    async with open_client(agent=agent, config=config(), limits=EARLY) as client:
        turn = Turn({"type": "user_message", "content": "a"}, "a", "voice")
        conversation = client.session._body.conversation
        assert conversation.try_early(turn)
        await trio.sleep(1.0)
        conversation.confirm(turn)
        assert conversation.interrupt("barge_in")
        await trio.sleep(1.0)
        assert [one.message for one in client.session.history.turns] == ["a"]
    assert [message["outcome"] for message in client.got("turn.ended")] == ["interrupted"]
    assert len(client.got("turn.started")) == 1
