"""The ring against a bytearray that simply keeps everything."""

import random

import pytest

from voicetrio.core.errors import BufferOverrunError
from voicetrio.core.ring import CAPACITY_SAMPLES, SAMPLE_BYTES, RingBuffer


def samples(first, count):
    """Distinct non-zero samples, so that a byte out of place is seen."""
    return b"".join((1 + (first + index) % 65_000).to_bytes(2, "little") for index in range(count))


def test_the_default_holds_a_minute():
    assert CAPACITY_SAMPLES * SAMPLE_BYTES == 1_920_000
    assert RingBuffer().capacity == 60 * 16_000


def test_a_new_ring_is_empty_and_all_free():
    ring = RingBuffer(10)
    assert (ring.head, ring.fence, ring.tail, ring.uncommitted, ring.free) == (0, 0, 0, 0, 10)
    assert ring.read(0, 0) == b""


def test_a_write_over_the_seam_reads_back_whole():
    ring = RingBuffer(10)
    ring.write(samples(0, 8))
    ring.commit(8)
    ring.write(samples(8, 5))
    assert ring.head == 13
    assert ring.read(8, 13) == samples(8, 5)
    assert ring.read(3, 13) == samples(3, 10)
    assert ring.read(9, 11) == samples(9, 2)


def test_a_write_that_ends_exactly_at_the_seam_does_not_touch_the_start():
    ring = RingBuffer(10)
    ring.write(samples(0, 6))
    ring.write(samples(6, 4))
    assert ring.read(0, 10) == samples(0, 10)
    ring.commit(10)
    ring.write(samples(10, 10))
    assert ring.read(10, 20) == samples(10, 10)


def test_a_memoryview_is_as_good_as_bytes_also_over_the_seam():
    ring = RingBuffer(10)
    ring.write(memoryview(samples(0, 7)))
    ring.commit(7)
    ring.write(memoryview(samples(7, 6)))
    assert ring.read(3, 13) == samples(3, 10)


def test_a_read_is_a_copy_that_later_writes_do_not_change():
    ring = RingBuffer(4)
    ring.write(samples(0, 4))
    copy = ring.read(0, 4)
    ring.commit(4)
    ring.write(samples(4, 4))
    assert copy == samples(0, 4)


def test_silence_takes_its_place_over_the_seam_and_nowhere_else():
    ring = RingBuffer(10)
    ring.write(samples(0, 10))
    ring.commit(7)
    ring.write_silence(0)
    ring.commit(10)
    ring.write(samples(10, 8))
    ring.commit(15)
    ring.write_silence(5)
    assert ring.head == 23
    assert ring.read(13, 23) == samples(13, 5) + bytes(10)


def test_committed_audio_can_be_read_until_it_is_overwritten():
    ring = RingBuffer(10)
    ring.write(samples(0, 10))
    ring.commit(10)
    assert ring.read(0, 10) == samples(0, 10)
    ring.write(samples(10, 3))
    assert ring.tail == 3
    assert ring.read(3, 13) == samples(3, 10)
    with pytest.raises(AssertionError, match="not in the ring"):
        ring.read(2, 13)


def test_what_is_not_written_yet_cannot_be_read_or_committed():
    ring = RingBuffer(10)
    ring.write(samples(0, 5))
    with pytest.raises(AssertionError):
        ring.read(0, 6)
    with pytest.raises(AssertionError):
        ring.read(4, 3)
    with pytest.raises(AssertionError):
        ring.commit(6)
    ring.commit(5)


def test_an_overrun_writes_nothing():
    ring = RingBuffer(10)
    ring.write(samples(0, 9))
    ring.commit(3)
    for write in (lambda: ring.write(samples(500, 5)), lambda: ring.write_silence(5)):
        with pytest.raises(BufferOverrunError, match="5 samples do not fit: 6 of 10"):
            write()
        assert (ring.head, ring.fence, ring.free) == (9, 3, 4)
        assert ring.read(0, 9) == samples(0, 9)
    ring.write(samples(9, 4))
    assert ring.read(3, 13) == samples(3, 10)
    assert ring.free == 0


def test_more_than_the_whole_ring_never_fits():
    ring = RingBuffer(10)
    with pytest.raises(BufferOverrunError):
        ring.write(samples(0, 11))
    assert ring.head == 0


def test_a_ring_of_nothing_is_our_own_bug():
    with pytest.raises(AssertionError):
        RingBuffer(0)


def test_half_a_sample_is_our_own_bug():
    ring = RingBuffer(10)
    with pytest.raises(AssertionError):
        ring.write(b"abc")
    assert ring.head == 0


def test_the_fence_never_moves_back():
    ring = RingBuffer(10)
    ring.write(samples(0, 8))
    ring.commit(6)
    ring.commit(2)
    assert ring.fence == 6
    assert ring.uncommitted == 2


def test_force_commit_is_asked_for_once_per_crossing_of_nine_tenths():
    asked = []
    ring = RingBuffer(100, on_force_commit=lambda: asked.append(ring.head))
    ring.write(samples(0, 90))
    assert asked == []
    ring.write(samples(90, 1))
    assert asked == [91]
    ring.write(samples(91, 1))
    ring.write_silence(3)
    assert asked == [91]
    ring.commit(50)
    ring.write_silence(45)
    assert asked == [91]
    ring.write_silence(1)
    assert asked == [91, 141]


def test_a_single_write_from_empty_to_full_asks_for_one_force_commit():
    asked = []
    ring = RingBuffer(10, on_force_commit=lambda: asked.append(1))
    ring.write(samples(0, 10))
    assert asked == [1]


def test_a_refused_write_asks_for_no_force_commit():
    asked = []
    ring = RingBuffer(10, on_force_commit=lambda: asked.append(1))
    ring.write(samples(0, 5))
    with pytest.raises(BufferOverrunError):
        ring.write(samples(5, 6))
    assert asked == []


@pytest.mark.parametrize("seed", range(200))
def test_over_many_wraps_it_is_a_bytearray_that_forgets(seed):
    rng = random.Random(seed)
    capacity = rng.choice([1, 2, 3, 7, 10, 16, 50, 70])
    asked = 0

    def ask():
        nonlocal asked
        asked += 1

    ring = RingBuffer(capacity, on_force_commit=ask)
    history = bytearray()
    fence = 0
    crossings = 0
    while ring.head < 30 * capacity:
        head = len(history) // 2
        count = rng.randint(0, capacity + 1)
        silent = rng.random() < 0.3
        audio = bytes(2 * count) if silent else samples(head, count)
        before, after = head - fence, head - fence + count
        try:
            if silent:
                ring.write_silence(count)
            else:
                ring.write(audio)
        except BufferOverrunError:
            assert after > capacity
        else:
            assert after <= capacity
            history += audio
            crossings += 10 * before <= 9 * capacity < 10 * after
        head = len(history) // 2
        assert asked == crossings
        assert (ring.head, ring.fence, ring.uncommitted) == (head, fence, head - fence)
        assert ring.free == capacity - (head - fence)
        assert ring.tail == max(0, head - capacity)
        assert ring.read(ring.tail, head) == history[2 * ring.tail :]
        start = rng.randint(ring.tail, head)
        stop = rng.randint(start, head)
        assert ring.read(start, stop) == history[2 * start : 2 * stop]
        if rng.random() < 0.6:
            position = rng.randint(max(0, fence - 2), head)
            ring.commit(position)
            fence = max(fence, position)
