"""What a session says aloud, and that nobody is listened to until it was heard. A character is 0.1 s of speech."""

import pytest
import trio

from tests.fakes.agent import FakeAgent
from tests.fakes.client import open_client
from tests.fakes.synthesizer import FakeSynthesizer
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.errors import WorkerBusy, WorkerRejected, WorkerUnavailable
from voicetrio.core.playback import REPORT_SLACK
from voicetrio.session.endings import GOING_AWAY
from voicetrio.session.outbox import SlowClient

TEXT = "one two three four"  # 1.8 s


async def test_an_utterance_is_announced_sent_and_heard_to_its_end(autojump_clock):
    async with open_client() as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await client.wait_for("playback.completed")
    assert client.got("tts.speaking_start") == [
        {
            "type": "tts.speaking_start",
            "request_id": "a",
            "sample_rate": 24_000,
            "encoding": "pcm_s16le",
            "text": TEXT,
            "timestamp_ms": 0,
        }
    ]
    assert client.got("tts.speaking_end") == [
        {"type": "tts.speaking_end", "request_id": "a", "duration_ms": 1800, "cancelled": False}
    ]
    assert client.got("playback.completed") == [
        {"type": "playback.completed", "request_id": "a", "heard_ms": 1800, "timestamp_ms": 0}
    ]
    assert len(client.audio()) == 2 * 24_000 * 1.8
    assert client.at("tts.speaking_end") == [0.0], "made and sent at once"
    assert client.at("playback.completed") == [pytest.approx(1.8)], "but heard only now"


async def test_nobody_is_heard_until_the_utterance_was(autojump_clock):
    async with open_client() as client:
        await client.send("tts.speak", text=TEXT)
        await client.say(1, 2, 3)  # until 1.2 s: while it is being heard
        await client.be_silent(0.7)
        await client.wait_for("playback.completed")
        await client.say(4)
        await client.be_silent(1.0)
    assert client.finals() == ["w4"]
    assert client.got("vad.speech_start")[0]["timestamp_ms"] == 1900, (
        "the time of what was not heard passed all the same"
    )
    assert client.telemetry.counts["muted_frame"] > 80


async def test_speech_at_the_moment_of_unmuting_does_not_reach_back(autojump_clock):
    async with open_client() as client:
        await client.send("tts.speak", text=TEXT)
        await client.say(1, 2, 3, 4, 5, 6)  # 2.4 s: 1.8 s of it are muted
        await client.be_silent(1.0)
    assert client.finals() == ["w5 w6"]
    # A frame comes 20 ms after its first sample: at 1.8 s the audio clock stands at 1.78 s.
    assert client.recognizer.chunks[0][1] >= 1.78 * 16_000


async def test_an_utterance_that_is_open_when_the_mute_begins_ends_there(autojump_clock):
    async with open_client() as client:
        await client.say(1, 2)
        await client.send("tts.speak", text=TEXT)
        await client.say(3)
        await client.be_silent(2.0)
        await client.say(4)
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w2", "w4"]


async def test_in_full_duplex_the_ear_stays_open(autojump_clock):
    async with open_client(config=SessionConfig(duplex="barge_in")) as client:
        await client.send("tts.speak", text=TEXT)
        await client.say(1, 2)
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w2"]


async def test_reports_of_the_client_replace_the_estimate(autojump_clock):
    async with open_client() as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await trio.sleep(0.5)
        for _ in range(25):
            await client.send("playback.progress", request_id="a", played_ms=100)
            await trio.sleep(0.1)
        assert client.got("playback.completed") == [], "by the clock it would have ended at 1.8 s"
        await client.send("playback.progress", request_id="a", played_ms=1800)
        await client.wait_for("playback.completed")
    assert client.at("playback.completed") == [pytest.approx(3.0)]


async def test_a_client_that_stops_reporting_is_not_muted_for_ever(autojump_clock):
    async with open_client() as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await trio.sleep(0.5)
        await client.send("playback.progress", request_id="a", played_ms=300)
        await client.wait_for("playback.completed")
    assert client.at("playback.completed") == [pytest.approx(0.5 + 1.5 + REPORT_SLACK)], "the rest took its time"


async def test_what_is_said_after_an_answer_is_heard_although_the_last_report_was_a_little_short(autojump_clock):
    async with open_client() as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        for tick in range(18):
            await trio.sleep(0.1)
            await client.send("playback.progress", request_id="a", played_ms=100 * (tick + 1) - 1)
        await client.be_silent(REPORT_SLACK + 0.02)
        await client.say(1, 2)
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w2"]


