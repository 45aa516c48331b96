"""A client that sends more than can be heard: what it is told, what it loses, and that it loses nothing if it obeys."""

import json
import math
from itertools import pairwise

import pytest
import trio
import trio.testing

from tests.fakes.audio import silence, word
from tests.fakes.client import FakeClient, open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.errors import WorkerUnavailable

FRAME = 3200
"""Bytes of 100 ms."""

STUCK = Behaviour(stuck=True, mute=True)
"""A worker that takes 100 ms and then nothing more."""


def dropped_ms(client: FakeClient) -> int:
    return sum(message["dropped_ms"] for message in client.got("session.frames_dropped"))


def words_heard(client: FakeClient) -> list[str]:
    return list(dict.fromkeys(" ".join(client.finals()).split()))


async def pour(client: FakeClient, pcm: bytes) -> None:
    for start in range(0, len(pcm), FRAME):
        await client.outbox.send(pcm[start : start + FRAME])


async def obey(client: FakeClient, pcm: bytes, *, rate: float, reaction: float = 0.1) -> None:
    """Send at `rate` times real time, and send nothing for as long as we are told, `reaction` seconds after it."""
    seen = 0
    resume_at = 0.0
    for start in range(0, len(pcm), FRAME):
        await trio.sleep(0.1 / rate)
        now = trio.current_time()
        while seen < len(client.link.received) and client.link.received[seen][0] + reaction <= now:
            when, text = client.link.received[seen]
            seen += 1
            if isinstance(text, str) and '"session.rate_limit"' in text:
                resume_at = when + reaction + json.loads(text)["delay_ms"] / 1000
        await trio.sleep_until(max(now, resume_at))
        await client.outbox.send(pcm[start : start + FRAME])


async def test_audio_in_real_time_is_never_limited(autojump_clock):
    async with open_client() as client:
        for frame in (0.01, 0.02, 0.1, 0.5, 1.0):
            client.frame = frame
            await client.say(*range(1, 26))
            await client.be_silent(1.0)
    assert client.got("session.rate_limit", "session.frames_dropped") == []


async def test_audio_at_twice_real_time_is_limited_once_a_second_at_most(autojump_clock):
    async with open_client() as client:
        await client.play(b"".join(word(number) for number in range(1, 51)), pace=0.5)
        await client.be_silent(1.0)
    told = client.at("session.rate_limit")
    assert told[0] < 1.0
    assert 5 <= len(told) <= 11
    assert all(later - earlier >= 1.0 for earlier, later in pairwise(told))
    assert client.got("session.frames_dropped") == [], "the worker has kept up: it was too quick, and not too much"
    assert words_heard(client) == [f"w{number}" for number in range(1, 51)]


async def test_forty_seconds_at_once_are_told_in_a_few_words(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[STUCK])
    async with open_client(recognizer=recognizer) as client:
        await pour(client, b"".join(word(number) for number in range(1, 101)))
        await trio.sleep(2.0)
        assert len(client.got("session.rate_limit")) <= 2
        assert 1 <= len(client.got("session.frames_dropped")) <= 3
        assert dropped_ms(client) == pytest.approx(29_500, abs=500), (
            "all but the ten seconds that may wait, and a message"
        )
        await client.wait_for("vad.speech_end")


async def test_what_is_dropped_is_told_to_the_millisecond_and_with_its_place(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[STUCK])
    async with open_client(recognizer=recognizer) as client:
        await pour(client, b"".join(word(number) for number in range(1, 46)))  # 18 s
        await client.wait_for("transcript.final")  # the stuck worker has been replaced
        await client.be_silent(6.0)
        await client.say(46)
        await client.be_silent(1.0)
        await client.send("session.close")
    gaps = [
        (message["timestamp_ms"] - message["dropped_ms"], message["timestamp_ms"])
        for message in client.got("session.frames_dropped")
    ]
    words = [one for message in client.got("transcript.final") for one in message["words"]]
    covered = dict.fromkeys(range(1, 47), 0)
    for one in words:
        start, end, number = round(one["start"] * 1000), round(one["end"] * 1000), int(one["word"][1:])
        at = 400 * (number - 1) if number < 46 else 18_000 + 6_000
        assert at <= start < end <= at + 400, "every word lies where the client said it, whatever was dropped before"
        assert not any(start < gap_end and gap_start < end for gap_start, gap_end in gaps)
        covered[number] += end - start
    assert sum(covered.values()) + dropped_ms(client) == 46 * 400
    assert client.got("session.closed")[0]["total_duration_ms"] == 18_000 + 6_000 + 400 + 1_000
    assert sum(client.telemetry.values["audio_dropped"]) == pytest.approx(dropped_ms(client) / 1000)


@pytest.mark.parametrize("rate", [1.5, 3.0, 10.0])
@pytest.mark.parametrize("final_delay", [0.0, 1.5])
async def test_a_client_that_obeys_loses_nothing(autojump_clock, rate, final_delay):
    recognizer = FakeRecognizer(default=Behaviour(final_delay=final_delay))
    async with open_client(recognizer=recognizer) as client:
        await obey(client, b"".join(word(number) for number in range(1, 101)) + silence(1.0), rate=rate)
        await client.send("session.close")
    assert client.got("session.rate_limit") != []
    assert client.got("session.frames_dropped") == []
    assert words_heard(client) == [f"w{number}" for number in range(1, 101)]


async def test_a_client_that_obeys_loses_nothing_to_a_worker_in_real_time(autojump_clock):
    recognizer = FakeRecognizer(default=Behaviour(speed=1.0))
    async with open_client(recognizer=recognizer, config=SessionConfig(max_segment_seconds=5.0)) as client:
        await obey(client, b"".join(word(number) for number in range(1, 151)) + silence(1.0), rate=4.0)
        await client.wait_for("vad.speech_end")
        await trio.sleep(10.0)
        await client.send("session.close")
    assert client.got("session.frames_dropped") == []
    assert words_heard(client) == [f"w{number}" for number in range(1, 151)]


