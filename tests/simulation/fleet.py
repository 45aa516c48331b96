"""The recogniser's worker processes: slots, and outages at the times that the plan names.

Which worker a stream is opened at is decided as the real pool does it: the first that is known to be ready and has a
free slot. A worker that hangs is noticed after a while, as by a health check; until then opening a stream there hangs.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NoReturn

import trio

from tests.simulation.dice import Dice
from tests.simulation.plan import Plan, WorkerPlan
from tests.simulation.stream import Stream
from tests.simulation.trace import Trace
from voicetrio.core.errors import WorkerBusy, WorkerDraining, WorkerUnavailable
from voicetrio.session.ports import StreamConfig

HEALTH_PATIENCE = 2.0
"""Seconds that a worker may hang before no stream is opened there any more."""


class Worker:
    def __init__(self, plan: WorkerPlan) -> None:
        self.plan = plan
        self.down = False
        self.silent = False
        """Its streams say nothing."""
        self.stuck = False
        """Its streams take nothing."""
        self.refusing = False
        self.draining = False
        self.hung_since: float | None = None
        self.streams: list[Stream] = []
        self.back = trio.Event()

    def begin(self, kind: str, seconds: float) -> None:
        match kind:
            case "drain":
                self.draining = True
                for stream in self.streams:
                    stream.drain(seconds)
            case "crash":
                self.down = True
                for stream in self.streams:
                    stream.break_off()
                self.streams.clear()
            case "refuse":
                self.refusing = True
            case _:
                self.silent, self.stuck, self.hung_since = True, kind == "stuck", trio.current_time()

    def end(self) -> None:
        if self.draining:
            for stream in self.streams:
                stream.cut()
            self.streams.clear()
        self.down = self.silent = self.stuck = self.refusing = self.draining = False
        self.hung_since = None
        self.back.set()
        self.back = trio.Event()
        for stream in self.streams:
            stream.wake()

    @property
    def ready(self) -> bool:
        hung = self.hung_since is not None and trio.current_time() - self.hung_since >= HEALTH_PATIENCE
        return not self.down and not hung and not self.draining


class Fleet:
    def __init__(self, plan: Plan, trace: Trace) -> None:
        self._plan = plan
        self._trace = trace
        self._streams = 0
        self.workers = [Worker(one) for one in plan.workers]
        self.held: Counter[str] = Counter()
        """Streams that each caller's session has open."""
        self.open: dict[str, list[Stream]] = {}

    async def run(self) -> None:
        """Begin and end the outages. Runs until all are over."""
        moments = []
        for number, worker in enumerate(self.workers):
            for outage in worker.plan.outages:
                moments.append((outage.at, 0, number, outage.kind, outage.seconds))
                moments.append((outage.at + outage.seconds, 1, number, "", 0.0))
        for at, _, number, kind, seconds in sorted(moments):
            await trio.sleep_until(at)
            self._trace.note(f"worker{number}", kind or "back")
            if kind:
                self.workers[number].begin(kind, seconds)
            else:
                self.workers[number].end()

    def recognizer(self, caller: str) -> "SimulatedRecognizer":
        return SimulatedRecognizer(self, caller)

    def _choose(self, caller: str) -> Worker:
        failure: WorkerBusy | WorkerUnavailable = WorkerUnavailable("no worker is ready")
        for worker in self.workers:
            if worker.ready and not worker.refusing and len(worker.streams) < worker.plan.slots:
                return worker
            if worker.ready:
                failure = WorkerBusy("no slot is free")
        self._refuse(caller, failure)

    def _refuse(self, caller: str, failure: WorkerBusy | WorkerUnavailable) -> NoReturn:
        self._trace.note(caller, "refused", "busy" if isinstance(failure, WorkerBusy) else "away")
        raise failure

    @asynccontextmanager
    async def open_stream(self, caller: str) -> AsyncIterator[Stream]:
        await trio.lowlevel.checkpoint()
        worker = self._choose(caller)
        with trio.fail_after(120):  # so long that only a session without patience of its own meets it
            while worker.silent:
                await worker.back.wait()
        await trio.sleep(worker.plan.opening)
        if worker.down or worker.draining:
            self._refuse(caller, WorkerUnavailable("the worker is gone, or about to be"))
        if len(worker.streams) >= worker.plan.slots:
            self._refuse(caller, WorkerBusy("no slot is free"))
        self._streams += 1
        dice = Dice(self._plan.seed, "stream", self._streams)
        stream = Stream(worker, worker.plan, dice, caller, self._trace)
        worker.streams.append(stream)
        self.held[caller] += 1
        self.open.setdefault(caller, []).append(stream)
        self._trace.note(caller, "slot", +1)
        try:
            yield stream
        except WorkerDraining:
            self._trace.note(caller, "moved")
            raise
        finally:
            if stream in worker.streams:
                worker.streams.remove(stream)
            self.held[caller] -= 1
            self.open[caller].remove(stream)
            self._trace.note(caller, "slot", -1)


class SimulatedRecognizer:
    """The session's port."""

    def __init__(self, fleet: Fleet, caller: str) -> None:
        self._fleet = fleet
        self._caller = caller

    def model(self) -> str:
        return "simulated"

    def models(self) -> tuple[str, ...]:
        return ("simulated",)

    def languages(self, model: str = "") -> tuple[str, ...]:
        return ("en", "de")

    def open_stream(self, config: StreamConfig) -> AbstractAsyncContextManager[Stream]:
        return self._fleet.open_stream(self._caller)
