"""A message goes to the agent, and its answer to the client, and aloud. A character is 0.1 s of speech."""

import json
import math

import pytest
import trio

from tests.fakes.agent import FakeAgent, session_info
from tests.fakes.client import open_client
from tests.fakes.synthesizer import FakeSynthesizer
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.errors import AgentError, WorkerUnavailable
from voicetrio.core.states import StateTimeouts
from voicetrio.session.ports import AgentAlive, AgentEvent, AgentFault, Interruption, Said

ALOUD = SessionConfig(agent="on", speak_replies=True)


def tokens(client):
    return [message["token"] for message in client.got("assistant_message")]


async def test_a_typed_message_is_answered_in_text(autojump_clock):
    agent = FakeAgent([["Hello", " there."]])
    async with open_client(agent=agent) as client:
        await client.send("user_message", role="user", content="Hi!", extra=[1, {"deep": None}])
        await client.wait_for("turn.ended")
    assert agent.requests[0].message == {
        "type": "user_message",
        "role": "user",
        "content": "Hi!",
        "extra": [1, {"deep": None}],
    }
    assert tokens(client) == ["Hello", " there."]
    assert client.got("turn.ended")[0]["outcome"] == "completed"
    assert client.got("tts.speaking_start", "turn.started", "turn.timings", "error") == []


async def test_an_agents_event_is_passed_on_as_it_came_to_the_last_byte(autojump_clock):
    odd = '{ "type":"tool_call",\n "arguments" : {"ä": "\\u00e4\\ud83d", "n": 1.50, "n": 2}, "null":null }'
    agent = FakeAgent([[AgentEvent(odd), "ok"]])
    async with open_client(agent=agent) as client:
        await client.send("user_message", content="go")
        await client.wait_for("turn.ended")
    assert [text for _, text in client.link.received if isinstance(text, str) and "tool_call" in text] == [odd]


async def test_what_is_said_is_asked_and_the_answer_is_spoken(autojump_clock):
    agent = FakeAgent([["Hello", " there."]], opening=0.2)
    async with open_client(agent=agent, config=ALOUD) as client:
        await client.say(1, 2)
        await client.be_silent(1.0)
        await client.wait_for("playback.completed")
        await client.wait_for("turn.ended")
    assert agent.requests[0].message == {"type": "user_message", "role": "user", "content": "w1 w2"}
    assert client.got("turn.started")[0]["text"] == "w1 w2"
    turn_id = client.got("turn.started")[0]["turn_id"]
    start = client.got("tts.speaking_start")[0]
    assert start["text"] == "Hello there."
    assert start["turn_id"] == turn_id
    assert len(client.audio()) == 2 * 24_000 * len("Hello there.") / 10
    assert client.got("playback.completed")[0]["heard_ms"] == 1200
    assert client.got("turn.ended") == [{"type": "turn.ended", "turn_id": turn_id, "outcome": "completed"}]
    assert client.at("turn.ended") == [pytest.approx(client.at("playback.completed")[0])], "it lasts until it was heard"


async def test_the_parts_of_the_delay_are_told_with_the_first_sound(autojump_clock):
    agent = FakeAgent([[0.3, "One", 0.1, ".", 0.5, " Two."]])
    async with open_client(agent=agent, config=ALOUD, synthesizer=FakeSynthesizer(seconds_per_char=0.05)) as client:
        await client.say(1)
        await client.be_silent(1.0)
        await client.wait_for("turn.ended")
    (timings,) = client.got("turn.timings")
    parts = [timings[name] for name in ("endpointing_ms", "final_ms", "turn_ms", "agent_ms", "piece_ms", "audio_ms")]
    assert sum(parts) == timings["total_ms"]
    assert parts[0] == 460, "the end of speech is sure when 23 of the last 25 frames have no voice"
    assert parts[3] == 300
    assert parts[5] >= 50
    began = client.at("vad.speech_end")[0] - parts[0] / 1000
    first_sound = next(when for when, data in client.link.received if isinstance(data, bytes))
    assert first_sound - began == pytest.approx(timings["total_ms"] / 1000, abs=0.002)


