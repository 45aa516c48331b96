"""Somebody speaks while the server does. A character is 0.1 s of speech, and a word of the user's 0.4 s."""

from dataclasses import replace

import pytest
import trio

from tests.fakes.agent import FakeAgent
from tests.fakes.audio import silence, word
from tests.fakes.client import open_client
from tests.fakes.synthesizer import FakeSynthesizer
from voicetrio.core.config import SessionConfig
from voicetrio.session.ports import Interruption, Said

FULL = SessionConfig(agent="on", speak_replies=True, duplex="barge_in")
MUTE = SessionConfig(agent="on", speak_replies=True)
LONG = "One two three four five six seven eight nine ten eleven twelve."


async def listen_until(client, seconds):
    """The user is silent, and the server speaks."""
    await client.be_silent(seconds - trio.current_time())


async def test_speech_that_is_long_enough_stops_the_answer_within_one_frame(autojump_clock):
    agent = FakeAgent([[LONG, " And", 100.0], ["Sorry."]])
    async with open_client(agent=agent, config=FULL, synthesizer=FakeSynthesizer(seconds_per_char=0.05)) as client:
        await client.send("user_message", content="go")
        await client.wait_for("tts.speaking_start")
        await client.be_silent(2.0)
        began = trio.current_time()
        await client.say(1, 2)  # 0.8 s
        assert client.synthesizer.open_calls == 0
        assert agent.open_calls == 0
        await client.be_silent(1.0)
        await client.wait_for("playback.completed")
        await client.wait_for("turn.ended", 2)
    (cut,) = client.got("playback.interrupted")
    assert cut["reason"] == "barge_in"
    # Half a second of voice: 25 frames of 20 ms, the last of which comes at its end.
    assert client.at("playback.interrupted") == [pytest.approx(began + 0.5)]
    assert client.at("turn.ended")[0] == pytest.approx(began + 0.5)
    assert agent.left_at[0] == pytest.approx(began + 0.5)
    assert client.at("playback.paused") == [pytest.approx(began + 0.08)], "and it was quiet from the fourth frame on"
    assert cut["heard_ms"] == pytest.approx((began + 0.08 - client.at("tts.speaking_start")[0]) * 1000, abs=60)
    assert cut["heard_text"] == LONG[: len(cut["heard_text"])].rstrip()
    assert 0 < len(cut["heard_text"]) <= cut["heard_ms"] / 100
    assert [turn.outcome for turn in client.session.history.turns] == ["interrupted", "completed"]
    assert agent.requests[1].message["content"] == "w1 w2", "from the first sample on"


async def test_the_agent_learns_what_was_heard_and_nothing_more(autojump_clock):
    agent = FakeAgent([[LONG], ["Yes."], ["No."]], keeps_dialogs=True)
    async with open_client(agent=agent, config=FULL) as client:
        await client.send("user_message", content="go")
        await client.wait_for("tts.speaking_start")
        await client.be_silent(1.0)
        await client.say(1, 2)
        await client.be_silent(1.0)
        await client.wait_for("turn.ended", 2)
        await client.send("user_message", content="more")
        await client.wait_for("turn.ended", 3)
    (cut,) = client.got("playback.interrupted")
    assert cut["heard_text"] == "One two"
    assert agent.requests[1].history == (Said("user", "go"), Said("assistant", "One two"))
    assert agent.requests[1].interruption == Interruption("One two", cut["heard_ms"])
    assert agent.requests[2].interruption is None, "it is told once"
    (first, *_) = client.session.history.turns
    assert (first.reply, first.heard, first.outcome) == (LONG, "One two", "interrupted")


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.4])
async def test_a_cough_does_not_interrupt_and_the_answer_goes_on_where_it_stopped(autojump_clock, seconds):
    agent = FakeAgent([[LONG], ["Never asked."]])
    async with open_client(agent=agent, config=FULL) as client:
        await client.send("user_message", content="go")
        await client.wait_for("tts.speaking_start")
        await client.be_silent(1.0)
        await client.play(word(1, seconds))
        await client.be_silent(10.0)
        await client.wait_for("turn.ended")
        await client.be_silent(3.0)
    assert client.got("playback.interrupted") == []
    assert len(client.got("playback.paused")) == len(client.got("playback.resumed")) == 1
    stood_still = client.at("playback.resumed")[0] - client.at("playback.paused")[0]
    assert client.at("playback.completed") == [pytest.approx(len(LONG) / 10 + stood_still, abs=0.001)]
    assert len(agent.requests) == 1, "an mhm is no message"
    assert client.finals() == ["w1"], "but it is told"
    assert len(client.audio()) == len(LONG) * 4800, "every sample once"


