"""Where the ring's audio lies on the client's own audio clock.

Ring positions count the audio that was taken. The client counts the audio that it sent, and audio that backpressure
dropped is missing from the first and not from the second: every timestamp that goes to the client has to be put back.

    ring      0 ........... 100 ........... 180         100..180 follows a gap of 50 that was never written
    client    0 ........... 100 | 150 ..... 230

At a gap one ring position is two of the client's: the audio that begins there comes after the gap, the audio that ends
there comes before it.
"""

from bisect import bisect_left, bisect_right


class AudioClock:
    """Positions and lengths are samples at 16 kHz."""

    __slots__ = ("_before", "_positions", "_totals")

    def __init__(self) -> None:
        self._before = 0  # not taken, at positions that nobody asks about any more
        self._positions: list[int] = []  # of the gaps that still matter, ascending
        self._totals: list[int] = []  # everything that was not taken, up to and with the gap there

    @property
    def skipped(self) -> int:
        """Samples of the client's audio that were not taken, altogether."""
        return self._totals[-1] if self._totals else self._before

    def skip(self, at: int, samples: int) -> None:
        """So many samples of the client's audio were not taken; what is taken next will lie at ring position `at`."""
        assert samples >= 0
        if samples == 0:
            return
        total = self.skipped + samples
        if self._positions and at <= self._positions[-1]:
            assert at == self._positions[-1], "the ring's positions only grow"
            self._totals[-1] = total
            return
        self._positions.append(at)
        self._totals.append(total)

    def position(self, sample: int, *, end: bool = False) -> int:
        """The client's sample for ring position `sample`; `end` for one past the last sample of something.

        The end of nothing at all lies before its start when there is a gap between them: never ask for both.
        """
        if not self._positions:
            return sample + self._before
        gaps = bisect_left(self._positions, sample) if end else bisect_right(self._positions, sample)
        return sample + (self._totals[gaps - 1] if gaps else self._before)

    def forget_before(self, sample: int) -> None:
        """Nobody will ask about positions before `sample` any more: so many gaps as follow it are kept, no more.

        Who asks nevertheless gets an answer that is too late by the gaps in between.
        """
        if not self._positions or self._positions[0] >= sample:
            return
        gone = bisect_left(self._positions, sample)
        self._before = self._totals[gone - 1]
        del self._positions[:gone], self._totals[:gone]
