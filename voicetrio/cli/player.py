"""A player without a loudspeaker: it plays what it is fed, in the time it is told, and knows what was heard when.

    begin -> feed, feed, ... -> end          one utterance; the next one plays when this one was heard
             go_on                           after a cut what is fed goes on there: nothing is played twice
             pause / resume                  it stands still meanwhile
             flush                           what was not played yet is thrown away

Pure: `now` is in seconds of one clock that never goes back, and every call first plays what there was to play until
then. Sound that comes too late leaves a gap, as long as it was late. Nothing is rounded away: a part of a sample that
was not played yet is played with the next one.
"""

from collections import deque
from dataclasses import dataclass, field

SAMPLE_BYTES = 2
"""16-bit little-endian mono."""

REPORT_S = 0.1
"""Seconds between two reports of an utterance that plays: the server's picture of what was heard is no older."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a `playback.progress` says: so much of an utterance was heard."""

    request_id: str
    played_ms: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Sound that was heard without a gap."""

    at: float
    """When it began."""
    sample_rate: int
    pcm: bytearray

    @property
    def end(self) -> float:
        return self.at + len(self.pcm) / SAMPLE_BYTES / self.sample_rate


@dataclass(slots=True, eq=False)
class _Sound:
    """One utterance."""

    request_id: str
    sample_rate: int
    waiting: bytearray = field(default_factory=bytearray)
    """Received and not played."""
    played: int = 0
    """Samples."""
    skip: int = 0
    """Bytes that are fed next, and are there already."""
    ended: bool = False
    """Nothing more will come of it."""
    paused: bool = False
    reported_ms: int = 0
    report_at: float = 0.0
    """When the next report is due, if there is something to report."""

    @property
    def played_ms(self) -> int:
        """Rounded down: nothing counts as heard that was not."""
        return self.played * 1000 // self.sample_rate


class Player:
    def __init__(self, *, now: float) -> None:
        self.heard: list[Stretch] = []
        """All that was heard, in order; between them was silence."""
        self._now = now
        self._queue: deque[_Sound] = deque()
        self._sounds: dict[str, _Sound] = {}
        self._finished: list[Progress] = []

    # -- what comes from the server -----------------------------------------------------------------------------------

    def begin(self, request_id: str, sample_rate: int, *, now: float) -> None:
        """What is fed from now on is of this utterance."""
        assert sample_rate > 0
        self.advance(now)
        if self._queue:
            self._queue[-1].ended = True
        self._sounds[request_id] = sound = _Sound(request_id, sample_rate, report_at=now)
        self._queue.append(sound)

    def feed(self, pcm: bytes, *, now: float) -> bool:
        """False: no utterance is open that it could be of, and it is not played."""
        self.advance(now)
        if not self._queue or self._queue[-1].ended:
            return False
        sound = self._queue[-1]
        sound.waiting += pcm[sound.skip :]
        sound.skip = max(0, sound.skip - len(pcm))
        return True

    def go_on(self, request_id: str, start_sample: int, *, now: float) -> None:
        """The connection was cut and is back: what is fed from now on is of this utterance, from that sample on.

        How much of it was heard is reported again: the last report may have been lost with the connection.
        """
        self.advance(now)
        sound = self._sounds.get(request_id)
        if sound is None:
            return
        there = sound.played + len(sound.waiting) // SAMPLE_BYTES
        sound.skip = SAMPLE_BYTES * max(0, there - start_sample)
        sound.ended = False
        sound.reported_ms, sound.report_at = 0, now
        if sound not in self._queue:  # all that it had was heard before there was more
            self._finished = [progress for progress in self._finished if progress.request_id != request_id]
            self._queue.append(sound)

    def end(self, request_id: str, *, now: float) -> None:
        """All of its sound has come."""
        self.advance(now)
        if (sound := self._sounds.get(request_id)) is not None:
            sound.ended = True
        self.advance(now)

    def pause(self, request_id: str, *, now: float) -> None:
        """Where it stopped is reported at once: the server wants to know what had been heard by then."""
        self.advance(now)
        if (sound := self._sounds.get(request_id)) is not None:
            sound.paused = True
            sound.report_at = now

    def resume(self, request_id: str, *, now: float) -> None:
        self.advance(now)
        if (sound := self._sounds.get(request_id)) is not None:
            sound.paused = False

    def flush(self, request_id: str, *, now: float) -> None:
        """The rest of it will not be heard. There is nothing more to report of it."""
        self.advance(now)
        if (sound := self._sounds.get(request_id)) is not None:
            sound.waiting.clear()
            sound.ended = True
            self._queue = deque(other for other in self._queue if other is not sound)
            self._finished = [progress for progress in self._finished if progress.request_id != request_id]

    # -- what there is to know ----------------------------------------------------------------------------------------

    def played_ms(self, request_id: str, *, now: float) -> int:
        """How much of it has been heard by now, rounded down; 0 of one that is not known."""
        self.advance(now)
        sound = self._sounds.get(request_id)
        return 0 if sound is None else sound.played_ms

    def reached(self, request_id: str, offset_ms: int, *, now: float) -> bool:
        """Whether the listener hears that place of the utterance, or is past it; also past one that is over."""
        self.advance(now)
        sound = self._sounds.get(request_id)
        if sound is None or sound not in self._queue:
            return True
        return sound is self._queue[0] and sound.played_ms >= offset_ms

    def busy(self, *, now: float) -> bool:
        """Whether there is something to hear, or will be."""
        self.advance(now)
        return bool(self._queue)

    def take_reports(self, *, now: float) -> list[Progress]:
        """What the server is to be told now; each is given once.

        While an utterance plays every `REPORT_S`, and once when its end was heard; not while it stands still.
        """
        self.advance(now)
        reports, self._finished = self._finished, []
        if self._queue:
            sound = self._queue[0]
            if sound.played_ms > sound.reported_ms and now >= sound.report_at:
                sound.reported_ms = sound.played_ms
                sound.report_at = now + REPORT_S
                reports.append(Progress(sound.request_id, sound.played_ms))
        return reports

    # -- playing ------------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Play until now."""
        while self._queue and not self._queue[0].paused:
            sound = self._queue[0]
            ready = len(sound.waiting) // SAMPLE_BYTES
            # A thousandth of a sample for what the divisions have rounded away.
            due = max(0, int((now - self._now) * sound.sample_rate + 0.001))
            self._play(sound, min(ready, due))
            if ready > due:
                return  # and not `self._now = now`: the part of a sample that is over belongs to the next one
            if not sound.ended:
                break  # a gap, until more is fed
            self._queue.popleft()
            # Rounded up: a report of having heard it all must not fall short by half a millisecond.
            all_ms = -(-sound.played * 1000 // sound.sample_rate)
            self._finished.append(Progress(sound.request_id, all_ms))
        self._now = max(self._now, now)

    def _play(self, sound: _Sound, samples: int) -> None:
        if samples == 0:
            return
        pcm = sound.waiting[: samples * SAMPLE_BYTES]
        del sound.waiting[: samples * SAMPLE_BYTES]
        sound.played += samples
        last = self.heard[-1] if self.heard else None
        gapless = last is not None and abs(last.end - self._now) * sound.sample_rate < 0.5
        if last is not None and gapless and last.sample_rate == sound.sample_rate:
            last.pcm.extend(pcm)
        else:
            self.heard.append(Stretch(self._now, sound.sample_rate, pcm))
        self._now += samples / sound.sample_rate