async def test_a_shorter_or_longer_patience_can_be_chosen(autojump_clock):
    async with open_client(agent=FakeAgent([[LONG]]), config=FULL) as client:
        await client.send("session.configure", barge_in_min_ms=100)
        await client.send("user_message", content="go")
        await client.wait_for("tts.speaking_start")
        await client.be_silent(1.0)
        began = trio.current_time()
        await client.say(1)
        await client.be_silent(1.0)
    assert client.at("playback.interrupted") == [pytest.approx(began + 0.1)]


async def test_a_player_that_does_not_know_how_to_pause_may_hear_the_end(autojump_clock):
    agent = FakeAgent([["Short answer."], ["Next."]])
    async with open_client(agent=agent, config=FULL) as client:
        await client.send("user_message", content="go")
        start = await client.wait_for("tts.speaking_start")
        await client.be_silent(1.0)
        await client.play(word(1, 0.3))
        await client.send("playback.progress", request_id=start["request_id"], played_ms=1300)
        await client.be_silent(0.1)
        await client.say(2)
        await client.be_silent(2.0)
        await client.wait_for("turn.ended", 2)
    assert len(client.got("playback.completed")) == 2
    assert client.got("playback.resumed", "playback.interrupted") == []
    assert agent.requests[1].message["content"] == "w1 w2", "it is a message: nothing was interrupted"


async def test_the_next_answer_has_nothing_of_the_last(autojump_clock):
    agent = FakeAgent([[LONG], ["Sorry."]])
    async with open_client(agent=agent, config=FULL) as client:
        await client.send("user_message", content="go")
        await client.wait_for("tts.speaking_start")
        await client.be_silent(1.0)
        await client.say(1, 2)
        await client.be_silent(3.0)
        await client.wait_for("turn.ended", 2)
    frames = client.earlier + client.link.received
    cut = next(i for i, (_, data) in enumerate(frames) if isinstance(data, str) and "playback.interrupted" in data)
    after = [data for _, data in frames[cut:] if isinstance(data, bytes)]
    assert sum(map(len, after)) == len("Sorry.") * 4800
    assert client.spoken()[-1] == "Sorry."


async def test_queued_speech_is_stopped_too(autojump_clock):
    async with open_client(config=FULL) as client:
        for name in "abc":
            await client.send("tts.speak", text=LONG, request_id=name)
        await client.wait_for("tts.speaking_start")
        await client.be_silent(1.0)
        await client.say(1, 2)
        await client.be_silent(2.0)
        await client.wait_for("turn.ended")
    endings = [(m["request_id"], m["heard_text"], m["reason"]) for m in client.got("playback.interrupted")]
    assert endings == [("a", "One two", "barge_in"), ("b", "", "barge_in"), ("c", "", "barge_in")]
    assert client.agent.requests[0].message["content"] == "w1 w2", "and what was said is answered"


