"""The room where the windows of all of a gateway's sessions are decided, many in one call of the model.

    detectors ── submit ──> room: waits a little, takes one window of each ── one call ──> accept, by each detector

A window alone costs twice of what it costs among eight. Nobody waits for the room: a detector whose window is due has it
decided at once, with the same result. So the room can be late, or stand still, and no answer changes.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from typing import Protocol

import structlog
import trio

from voicetrio.vad.silero import SileroDetector
from voicetrio.vad.silero_model import SileroModel, State

GATHER = 0.008
"""Seconds that windows wait for those of other sessions. They are needed 20 ms after they are complete, or later: that
leaves the most of it for the call, and for clients whose frames come in pairs."""

BATCH_MAX = 64
"""Windows in a call, 4 ms of computing: the first ones shall not wait for all. More would not make one cheaper."""

_THREAD_FROM = 9
"""Windows from which a call is made in a thread: 0.5 ms that other sessions' frames would wait for. Below, the way to a
thread and back costs more than it saves."""

_NOW_MAX = 8
"""Windows in a call that a session's frame waits for, 0.5 ms."""

log = structlog.get_logger()


class RoomTelemetry(Protocol):
    def vad_batch(self, windows: int) -> None:
        """One call of the model."""
        ...

    def vad_late(self) -> None:
        """A window was due before the room had come to it."""
        ...


class BatchRoom:
    """Use `open_room`."""

    def __init__(self, model: SileroModel, telemetry: RoomTelemetry) -> None:
        self.model = model
        self._telemetry = telemetry
        self._waiting: dict[SileroDetector, None] = {}
        """In the order in which they came; as many as there are sessions. A session that is gone leaves with its turn."""
        self._came = trio.Event()
        self._thread = trio.CapacityLimiter(1)

    def submit(self, detector: SileroDetector) -> None:
        self._waiting[detector] = None
        self._came.set()

    def decide_now(self, detector: SileroDetector) -> None:
        # With windows of others, who would be late soon, too: a machine that is behind cannot afford them one by one.
        # The detector stays among those that wait, with the window after this one.
        others = [other for other in islice(self._waiting, _NOW_MAX) if other is not detector]
        for other in others:
            del self._waiting[other]
        self._decide(Batch([detector, *others]))
        self._telemetry.vad_late()

    def decide(self) -> int:
        """Decide what waits, at most `BATCH_MAX` windows, here and now. Returns how many there were."""
        batch = self._take()
        if len(batch) > 0:
            self._decide(batch)
        return len(batch)

    def _decide(self, batch: "Batch") -> None:
        batch.hand_out(*self.model.run(batch.windows, batch.states))
        self._telemetry.vad_batch(len(batch))

    def _take(self) -> "Batch":
        chosen = list(islice(self._waiting, BATCH_MAX))
        for detector in chosen:
            del self._waiting[detector]
        return Batch(chosen)

    async def run(self) -> None:
        """Decide what comes, until cancelled."""
        while True:
            await self._came.wait()
            await trio.sleep(GATHER)
            self._came = trio.Event()
            for _ in range(0, len(self._waiting), BATCH_MAX):
                try:
                    await self._decide_without_blocking()
                except Exception as error:
                    # Of one call. The detectors will have their windows decided when they are due, and if that fails, too,
                    # then in the session that asks for it.
                    log.warning("vad_batch_failed", error=type(error).__name__)

    async def _decide_without_blocking(self) -> None:
        if len(self._waiting) < _THREAD_FROM:
            self.decide()
            return
        batch = self._take()
        call = partial(self.model.run, batch.windows, batch.states)
        batch.hand_out(*await trio.to_thread.run_sync(call, limiter=self._thread))
        self._telemetry.vad_batch(len(batch))


class Batch:
    """One window of each of these detectors, as they were when it was made."""

    def __init__(self, detectors: list[SileroDetector]) -> None:
        self.detectors = detectors
        taken = [detector.next_window() for detector in detectors]
        self._numbers = [number for number, _, _ in taken]
        self.windows = [window for _, window, _ in taken]
        self.states = [state for _, _, state in taken]

    def __len__(self) -> int:
        return len(self.detectors)

    def hand_out(self, voice: list[float], states: list[State]) -> None:
        for detector, number, probability, state in zip(self.detectors, self._numbers, voice, states, strict=True):
            detector.accept(number, probability, state)


@asynccontextmanager
async def open_room(model: SileroModel, telemetry: RoomTelemetry) -> AsyncIterator[BatchRoom]:
    """A room that works inside."""
    room = BatchRoom(model, telemetry)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(room.run)  # noqa: ASYNC113 - what is submitted before it runs only waits a little longer
        yield room
        nursery.cancel_scope.cancel(reason="the room is closed")
