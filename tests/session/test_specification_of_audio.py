"""What the session manager's specification says of a running session's ring, its write-ahead log and its recovery, in
virtual time, where no other test says it. docs/session-manager.md has the whole list, line by line, each with its test.
"""

import pytest
import trio

from tests.fakes.client import open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from tests.session.hearing import RATE, SURE, WatchedRecognizer, check_contiguous, merged_words, spoken
from voicetrio.core.config import SessionConfig
from voicetrio.core.errors import WorkerUnavailable
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.core.wal import WALCheckpoint


async def test_a_session_has_its_ring_from_the_start_and_no_other_later(autojump_clock):
    async with open_client() as client:
        ring = client.session._body.ear.ring
        memory = ring._view.obj
        assert (ring.capacity, len(memory)) == (60 * RATE, 1_920_000)
        client.frame = 0.1
        await client.say(*range(1, 11))
        for _ in range(9):
            await client.be_silent(20.0)
        assert ring.head > 3 * ring.capacity
        assert client.session._body.ear.ring is ring
        assert ring._view.obj is memory
        assert len(memory) == 1_920_000


async def test_the_fence_moves_with_finals_and_not_with_time(autojump_clock):
    async with open_client(recognizer=FakeRecognizer(default=Behaviour(final_delay=8.0, working=True))) as client:
        ring = client.session._body.ear.ring
        await client.be_silent(1.0)
        await client.say(1)
        await client.be_silent(7.0)
        assert ring.fence == round(0.7 * RATE), "the segment with its pre-roll is not committed"
        await client.wait_for("transcript.final")
        await client.be_silent(0.1)
        assert ring.head - ring.fence <= 1.3 * RATE, "no more than the next speech may ask for"


async def test_at_nine_tenths_the_write_sets_a_flag_and_the_session_commits(autojump_clock):
    # The final of the first 50 s comes at 57 s: the ring is 90 % full at 54 s, in the middle of a word.
    slow = FakeRecognizer(default=Behaviour(partials=False, final_delay=7.0, working=True))
    async with open_client(recognizer=slow, config=SessionConfig(max_segment_seconds=50.0)) as client:
        ear = client.session._body.ear
        seen = []
        note = ear.ring._on_force_commit

        def spy():
            note()
            seen.append((ear.ring.head, ear._force_commit, ear.segments.open.segment_id, ear.ring.fence))

        ear.ring._on_force_commit = spy
        await client.say(*range(1, 201))  # 80 s
        await client.be_silent(8.0)
    (head, flag, open_id, fence) = seen[0]
    assert len(seen) == client.telemetry.counts["force_commit"] == 1
    assert (flag, open_id, fence) == (True, 2, 0), "inside the write nothing but the flag has changed"
    assert 54 * RATE < head <= 54 * RATE + 320
    assert [m["end_ms"] for m in client.got("transcript.final")][:2] == [50_000, head * 1000 // RATE]
    assert client.got("session.frames_dropped", "error") == []
    check_contiguous(slow)
    assert merged_words(client) == spoken(range(1, 201))


async def test_ten_minutes_without_a_pause_lose_no_sample_and_send_none_twice(autojump_clock):
    quiet = FakeRecognizer(default=Behaviour(partials=False, final_delay=0.5))
    async with open_client(recognizer=quiet) as client:
        await client.say(*range(1, 1501))
        await client.be_silent(2.0)
    assert merged_words(client) == spoken(range(1, 1501))
    lengths = [m["end_ms"] - m["start_ms"] for m in client.got("transcript.final")]
    assert lengths[:-1] == [30_000] * 20
    assert quiet.chunks[0][1] == 0
    check_contiguous(quiet)
    assert client.telemetry.counts["force_commit"] == 0, "segments end long before the ring is full"


async def test_each_final_writes_a_checkpoint_in_monotonic_time(autojump_clock):
    async with open_client() as client:
        wal = client.session._body.recognition._wal
        assert wal.checkpoint == WALCheckpoint(1, 0, 0)
        for number in (1, 2, 3):
            await client.say(number)
            await client.be_silent(1.0)
            final = client.got("transcript.final")[-1]
            end = final["end_ms"] * RATE // 1000
            now_ms = int(client.at("transcript.final")[-1] * 1000)
            assert wal.checkpoint == WALCheckpoint(number + 1, end, now_ms)


async def test_only_what_is_not_committed_is_sent_again(autojump_clock):
    recognizer = FakeRecognizer(behaviours=[Behaviour(break_after=round(1.5 * RATE))])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1)
        await client.be_silent(1.0)
        committed = client.session._body.recognition._wal.checkpoint.buffer_offset
        await client.say(2, 3)
        await client.be_silent(1.0)
    twos = [(start, stop) for segment, start, stop in recognizer.chunks if segment == 2]
    begins = [start for start, _ in twos]
    assert begins.count(begins[0]) == 2, "its beginning was sent to both workers"
    assert min(begins) == max(committed, round(1.1 * RATE)), "and nothing before it"
    assert max(segment for segment, *_ in recognizer.chunks) == 2
    assert merged_words(client) == spoken(range(1, 2)) + spoken(range(2, 4), begin=1.4)


async def test_streams_that_fail_while_another_one_recovers_come_one_after_the_other(autojump_clock):
    away = Behaviour(refuse=WorkerUnavailable("away"))
    behaviours = [Behaviour(break_after=1 + 2000 * n) for n in range(4)] + [away, Behaviour(break_after=9000), away]
    recognizer = WatchedRecognizer(behaviours=behaviours)
    async with open_client(recognizer=recognizer) as client:
        await client.say(*range(1, 11))
        await client.be_silent(4.0)
    assert recognizer.behaviours == [], "all of them were tried"
    assert (recognizer.most, len(recognizer.opened)) == (1, 6)
    assert client.telemetry.counts["worker_recovery"] == 5
    assert client.got("error") == []
    assert merged_words(client) == spoken(range(1, 11))


@pytest.mark.parametrize("covers", ["all of its segment", "more than its segment"])
async def test_a_final_that_comes_late_after_a_recovery_moves_no_fence(autojump_clock, covers):
    recognizer = WatchedRecognizer(behaviours=[Behaviour(break_after=3000)])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1)
        await client.be_silent(1.0)
        await client.say(2, 3)
        assert client.finals() == ["w1"], "from the second worker"
        ear, wal = client.session._body.ear, client.session._body.recognition._wal
        before = (ear.ring.fence, wal.checkpoint)
        consumed = wal.checkpoint.buffer_offset if covers == "all of its segment" else ear.ring.head
        recognizer.streams[-1]._replies.send_nowait(Hypothesis(1, True, consumed, ()))
        recognizer.streams[-1]._replies.send_nowait(Hypothesis(2, True, consumed, ()))  # nobody has asked for it yet
        await trio.testing.wait_all_tasks_blocked()
        assert (ear.ring.fence, wal.checkpoint) == before
        await client.be_silent(1.0)
    assert client.finals() == ["w1", "w2 w3"]


async def test_a_final_that_leaves_out_the_end_of_its_segment_is_not_taken(autojump_clock):
    recognizer = WatchedRecognizer(behaviours=[Behaviour(final_delay=1.0)])
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2)
        await client.be_silent(SURE + 0.1)
        fence = client.session._body.ear.ring.fence
        recognizer.streams[0]._replies.send_nowait(Hypothesis(1, True, 8000, ()))
        await trio.testing.wait_all_tasks_blocked()
        assert client.session._body.ear.ring.fence == fence
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w2"], "another worker has heard all of it"
    assert len(recognizer.opened) == 2
