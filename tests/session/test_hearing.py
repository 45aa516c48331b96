"""What a session hears and says about it, in virtual time. Speech of 0.4 s per word; the hangover is 0.5 s."""

from itertools import pairwise

import pytest
import trio

from tests.fakes.client import open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from voicetrio.core.config import SessionConfig, SessionLimits


async def test_an_utterance_is_told_as_start_partials_end_and_final(autojump_clock):
    async with open_client() as client:
        await client.be_silent(1.0)
        await client.say(1, 2, 3)
        await client.be_silent(1.0)
        await client.send("session.close")
    kinds = [message["type"] for message in client.got() if message["type"] != "transcript.partial"]
    assert kinds == [
        "session.created",
        "vad.speech_start",
        "vad.speech_end",
        "transcript.final",
        "session.closed",
    ]
    final = client.got("transcript.final")[0]
    assert final["text"] == "w1 w2 w3"
    assert [(w["word"], w["start"], w["end"]) for w in final["words"]] == [
        ("w1", 1.0, 1.4),
        ("w2", 1.4, 1.8),
        ("w3", 1.8, 2.2),
    ]
    assert client.got("vad.speech_start")[0]["timestamp_ms"] == 1000
    assert client.got("vad.speech_end")[0]["timestamp_ms"] == 2200
    assert (final["start_ms"], final["language"], final["confidence"]) == (700, "en", 0.9)


async def test_the_final_comes_as_soon_as_the_hangover_is_over(autojump_clock):
    async with open_client(recognizer=FakeRecognizer(default=Behaviour(final_delay=0.25))) as client:
        await client.be_silent(1.0)
        await client.say(1)
        await client.be_silent(1.0)
    # Speech ends at 1.4 s; two of the last 25 frames may be voiced, so the end is sure 23 frames, 0.46 s, later.
    assert client.at("vad.speech_end") == [pytest.approx(1.86, abs=1e-6)]
    assert client.at("transcript.final") == [pytest.approx(1.86 + 0.25, abs=1e-6)]
    assert client.telemetry.values["final_written"] == [pytest.approx(0.25, abs=1e-6)]


async def test_partials_appear_while_somebody_speaks(autojump_clock):
    async with open_client() as client:
        await client.say(1, 2, 3, 4)
        said_at = trio.current_time()
        await client.be_silent(1.0)
    partials = [(when, m["text"]) for when, m in client.timeline() if m["type"] == "transcript.partial"]
    assert partials[0][1] == "w1"
    assert partials[0][0] < said_at
    assert [text for _, text in partials] == ["w1", "w1 w2", "w1 w2 w3"]


async def test_interim_adds_the_tentative_tail(autojump_clock):
    async with open_client(config=SessionConfig(interim=True)) as client:
        await client.say(1, 2)
        await client.be_silent(1.0)
    tails = [(m["text"], m["tentative"]) for m in client.got("transcript.partial")]
    assert ("", "w1") in tails
    assert ("w1", "w2") in tails


@pytest.mark.parametrize("frame", [0.0101, 0.01, 0.033, 0.06, 0.25, 1.0])
async def test_frames_of_any_length_give_the_same_words(autojump_clock, frame):
    async with open_client() as client:
        client.frame = frame
        await client.be_silent(0.5)
        await client.say(1, 2)
        await client.be_silent(0.7)
        await client.say(3)
        await client.be_silent(0.7)
        await client.send("session.close")
    assert " ".join(client.finals()) == "w1 w2 w3"
    assert client.end.reason == "client_closed"


async def test_the_recogniser_gets_the_pre_roll(autojump_clock):
    async with open_client() as client:
        await client.be_silent(2.0)
        await client.say(1)
        await client.be_silent(1.0)
    assert client.recognizer.chunks[0][1] == round(1.7 * 16_000)


async def test_audio_is_coalesced_for_the_worker(autojump_clock):
    async with open_client() as client:
        await client.say(*range(1, 11))
        await client.be_silent(1.0)
    sizes = [stop - start for _, start, stop in client.recognizer.chunks[1:-1]]
    assert min(sizes) >= 1280, "80 ms, but for the first and the last"


