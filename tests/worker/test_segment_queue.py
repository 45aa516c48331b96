import pytest

from voicetrio.core.errors import WorkerRejected
from voicetrio.core.prompt import PROMPT_CHARACTERS_MAX
from voicetrio.worker.segment_queue import Audio, SegmentEnd, SegmentQueue, SegmentStart

RATE = 16_000


def test_audio_that_piles_up_is_joined_up_to_a_second():
    queue = SegmentQueue(RATE)
    for number in range(25):
        queue.put_audio(0, number * 800, bytes([number]) * 1600)
    queue.put_end(0, 20_000)
    assert queue.waiting_bytes == 40_000
    first, second = queue.take(), queue.take()
    assert isinstance(first, Audio)
    assert isinstance(second, Audio)
    assert (first.start_sample, len(first.pcm)) == (0, 32_000)
    assert (second.start_sample, len(second.pcm)) == (16_000, 8_000)
    assert first.pcm + second.pcm == b"".join(bytes([number]) * 1600 for number in range(25))
    assert queue.take() == SegmentEnd(0, 20_000)
    assert queue.take() is None
    assert queue.waiting_bytes == 0


def test_segments_are_not_mixed():
    queue = SegmentQueue(RATE)
    queue.put_audio(3, 100, b"ab")
    queue.put_end(3, 101)
    queue.put_audio(7, 50, b"cd")
    assert [queue.take() for _ in range(3)] == [Audio(3, 100, b"ab"), SegmentEnd(3, 101), Audio(7, 50, b"cd")]


def test_a_segment_may_have_no_audio():
    queue = SegmentQueue(RATE)
    queue.put_end(1, 500)
    queue.put_audio(2, 500, b"")
    queue.put_end(2, 500)
    assert [queue.take() for _ in range(3)] == [SegmentEnd(1, 500), Audio(2, 500, b""), SegmentEnd(2, 500)]


def test_a_segment_may_begin_with_a_prompt_and_then_with_audio_from_anywhere():
    queue = SegmentQueue(RATE)
    queue.put_start(1, "before")
    assert queue.waiting_bytes == 6
    queue.put_audio(1, 700, b"ab")
    queue.put_end(1, 701)
    queue.put_start(2, "")
    queue.put_end(2, 999)
    queue.put_start(3, "x" * PROMPT_CHARACTERS_MAX)
    assert [queue.take() for _ in range(5)] == [
        SegmentStart(1, "before"),
        Audio(1, 700, b"ab"),
        SegmentEnd(1, 701),
        SegmentStart(2, ""),
        SegmentEnd(2, 999),
    ]
    queue.take()
    assert queue.waiting_bytes == 0


@pytest.mark.parametrize(
    ("put", "why"),
    [
        (lambda queue: queue.put_start(5, ""), "already begun"),
        (lambda queue: queue.put_start(4, ""), "only go on"),
        (lambda queue: queue.put_start(6, ""), "before segment_end"),
        (lambda queue: queue.put_start(-1, ""), "negative"),
        (lambda queue: queue.put_audio(6, 0, b"ab"), "before segment_end"),
        (lambda queue: queue.put_end(6, 0), "before segment_end"),
    ],
)
def test_a_segment_that_began_without_audio_has_begun(put, why):
    queue = SegmentQueue(RATE)
    queue.put_start(5, "a")
    with pytest.raises(WorkerRejected, match=why):
        put(queue)
    assert queue.take() == SegmentStart(5, "a")
    assert queue.take() is None


def test_a_prompt_that_is_too_long_is_refused_and_leaves_no_trace():
    queue = SegmentQueue(RATE)
    with pytest.raises(WorkerRejected, match="8193 characters"):
        queue.put_start(5, "x" * (PROMPT_CHARACTERS_MAX + 1))
    assert queue.waiting_bytes == 0
    queue.put_audio(5, 0, b"ab")


@pytest.mark.parametrize(
    ("put", "why"),
    [
        (lambda queue: queue.put_start(5, ""), "already begun"),
        (lambda queue: queue.put_start(6, ""), "before segment_end"),
        (lambda queue: queue.put_audio(5, 1, b"abc"), "16-bit"),
        (lambda queue: queue.put_audio(5, 2, b"ab"), "1 comes next"),
        (lambda queue: queue.put_audio(5, 0, b"ab"), "1 comes next"),
        (lambda queue: queue.put_audio(5, -1, b"ab"), "negative"),
        (lambda queue: queue.put_audio(4, 1, b"ab"), "only go on"),
        (lambda queue: queue.put_audio(6, 1, b"ab"), "before segment_end"),
        (lambda queue: queue.put_audio(-1, 1, b"ab"), "negative"),
        (lambda queue: queue.put_end(5, 9), "ends at 1"),
        (lambda queue: queue.put_end(4, 1), "only go on"),
        (lambda queue: queue.put_end(6, 1), "before segment_end"),
    ],
)
def test_what_may_not_come_next_is_refused_and_leaves_no_trace(put, why):
    queue = SegmentQueue(RATE)
    queue.put_audio(5, 0, b"ab")
    with pytest.raises(WorkerRejected, match=why):
        put(queue)
    queue.put_audio(5, 1, b"cd")
    queue.put_end(5, 2)
    assert queue.take() == Audio(5, 0, b"abcd")


@pytest.mark.parametrize(
    "put", [lambda q: q.put_start(5, ""), lambda q: q.put_audio(5, 1, b"ab"), lambda q: q.put_end(5, 1)]
)
def test_nothing_follows_the_end_of_a_segment(put):
    queue = SegmentQueue(RATE)
    queue.put_audio(5, 0, b"ab")
    queue.put_end(5, 1)
    with pytest.raises(WorkerRejected, match="already ended"):
        put(queue)