async def test_speech_begins_while_the_agent_still_writes(autojump_clock):
    agent = FakeAgent([["This is the first sentence.", " And", 5.0, " this the second."]])
    async with open_client(agent=agent, config=ALOUD) as client:
        await client.send("user_message", content="go")
        await client.wait_for("tts.speaking_start")
        began = trio.current_time()
        await client.wait_for("turn.ended")
    assert began < 0.1
    assert client.got("tts.speaking_start")[0]["text"] == "This is the first sentence."
    (more,) = client.got("tts.speaking_text")
    assert more["text"] == "And this the second."
    assert more["offset_ms"] == 2700
    assert [message["type"] for message in client.got("playback.completed", "playback.interrupted")] == [
        "playback.completed"
    ], "one utterance, one ending, although the listener had a gap"
    assert client.got("playback.completed")[0]["heard_ms"] == 2700 + 2000


async def test_messages_are_answered_one_after_the_other(autojump_clock):
    agent = FakeAgent([["one"], ["two"], ["three"]], opening=1.0)
    async with open_client(agent=agent) as client:
        for number in range(3):
            await client.send("user_message", content=str(number))
        await client.wait_for("turn.ended", 3)
    assert [request.message["content"] for request in agent.requests] == ["0", "1", "2"]
    assert agent.asked_at == [pytest.approx(t) for t in (0.0, 1.0, 2.0)]
    assert tokens(client) == ["one", "two", "three"]
    assert agent.requests[2].history == (
        Said("user", "0"),
        Said("assistant", "one"),
        Said("user", "1"),
        Said("assistant", "two"),
    )


async def test_the_next_message_waits_until_the_answer_was_heard(autojump_clock):
    agent = FakeAgent([["Hello there."], ["Bye."]])
    async with open_client(agent=agent, config=ALOUD) as client:
        await client.send("user_message", content="a")
        await client.send("user_message", content="b")
        await client.wait_for("turn.ended", 2)
    assert agent.asked_at == [pytest.approx(0.0), pytest.approx(1.2)]
    assert agent.requests[1].history == (Said("user", "a"), Said("assistant", "Hello there."))


async def test_too_many_waiting_messages_are_refused_and_told(autojump_clock):
    limits = SessionLimits(max_queued_messages=2)
    async with open_client(agent=FakeAgent(opening=1.0), limits=limits) as client:
        for number in range(5):
            await client.send("user_message", content=str(number))
        await client.wait_for("turn.ended", 3)
    assert [error["code"] for error in client.got("error")] == ["too_many_messages"] * 2
    assert len(client.agent.requests) == 3


@pytest.mark.parametrize("when", ["opening", "first", "later"])
async def test_a_failing_agent_ends_its_turn_and_nothing_else(autojump_clock, when):
    error = AgentError("agent_failed", "the agent failed")
    agent = FakeAgent([[*(["Some words."] if when == "later" else []), error], ["fine"]])
    agent.refuse = error if when == "opening" else None
    async with open_client(agent=agent) as client:
        await client.send("user_message", content="a")
        await client.wait_for("turn.ended")
        agent.refuse = None
        await client.send("user_message", content="b")
        await client.wait_for("turn.ended", 2)
    (told,) = client.got("error")
    assert told["code"] == "agent_failed"
    assert told["recoverable"] is True
    assert told["turn_id"] == client.got("turn.ended")[0]["turn_id"]
    assert [message["outcome"] for message in client.got("turn.ended")] == ["failed", "completed"]
    assert [request.message["content"] for request in agent.requests] == ["a", "b"], "no message is sent twice"


async def test_what_a_broken_stream_has_said_is_heard_to_its_end(autojump_clock):
    agent = FakeAgent([["Hello there.", " How", AgentError("agent_broken", "gone")]])
    async with open_client(agent=agent, config=ALOUD) as client:
        await client.send("user_message", content="a")
        await client.wait_for("turn.ended")
    assert client.got("turn.ended")[0]["outcome"] == "failed"
    assert client.got("playback.completed")[0]["heard_ms"] == 100 * len("Hello there.") + 100 * len("How")
    (turn,) = client.session.history.turns
    assert turn.heard == "Hello there. How"


