"""A session's recogniser streams, one after the other. One whose worker is about to end is left without a gap.

    first leg    open - deliver ------- draining ---- last final, or half of the time left -> leave
    second leg                             open - wait for its turn ------------------------> deliver

The second stream is open before the first is left: where no other worker has room, the first is used for as long as it
goes, and no slot is given up for one that cannot be had. Each leg is a task, because the first stream ends inside of the
second one's life. A segment that is open when a stream is left is sent again, as after a worker's death.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from voicetrio.core.errors import WorkerBusy, WorkerDraining, WorkerError, WorkerSilent
from voicetrio.session.delivery import Delivery
from voicetrio.session.ports import Recognizer, RecognizerStream, StreamConfig

RETRY_FIRST = 0.05
RETRY_MAX = 0.2
RETRY_BUSY_MAX = 1.0
"""Seconds between attempts to get a worker, doubling. That none is there costs nothing to find out, and a local worker is
back in half a second; workers that are busy are asked, and should not be kept busy with that."""


@dataclass(eq=False, slots=True)
class _Leg:
    turn: trio.Event = field(default_factory=trio.Event)
    opened: bool = False
    successor: "_Leg | None" = None


class Relay:
    """`run` it once. The first leg's stream is opened at once, others only when a worker says that it is draining."""

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        config: Callable[[], StreamConfig],
        start: Callable[[RecognizerStream, StreamConfig], Delivery],
        moved: Callable[[], None],
        patience: float,
    ) -> None:
        """`start` makes the delivery of an open stream; `moved` is told that a stream was left in mid-segment.

        `patience` is in seconds, for a stream to be opened or refused.
        """
        self._recognizer = recognizer
        self._config = config
        self._start = start
        self._moved = moved
        self._patience = patience
        self._nursery: trio.Nursery
        self._failure: WorkerError | None = None
        self.delivery: Delivery | None = None
        """The last that was begun; None: no stream could be opened."""

    async def run(self) -> None:
        """Use streams until none is wanted. Raises `WorkerError`, alone. Safe to cancel: all streams are closed."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            leg = _Leg()
            leg.turn.set()
            try:
                await nursery.start(self._run_leg, leg)
            except WorkerError as error:
                self._failure = error
        if self._failure is not None:
            raise self._failure

    async def _run_leg(  # noqa: ASYNC114, ASYNC128 - it passes `task_status` on
        self, leg: _Leg, *, task_status: trio.TaskStatus[None]
    ) -> None:
        """Raises `WorkerError` only before `started`."""
        try:
            await self._carry(leg, task_status)
        except WorkerDraining:
            self._moved()
        except WorkerError as error:
            if not leg.opened:
                raise
            self._failure = error
            self._nursery.cancel_scope.cancel(reason="a recogniser stream has failed")
            return
        if leg.successor is not None:
            leg.successor.turn.set()

    async def _carry(  # noqa: ASYNC114 - nobody starts it by itself
        self, leg: _Leg, task_status: trio.TaskStatus[None]
    ) -> None:
        config = self._config()
        with trio.move_on_after(self._patience) as opening:
            async with self._recognizer.open_stream(config) as stream:
                opening.deadline = math.inf
                leg.opened = True
                task_status.started()
                await leg.turn.wait()
                await self._deliver(leg, stream, config)
        if opening.cancelled_caught:
            raise WorkerSilent(f"no stream could be opened within {self._patience:g} s")

    async def _deliver(self, leg: _Leg, stream: RecognizerStream, config: StreamConfig) -> None:
        delivery = self.delivery = self._start(stream, config)
        failure: WorkerError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._find_successor, leg, delivery)
            try:
                await delivery.run()
            except WorkerError as error:  # not through the nursery, which would wrap it
                failure = error
            nursery.cancel_scope.cancel(reason="the stream is left")
        if failure is not None:
            raise failure

    async def _find_successor(self, leg: _Leg, delivery: Delivery) -> None:
        """Once the worker drains: open a stream to another one, however long it takes, and leave this one for it."""
        await delivery.draining.wait()
        pause = RETRY_FIRST
        while True:
            successor = _Leg()
            try:
                await self._nursery.start(self._run_leg, successor)
            except WorkerError as error:
                await trio.sleep(pause)
                pause = min(2 * pause, RETRY_BUSY_MAX if isinstance(error, WorkerBusy) else RETRY_MAX)
            else:
                leg.successor = successor
                delivery.leave()
                return
