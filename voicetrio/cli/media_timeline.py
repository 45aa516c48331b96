"""Which time of a file each of its samples has, by the file's own timestamps. Pure: seconds in, seconds out.

A file's sound may begin late, has holes where a recorder was paused or packets were lost, and its clock may drift. What is
sent to a server is sound and no holes (a short silence stands for a long one), so positions in it are not times in the
file: subtitles need those.
"""

from bisect import bisect_left, bisect_right

TOLERANCE_S = 0.05
"""Timestamps are rounded, to milliseconds in many formats, and written late: within this, samples are the better clock."""

HOLE_S = 0.5
"""A gap from which on silence is put in: less may be a recorder's jitter, and a word goes on behind it."""

SILENCE_S = 2.0
"""The most silence for one hole: enough for every endpointing to end what was said before."""

BACK_S = 1.0
"""Timestamps that go back by more than this have begun anew, as in files that were put together. Less is a clock's drift."""

JUMP_S = 10.0
"""In formats whose timestamps may begin anew anywhere, those that go on by more than this have done so, too."""


class Timeline:
    """Positions (seconds of sound, as it is read) to times of the file. Both begin at 0."""

    def __init__(self) -> None:
        self._positions = [0.0]
        self._times = [0.0]

    def anchor(self, position_s: float, time_s: float) -> None:
        """From this position on, which is not before the last one, the file's time goes on from `time_s`."""
        self._positions.append(position_s)
        self._times.append(time_s)

    def start(self, position_s: float) -> float:
        """The time in the file of something that begins at this position."""
        return self._time(position_s, bisect_right(self._positions, position_s))

    def end(self, position_s: float) -> float:
        """The time in the file of something that ends at this position: before the hole, if there is one."""
        return self._time(position_s, bisect_left(self._positions, position_s))

    def _time(self, position_s: float, index: int) -> float:
        index = max(0, index - 1)
        return self._times[index] + position_s - self._positions[index]


class FrameClock:
    """Follows the timestamps of decoded frames, and notes in the timeline where they leave the count of samples."""

    def __init__(self, timeline: Timeline, *, origin_s: float, begins_anew: bool) -> None:
        """`origin_s`: the timestamp of the file's time 0. `begins_anew`: the format lets timestamps begin anew anywhere."""
        self._timeline = timeline
        self._shift_s = -origin_s
        self._begins_anew = begins_anew
        self._first = True

    def silence_before(self, timestamp_s: float | None, position_s: float) -> float:
        """How much silence has to be put in before the frame that comes next at this position, in seconds."""
        if timestamp_s is None:
            return 0.0
        expected_s = self._timeline.start(position_s)
        gap_s = timestamp_s + self._shift_s - expected_s
        if self._first:
            self._first = False
            if gap_s > TOLERANCE_S:
                self._timeline.anchor(position_s, expected_s + gap_s)
            else:
                self._shift_s -= gap_s  # a codec's delay, which players do not play either
            return 0.0
        if abs(gap_s) <= TOLERANCE_S:
            return 0.0
        if gap_s < -BACK_S or (self._begins_anew and gap_s > JUMP_S):
            self._shift_s -= gap_s
            return 0.0
        silence_s = min(gap_s, SILENCE_S) if gap_s >= HOLE_S else 0.0
        self._timeline.anchor(position_s + silence_s, expected_s + gap_s)
        return silence_s
