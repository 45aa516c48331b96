"""Whether a client's audio is taken, and what it is told when it sends more than we can hear.

Two things can be too much. The *rate*: over the last 5 s, more audio than 1.2 times the time that passed. The *backlog*:
audio that waits for the worker. Either makes a `RateLimitAction`: pause for so long. It comes at half of the backlog
that is allowed, so that a client which obeys never loses anything; a client which does not loses whatever does not fit.

The rate has to be judged without blaming those who talk live:

- A frame carries the audio of the time *before* it arrived. So the first frame of a window does not count, whatever its
  length: real time is then exactly 1.0x for frames of any length. Pieces with one and the same `now` are one frame.
- Late audio is not fast audio. `_heard` is the time that the client's audio has come to if it is spoken live: since its
  first frame it may have sent as much as time has passed. Where a network, a lost connection or this server held some back
  for up to 30 s, the window starts there and not at the arrival, however quickly it comes then.
- A longer pause is idleness and earns nothing: time counts only from the first frame after it, once what was before it
  is older than 5 s.
- A young window is forgiven half a second (players fill a buffer first, networks jitter), an old one needs it no more.

The window is 50 buckets of 100 ms in lists that are made once: a piece costs some additions and compares.
"""

import math
from dataclasses import dataclass

from voicetrio.core.config import SAMPLE_RATE

WINDOW = 5.0
"""Seconds over which the rate is measured, in buckets: the oldest bucket leaves as a whole."""
BUCKETS_PER_SECOND = 10
BUCKETS = int(WINDOW * BUCKETS_PER_SECOND)
MIN_ELAPSED = 0.5
"""Seconds of wall clock before a rate means anything."""
SLACK = 0.5
"""Seconds of audio that a window may have beyond the rate when it begins; in proportion less as it grows, 0 at 5 s."""
MIN_MAX_RATE = 1 + SLACK / WINDOW
"""Times real time. With less, a client at real-time pace would not come back into the rate once it had a burst."""
LATE = 30.0
"""Seconds. Audio that is later than this is not late: the client had paused. Longer than a network stands still without its
connections breaking, and than a session waits for its client by default; half of the ring, so that a client which makes up
for it at once, and would go on like that, is told before the ring is full."""
LATE_AT_FIRST = 10.0
"""Seconds. The same for the first audio of a session: a client that came to listen, and speaks later, was not held up."""
COOLDOWN = 1.0
"""Seconds between two actions of a kind. Also the shortest pause: after a shorter one a client at 12x could lose what it
sends before we may speak again. It is not held up by it, the window gives back what the pause was too long."""
ROUNDING = 16
"""Samples, 1 ms: what clocks and divisions may err by."""
REACTION_BUCKETS = 3
"""Of 100 ms: for about this long a client goes on sending before it has heard us."""
IN_FLIGHT_MAX = 0.4
"""Of the largest backlog. With more under way than this, half of the backlog is no room for a client that obeys."""
RESUME = 0.8
"""Of the largest backlog. After a drop nothing is taken until the backlog is down to this: a few long gaps, where the
recogniser loses a few sentences, instead of a hole in every word."""
MS_SAMPLES = SAMPLE_RATE // 1000


@dataclass(frozen=True, slots=True)
class RateLimitAction:
    """The client should slow down."""

    delay_ms: int
    """For how long it should send nothing; at least the cooldown."""


@dataclass(frozen=True, slots=True)
class FramesDroppedAction:
    """Audio of the client was not taken."""

    dropped_ms: int
    """Whole milliseconds since the last of these; fractions are carried over, so that the sum is right."""
    dropped_samples: int
    """The same, exactly."""


Action = RateLimitAction | FramesDroppedAction


