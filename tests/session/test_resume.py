"""A session outlives its connections: who comes back in time goes on where it was, and has missed nothing."""

import pytest
import trio
import trio.testing

from tests.fakes.audio import silence, word
from tests.fakes.client import make_link, open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.states import State
from voicetrio.session import outbox

TEXT = "one two three four"  # 1.8 s


async def test_the_first_welcome_has_a_token_and_limits(autojump_clock):
    async with open_client() as client:
        created = client.got("session.created")[0]
    assert created["resume_token"] == "secret"
    assert (created["resumed"], created["next_audio_ms"]) == (False, 0)
    assert created["limits"] == {"max_rate": 1.2, "max_backlog_ms": 10_000, "resume_grace_ms": 15_000}


async def test_a_client_that_comes_back_in_mid_utterance_goes_on_with_it(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        await client.play(word(2, 0.2))
        client.leave()
        await trio.sleep(3.0)
        created = await client.come_back(received=client.text_frames())
        assert (created["resumed"], created["next_audio_ms"]) == (True, 600)
        await client.play(word(2, 0.2))
        await client.say(3)
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w2 w3"]
    assert len(client.got("vad.speech_start")) == 1
    assert len(client.recognizer.opened) == 1, "the worker has not noticed"


async def test_what_a_client_has_missed_is_told_when_it_is_back(autojump_clock):
    async with open_client(recognizer=FakeRecognizer(default=Behaviour(final_delay=2.0))) as client:
        await client.say(1)
        await client.be_silent(1.0)
        received = client.text_frames()
        client.leave()
        await trio.sleep(5.0)
        await client.come_back(received=received)
        await client.wait_for("transcript.final")
    assert client.finals() == ["w1"]


async def test_what_the_socket_took_and_the_client_never_got_is_told_again(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        received = client.text_frames()
        known = [message for _, message in client.link.received][: 1 + received]
        await client.be_silent(1.0)
        assert client.finals() == ["w1"], "it was written"
        client.link.received = [(0.0, message) for message in known]  # and lost on its way
        client.leave()
        await client.come_back(received=received)
        await trio.sleep(0.1)
    kinds = [message["type"] for message in client.got() if message["type"] != "transcript.partial"]
    assert kinds == [
        "session.created",
        "vad.speech_start",
        "session.created",
        "vad.speech_end",
        "transcript.final",
    ]


async def test_what_the_client_has_is_not_told_again(autojump_clock):
    async with open_client() as client:
        for number in range(1, 4):
            await client.say(number)
            await client.be_silent(1.0)
            client.leave()
            await client.come_back(received=client.text_frames())
        await trio.sleep(0.1)
    assert client.finals() == ["w1", "w2", "w3"]
    assert len(client.got("vad.speech_end")) == 3


async def test_a_message_that_arrived_although_its_connection_broke_is_not_told_twice(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        received = client.text_frames()
        client.link.reading = trio.Event()  # the next message gets stuck
        await client.be_silent(1.0)
        client.leave()
        await client.come_back(received=received + 1)  # but it had got through
        await client.wait_for("transcript.final")
    assert client.got("vad.speech_end") == []
    assert client.finals() == ["w1"]


async def test_a_client_that_does_not_say_what_it_has_gets_what_was_not_written(autojump_clock):
    async with open_client(recognizer=FakeRecognizer(default=Behaviour(final_delay=2.0))) as client:
        await client.say(1)
        await client.be_silent(1.0)
        client.leave()
        await trio.sleep(3.0)
        await client.come_back()
        await client.say(2)
        await client.be_silent(3.5)
    assert client.finals() == ["w1", "w2"]


async def test_too_much_that_was_missed_is_told_as_such(autojump_clock, monkeypatch):
    monkeypatch.setattr(outbox, "LOG_BYTES", 1000)
    async with open_client() as client:
        for number in range(1, 21):
            await client.say(number)
            await client.be_silent(0.6)
        client.leave()
        client.link.received.clear()  # none of it had come
        await client.come_back(received=0)
        await client.wait_for("error")
        await trio.sleep(0.1)
        again = [message["type"] for _, message in client.timeline()][-20:]
    assert client.got("error")[0]["code"] == "messages_lost"
    assert 0 < again[again.index("error") :].count("transcript.final") < 10


async def test_a_client_that_does_not_come_back_is_waited_for_and_then_its_session_closes(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        client.leave()
        await trio.sleep(14.9)
        assert client.end is None
        assert client.recognizer.in_use == 1
        await client.over.wait()
    assert client.end.reason == "disconnected"
    assert client.ended_at == pytest.approx(0.4 + 15.0)
    assert client.telemetry.counts["final_written"] == 0


async def test_the_grace_can_be_none(autojump_clock):
    async with open_client(limits=SessionLimits(resume_grace=0.0)) as client:
        await client.say(1)
    assert client.ended_at == pytest.approx(0.4)


async def test_a_second_connection_takes_the_session_over(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        await trio.testing.wait_all_tasks_blocked()
        first = client.link
        created = await client.come_back(received=client.text_frames())
        assert (created["resumed"], created["next_audio_ms"]) == (True, 400)
        assert first.closed == (4409, "taken_over")
        await client.say(2)
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w2"]


async def test_what_comes_over_the_old_connection_after_a_take_over_is_not_heard(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        first = client.link
        for number in (7, 8, 9):
            first.outbox.send_nowait(word(number))
        created = await client.come_back(received=client.text_frames())
        await client.play(b"".join(map(word, (1, 7, 8, 9)))[created["next_audio_ms"] * 32 :])
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w7 w8 w9"]


async def test_a_take_over_from_a_connection_that_is_stuck(autojump_clock):
    async with open_client() as client:
        client.link.reading = trio.Event()
        await client.say(1)
        await client.be_silent(1.0)
        await client.come_back(received=client.text_frames())
        await client.wait_for("transcript.final")
        await trio.sleep(30.0)
        assert client.end is None, "the old connection's stuck send does not count any more"
    assert client.finals() == ["w1"]


async def test_a_millisecond_that_is_sent_again_is_heard_once(autojump_clock):
    async with open_client() as client:
        await client.outbox.send(silence(0.5))
        await client.outbox.send(word(1) + word(2)[: 2 * 1003])
        await trio.testing.wait_all_tasks_blocked()
        client.leave()
        created = await client.come_back()
        assert created["next_audio_ms"] == 962  # 15,403 samples are 962.7 ms
        pcm = silence(0.5) + word(1) + word(2)
        await client.play(pcm[962 * 32 :])
        await client.be_silent(1.0)
    word_2 = client.got("transcript.final")[0]["words"][1]
    assert (word_2["start"], word_2["end"]) == (0.9, 1.3)


async def test_at_another_rate_the_client_goes_on_by_its_own_clock(autojump_clock):
    async with open_client(config=SessionConfig(input_sample_rate=48_000)) as client:
        await client.outbox.send(bytes(2 * 48 * 777))
        await trio.testing.wait_all_tasks_blocked()
        client.leave()
        created = await client.come_back()
    assert created["next_audio_ms"] == 777


async def test_audio_of_the_time_away_comes_at_once_and_none_is_lost(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        client.leave()
        away = b"".join(word(number) for number in range(2, 32))  # 12 s
        await trio.sleep(12.0)
        await client.come_back(received=client.text_frames())
        client.frame = 0.1
        await client.play(away, pace=0)
        await client.say(32)
        await client.be_silent(1.0)
    assert " ".join(client.finals()).split() == [f"w{number}" for number in range(1, 33)]
    assert client.got("session.rate_limit", "session.frames_dropped") == []


async def test_a_lull_while_the_client_is_away_does_not_end_its_speech(autojump_clock):
    async with open_client() as client:
        await client.say(1)
        client.leave()
        await trio.sleep(10.0)
        assert client.session.state is State.ACTIVE
        await client.come_back(received=client.text_frames())
        await client.say(2)
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w2"]


async def test_an_utterance_goes_on_where_the_socket_stopped_taking_it(autojump_clock):
    async with open_client() as client:
        client.link.reading = trio.Event()  # nothing gets through
        await client.send("tts.speak", text=TEXT, request_id="a")
        await trio.sleep(1.0)
        client.leave()
        await trio.sleep(5.0)
        await client.come_back(received=0)
        await client.wait_for("playback.completed")
    assert len(client.audio()) == 2 * 24_000 * 1.8
    assert client.at("playback.completed") == [pytest.approx(6.0 + 1.8)]


async def test_a_client_that_is_gone_for_good_is_unmuted_and_its_utterance_ended(autojump_clock):
    async with open_client() as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await trio.sleep(0.5)
        client.leave()
        await client.over.wait()
    assert client.telemetry.counts["utterance:interrupted"] == 1, "nobody knows what was heard of it"


async def test_the_last_final_of_a_close_waits_for_a_client_that_has_lost_its_connection(autojump_clock):
    async with open_client(recognizer=FakeRecognizer(default=Behaviour(final_delay=1.5))) as client:
        await client.say(1)
        await client.send("session.close")
        await trio.sleep(0.1)
        client.leave()
        await trio.sleep(5.0)
        assert client.session.state is State.CLOSED
        assert client.recognizer.in_use == 0
        await client.come_back(received=client.text_frames())
        await client.over.wait()
        await trio.testing.wait_all_tasks_blocked()
    assert client.finals() == ["w1"]
    assert client.link.closed == (1000, "client_closed")


async def test_a_connection_that_comes_and_goes_all_the_time(autojump_clock):
    async with open_client() as client:
        for number in range(1, 31):
            await client.say(number)
            if number % 3 == 0:
                await client.be_silent(0.7)
            client.leave()
            await trio.sleep(0.3)
            await client.come_back(received=client.text_frames())
        await client.be_silent(1.0)
        await client.send("session.close")
        await client.over.wait()
        await trio.testing.wait_all_tasks_blocked()
    assert " ".join(client.finals()).split() == [f"w{number}" for number in range(1, 31)]
    assert client.link.closed == (1000, "client_closed")


async def test_the_writer_of_a_client_that_never_connects_ends_with_its_session(autojump_clock):
    async with open_client() as client:
        client.leave()
        client.connect(make_link())
        client.leave()
    assert client.end.reason == "disconnected"
