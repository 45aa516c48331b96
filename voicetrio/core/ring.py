"""The ring buffer: the last minute of a session's audio, so that a dead worker costs no word.

    absolute samples:   0 ........ fence ............ head
                        committed  | uncommitted      | free, up to fence + capacity
                        (may be    | (needed for      |
                        overwritten)  a replay)

Positions are absolute sample indices that only grow; they are never wrapped for the caller. Audio before `fence` may
be overwritten, audio from `fence` to `head` never is: a write that would is refused whole.

The memory is allocated once. A write copies once (twice at the seam) and allocates nothing but views.
"""

from collections.abc import Callable

from voicetrio.core.errors import BufferOverrunError

SAMPLE_BYTES = 2
"""Signed 16-bit."""

CAPACITY_SAMPLES = 960_000
"""60 s at 16 kHz, 1,920,000 bytes: longer than the longest segment plus the longest recovery."""

FORCE_COMMIT_FRACTION = 0.9
"""Of the capacity. The 6 s that are left are more than a worker needs to answer for the segment that is cut then."""


class RingBuffer:
    """One writer, any number of readers, one thread.

    `on_force_commit` is called, synchronously and once per crossing, from the write that takes the uncommitted audio
    over 90 % of the capacity. It must only note the fact: it runs inside the write.
    """

    def __init__(
        self, capacity_samples: int = CAPACITY_SAMPLES, *, on_force_commit: Callable[[], None] | None = None
    ) -> None:
        assert capacity_samples > 0
        self._capacity = capacity_samples
        self._view = memoryview(bytearray(capacity_samples * SAMPLE_BYTES))
        self._head = 0
        self._fence = 0
        self._threshold = int(capacity_samples * FORCE_COMMIT_FRACTION)
        self._on_force_commit = on_force_commit

    @property
    def capacity(self) -> int:
        """Samples."""
        return self._capacity

    @property
    def head(self) -> int:
        """One past the last sample written."""
        return self._head

    @property
    def fence(self) -> int:
        """The first sample that must not be overwritten."""
        return self._fence

    @property
    def tail(self) -> int:
        """The oldest sample that can still be read."""
        return max(0, self._head - self._capacity)

    @property
    def uncommitted(self) -> int:
        """Samples from the fence to the head."""
        return self._head - self._fence

    @property
    def free(self) -> int:
        """Samples that a write may have now."""
        return self._capacity - (self._head - self._fence)

    def write(self, pcm: bytes | memoryview) -> None:
        """Append whole samples.

        Raises:
            BufferOverrunError: they would overwrite uncommitted audio. Nothing was written.
        """
        size = len(pcm)
        assert size % SAMPLE_BYTES == 0, "half a sample"
        start = self._claim(size // SAMPLE_BYTES)
        first = min(size, len(self._view) - start)
        if first == size:
            self._view[start : start + size] = pcm
        else:
            pcm = memoryview(pcm)
            self._view[start:] = pcm[:first]
            self._view[: size - first] = pcm[first:]

    def write_silence(self, samples: int) -> None:
        """Append zeros: audio that nobody may hear, whose time passes all the same."""
        start = self._claim(samples)
        size = samples * SAMPLE_BYTES
        first = min(size, len(self._view) - start)
        self._view[start : start + first] = bytes(first)
        self._view[: size - first] = bytes(size - first)

    def _claim(self, samples: int) -> int:
        """Move the head; the byte offset in memory where the caller now must write."""
        uncommitted = self._head - self._fence
        if uncommitted + samples > self._capacity:
            raise BufferOverrunError(
                f"{samples} samples do not fit: {uncommitted} of {self._capacity} are not committed yet"
            )
        start = (self._head % self._capacity) * SAMPLE_BYTES
        self._head += samples
        if uncommitted <= self._threshold < uncommitted + samples and self._on_force_commit is not None:
            self._on_force_commit()
        return start

    def read(self, start: int, stop: int) -> bytes:
        """The audio from sample `start` up to, not including, sample `stop`: a copy."""
        assert self.tail <= start <= stop <= self._head, f"not in the ring: {start}..{stop}"
        first = (start % self._capacity) * SAMPLE_BYTES
        size = (stop - start) * SAMPLE_BYTES
        if first + size <= len(self._view):
            return bytes(self._view[first : first + size])
        head = len(self._view) - first
        return bytes(self._view[first:]) + bytes(self._view[: size - head])

    def commit(self, position: int) -> None:
        """Give up everything before `position`. A fence never moves back, so an older position does nothing."""
        assert position <= self._head, "cannot commit what is not written"
        self._fence = max(self._fence, position)

    def release(self) -> None:
        """Give the memory back; the ring is not to be used any more.

        Its owner is part of cycles that the garbage collector finds late, and two megabytes are too much to wait for.
        """
        self._view = memoryview(b"")