async def test_a_long_speech_is_cut_without_a_hole(autojump_clock):
    async with open_client(config=SessionConfig(max_segment_seconds=2.0)) as client:
        await client.say(*range(1, 21))
        await client.be_silent(1.0)
    chunks = client.recognizer.chunks
    assert all(before[2] == after[1] for before, after in pairwise(chunks)), "not a sample missing"
    assert len(client.finals()) == 5
    heard = " ".join(client.finals()).split()
    assert list(dict.fromkeys(heard)) == [f"w{number}" for number in range(1, 21)]


async def test_commit_ends_the_segment_and_the_rest_goes_on_in_the_next(autojump_clock):
    async with open_client() as client:
        await client.say(1, 2)
        await client.send("input_audio_buffer.commit")
        await client.say(3)
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w2", "w3"]
    assert len(client.got("vad.speech_start")) == 1


async def test_commit_without_speech_does_nothing(autojump_clock):
    async with open_client() as client:
        await client.be_silent(0.5)
        await client.send("input_audio_buffer.commit")
        await client.be_silent(0.5)
    assert client.got("transcript.final", "error") == []


async def test_close_delivers_the_final_of_an_open_utterance(autojump_clock):
    async with open_client(recognizer=FakeRecognizer(default=Behaviour(final_delay=1.5))) as client:
        await client.say(1, 2)
        await client.send("session.close")
    assert client.finals() == ["w1 w2"]
    assert client.link.closed == (1000, "client_closed")
    closed = client.got("session.closed")[0]
    assert closed == {
        "type": "session.closed",
        "reason": "client_closed",
        "total_duration_ms": 800,
        "segments_transcribed": 1,
    }


async def test_close_waits_for_a_worker_that_says_it_is_working(autojump_clock):
    slow = Behaviour(final_delay=8.0, working=True)
    async with open_client(recognizer=FakeRecognizer(default=slow)) as client:
        await client.say(1)
        await client.send("session.close")
    assert client.finals() == ["w1"]


async def test_close_gives_up_a_final_that_nobody_makes_progress_with_and_says_so(autojump_clock):
    limits = SessionLimits(recovery_timeout=100.0, closing_max=30.0)
    async with open_client(recognizer=FakeRecognizer(default=Behaviour(final_delay=60.0)), limits=limits) as client:
        await client.say(1)
        await client.send("session.close")
    assert client.finals() == []
    assert [m["code"] for m in client.got("error")] == ["final_timeout"]
    assert 0.4 + 30.0 <= client.ended_at <= 0.4 + 30.0 + 2.0
    assert client.link.closed == (1000, "client_closed")


async def test_cancel_drops_everything_and_closes(autojump_clock):
    async with open_client(recognizer=FakeRecognizer(default=Behaviour(final_delay=1.0))) as client:
        await client.say(1)
        await client.send("session.cancel")
        await trio.sleep(0.01)
        assert client.link.closed == (1000, "cancelled")
    assert client.finals() == []


async def test_a_long_speech_to_a_worker_without_partials_is_heard_whole(autojump_clock):
    quiet = FakeRecognizer(default=Behaviour(partials=False))
    async with open_client(recognizer=quiet, config=SessionConfig(enable_partial_transcripts=False)) as client:
        await client.say(*range(1, 51))
        assert trio.current_time() == pytest.approx(20.0), "the client was not held back"
        await client.be_silent(1.0)
    assert client.finals() == [" ".join(f"w{number}" for number in range(1, 51))]


async def test_a_client_is_not_held_back_for_the_silence_after_a_slow_final(autojump_clock):
    slow = FakeRecognizer(default=Behaviour(final_delay=25.0, working=True))
    async with open_client(recognizer=slow) as client:
        await client.say(1)
        await client.be_silent(20.0)
        assert trio.current_time() == pytest.approx(20.4)


@pytest.mark.parametrize("commits", [False, True])
async def test_a_client_that_stops_sending_in_mid_speech_has_ended_it(autojump_clock, commits):
    async with open_client() as client:
        await client.say(1)
        if commits:  # push to talk: the button is released, and no silence follows
            await client.send("input_audio_buffer.commit")
        await client.wait_for("vad.speech_end")
        assert 5.0 < trio.current_time() < 7.0
        await client.wait_for("transcript.final")
        await client.say(2)
        await client.be_silent(1.0)
        await client.wait_for("session.closed")
    assert " ".join(client.finals()).split() == ["w1", "w2"]
    assert client.link.closed == (4408, "timed_out")
