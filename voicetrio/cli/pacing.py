"""When to send each frame of audio, so that a server neither complains nor drops any.

Pure: seconds of the caller's clock go in and come out.
"""

import math

from voicetrio.cli.ticket import ServerLimits

RATE_MARGIN = 0.97
"""Of the rate that the server takes. It measures when frames arrive, and a network moves them about: in the half second
that is the least it measures, 15 ms."""

RATE_MAX_UNLIMITED = 8.0
"""Times real time, for a server with no limit of its own: 2 Mbit/s. Faster than recognisers are; what they do not take
would only wait in the server."""


def sending_rate(limits: ServerLimits | None) -> float:
    """Seconds of audio to send per second, at most.

    A server that tells no limits stops reading when it has enough, and TCP slows us down: `math.inf`.
    """
    if limits is None:
        return math.inf
    return RATE_MAX_UNLIMITED if limits.max_rate is None else RATE_MARGIN * limits.max_rate


class Pacer:
    """When each frame is due.

    In real time, audio from second `t` of the file is due at `start + t`, whenever the frame before it really went:
    lateness does not add up. In any case a frame of `s` seconds is due `s / rate` after the one before it really went,
    so that in no window of whatever length is more audio sent after its first frame than `rate` allows; lateness is
    caught up with at that rate, and not in a burst.
    A hold asked for by the server moves all that follows.
    """

    def __init__(self, start: float, *, real_time: bool, rate: float = math.inf) -> None:
        self._start = start
        self._real_time = real_time
        self._rate = rate
        self._sent_at = -math.inf
        self._held_until = -math.inf

    def due(self, begin_s: float, length_s: float) -> float:
        """For the frame of `length_s` that begins at second `begin_s` of the file."""
        due = max(self._held_until, self._sent_at + length_s / self._rate)
        return max(due, self._start + (begin_s if self._real_time else 0.0))

    def sent(self, now: float) -> None:
        """A frame has gone."""
        self._sent_at = now

    def hold(self, now: float, delay_s: float) -> None:
        """Nothing for `delay_s` from now. Holds that overlap count once."""
        until = now + delay_s
        if until > self._held_until:
            self._start += until - max(now, self._held_until)
            self._held_until = until
