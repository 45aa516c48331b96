"""How much of something may come, and how fast: a token bucket. Pure: time is an argument.

`rate_limit` has one for each of many addresses, in whole requests; this is a single one, in any unit.
"""

import math


class Allowance:
    """Begins full."""

    def __init__(self, per_second: float, seconds: float) -> None:
        """It fills by `per_second`, which may be `math.inf`, and holds what comes to it in `seconds`."""
        self._rate = per_second
        self._size = self._level = per_second * seconds
        self._since = -math.inf

    def take(self, amount: float, *, now: float) -> bool:
        """Whether so much is there; it is gone then. What is refused costs nothing."""
        if self._rate == math.inf:
            return True
        if now > self._since:
            if self._since > -math.inf:
                self._level = min(self._size, self._level + (now - self._since) * self._rate)
            self._since = now
        if self._level < amount:
            return False
        self._level -= amount
        return True
