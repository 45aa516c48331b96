"""What is made of recognisers' answers that no well-behaved single worker would give."""

import pytest

from voicetrio.core.config import SessionConfig
from voicetrio.core.errors import WorkerUnavailable
from voicetrio.core.hypothesis import Hypothesis, Word
from voicetrio.core.ring import RingBuffer
from voicetrio.core.segments import Segments
from voicetrio.core.wal import WALCheckpoint, WriteAheadLog
from voicetrio.session.answers import Answers


class Told:
    """Notes what a client would be told."""

    def __init__(self) -> None:
        self.partials: list[str] = []
        self.finals: list[str] = []

    def partial(self, news) -> None:
        self.partials.append(news.confirmed)

    def final(self, segment, hypothesis) -> None:
        self.finals.append(hypothesis.text)


class Scene:
    """One segment, from sample 0, with two seconds of audio in the ring."""

    def __init__(self) -> None:
        self.told = Told()
        self.ring = RingBuffer()
        self.ring.write_silence(32_000)
        self.segments = Segments(pre_roll=4800, max_duration=480_000)
        self.wal = WriteAheadLog(now=0.0)
        self.segments.begin(0)
        self.answers = Answers(
            ring=self.ring,
            segments=self.segments,
            wal=self.wal,
            config=SessionConfig,
            events=self.told,
            min_confirm_passes=2,
        )


def heard(text: str, consumed: int, *, segment_id: int = 1, final: bool = False) -> Hypothesis:
    words = tuple(Word(one, 8000 * place, 8000 * place + 8000) for place, one in enumerate(text.split()))
    return Hypothesis(segment_id, final, consumed, words, len(words) if final else 0)


def test_a_second_worker_over_the_same_audio_confirms_nothing():
    """Both hear the first half of "going" at the end, and agree on it: two passes count when the second heard more."""
    scene = Scene()
    scene.answers.partial(heard("are you go", 20_000), "encoder-decoder")
    for consumed in (8000, 16_000, 20_000):
        scene.answers.partial(heard("are you go", consumed), "encoder-decoder")
    assert scene.told.partials == []
    scene.answers.partial(heard("are you going", 26_000), "encoder-decoder")
    assert scene.told.partials == ["are you"]


def test_a_partial_about_no_segment_is_ignored():
    scene = Scene()
    for segment_id in (0, 2, 99):
        scene.answers.partial(heard("bogus", 8000, segment_id=segment_id), "streaming")
    scene.segments.end(32_000, now=1.0)
    assert scene.answers.final(heard("yes", 32_000, final=True), "streaming", now=2.0)
    scene.answers.partial(heard("bogus", 8000, segment_id=0), "streaming")
    scene.answers.partial(heard("late", 8000), "streaming")
    assert (scene.told.partials, scene.told.finals) == ([], ["yes"])


def test_a_final_moves_the_checkpoint_to_the_end_of_its_segment():
    scene = Scene()
    scene.segments.end(30_000, now=1.0)
    scene.answers.final(heard("yes", 32_000, final=True), "streaming", now=2.5)
    assert scene.wal.checkpoint == WALCheckpoint(segment_id=2, buffer_offset=30_000, timestamp_ms=2500)


def test_a_final_of_a_segment_that_is_open_or_settled_is_not_taken():
    scene = Scene()
    assert not scene.answers.final(heard("early", 32_000, final=True), "streaming", now=0.5)
    scene.segments.end(32_000, now=1.0)
    assert scene.answers.final(heard("yes", 32_000, final=True), "streaming", now=1.0)
    assert not scene.answers.final(heard("again", 32_000, final=True), "streaming", now=1.5)
    assert scene.told.finals == ["yes"]


def test_a_final_that_leaves_out_audio_is_a_failure_of_its_worker_and_commits_nothing():
    scene = Scene()
    scene.segments.end(32_000, now=1.0)
    with pytest.raises(WorkerUnavailable, match=r"leaves out the last 1\.000 s"):
        scene.answers.final(heard("half", 16_000, final=True), "streaming", now=1.0)
    assert scene.wal.checkpoint.buffer_offset == 0
    assert scene.told.finals == []
    assert scene.answers.final(heard("all of it", 32_000, final=True), "streaming", now=2.0)


def test_what_was_dropped_is_committed_up_to_its_end_only():
    scene = Scene()
    scene.segments.end(30_000, now=1.0)
    scene.answers.drop(now=2.0, renumber=True)
    assert scene.wal.checkpoint == WALCheckpoint(segment_id=2, buffer_offset=30_000, timestamp_ms=2000)


def test_what_goes_on_after_a_loss_is_a_segment_of_its_own():
    """Words that the client was shown of the part that was given up are neither taken back nor told again."""
    scene = Scene()
    for consumed in (16_000, 24_000):
        scene.answers.partial(heard("given up", consumed), "encoder-decoder")
    scene.answers.drop(now=2.0, renumber=True)
    assert scene.segments.open.segment_id == 2
    scene.ring.write_silence(32_000)
    for consumed in (48_000, 64_000):
        scene.answers.partial(heard("and then", consumed, segment_id=2), "encoder-decoder")
    scene.segments.end(64_000, now=4.0)
    assert scene.answers.final(heard("and then", 64_000, segment_id=2, final=True), "encoder-decoder", now=4.0)
    assert (scene.told.partials, scene.told.finals) == (["given up", "and then"], ["and then"])
