"""Ways in which a server of this kind goes wrong, each seen in a real one, and that this one does not: 1 to 6 of twelve.

The others are in test_traps_of_sound.py and test_traps_of_pace_and_endings.py. Most run in virtual time; what takes real
processes and sockets is named, trap by trap, in docs/session-manager.md.
"""

import gc
import sys
from collections import deque
from types import SimpleNamespace

import pytest
import trio

from tests.fakes.audio import silence, word
from tests.fakes.client import FakeClient, open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from tests.session.hearing import RATE, WatchedRecognizer, check_contiguous, merged_words, recorded, spoken
from voicetrio.core.errors import WorkerUnavailable
from voicetrio.vad.webrtc import WebRtcDetector
from voicetrio.workers.pool import Member
from voicetrio.workers.supervisor import Patience, Supervisor, WorkerStartError

# 1. A worker that says much hangs the server, for nobody reads its pipe.


async def test_a_worker_may_write_as_much_as_it_likes_to_stderr(capfd):
    chatter = "import sys; sys.stderr.write('x' * 1_000_000); sys.stdout.write('y' * 1_000_000); sys.exit(7)"
    patience = Patience(start=30.0, budget=5.0, backoff_max=1.0)
    telemetry = SimpleNamespace(worker_restarted=lambda: None)
    supervisor = Supervisor([sys.executable, "-c", chatter], Member(None), telemetry, patience)
    with trio.fail_after(20), pytest.raises(WorkerStartError, match="exit code 7"):
        await supervisor.run()
    told = capfd.readouterr()
    assert (told.err.count("x" * 1_000_000), told.out.count("y" * 1_000_000)) == (1, 1)


async def test_the_four_hundredth_utterance_is_answered_like_the_first(autojump_clock):
    async with open_client() as client:
        for number in range(1, 401):
            await client.say(number)
            await client.be_silent(0.6)
    assert client.finals() == [f"w{number}" for number in range(1, 401)]
    assert len(client.recognizer.opened) == 1


# 2. A detector that takes frames of one length only.


@pytest.mark.parametrize("frame", [0.01, 0.032, 0.0613125, 0.5])
async def test_the_real_detector_hears_the_same_in_frames_of_any_length(autojump_clock, frame):
    async def hear(seconds: float) -> list[dict]:
        async with open_client(detector=WebRtcDetector) as client:
            client.frame = seconds
            await client.play(silence(0.5) + recorded() + silence(1.0))
        assert client.got("error") == []
        return client.got("vad.speech_start", "vad.speech_end")

    heard = await hear(frame)
    assert [m["type"] for m in heard] == ["vad.speech_start", "vad.speech_end"]
    assert heard == await hear(0.02)


# 3. A worker that is killed takes the session with it: a storm of errors, a lost utterance, a fence that is moved by a
# late final (for that, see tests/session/test_specification_of_audio.py).


async def test_a_killed_worker_costs_nothing_of_what_is_said_while_it_is_away(autojump_clock):
    away = Behaviour(refuse=WorkerUnavailable("away"))
    recognizer = FakeRecognizer(behaviours=[Behaviour(break_after=RATE), *[away] * 12])
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 16))  # 6 s
        away_for = client.telemetry.values["audio_flows_again"][0]
        await client.be_silent(1.0)
    assert away_for > 1.0
    assert client.got("error") == []
    assert merged_words(client) == spoken(range(1, 16))
    assert client.telemetry.counts["worker_recovery"] == 1
    assert client.got("vad.speech_end")[0]["timestamp_ms"] == 6000


# 4. Memory that grows with the time somebody speaks.


def weigh() -> int:
    """Objects of this process, and what its containers hold. Bytes would tell more of Python's free lists than of us."""
    gc.collect()
    containers = (list, dict, set, deque)
    return sum(1 + (len(one) if isinstance(one, containers) else 0) for one in gc.get_objects())


async def test_a_session_does_not_grow_with_what_was_said(autojump_clock):
    recognizer = WatchedRecognizer(default=Behaviour(partials=False))

    async def converse(client: FakeClient) -> int:
        for number in range(1, 41):
            await client.say(number)
            await client.be_silent(0.6)
        for fake in (client.link.received, client.telemetry.values, recognizer.chunks, recognizer.streams[0]._audio):
            fake.clear()
        client.session._body.outbox._log.clear()  # bounded by itself, and not yet full
        return weigh()

    async with open_client(recognizer=recognizer) as client:
        await converse(client)
        before = await converse(client)
        after = [await converse(client) for _ in range(3)]
    assert len(recognizer.streams) == 1
    assert after[-1] - before < 60, "one for each of 120 utterances more would be 120"


# 5. The beginning of each utterance never reaches the recogniser, and each forced end leaves a hole.


async def test_every_utterance_is_heard_from_before_its_first_sample_and_cuts_leave_no_hole(autojump_clock):
    async with open_client() as client:
        await client.send("session.configure", max_segment_duration_ms=1000)
        for first in (1, 11, 21):
            await client.be_silent(1.0)
            await client.say(*range(first, first + 10))
        await client.be_silent(1.0)
    expected = [
        one for n, first in enumerate((1, 11, 21)) for one in spoken(range(first, first + 10), begin=1 + 5.0 * n)
    ]
    assert merged_words(client) == expected
    for onset in (1.0, 6.0, 11.0):
        begun = [start for _, start, stop in client.recognizer.chunks if start < onset * RATE < stop]
        assert begun == [round((onset - 0.3) * RATE)]


# 6. What is committed, closed or slow is lost.


async def test_a_commit_in_mid_word_loses_no_sample(autojump_clock):
    async with open_client() as client:
        await client.play(word(1) + word(2)[:6400])
        await client.send("input_audio_buffer.commit")
        await client.play(word(2)[6400:] + word(3) + silence(1.0))
    assert len(client.finals()) == 2
    assert merged_words(client) == spoken(range(1, 4))
    check_contiguous(client.recognizer)


async def test_a_final_that_takes_twelve_seconds_comes(autojump_clock):
    slow = FakeRecognizer(default=Behaviour(final_delay=12.0, working=True))
    async with open_client(recognizer=slow) as client:
        await client.say(1)
        await client.be_silent(3.0)
        await client.say(2)
        await client.be_silent(1.0)
        await client.send("session.close")
    assert client.finals() == ["w1", "w2"]
    assert client.got("error") == []
