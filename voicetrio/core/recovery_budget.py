"""How long it may take until a worker that has stopped is replaced, and what that has to fit into.

    freeze ---- noticed, killed ---- restart delay ---- model loaded, ready ---- words flow again
      |<- health_interval + health_timeout ->|<- delay ->|<-- restart_budget -->|<- margin ->|
    freeze ------ health_timeout ------|<---------------- recovery_timeout ----------------->|  a session's patience

A session that waits for an answer gives its stream up after `health_timeout` seconds without a sign of life, which is the
time that a health check waits, too. From then on it looks for a worker for `recovery_timeout` seconds. `health_timeout` is
on both sides of the sum, so what is left to check is the rest. A worker that dies is a worker that is noticed at once: its
sum is the smaller one.

Meanwhile the audio is kept in the ring: the segment that was open at the freeze, and all that is said until the end.
"""

from dataclasses import dataclass

MARGIN = 1.0
"""Seconds: a sign of life is up to 0.5 s old, a worker that is not ready is looked at every 0.1 s, and a session asks for a
stream every 0.2 s."""


@dataclass(frozen=True, slots=True)
class RecoveryBudget:
    """In seconds."""

    health_interval: float
    health_timeout: float
    restart_delay: float
    """The longest one. 0 where no process is ours to start again: a session moves to another worker then."""
    restart_budget: float
    """From the start of a process until it is ready, with its models. 0 as above."""

    @property
    def notice(self) -> float:
        """From the freeze of a worker until its streams are broken off, and its process is killed if it is ours."""
        return self.health_interval + self.health_timeout

    @property
    def outage(self) -> float:
        """From the freeze of a worker until words flow again."""
        return self.notice + self.restart_delay + self.restart_budget + MARGIN

    @property
    def needs(self) -> float:
        """What `recovery_timeout` has to be at least: a session notices no sooner than after `health_timeout`."""
        return self.outage - self.health_timeout
