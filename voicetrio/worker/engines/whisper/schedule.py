"""Which streams have a pass now, and how much new audio one waits for. Pure: durations are told to it.

Continuous batching: each pass takes the streams that have something to decode, those that wait longest first, up to what
the model takes in one batch. A stream that has ended waits for nothing more; one that goes on waits for a step of new
audio. The step grows with the load, so that partials never take the time that finals need.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

BUSY_MAX = 0.7
"""Share of the time that partials may keep the model busy: the rest is for finals, which somebody waits for."""
STEP_MAX = 4.0
"""Seconds of new audio at most: later partials would be of no use, and then finals take what there is."""
MEMORY = 0.8
"""Of the moving average of what a pass costs: the last five or so count."""


class Waiting(Protocol):
    """A stream, as far as its turn is concerned."""

    @property
    def since(self) -> int:
        """A number that grows with time, of the moment when its oldest audio that was not decoded yet came."""
        ...

    @property
    def new(self) -> float:
        """Seconds of audio that no pass has decoded."""
        ...

    @property
    def ended(self) -> bool:
        """Whether a final is owed."""
        ...


StreamT = TypeVar("StreamT", bound=Waiting)


@dataclass(slots=True)
class Schedule:
    batch_max: int
    """Streams in one pass."""
    step_min: float
    """Seconds of new audio between two passes of a stream when there is time for everything."""
    _cost: float = 0.0
    """Seconds that one stream's part of a pass takes, on the average."""

    def step(self, talking: int) -> float:
        """Seconds of new audio that a pass wants, while so many streams have an open segment."""
        return min(STEP_MAX, max(self.step_min, talking * self._cost / BUSY_MAX))

    def due(self, streams: Sequence[StreamT]) -> list[StreamT]:
        """Of the streams with an open segment or an end to decode, those that have a pass now."""
        step = self.step(sum(not stream.ended for stream in streams))
        ready = [stream for stream in streams if stream.ended or stream.new >= step]
        ready.sort(key=lambda stream: stream.since)
        return ready[: self.batch_max]

    def note(self, streams: int, seconds: float) -> None:
        """A pass over so many streams has taken so long."""
        cost = seconds / streams
        self._cost = cost if self._cost == 0 else MEMORY * self._cost + (1 - MEMORY) * cost