async def test_what_cannot_be_used_is_told_and_the_rest_is(autojump_clock):
    agent = FakeAgent([["a", AgentFault("agent_malformed", "no JSON"), "b"]])
    async with open_client(agent=agent) as client:
        await client.send("user_message", content="go")
        await client.wait_for("turn.ended")
    assert tokens(client) == ["a", "b"]
    assert client.got("error")[0]["code"] == "agent_malformed"
    assert client.got("turn.ended")[0]["outcome"] == "completed"


@pytest.mark.parametrize("silent", ["opening", "first", "later"])
async def test_an_agent_that_falls_silent_is_given_up_after_its_time(autojump_clock, silent):
    agent = FakeAgent([["a", 100.0]] if silent == "later" else [[100.0]], opening=100.0 if silent == "opening" else 0.0)
    async with open_client(agent=agent, limits=SessionLimits(agent_silence=7.0)) as client:
        await client.send("user_message", content="go")
        await client.wait_for("turn.ended")
    assert client.at("turn.ended") == [pytest.approx(7.0)]
    assert [error["code"] for error in client.got("error")] == ["agent_silent"]
    assert len(agent.requests) == 1
    assert agent.left_at == [pytest.approx(7.0)]


async def test_an_agent_that_is_alive_is_waited_for_until_its_answer_is_too_long(autojump_clock):
    limits = SessionLimits(agent_silence=7.0, agent_answer=100.0)
    agent = FakeAgent([["a", *[5.0, AgentAlive()] * 10, "b", *[5.0, AgentAlive()] * 10, "c"]])
    async with open_client(agent=agent, limits=limits) as client:
        await client.send("user_message", content="go")
        await client.wait_for("turn.ended")
    assert tokens(client) == ["a", "b"]
    assert client.at("turn.ended") == [pytest.approx(100.0)]
    assert [error["code"] for error in client.got("error")] == ["agent_answer_too_long"]
    (turn,) = client.session.history.turns
    assert (turn.reply, turn.outcome) == ("ab", "failed")


async def test_an_agent_that_was_alive_and_falls_silent_is_given_up(autojump_clock):
    agent = FakeAgent([["a", 5.0, AgentAlive(), 100.0]])
    async with open_client(agent=agent, limits=SessionLimits(agent_silence=7.0)) as client:
        await client.send("user_message", content="go")
        await client.wait_for("turn.ended")
    assert client.at("turn.ended") == [pytest.approx(12.0)]
    assert [error["code"] for error in client.got("error")] == ["agent_silent"]


async def test_a_sign_of_life_is_nothing_to_a_client(autojump_clock):
    async with open_client(
        agent=FakeAgent([[AgentAlive(), "a", AgentAlive()]]), welcomed=False, session_id="new_1"
    ) as client:
        await client.send("user_message", content="go")
        await client.wait_for("turn.ended")
    assert [message["type"] for message in client.got()] == ["assistant_message", "session.created", "turn.ended"]


async def test_an_agent_without_end_of_faults_is_told_once_and_left(autojump_clock):
    agent = FakeAgent([["a", *[AgentFault("agent_malformed", "no JSON")] * 2000, "b"], ["c"]])
    async with open_client(agent=agent) as client:
        await client.send("user_message", content="go")
        await client.wait_for("turn.ended")
        await client.send("user_message", content="go on")
        await client.wait_for("turn.ended", 2)
    assert tokens(client) == ["a", "c"]
    assert [error["code"] for error in client.got("error")] == ["agent_malformed"]
    assert [ended["outcome"] for ended in client.got("turn.ended")] == ["failed", "completed"]
    assert client.telemetry.counts["agent_event_unusable"] == 16


async def test_a_client_that_reads_slowly_holds_the_agent_back_and_loses_nothing(autojump_clock):
    agent = FakeAgent([[str(number) for number in range(2000)]])
    async with open_client(agent=agent, limits=SessionLimits(send_stall=1000.0, agent_silence=5.0)) as client:
        client.link.reading = trio.Event()
        await client.send("user_message", content="go")
        await trio.sleep(30.0)
        assert len(client.session._body.outbox._queue) < 100
        client.link.reading.set()
        await client.wait_for("turn.ended")
    assert tokens(client) == [str(number) for number in range(2000)]
    assert client.got("error") == []


