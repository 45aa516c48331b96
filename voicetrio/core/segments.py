"""Which stretches of audio the recogniser gets, and what is still needed for a replay.

A segment starts a little before the speech (pre-roll: the detector needs some 100 ms to be sure, and the first
consonant must not be lost) and ends with the end of the speech, at a cut that the client asked for, when it grows too
long, or when nobody may listen any more (mute). Two segments never overlap, and a cut leaves no hole: the next segment
begins at the very sample where the last one ended.
"""

from collections import deque
from dataclasses import dataclass

ONSET_MARGIN = 16_000
"""Samples, 1 s. The onset of speech is found some frames after it happened, and frames come in pieces: far below this."""


@dataclass(slots=True)
class Segment:
    """Positions are samples of the session's audio clock."""

    segment_id: int
    start: int
    end: int | None = None
    """One past the last sample; None while it is open."""
    ended_at: float | None = None
    """When it ended, in seconds of the session's monotonic clock."""
    prompt: str | None = None
    """What an encoder-decoder engine was given as its context; None before it was sent. A replay gives the same."""
    crashes: int = 0
    """How often an engine died that worked on it, perhaps together with others."""


class Segments:
    """Those that are open or still wait for their final, oldest first. Their audio lies in the ring: that bounds them."""

    def __init__(self, *, pre_roll: int, max_duration: int) -> None:
        """Both in samples."""
        assert pre_roll >= 0
        assert max_duration > 0
        self.pre_roll = pre_roll
        self.max_duration = max_duration
        self._pending: deque[Segment] = deque()
        self._next_id = 1
        self._floor = 0

    @property
    def pending(self) -> deque[Segment]:
        """To read, not to change."""
        return self._pending

    @property
    def open(self) -> Segment | None:
        """The one that still grows."""
        if self._pending and self._pending[-1].end is None:
            return self._pending[-1]
        return None

    @property
    def next_id(self) -> int:
        """Of the segment that is opened next."""
        return self._next_id

    @property
    def finished(self) -> int:
        """How many have had their final, or were given up."""
        return self._next_id - 1 - len(self._pending)

    def begin(self, onset: int) -> Segment:
        """Open a segment for speech that starts at sample `onset`."""
        assert self.open is None, "the last segment is still open"
        segment = Segment(self._next_id, max(onset - self.pre_roll, self._floor))
        self._next_id += 1
        self._pending.append(segment)
        return segment

    def end(self, at: int, *, now: float) -> None:
        """End the open segment at sample `at`. Nothing before `at` belongs to a later segment."""
        segment = self.open
        assert segment is not None, "no segment is open"
        assert at >= segment.start
        segment.end = at
        segment.ended_at = now
        self._floor = max(self._floor, at)

    def discard_open(self) -> None:
        """The open segment has got no audio, and will get none. Its id is not used again."""
        assert self.open is not None, "no segment is open"
        self._pending.pop()

    def split(self, at: int, *, now: float) -> Segment:
        """End the open segment at sample `at` and open the next one at the same sample."""
        self.end(at, now=now)
        segment = Segment(self._next_id, at)
        self._next_id += 1
        self._pending.append(segment)
        return segment

    def forbid_before(self, sample: int) -> None:
        """No later segment may contain audio before `sample`: nobody was allowed to hear it."""
        self._floor = max(self._floor, sample)

    def too_long(self, head: int) -> bool:
        """Whether the open segment has reached the longest it may be, with the audio ending at `head`."""
        segment = self.open
        return segment is not None and head - segment.start >= self.max_duration

    def settle(self, segment_id: int) -> Segment | None:
        """The oldest ended segment has had its final: it is not needed any more.

        Returns it, or None when that id is not the oldest or has not ended: a late, repeated or early answer.
        """
        if not self._pending or self._pending[0].segment_id != segment_id or self._pending[0].end is None:
            return None
        return self._pending.popleft()

    def give_up(self, segment: Segment, head: int) -> int:
        """Nobody will transcribe this one, which is pending; what an open one gets after `head` is a segment of its own.

        Returns one past its last sample that was given up.
        """
        self._pending.remove(segment)
        if segment.end is not None:
            return segment.end
        self._floor = head
        self._pending.append(Segment(self._next_id, head))
        self._next_id += 1
        return head

    def abandon(self, head: int, *, renumber: bool = True) -> int:
        """Give up every ended segment, and what the open one holds before `head`: nobody will transcribe them.

        What the open one gets from now on is a segment of its own, with another id where words of the old one may have
        been told. Returns one past the last sample that was given up; the rest may be the beginning of the next speech.
        """
        segment = self.open
        self._pending.clear()
        if segment is not None:
            segment.start = self._floor = head
            if renumber:
                segment.segment_id, self._next_id = self._next_id, self._next_id + 1
                segment.prompt = None
            self._pending.append(segment)
        return self._floor

    def needed_from(self, head: int) -> int:
        """The first sample that a replay or the next segment's pre-roll may still ask for."""
        if self._pending:
            return self._pending[0].start
        return max(self._floor, head - self.pre_roll - ONSET_MARGIN)