class Backpressure:
    """Of one session. Audio is counted in samples at 16 kHz, `now` is in seconds of one monotonic clock."""

    def __init__(
        self, *, max_rate: float = 1.2, max_backlog: int = 10 * SAMPLE_RATE, started: float = -math.inf
    ) -> None:
        """`max_rate` in real times; infinity leaves only the backlog to limit. `max_backlog` in samples. `started`: when the
        client could first have been heard.
        """
        assert max_rate >= MIN_MAX_RATE, "a client at real-time pace would not stay within it once it had a burst"
        assert max_backlog > 0
        self.due: list[Action] = []
        """What the client has to be told; mostly empty. `take_actions` empties it."""
        self._max_backlog = max_backlog
        self._half_backlog = max_backlog // 2
        self._rate = max_rate
        self._per_second = max_rate * SAMPLE_RATE
        # The window. A bucket counts from `since`; `spare`, a first frame, does not count where its bucket is the oldest.
        self._audio = [0] * BUCKETS
        self._spare = [0] * BUCKETS
        self._since = [math.inf] * BUCKETS  # infinity: no audio came in this tenth of a second
        self._total = 0
        self._oldest = self._newest = -BUCKETS  # of the buckets in use; in tenths of a second of the clock
        self._heard = started
        self._late = LATE_AT_FIRST
        # What was told.
        self._quiet_until = -math.inf
        self._in_flight = 0  # arrived within the cooldown after the last RateLimitAction
        self._dropping = False
        self._gap_since = -math.inf
        self._drops_told_at = -math.inf
        self._untold = 0
        self._rest = 0  # samples, told as such but less than a millisecond
        self._dropped = 0

    @property
    def total_dropped_samples(self) -> int:
        """What was not taken, told or not."""
        return self._dropped

    def admit(self, samples: int, *, backlog: int, room: int, now: float) -> bool:
        """Whether this piece of the client's audio is taken. Look at `due` afterwards.

        `backlog` is how many samples wait for the worker, `room` how many the ring can take.
        """
        tick = int(now * BUCKETS_PER_SECOND)
        if tick > self._newest:
            self._open_bucket(tick, now)
        since = self._since
        newest = self._newest % BUCKETS
        self._audio[newest] += samples
        self._total += samples
        if since[newest] == now:
            self._spare[newest] += samples
        heard = self._heard + samples / SAMPLE_RATE
        self._heard = heard if heard < now else now

        if now < self._quiet_until:
            self._in_flight += samples
        else:
            oldest = self._oldest % BUCKETS
            elapsed = now - since[oldest]
            fast = elapsed >= MIN_ELAPSED and self._total - self._spare[oldest] > elapsed * self._per_second
            if fast or backlog > self._half_backlog:
                self._judge(samples, backlog, now)

        if self._dropping or self._untold or samples > room or backlog + samples > self._max_backlog:
            return self._take(samples, backlog, room, now)
        return True

    def take_actions(self) -> list[Action]:
        """What has become due since the last call, oldest first."""
        actions, self.due = self.due, []
        return actions

    def flush(self) -> FramesDroppedAction | None:
        """What was dropped and is not due yet, for a moment that cannot wait: a commit, the end of the session."""
        dropped_ms, rest = divmod(self._untold + self._rest, MS_SAMPLES)
        if dropped_ms == 0:
            return None
        action = FramesDroppedAction(dropped_ms, self._untold)
        self._untold = 0
        self._rest = rest
        return action

    def _open_bucket(self, tick: int, now: float) -> None:
        """The first audio in this tenth of a second: forget what has left the window."""
        if tick - self._newest >= BUCKETS:
            self._audio = [0] * BUCKETS
            self._spare = [0] * BUCKETS
            self._since = [math.inf] * BUCKETS
            self._total = 0
            self._oldest = tick
        while self._oldest <= tick - BUCKETS or (
            self._oldest < tick and self._since[self._oldest % BUCKETS] == math.inf
        ):
            slot = self._oldest % BUCKETS
            self._total -= self._audio[slot]
            self._audio[slot] = self._spare[slot] = 0
            self._since[slot] = math.inf
            self._oldest += 1
        self._newest = tick
        if now - self._heard > self._late:
            self._heard = now
        self._late = LATE
        self._since[tick % BUCKETS] = self._heard

    def _judge(self, samples: int, backlog: int, now: float) -> None:
        """Something may be too much, and the client was told nothing lately."""
        delay_ms = math.ceil(self._pause_for_rate(samples, now) * 1000)
        if delay_ms == 0 and backlog <= self._half_backlog:
            return
        recent = sum(
            self._audio[tick % BUCKETS] for tick in range(self._newest - REACTION_BUCKETS + 1, self._newest + 1)
        )
        waiting = backlog + min(max(recent, self._in_flight), int(self._max_backlog * IN_FLIGHT_MAX))
        if waiting > self._half_backlog:
            # Until a worker in real time has only a quarter left, of what waits and of what comes before we are heard.
            delay_ms = max(delay_ms, math.ceil((waiting - self._max_backlog // 4) / MS_SAMPLES))
        delay_ms = max(delay_ms, int(COOLDOWN * 1000))
        self.due.append(RateLimitAction(delay_ms))
        self._quiet_until = now + COOLDOWN
        self._in_flight = 0

    def _pause_for_rate(self, samples: int, now: float) -> float:
        """Seconds without audio after which real time is within the rate again; 0 when it is not exceeded.

        A window may have `_allowed(elapsed)`, which grows by at least 1.1 s per second (1.2 s, less a slack that shrinks
        by 0.1 s): faster than audio in real time does. So whatever fits into it with its first frame after the pause, as
        long as this one, goes on to fit. That has to hold for every bucket, as each will be the oldest at some time; it
        is enough to wait until it has left the window.
        """
        oldest = self._oldest % BUCKETS
        elapsed = now - self._since[oldest]
        counted = self._total - self._spare[oldest]
        over = counted - self._allowed(elapsed) - ROUNDING
        if elapsed < MIN_ELAPSED or over <= 0:
            return 0.0
        pause = 1 / 1000
        counted = self._total
        for tick in range(self._oldest, self._newest + 1):
            slot = tick % BUCKETS
            if self._since[slot] == math.inf:
                continue
            enough = self._since[slot] + self._elapsed_for(counted - self._spare[slot] + samples)
            leaves = (tick + BUCKETS) / BUCKETS_PER_SECOND + 1 / 1000
            pause = max(pause, min(enough, leaves) - now)
            counted -= self._audio[slot]
        return pause

    def _allowed(self, elapsed: float) -> float:
        """Samples of a window that began so long ago."""
        return elapsed * self._per_second + max(0.0, SLACK * (1 - elapsed / WINDOW)) * SAMPLE_RATE

    def _elapsed_for(self, samples: int) -> float:
        """Seconds after which a window may have so much audio: `_allowed`, the other way round."""
        seconds = samples / SAMPLE_RATE
        return min(seconds / self._rate, max(0.0, seconds - SLACK) / (self._rate - SLACK / WINDOW))

    def _take(self, samples: int, backlog: int, room: int, now: float) -> bool:
        """The same answer as `admit`, where audio is, was or will be dropped."""
        taken = samples <= room and backlog + samples <= self._max_backlog
        if self._dropping and backlog > self._max_backlog * RESUME:
            taken = False
        if not taken:
            if not self._dropping:
                self._gap_since = now
            self._untold += samples
            self._dropped += samples
        self._dropping = not taken
        # At the end of a gap, and in a long one now and then.
        last = self._drops_told_at if taken else max(self._drops_told_at, self._gap_since)
        if now - last >= COOLDOWN:
            action = self.flush()
            if action is not None:
                self.due.append(action)
                self._drops_told_at = now
        return taken