async def test_no_timeout_runs_while_the_agent_thinks(autojump_clock):
    agent = FakeAgent([[20.0, "at last"]])
    config = SessionConfig(timeouts=StateTimeouts(init=2.0, silence=1.0, hold=1.0))
    async with open_client(agent=agent, config=config) as client:
        await client.send("user_message", content="go")
        await client.wait_for("turn.ended")
    assert tokens(client) == ["at last"]


async def test_somebody_who_types_is_there_although_nobody_speaks(autojump_clock):
    async with open_client() as client:
        await client.send("user_message", content="a")
        await client.wait_for("turn.ended")
        await trio.sleep(300.0)
        await client.send("user_message", content="b")
        await client.wait_for("turn.ended", 2)
        await client.over.wait()
    assert client.end.reason == "timed_out"
    assert client.ended_at == pytest.approx(300.0 + 330.0)


async def test_a_closing_session_stops_what_is_asked_and_asks_nothing_more(autojump_clock):
    agent = FakeAgent([["Hello", 100.0]])
    async with open_client(agent=agent, config=ALOUD) as client:
        await client.send("user_message", content="a")
        await client.send("user_message", content="b")
        await trio.sleep(1.0)
        await client.send("session.close")
        await client.over.wait()
    assert len(agent.requests) == 1
    assert client.got("turn.ended")[0]["outcome"] == "cancelled"
    assert client.ended_at == pytest.approx(1.0)


async def test_an_agent_that_is_off_is_not_asked_what_is_said(autojump_clock):
    async with open_client(config=SessionConfig(agent="off", speak_replies=True)) as client:
        await client.say(1)
        await client.be_silent(3.0)
    assert client.finals() == ["w1"]
    assert client.agent.requests == []


async def test_the_client_chooses_whether_it_talks_with_the_agent(autojump_clock):
    async with open_client() as client:
        assert client.got("session.created")[0]["config"]["agent"] == "off"
        await client.send("session.configure", agent="on", speak_replies=True)
        config = (await client.wait_for("session.configured"))["config"]
        assert (config["agent"], config["speak_replies"]) == ("on", True)
        await client.say(1)
        await client.be_silent(1.0)
        await client.wait_for("playback.completed")
        await client.send("session.configure", agent="off")
        await client.say(2)
        await client.be_silent(3.0)
    assert [request.message["content"] for request in client.agent.requests] == ["w1"]


async def test_cancelling_the_speech_of_a_reply_does_not_cancel_its_text(autojump_clock):
    agent = FakeAgent([["Hello there.", 2.0, " More."], ["Next."]])
    async with open_client(agent=agent, config=ALOUD) as client:
        await client.send("user_message", content="a")
        start = await client.wait_for("tts.speaking_start")
        await trio.sleep(0.65)
        await client.send("tts.cancel", request_id=start["request_id"])
        await client.wait_for("turn.ended")
        await client.send("user_message", content="b")
        await client.wait_for("turn.ended", 2)
    assert tokens(client)[:2] == ["Hello there.", " More."]
    assert client.got("playback.interrupted")[0]["heard_text"] == "Hello"
    assert agent.requests[1].history == (Said("user", "a"), Said("assistant", "Hello"))
    assert agent.requests[1].interruption == Interruption("Hello", 650)


async def test_stopping_an_answer_ends_the_agents_stream_and_the_speech_and_what_is_typed_next_is_answered_at_once(
    autojump_clock,
):
    agent = FakeAgent([["Hello there, my friends.", " And", 20.0, " more."], ["Next."]])
    async with open_client(agent=agent, config=ALOUD) as client:
        await client.send("user_message", content="a")
        await client.wait_for("tts.speaking_start")
        await trio.sleep(0.65)
        stopped_at = trio.current_time()
        await client.send("turn.cancel")
        await client.send("user_message", content="b")
        await client.wait_for("turn.ended", 2)
    assert agent.left_at[0] == pytest.approx(stopped_at), "the agent writes for nobody"
    assert agent.asked_at[1] == pytest.approx(stopped_at), "and not after the 20 s that it would have gone on for"
    (cut,) = client.got("playback.interrupted")
    assert (cut["reason"], cut["heard_text"]) == ("cancelled", "Hello")
    assert [message["outcome"] for message in client.got("turn.ended")] == ["interrupted", "completed"]
    assert agent.requests[1].history == (Said("user", "a"), Said("assistant", "Hello"))
    assert agent.requests[1].interruption == Interruption("Hello", cut["heard_ms"])
    assert client.got("error") == []


