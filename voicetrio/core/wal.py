"""The write-ahead log: one record in memory that says from where a session's audio has to be sent again.

A record is a frozen value and is replaced by one assignment, so whoever reads it gets either the old one or the new one,
whole. There is one per session, it never grows, and it does not outlive the process: the audio it speaks of would not
either.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WALCheckpoint:
    segment_id: int
    """The first segment that has not had its final."""
    buffer_offset: int
    """Position in the ring, in samples: audio before it is committed, and never sent again."""
    timestamp_ms: int
    """Milliseconds of a monotonic clock, which no change of the wall clock moves."""


class WriteAheadLog:
    def __init__(self, *, now: float) -> None:
        """`now` in seconds of a monotonic clock, here and below."""
        self._checkpoint = WALCheckpoint(segment_id=1, buffer_offset=0, timestamp_ms=int(now * 1000))

    @property
    def checkpoint(self) -> WALCheckpoint:
        return self._checkpoint

    def record(self, *, segment_id: int, buffer_offset: int, now: float) -> None:
        """Everything before `segment_id` and `buffer_offset` is done with. Neither ever moves back."""
        old = self._checkpoint
        assert segment_id >= old.segment_id, "a segment cannot be uncommitted"
        assert buffer_offset >= old.buffer_offset, "audio cannot be uncommitted"
        self._checkpoint = WALCheckpoint(segment_id, buffer_offset, int(now * 1000))