async def test_the_next_utterance_waits_for_the_last_one(autojump_clock):
    async with open_client() as client:
        for name in "abc":
            await client.send("tts.speak", text="12345", request_id=name)
        await client.wait_for("playback.completed", 3)
    assert client.at("tts.speaking_start") == [pytest.approx(t) for t in (0.0, 0.5, 1.0)]
    assert [m["request_id"] for m in client.got("playback.completed")] == ["a", "b", "c"]


async def test_a_cancelled_utterance_was_heard_up_to_a_whole_word(autojump_clock):
    async with open_client() as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await trio.sleep(0.75)  # "one two " is 0.8 s
        await client.send("tts.cancel", request_id="a")
        await client.say(1)
        await client.be_silent(1.0)
    assert client.got("playback.interrupted") == [
        {
            "type": "playback.interrupted",
            "request_id": "a",
            "heard_ms": 750,
            "heard_text": "one",
            "reason": "cancelled",
            "timestamp_ms": 0,
        }
    ]
    assert client.got("playback.completed") == []
    assert client.finals() == ["w1"], "and the ear is open again"


async def test_cancelling_stops_a_synthesis_that_is_under_way(autojump_clock):
    async with open_client(synthesizer=FakeSynthesizer(seconds_per_char=0.05)) as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await trio.sleep(0.5)
        await client.send("tts.cancel")
        await trio.sleep(0.01)
        assert client.synthesizer.open_calls == 0
        sent = len(client.audio())
        await trio.sleep(5.0)
        assert len(client.audio()) == sent
    assert client.got("tts.speaking_end")[0]["cancelled"] is True


async def test_cancelling_all_ends_each_of_the_queue_once(autojump_clock):
    async with open_client() as client:
        for name in "abc":
            await client.send("tts.speak", text=TEXT, request_id=name)
        await trio.sleep(0.1)
        await client.send("tts.cancel")
        await trio.sleep(0.1)
        endings = client.got("playback.interrupted")
    assert [m["request_id"] for m in endings] == ["a", "b", "c"]
    assert [m["heard_ms"] for m in endings] == [100, 0, 0]


async def test_cancelling_what_is_not_there_is_an_error_only_by_name(autojump_clock):
    async with open_client() as client:
        await client.send("tts.cancel")
        await client.send("tts.cancel", request_id="x")
        await client.wait_for("error")
    assert [m["code"] for m in client.got("error")] == ["unknown_request"]


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (WorkerUnavailable("away"), "tts_failed"),
        (WorkerBusy("full"), "overloaded"),
        (WorkerRejected("no such voice"), "tts_rejected"),
    ],
)
async def test_a_synthesis_that_fails_before_its_first_sound_is_an_error(autojump_clock, refusal, code):
    async with open_client(synthesizer=FakeSynthesizer(refuse=refusal)) as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await client.say(1)
        await client.be_silent(1.0)
    assert [(m["code"], m["request_id"]) for m in client.got("error")] == [(code, "a")]
    assert client.got("tts.speaking_start", "playback.completed") == []
    assert client.finals() == ["w1"]


async def test_an_utterance_that_was_refused_is_not_told_to_be_interrupted_as_well(autojump_clock):
    """Whether the cancel comes before, at, or after the moment in which the refusal is told."""
    for passes in range(12):
        async with open_client(synthesizer=FakeSynthesizer(refuse=WorkerRejected("no such voice"))) as client:
            await client.send("tts.speak", text=TEXT, request_id="a")
            for _ in range(passes):
                await trio.lowlevel.checkpoint()
            await client.send("tts.cancel", request_id="a")
            await client.be_silent(1.0)
        ends = [m["type"] for m in client.got("error", "playback.interrupted") if m.get("code") != "unknown_request"]
        assert len(ends) == 1, (passes, client.got("error", "playback.interrupted"))


class BusyForAWhile(FakeSynthesizer):
    """After the first piece nobody is free, until some moment."""

    until = 0.0

    def open_speech(self, request):
        busy = self.asked and trio.current_time() < self.until
        return FakeSynthesizer(refuse=WorkerBusy("full")).open_speech(request) if busy else super().open_speech(request)


@pytest.mark.parametrize(("until", "outcome"), [(0.9, "completed"), (3.0, "failed")])
async def test_a_reply_goes_on_when_a_worker_is_free_before_the_listener_has_heard_the_rest(
    autojump_clock, until, outcome
):
    synthesizer = BusyForAWhile()
    synthesizer.until = until
    agent = FakeAgent(answers=[["Twelve chars. ", "And some more."]])
    async with open_client(synthesizer=synthesizer, agent=agent) as client:
        await client.send("session.configure", speak_replies=True)
        await client.send("user_message", content="hi")
        ended = await client.wait_for("turn.ended")
    assert ended["outcome"] == outcome
    assert [m["code"] for m in client.got("error")] == (["overloaded"] if outcome == "failed" else [])


