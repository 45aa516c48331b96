"""What an operator is told of a session, in each of its states; and that nothing anybody said is in it."""

import json
from dataclasses import replace

import pytest
import trio
import trio.testing

from tests.fakes.agent import FakeAgent, session_info
from tests.fakes.audio import silence
from tests.fakes.client import FakeClient, open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from tests.fakes.synthesizer import FakeSynthesizer
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.errors import AgentError, WorkerUnavailable
from voicetrio.core.states import State, StateTimeouts
from voicetrio.session.overview import STATE_TEXTS

ALOUD = SessionConfig(speak_replies=True)
QUIET = {
    "temporary": False,
    "state": "init",
    "state_text": "no speech yet",
    "connected": True,
    "away_s": None,
    "worker": "",
    "model": "",
    "backlog_s": 0,
    "last_error": "",
    "last_error_ago_s": None,
    "turns": 0,
    "answering": False,
    "speaking": False,
    "segments": 0,
    "duplex": "mute",
}


def look(client: FakeClient) -> dict:
    return client.session.overview().as_message()


async def test_a_session_that_has_just_begun(autojump_clock):
    async with open_client() as client:
        await trio.sleep(7)
        assert look(client) == {"session_id": "test", "age_s": 7.0, **QUIET}


async def test_while_somebody_speaks_and_after_it(autojump_clock):
    async with open_client(config=SessionConfig(duplex="barge_in")) as client:
        await client.say(1, 2, 3)
        seen = look(client)
        assert (seen["state"], seen["state_text"]) == ("active", "somebody speaks")
        assert (seen["worker"], seen["model"], seen["duplex"]) == ("fake:1", "fake", "barge_in")
        assert seen["segments"] == 0
        await client.be_silent(1)
        seen = look(client)
        assert (seen["state"], seen["state_text"]) == ("silence", "listening")
        assert (seen["worker"], seen["segments"], seen["backlog_s"]) == ("fake:1", 1, 0)


async def test_on_hold_it_has_no_worker(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        await client.be_silent(35)
        seen = look(client)
        assert (seen["state"], seen["state_text"], seen["worker"]) == ("hold", "on hold", "")


async def test_without_a_worker_its_audio_waits_and_then_the_loss_is_the_last_error(autojump_clock):
    recognizer = FakeRecognizer(default=Behaviour(refuse=WorkerUnavailable("worker at 10.0.0.7:1: a secret")))
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 11))
        seen = look(client)
        assert (seen["state"], seen["worker"], seen["last_error"]) == ("active", "", "")
        assert 3.5 < seen["backlog_s"] < 4.5, "4 s of speech wait"
        await client.be_silent(10)
        await trio.sleep(5)
        seen = look(client)
        assert (seen["backlog_s"], seen["last_error"]) == (0, "worker_unavailable")
        told_at = client.at("error")[0]
        assert seen["last_error_ago_s"] == round(trio.current_time() - told_at, 1) >= 5


async def test_while_it_goes_on_with_another_worker_it_has_none(autojump_clock):
    broken = Behaviour(break_after=16_000)
    refusing = Behaviour(refuse=WorkerUnavailable("gone"))
    recognizer = FakeRecognizer([broken, *[refusing] * 5])
    workers = []
    async with open_client(recognizer=recognizer) as client, trio.open_nursery() as nursery:

        async def watch() -> None:
            while True:
                workers.append(look(client)["worker"])
                await trio.sleep(0.05)

        nursery.start_soon(watch)
        await client.say(*range(1, 11))
        await client.be_silent(1)
        nursery.cancel_scope.cancel()
        changes = [one for one, before in zip(workers[1:], workers, strict=False) if one != before]
        assert changes == ["fake:1", "", "fake:1"]


async def test_away_and_back(autojump_clock):
    async with open_client() as client:
        await client.send("session.configure")  # who never asked for anything is not waited for
        client.leave()
        await trio.sleep(4)
        seen = look(client)
        assert (seen["connected"], seen["away_s"]) == (False, 4.0)
        await client.come_back()
        seen = look(client)
        assert (seen["connected"], seen["away_s"]) == (True, None)


async def test_while_the_agent_thinks_and_while_its_answer_is_heard(autojump_clock):
    agent = FakeAgent([[3.0, "One two three four."]])
    async with open_client(agent=agent, config=ALOUD) as client:
        await client.send("user_message", content="Count.")
        await trio.sleep(2)
        seen = look(client)
        assert (seen["answering"], seen["speaking"], seen["turns"]) == (True, False, 1)
        await client.wait_for("tts.speaking_start")
        await trio.sleep(0.5)
        seen = look(client)
        assert (seen["answering"], seen["speaking"]) == (True, True)
        await client.wait_for("turn.ended")
        await trio.testing.wait_all_tasks_blocked()
        seen = look(client)
        assert (seen["answering"], seen["speaking"], seen["turns"]) == (False, False, 1)