async def test_stopping_leaves_what_waits_and_stops_nothing_where_nothing_is_answered(autojump_clock):
    agent = FakeAgent([[20.0, "First."], ["Second."]])
    async with open_client(agent=agent) as client:
        await client.send("turn.cancel")
        await client.send("user_message", content="a")
        await trio.sleep(1)
        await client.send("user_message", content="b")
        await client.send("turn.cancel")
        await client.wait_for("turn.ended", 2)
        await client.send("turn.cancel")
        await trio.sleep(1)
    assert tokens(client) == ["Second."]
    assert [message["outcome"] for message in client.got("turn.ended")] == ["interrupted", "completed"]
    assert client.got("error") == []


async def test_a_synthesis_that_fails_leaves_the_text_and_the_session(autojump_clock):
    synthesizer = FakeSynthesizer(refuse=WorkerUnavailable("gone"))
    async with open_client(config=ALOUD, synthesizer=synthesizer) as client:
        await client.send("user_message", content="a")
        await client.wait_for("turn.ended")
        synthesizer.refuse = None
        await client.send("user_message", content="b")
        await client.wait_for("turn.ended", 2)
    assert [error["code"] for error in client.got("error")] == ["tts_failed"]
    assert [message["outcome"] for message in client.got("turn.ended")] == ["failed", "completed"]
    assert [turn.heard for turn in client.session.history.turns] == ["", "Hello there."]


async def test_a_reply_without_an_end_is_spoken_up_to_its_limit(autojump_clock):
    agent = FakeAgent([["Ten chars. "] * 20])
    async with open_client(agent=agent, config=ALOUD, limits=SessionLimits(max_reply_chars=55)) as client:
        await client.send("user_message", content="go")
        await client.wait_for("turn.ended")
    assert len(tokens(client)) == 20
    assert [error["code"] for error in client.got("error")] == ["reply_too_long"]
    assert client.got("playback.completed")[0]["heard_ms"] < 7000


async def test_a_reply_is_made_ahead_by_a_bounded_amount(autojump_clock):
    agent = FakeAgent([[f"This is sentence number {number}. " for number in range(30)]])
    async with open_client(agent=agent, config=ALOUD, limits=SessionLimits(max_ahead=5.0)) as client:
        await client.send("user_message", content="go")
        while not client.got("turn.ended"):
            await trio.sleep(0.5)
            now = trio.current_time()
            ahead = len(client.audio()) / 48_000 - now
            assert ahead < 5.0 + 3.0, "the limit, and the piece that was begun within it"
        assert client.at("playback.completed")[0] == pytest.approx(sum(len(t) for t in client.spoken()) / 10, rel=0.02)


async def test_a_temporary_session_becomes_the_agents_own(autojump_clock):
    agent = FakeAgent([[session_info("abc-123"), "hello"], ["again"]], keeps_dialogs=True)
    async with open_client(agent=agent, session_id="new_1", welcomed=False) as client:
        await client.send("user_message", content="a")
        await client.wait_for("turn.ended")
        await client.send("user_message", content="b")
        await client.wait_for("turn.ended", 2)
        assert client.session.session_id == "abc-123"
    assert [request.dialog_id for request in agent.requests] == [None, "abc-123"]
    assert client.got()[0] == {"type": "session_info", "session_id": "abc-123"}, "the first thing that its client gets"
    assert client.got()[1]["type"] == "session.created"
    assert client.got()[1]["session_id"] == "abc-123"