async def test_the_delay_says_how_much_too_quick_it_was(autojump_clock):
    delays = []
    for rate in (1.5, 4.0):
        async with open_client() as client:
            await client.play(b"".join(word(number) for number in range(1, 26)), pace=1 / rate)
        delays.append(max(message["delay_ms"] for message in client.got("session.rate_limit")))
    assert delays[0] < delays[1]


async def test_a_request_is_seen_while_audio_is_too_much(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[STUCK])
    async with open_client(recognizer=recognizer) as client:
        await pour(client, b"".join(word(number) for number in range(1, 101)))
        before = trio.current_time()
        await client.send("session.cancel")
        await client.wait_for("session.closed")
        assert trio.current_time() == before


async def test_a_server_that_stalls_does_not_blame_the_client(mock_clock):
    """Time is moved by hand: for `stall` seconds nothing of ours runs, and the client's audio waits in the socket."""
    async with open_client() as client:
        stamped = b"".join(word(number) for number in range(1, 101))
        sent = 0

        async def live(seconds: float) -> None:
            nonlocal sent
            for _ in range(round(seconds * 10)):
                mock_clock.jump(0.1)
                await client.outbox.send(stamped[sent : sent + FRAME])
                sent += FRAME
                await trio.testing.wait_all_tasks_blocked()

        await live(6.0)
        for stall in (0.7, 3.0, 8.0):
            mock_clock.jump(stall)
            for _ in range(round(stall * 10)):
                await client.outbox.send(stamped[sent : sent + FRAME])
                sent += FRAME
            await trio.testing.wait_all_tasks_blocked()
            await live(5.5)
        mock_clock.autojump_threshold = 0
        assert client.got("session.rate_limit", "session.frames_dropped") == []
        await client.be_silent(1.0)


@pytest.mark.parametrize("speed", [None, 3.0], ids=["worker takes it at once", "worker takes it at 3x"])
@pytest.mark.parametrize("stall", [2.0, 5.0, 8.0, 14.0])
async def test_a_network_that_stands_still_is_not_the_clients_fault(autojump_clock, stall, speed):
    """The microphone goes on meanwhile, and all of it comes at once: nothing is limited, and it is made up for at once."""
    recognizer = FakeRecognizer(default=Behaviour(speed=speed))
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 16))  # 6 s
        await client.be_silent(1.0)
        for number in range(3):
            words = range(100 * number + 101, 100 * number + 101 + round(stall / 0.4))
            await trio.sleep(stall)
            await client.play(b"".join(word(one) for one in words), pace=0)
            await client.be_silent(1.0)
            asked = trio.current_time()
            await client.wait_for("transcript.final", number + 2)
            assert trio.current_time() - asked <= stall / (speed or 100) + 1.0
    assert client.got("session.rate_limit", "session.frames_dropped", "error") == []


@pytest.mark.parametrize("away", [2.0, 9.0])
async def test_what_was_said_while_the_connection_was_away_is_not_a_burst(autojump_clock, away):
    async with open_client() as client:
        await client.say(*range(1, 16))
        await client.be_silent(1.0)
        client.leave()
        await trio.sleep(away)
        await client.come_back()
        await client.play(b"".join(word(number) for number in range(101, 101 + round(away / 0.4))), pace=0)
        await client.be_silent(1.0)
    assert client.got("session.rate_limit", "session.frames_dropped", "error") == []


async def test_a_live_client_loses_nothing_while_a_worker_is_replaced(autojump_clock):
    """9 s without a worker, and then the segment's beginning once more: that much more than ten seconds may wait."""
    gone = [Behaviour(refuse=WorkerUnavailable("away"))] * 43
    recognizer = FakeRecognizer(behaviours=[Behaviour(break_after=8 * 16_000), *gone], default=Behaviour(speed=2.0))
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 71))
        await client.be_silent(20.0)
    assert client.got("session.frames_dropped", "error") == []
    assert words_heard(client) == [f"w{number}" for number in range(1, 71)]
    assert client.telemetry.values["audio_flows_again"][0] > 7.0


async def test_without_a_rate_only_the_backlog_counts(autojump_clock):
    async with open_client(limits=SessionLimits(max_rate=math.inf)) as client:
        created = client.got("session.created")[0]
        await client.play(b"".join(word(number) for number in range(1, 101)), pace=0.05)
        await client.be_silent(1.0)
    assert created["limits"]["max_rate"] is None
    assert client.got("session.rate_limit", "session.frames_dropped") == []
    assert words_heard(client) == [f"w{number}" for number in range(1, 101)]


async def test_ten_minutes_without_a_pause_and_with_obedience(autojump_clock):
    numbers = range(1, 1501)
    quiet = FakeRecognizer(default=Behaviour(partials=False))  # reading half a minute again for each would take long
    async with open_client(recognizer=quiet) as client:
        client.frame = 0.1
        await obey(client, b"".join(word(number) for number in numbers) + silence(1.0), rate=5.0)
        await client.send("session.close")
    assert client.got("session.frames_dropped", "error") == []
    assert words_heard(client) == [f"w{number}" for number in numbers]
    bounds = [(message["start_ms"], message["end_ms"]) for message in client.got("transcript.final")]
    assert all(end == start for (_, end), (start, _) in pairwise(bounds)), "no gap, no overlap"
    assert len(bounds) == 21
    assert trio.current_time() < 600 / 1.2 + 10