async def test_what_is_read_aloud_is_no_answer(autojump_clock):
    async with open_client() as client:
        await client.send("tts.speak", text="Hello there.")
        await client.wait_for("tts.speaking_start")
        await trio.sleep(0.5)
        seen = look(client)
        assert (seen["answering"], seen["speaking"], seen["turns"]) == (False, True, 0)


@pytest.mark.parametrize("cause", ["client", "agent", "synthesizer"])
async def test_the_last_error_has_a_code_and_an_age_and_no_text(autojump_clock, cause: str):
    agent = FakeAgent([[AgentError("agent_failed", "a secret")]])
    synthesizer = FakeSynthesizer(refuse=WorkerUnavailable("a secret"))
    async with open_client(agent=agent, synthesizer=synthesizer) as client:
        match cause:
            case "client":
                await client.send("nonsense")
            case "agent":
                await client.send("user_message", content="Hello.")
            case "synthesizer":
                await client.send("tts.speak", text="Hello.")
        error = await client.wait_for("error")
        await trio.sleep(3)
        seen = look(client)
        codes = {"client": "unknown_type", "agent": "agent_failed", "synthesizer": "tts_failed"}
        assert seen["last_error"] == error["code"] == codes[cause]
        assert seen["last_error_ago_s"] == 3.0
        assert "secret" not in repr(client.session.overview())


async def test_turns_that_were_forgotten_count(autojump_clock):
    async with open_client(agent=FakeAgent([["Yes."]])) as client:
        history = client.session.history
        history._max_turns = 2
        for number in range(5):
            await client.send("user_message", content=str(number))
            await client.wait_for("turn.ended", number + 1)
        assert len(history.turns) == 2
        assert look(client)["turns"] == 5


async def test_a_temporary_session_until_it_is_named(autojump_clock):
    async with open_client(agent=FakeAgent([[session_info("abc-123"), "Hi."]]), session_id="new_1") as client:
        seen = look(client)
        assert (seen["session_id"], seen["temporary"]) == ("new_1", True)
        await client.send("user_message", content="Hello.")
        await client.wait_for("turn.ended")
        seen = look(client)
        assert (seen["session_id"], seen["temporary"]) == ("abc-123", False)


async def test_while_it_ends_and_afterwards(autojump_clock):
    recognizer = FakeRecognizer(default=Behaviour(final_delay=1.0))
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2)
        await client.send("session.close")
        await trio.sleep(0.5)
        seen = look(client)
        assert (seen["state"], seen["state_text"], seen["connected"]) == ("closing", "finishing", True)
        await client.over.wait()
        seen = look(client)
        assert (seen["state"], seen["connected"], seen["away_s"]) == ("closed", False, None)


async def test_at_every_moment_of_a_life_it_can_be_looked_at(autojump_clock):
    """A task looks each time that anything has run: nothing may be half done then, nor have gone."""
    limits = SessionLimits(resume_grace=0.5)
    agent = FakeAgent([["One two.", AgentError("agent_broken", "x")]])
    recognizer = FakeRecognizer([Behaviour(break_after=8_000)])
    states = set()
    async with open_client(
        limits=limits, agent=agent, recognizer=recognizer, config=replace(ALOUD, agent="on")
    ) as client:

        class Looker(trio.abc.Instrument):
            def after_task_step(self, task: object) -> None:
                seen = client.session.overview()
                states.add(seen.state)
                assert 0 <= seen.backlog < 60
                assert seen.age >= 0
                json.dumps(seen.as_message(), allow_nan=False)

        looker = Looker()
        trio.lowlevel.add_instrument(looker)
        try:
            await client.say(1, 2, 3)
            await client.play(silence(3))
            client.leave()
            await client.over.wait()
        finally:
            trio.lowlevel.remove_instrument(looker)
    assert states == {State.INIT, State.ACTIVE, State.SILENCE, State.CLOSING, State.CLOSED}


async def test_nothing_that_was_said_is_in_it(autojump_clock):
    agent = FakeAgent([["An alligator,", " dear user."]])
    config = replace(ALOUD, agent="on", hot_words=("zebra",), voice="anna", timeouts=StateTimeouts())
    async with open_client(agent=agent, config=config) as client:
        await client.say(11, 12)
        await client.be_silent(2)
        await client.send("user_message", content="Is there a crocodile?")
        await client.send("tts.speak", text="A hippopotamus.", request_id="hippo")
        await client.wait_for("turn.ended", 2)
        everything = repr(client.session.overview()) + json.dumps(look(client))
        said = client.finals()[0].split() + [turn.message for turn in client.session.history.turns]
        assert len(said) >= 4
        for word in (*said, "alligator", "crocodile", "hippo", "zebra", "anna", client.session.resume_token):
            assert word not in everything


def test_every_state_has_its_words():
    assert set(STATE_TEXTS) == set(State)
    assert len(set(STATE_TEXTS.values())) == len(State)