async def test_a_temporary_session_that_speaks_first_is_welcomed_first(autojump_clock):
    async with open_client(session_id="new_1", welcomed=False) as client:
        await client.send("session.configure", interim=True)
        await client.wait_for("session.configured")
    assert [message["type"] for message in client.got()[:2]] == ["session.created", "session.configured"]


async def test_a_temporary_session_that_waits_is_welcomed_soon(autojump_clock):
    async with open_client(session_id="new_1", welcomed=False) as client:
        await client.wait_for("session.created")
    assert client.at("session.created") == [pytest.approx(0.5)]


async def test_a_real_session_is_asked_for_under_its_id(autojump_clock):
    agent = FakeAgent([["hello"]], keeps_dialogs=True)
    async with open_client(agent=agent, session_id="abc-123") as client:
        await client.send("user_message", content="a")
        await client.wait_for("turn.ended")
    assert agent.requests[0].dialog_id == "abc-123"
    assert client.got("session_info") == []


async def test_a_name_that_no_session_can_have_is_told_and_not_taken(autojump_clock):
    agent = FakeAgent([[session_info("no/such name"), "hello"], ["x"]], keeps_dialogs=True)
    async with open_client(agent=agent, session_id="new_1", welcomed=False) as client:
        await client.send("user_message", content="a")
        await client.wait_for("turn.ended")
        assert client.session.session_id == "new_1"
        await client.send("user_message", content="b")
        await client.wait_for("turn.ended", 2)
    assert [error["code"] for error in client.got("error")] == ["agent_bad_session_id"]
    assert client.got("session_info"), "it is passed on all the same"
    assert [request.dialog_id for request in agent.requests] == [None, "no/such name"], "the agent's own business"


@pytest.mark.parametrize(
    "fields", [{}, {"content": ""}, {"content": " \n"}, {"content": 5}, {"content": "a", "role": 1}]
)
async def test_a_message_without_a_text_is_refused(autojump_clock, fields):
    async with open_client() as client:
        await client.send("user_message", **fields)
        assert (await client.wait_for("error"))["code"] == "invalid_field"
    assert client.agent.requests == []


async def test_half_a_character_anywhere_in_a_message_is_refused(autojump_clock):
    async with open_client() as client:
        await client.outbox.send('{"type":"user_message","content":"a","more":["\\ud800"]}')
        assert (await client.wait_for("error"))["code"] == "invalid_field"
        await client.outbox.send('{"type":"user_message","content":"a","more":NaN}')
        assert (await client.wait_for("error", 2))["code"] == "invalid_field"
    assert client.agent.requests == []


async def test_an_event_of_the_agent_is_repeated_to_a_client_that_missed_it(autojump_clock):
    agent = FakeAgent([["one", 5.0, "two", "three"]])
    async with open_client(agent=agent) as client:
        await client.send("user_message", content="go")
        await client.wait_for("assistant_message")
        received = client.text_frames()
        client.leave()
        await trio.sleep(7.0)
        await client.come_back(received=received)
        await client.wait_for("turn.ended")
    assert tokens(client) == ["one", "two", "three"]


async def test_the_history_tells_what_was_said_and_what_was_heard(autojump_clock):
    agent = FakeAgent([["**Hello** there."], ["Good", " bye."]])
    async with open_client(agent=agent, config=ALOUD) as client:
        await client.say(1)
        await client.be_silent(1.0)
        await client.wait_for("turn.ended")
        await client.send("session.configure", speak_replies=False)
        await client.send("user_message", content="b")
        await client.wait_for("turn.ended", 2)
        message = client.session.history.as_message("x")
    turns = message["turns"]
    assert [(line["role"], line["text"]) for line in turns] == [
        ("user", "w1"),
        ("assistant", "**Hello** there."),
        ("user", "b"),
        ("assistant", "Good bye."),
    ]
    assert turns[0]["source"] == "voice"
    assert turns[2]["source"] == "text"
    assert (turns[1]["spoken_text"], turns[1]["heard_text"]) == ("Hello there.", "Hello there.")
    assert (turns[3]["spoken_text"], turns[3]["heard_text"]) == (None, "Good bye.")
    json.dumps(message)
    assert math.isfinite(turns[0]["at_ms"])
