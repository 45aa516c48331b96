"""What only the inside of a session knows, noted in the trace. The one place that knows private names of the session.

The parts are found by their type, wherever the session keeps them, and the methods that a probe needs are wrapped on the
instance: a probe changes nothing but the trace.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import trio

from tests.simulation.trace import Trace
from voicetrio.core.ring import RingBuffer
from voicetrio.core.segments import Segments
from voicetrio.core.states import Lifecycle, State, Trigger
from voicetrio.session.ear import Ear
from voicetrio.session.outbox import Outbox
from voicetrio.session.session import Session

_Part = TypeVar("_Part")


def _find(root: object, kind: type[_Part], depth: int = 3) -> _Part:
    """The first attribute of this type, breadth first."""
    level = [root]
    for _ in range(depth):
        values = [value for one in level for value in getattr(one, "__dict__", {}).values()]
        for value in values:
            if isinstance(value, kind):
                return value
        level = [value for value in values if type(value).__module__.startswith("voicetrio.")]
    raise LookupError(f"the session has no {kind.__name__} any more: see tests/simulation/probes.py")


@dataclass(slots=True)
class Inside:
    """The parts of one session that checkers may look at."""

    lifecycle: Lifecycle
    ear: Ear
    ring: RingBuffer
    segments: Segments
    outbox: Outbox
    missed: int = 0
    """Samples of the client's audio that were not taken."""

    @property
    def position(self) -> int:
        """How far the client's audio has come, in samples: what was taken, and what was not."""
        return self.ring.head + self.missed

    @property
    def queued_messages(self) -> int:
        return sum(isinstance(item.payload, str) for item in self.outbox._queue)

    @property
    def queued_audio_bytes(self) -> int:
        return sum(len(item.payload) for item in self.outbox._queue if isinstance(item.payload, bytes))

    @property
    def timeouts(self) -> dict[str, float]:
        limits = self.lifecycle._timeouts
        return {"INIT": limits.init, "SILENCE": limits.silence, "HOLD": limits.hold, "CLOSING": limits.closing}


def watch(session: Session, who: str, trace: Trace) -> Inside:
    """Note this session's moves, mutes and messages from now on; call it before the session runs."""
    ear = _find(session, Ear)
    inside = Inside(_find(session, Lifecycle), ear, ear.ring, ear.segments, _find(session, Outbox))
    trace.note(who, "timeouts", inside.timeouts)
    _watch_lifecycle(inside, who, trace)
    _watch_mute(inside, who, trace)
    _watch_posts(inside, who, trace)
    _watch_misses(inside, who, trace)
    return inside


def _watch_lifecycle(inside: Inside, who: str, trace: Trace) -> None:
    lifecycle = inside.lifecycle
    handle, pause, resume, rearm, configure = (
        lifecycle.handle,
        lifecycle.pause,
        lifecycle.resume,
        lifecycle.rearm,
        lifecycle.configure,
    )

    def noting_handle(trigger: Trigger, *, now: float) -> State:
        before = lifecycle.state
        after = handle(trigger, now=now)
        assert now == trio.current_time(), "the state machine lives in the present"
        trace.note(who, "move", (before.name, trigger.name, after.name))
        return after

    def noting_pause() -> None:
        pause()
        trace.note(who, "pause")

    def noting_resume(*, now: float) -> None:
        resume(now=now)
        trace.note(who, "resume")

    def noting_rearm(*, now: float) -> None:
        rearm(now=now)
        trace.note(who, "rearm")

    def noting_configure(timeouts: object) -> None:
        configure(timeouts)
        trace.note(who, "timeouts", inside.timeouts)

    lifecycle.handle = noting_handle
    lifecycle.pause = noting_pause
    lifecycle.resume = noting_resume
    lifecycle.rearm = noting_rearm
    lifecycle.configure = noting_configure


def _watch_mute(inside: Inside, who: str, trace: Trace) -> None:
    ear = inside.ear
    mute = ear.mute

    @contextmanager
    def noting_mute() -> Iterator[None]:
        if not ear.muted:
            trace.note(who, "mute", inside.position)
        try:
            with mute():
                yield
        finally:
            if not ear.muted:
                trace.note(who, "unmute", inside.position)

    ear.mute = noting_mute


def _watch_misses(inside: Inside, who: str, trace: Trace) -> None:
    miss = inside.ear.miss

    def noting_miss(samples: int) -> None:
        start = inside.position
        inside.missed += samples
        trace.note(who, "miss", (start, inside.position))
        miss(samples)

    inside.ear.miss = noting_miss


def _watch_posts(inside: Inside, who: str, trace: Trace) -> None:
    post, post_last = inside.outbox.post, inside.outbox.post_last

    def noting_post(message: dict[str, object], **options: object) -> None:
        post(message, **options)
        trace.note(who, "post", message)

    def noting_post_last(message: dict[str, object], **options: object) -> None:
        post_last(message, **options)
        trace.note(who, "post", message)

    inside.outbox.post = noting_post
    inside.outbox.post_last = noting_post_last