async def test_a_synthesis_that_fails_in_the_middle_is_heard_so_far_and_told_to_have_failed(autojump_clock):
    async with open_client(synthesizer=FakeSynthesizer(fail_after_chars=8)) as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        ending = await client.wait_for("playback.interrupted")
        assert (ending["heard_ms"], ending["heard_text"], ending["reason"]) == (800, "one", "failed")
        assert client.at("playback.interrupted") == [pytest.approx(0.8)]
        await client.say(1)
        await client.be_silent(1.0)
    assert [m["code"] for m in client.got("error")] == ["tts_failed"]
    assert client.got("tts.speaking_end") == [
        {"type": "tts.speaking_end", "request_id": "a", "duration_ms": 800, "cancelled": True, "failed": True}
    ]
    assert client.got("playback.completed") == []
    assert client.finals() == ["w1"]


async def test_speech_is_sent_at_most_ten_seconds_ahead_of_what_was_played(autojump_clock):
    async with open_client() as client:
        await client.send("tts.speak", text="x" * 370, request_id="a")
        while not client.got("tts.speaking_end"):
            ahead = len(client.audio()) / 48_000 - trio.current_time()
            assert ahead <= 10.0 + 1e-6
            assert ahead >= 8.9 or trio.current_time() == 0, "and a player has plenty"
            await trio.sleep(0.1)
        await client.wait_for("playback.completed")
        messages = sum(isinstance(data, bytes) for _, data in client.link.received)
    assert client.at("playback.completed") == [pytest.approx(37.0)]
    assert messages <= 37 * 6


async def test_a_player_that_stands_still_is_sent_no_more_than_that(autojump_clock):
    async with open_client() as client:
        await client.send("tts.speak", text="x" * 370, request_id="a")
        for _ in range(50):
            await client.send("playback.progress", request_id="a", played_ms=0)
            await trio.sleep(0.1)
        assert len(client.audio()) <= 48_000 * 10
        await client.send("tts.cancel")


async def test_a_slow_synthesis_is_heard_from_its_first_piece(autojump_clock):
    async with open_client(synthesizer=FakeSynthesizer(seconds_per_char=0.3)) as client:
        await client.send("tts.speak", text="12345", request_id="a")
        await client.wait_for("playback.completed")
    assert client.at("tts.speaking_start") == [pytest.approx(0.3)]
    # The last 100 ms came at 1.5 s; the listener had gaps before.
    assert client.at("playback.completed")[0] >= 1.6 - 1e-9


async def test_another_rate_is_resampled(autojump_clock):
    async with open_client(synthesizer=FakeSynthesizer(rate=22_050)) as client:
        await client.send("tts.speak", text=TEXT)
        await client.wait_for("playback.completed")
    assert len(client.audio()) == pytest.approx(2 * 24_000 * 1.8, abs=4)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"text": ""}, "invalid_field"),
        ({"text": " \n "}, "invalid_field"),
        ({"text": "x" * 4097}, "text_too_long"),
        ({"text": "x", "speed": 9}, "invalid_field"),
        ({"text": "x", "voice": "nobody"}, "unknown_voice"),
        ({}, "invalid_field"),
    ],
)
async def test_what_cannot_be_said_is_refused(autojump_clock, fields, code):
    async with open_client() as client:
        await client.send("tts.speak", **fields)
        await client.wait_for("error")
        assert client.got("error")[0]["code"] == code
        assert client.synthesizer.asked == []


async def test_the_queue_has_an_end(autojump_clock):
    async with open_client(limits=SessionLimits(max_queued_utterances=2)) as client:
        for name in "abcd":
            await client.send("tts.speak", text=TEXT, request_id=name)
            await trio.sleep(0.01)
        assert [m["code"] for m in client.got("error")] == ["tts_queue_full"]
        await client.wait_for("playback.completed", 3)


async def test_a_session_does_not_time_out_while_it_speaks(autojump_clock):
    async with open_client() as client:
        await client.send("tts.speak", text="x" * 400)
        await client.wait_for("session.closed")
    assert client.at("playback.completed") == [pytest.approx(40.0)]
    assert client.ended_at == pytest.approx(70.0)


@pytest.mark.parametrize("how", ["close", "cancel", "going_away"])
async def test_every_end_of_a_session_ends_its_utterance(autojump_clock, how):
    async with open_client() as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await client.send("tts.speak", text=TEXT, request_id="b")
        await trio.sleep(1.0)
        match how:
            case "close" | "cancel":
                await client.send(f"session.{how}")
            case "going_away":
                client.session.end(GOING_AWAY)
        await client.wait_for("session.closed")
    assert [(m["request_id"], m["reason"]) for m in client.got("playback.interrupted")] == [
        ("a", "closed"),
        ("b", "closed"),
    ]


