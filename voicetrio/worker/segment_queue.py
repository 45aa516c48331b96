"""One stream's audio between the network and the engine: checks what the peer sends, and joins what piles up.

Pure: no trio, no clock. An engine call has a fixed cost, and an engine that was busy finds a second of audio waiting
rather than ten messages; so audio is handed on in pieces of what is there, up to `PIECE_MS`.
"""

from collections import deque
from dataclasses import dataclass

from voicetrio.core.errors import WorkerRejected
from voicetrio.core.prompt import PROMPT_CHARACTERS_MAX

PIECE_MS = 1000
"""The most audio in one engine call, in milliseconds: it bounds how long one stream keeps the others waiting."""


@dataclass(frozen=True, slots=True)
class SegmentStart:
    segment_id: int
    initial_prompt: str


@dataclass(frozen=True, slots=True)
class Audio:
    segment_id: int
    start_sample: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    segment_id: int
    end_sample: int


@dataclass(slots=True)
class _Run:
    """Audio of one segment without a gap, that waits for the engine."""

    segment_id: int
    start_sample: int
    pcm: bytearray


class SegmentQueue:
    def __init__(self, sample_rate: int) -> None:
        """`sample_rate` in Hertz."""
        self._piece_bytes = 2 * sample_rate * PIECE_MS // 1000
        self._waiting: deque[SegmentStart | _Run | SegmentEnd] = deque()
        self._waiting_bytes = 0
        self._segment_id = -1
        self._segment_open = False
        self._next_sample: int | None = 0
        """None: of a segment that has begun without audio yet."""

    @property
    def waiting_bytes(self) -> int:
        return self._waiting_bytes

    def put_start(self, segment_id: int, initial_prompt: str) -> None:
        """Raises:
        WorkerRejected: the segment has begun, or is not the one that has to come next. Nothing was taken.
        """
        if len(initial_prompt) > PROMPT_CHARACTERS_MAX:
            raise WorkerRejected(
                f"an initial_prompt of {len(initial_prompt)} characters; it may have {PROMPT_CHARACTERS_MAX}"
            )
        self._check_segment(segment_id, "segment_start")
        if self._segment_open:
            raise WorkerRejected(f"segment_start of segment {segment_id}, which has already begun")
        self._segment_id, self._segment_open, self._next_sample = segment_id, True, None
        self._waiting_bytes += len(initial_prompt)
        self._waiting.append(SegmentStart(segment_id, initial_prompt))

    def put_audio(self, segment_id: int, start_sample: int, pcm: bytes) -> None:
        """Raises:
        WorkerRejected: it is not the audio that has to come next. Nothing was taken.
        """
        if len(pcm) % 2:
            raise WorkerRejected(f"audio of {len(pcm)} bytes is not a whole number of 16-bit samples")
        if start_sample < 0:
            raise WorkerRejected(f"start_sample {start_sample} is negative; positions start at 0")
        self._check_segment(segment_id, "audio")
        if not self._segment_open or self._next_sample is None:
            self._segment_id, self._segment_open, self._next_sample = segment_id, True, start_sample
        elif start_sample != self._next_sample:
            raise WorkerRejected(
                f"audio of segment {segment_id} starts at sample {start_sample}, but {self._next_sample} comes next; "
                "a segment's audio has to be contiguous"
            )
        self._next_sample += len(pcm) // 2
        self._append(segment_id, start_sample, pcm)

    def put_end(self, segment_id: int, end_sample: int) -> None:
        """Raises:
        WorkerRejected: there is no such segment to end, or it ends elsewhere. Nothing was taken.
        """
        self._check_segment(segment_id, "segment_end")
        if end_sample < 0:
            raise WorkerRejected(f"end_sample {end_sample} is negative; positions start at 0")
        if self._segment_open and self._next_sample is not None and end_sample != self._next_sample:
            raise WorkerRejected(
                f"segment {segment_id} is said to end at sample {end_sample}, but its audio ends at {self._next_sample}"
            )
        # A segment may have no audio at all: it still gets its final.
        self._segment_id, self._segment_open = segment_id, False
        self._waiting.append(SegmentEnd(segment_id, end_sample))

    def take(self) -> SegmentStart | Audio | SegmentEnd | None:
        """What the engine should be given next; None when nothing waits."""
        if not self._waiting:
            return None
        first = self._waiting[0]
        if isinstance(first, SegmentStart):
            self._waiting_bytes -= len(first.initial_prompt)
        if not isinstance(first, _Run):
            self._waiting.popleft()
            return first
        piece = bytes(first.pcm[: self._piece_bytes])
        audio = Audio(first.segment_id, first.start_sample, piece)
        if len(piece) == len(first.pcm):
            self._waiting.popleft()
        else:
            del first.pcm[: len(piece)]
            first.start_sample += len(piece) // 2
        self._waiting_bytes -= len(piece)
        return audio

    def _check_segment(self, segment_id: int, what: str) -> None:
        if segment_id < 0:
            raise WorkerRejected(f"segment_id {segment_id} is negative")
        if segment_id < self._segment_id:
            raise WorkerRejected(
                f"{what} of segment {segment_id} after segment {self._segment_id}: segments only go on"
            )
        if segment_id == self._segment_id and not self._segment_open:
            raise WorkerRejected(f"{what} of segment {segment_id}, which has already ended")
        if segment_id > self._segment_id and self._segment_open:
            raise WorkerRejected(
                f"{what} of segment {segment_id} before segment_end of segment {self._segment_id}: "
                "segments are sent one after the other"
            )

    def _append(self, segment_id: int, start_sample: int, pcm: bytes) -> None:
        self._waiting_bytes += len(pcm)
        last = self._waiting[-1] if self._waiting else None
        # Between audio of two segments there is always a `SegmentEnd`, so a run never mixes segments.
        if isinstance(last, _Run):
            last.pcm += pcm
        else:
            self._waiting.append(_Run(segment_id, start_sample, bytearray(pcm)))