@pytest.mark.parametrize("config", [FULL, MUTE])
async def test_whoever_goes_on_while_the_agent_thinks_takes_the_turn_back(autojump_clock, config):
    agent = FakeAgent([[5.0, "Too late."], ["Yes."]])
    async with open_client(agent=agent, config=config) as client:
        await client.say(1, 2)
        await client.be_silent(1.0)
        assert len(agent.requests) == 1
        await client.say(3, 4)
        assert agent.open_calls == 0
        await client.be_silent(2.0)
        await client.wait_for("turn.ended", 2)
    assert [turn.outcome for turn in client.session.history.turns] == ["interrupted", "completed"]
    assert [message["token"] for message in client.got("assistant_message")] == ["Yes."]
    assert agent.requests[1].history == (Said("user", "w1 w2"),), "nothing of the answer was heard"
    assert agent.requests[1].message["content"] == "w3 w4"


async def test_of_a_reply_that_is_stopped_before_its_first_piece_nothing_was_heard(autojump_clock):
    agent = FakeAgent([["One two", 100.0], ["Yes."]])
    async with open_client(agent=agent, config=FULL) as client:
        await client.say(1, 2)
        await client.be_silent(1.0)
        await client.say(3, 4)
        await client.be_silent(2.0)
        await client.wait_for("turn.ended", 2)
    assert agent.requests[1].history == (Said("user", "w1 w2"),)
    assert client.session.history.turns[0].heard == ""


async def test_a_cough_does_not_stop_an_agent_that_thinks(autojump_clock):
    agent = FakeAgent([[3.0, "Here it is."]])
    async with open_client(agent=agent, config=FULL) as client:
        await client.say(1)
        await client.be_silent(1.0)
        await client.play(word(2, 0.2) + silence(4.0))
        await client.wait_for("turn.ended")
        assert next(turn.outcome for turn in client.session.history.turns) == "completed"


async def test_speaking_does_not_stop_the_answer_to_what_was_typed_by_a_client_that_only_transcribes(autojump_clock):
    agent = FakeAgent([[5.0, "Here it is."]])
    async with open_client(agent=agent) as client:
        await client.send("user_message", content="go")
        await client.say(1, 2, 3)
        await client.be_silent(3.0)
        await client.wait_for("turn.ended")
    assert client.got("turn.ended")[0]["outcome"] == "completed"


async def test_never_deaf_and_never_dumb_after_many_interruptions(autojump_clock):
    agent = FakeAgent([[LONG]])
    async with open_client(agent=agent, config=FULL) as client:
        for number in range(1, 20, 2):
            await client.say(number, number + 1)
            await client.be_silent(1.0)
            await client.wait_for("tts.speaking_start", (number + 1) // 2)
            await client.be_silent(1.0)
    asked = [request.message["content"] for request in agent.requests]
    assert asked == [f"w{number} w{number + 1}" for number in range(1, 20, 2)]
    assert [m["reason"] for m in client.got("playback.interrupted")][:9] == ["barge_in"] * 9


async def test_somebody_who_is_interrupted_and_vanishes_leaves_nothing_behind(autojump_clock):
    agent = FakeAgent([[LONG, 100.0]])
    async with open_client(agent=agent, config=FULL) as client:
        await client.send("user_message", content="go")
        await client.wait_for("tts.speaking_start")
        await client.be_silent(1.0)
        await client.play(word(1, 0.2))
        client.leave()
        await client.over.wait()
    assert client.end.reason == "disconnected"
    assert [turn.outcome for turn in client.session.history.turns] == ["cancelled"]


async def test_a_false_alarm_that_was_cut_is_no_message_as_a_whole(autojump_clock):
    agent = FakeAgent([[LONG], ["What?"]])
    patient = replace(FULL, barge_in_min=4.0, max_segment_seconds=1.0)
    async with open_client(agent=agent, config=patient) as client:
        await client.send("user_message", content="go")
        await client.wait_for("tts.speaking_start")
        await client.say(1, 2, 3, 4, 5)
        await client.be_silent(3.0)
        assert len(client.got("playback.resumed")) == 1
    assert len(client.finals()) >= 2
    assert len(agent.requests) == 1