async def test_a_slow_reader_holds_the_synthesis_back(autojump_clock):
    async with open_client(limits=SessionLimits(max_queued_audio_bytes=48_000)) as client:
        client.link.reading = trio.Event()
        await client.send("tts.speak", text="x" * 300)
        await trio.sleep(1.0)
        assert client.session._body.outbox._audio_bytes <= 48_000
        client.link.reading.set()
        await client.wait_for("playback.completed")
    assert len(client.audio()) == 2 * 24_000 * 30


@pytest.mark.parametrize("chars", [0, 8])
async def test_a_worker_that_hangs_does_not_mute_for_ever(autojump_clock, chars):
    async with open_client(synthesizer=FakeSynthesizer(hang_after_chars=chars)) as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await client.wait_for("error")
        assert client.at("error") == [pytest.approx(10.0)]
        assert client.synthesizer.open_calls == 0
        await client.say(1)
        await client.be_silent(1.0)
    assert client.got("error")[0]["code"] == "tts_failed"
    assert client.finals() == ["w1"]


async def test_a_slow_reader_is_not_taken_for_a_slow_worker(autojump_clock):
    async with open_client(limits=SessionLimits(max_queued_audio_bytes=48_000, send_stall=60.0)) as client:
        client.link.reading = trio.Event()
        await client.send("tts.speak", text="x" * 100)
        await trio.sleep(20.0)
        client.link.reading.set()
        await client.wait_for("playback.completed")
    assert client.got("error") == []


async def test_a_report_of_the_length_that_was_told_is_the_end(autojump_clock):
    async with open_client(synthesizer=FakeSynthesizer(rate=11_025)) as client:
        await client.send("tts.speak", text="123456789", request_id="a", speed=1.0)
        duration_ms = (await client.wait_for("tts.speaking_end"))["duration_ms"]
        await client.send("playback.progress", request_id="a", played_ms=100)
        await trio.sleep(1.0)
        assert len(client.audio()) // 2 > duration_ms * 24, "not a whole number of milliseconds: the case in question"
        await client.send("playback.progress", request_id="a", played_ms=duration_ms)
        await client.wait_for("playback.completed")
    assert client.at("playback.completed") == [pytest.approx(1.0)]


async def test_what_was_cancelled_in_the_queue_is_not_asked_for(autojump_clock):
    async with open_client() as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await client.send("tts.speak", text=TEXT, request_id="b")
        await trio.sleep(0.1)
        client.synthesizer.refuse = WorkerUnavailable("away")
        await client.send("tts.cancel")
        await trio.sleep(0.1)
    assert len(client.synthesizer.asked) == 1
    assert [m["request_id"] for m in client.got("playback.interrupted")] == ["a", "b"]
    assert client.got("error") == []


async def test_a_client_that_stops_reporting_is_spoken_to_without_gaps(autojump_clock):
    sentences = [f"This is sentence number {number}. " for number in range(8)]
    agent, config = FakeAgent([sentences]), SessionConfig(agent="on", speak_replies=True)
    async with open_client(agent=agent, config=config, limits=SessionLimits(max_ahead=2.0)) as client:
        await client.send("user_message", content="go")
        start = await client.wait_for("tts.speaking_start")
        await trio.sleep(0.5)
        await client.send("playback.progress", request_id=start["request_id"], played_ms=400)
        while not client.got("tts.speaking_end"):
            assert len(client.audio()) / 48_000 >= trio.current_time() - 0.11, "it has something to play"
            await trio.sleep(0.1)


async def test_each_utterance_has_its_end_although_the_client_is_too_slow_to_be_told(autojump_clock):
    limits, synthesizer = SessionLimits(max_queued_events=8), FakeSynthesizer(hang_after_chars=2)
    async with open_client(limits=limits, synthesizer=synthesizer) as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await client.wait_for("tts.speaking_start")
        client.link.reading = trio.Event()
        for _ in range(12):
            await client.send("nonsense")
        await trio.sleep(0.1)
        client.link.reading.set()
        await client.over.wait()
    assert client.end.reason == "slow_client"
    assert [message["request_id"] for message in client.got("playback.interrupted")] == ["a"]
    assert client.got()[-1]["type"] == "session.closed"


async def test_what_is_owed_is_told_even_when_the_queue_is_full(autojump_clock):
    async with open_client(limits=SessionLimits(max_queued_events=2)) as client:
        outbox = client.session._body.outbox
        for number in range(2):
            outbox.post({"type": "x", "number": number})
        with pytest.raises(SlowClient):
            outbox.post({"type": "x", "number": 2})
        outbox.post({"type": "x", "number": 3}, owed=True)
        await trio.sleep(0.1)
    assert [message["number"] for message in client.got("x")] == [0, 1, 3]
