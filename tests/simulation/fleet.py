"""The recogniser's worker processes: slots, and outages at the times that the plan names.

Which worker a stream is opened at is decided by the real pool's `in_order`. A worker that hangs is noticed after a while, as
by a health check; until then opening a stream there fails after a while. One that freezes says nothing on any call, health
checks included: after as long as the pool and the supervisor take, its streams are broken off and its process is started
again, unless it has thawed, and then its answers are stale.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NoReturn

import trio

from tests.simulation.dice import Dice
from tests.simulation.plan import FREEZE_NOTICED, Plan, WorkerPlan
from tests.simulation.stream import Poison, Stream
from tests.simulation.trace import Trace
from voicetrio.core.errors import (
    EngineLost,
    WorkerBusy,
    WorkerCrashed,
    WorkerDraining,
    WorkerSilent,
    WorkerUnavailable,
)
from voicetrio.session.ports import StreamConfig
from voicetrio.workers.choice import in_order
from voicetrio.workers.member import Slots

ENGINE_HANG = 5.5
"""Seconds until an engine's process that hangs in its work is killed."""

TURN = 0.001
"""Seconds until an engine gets to what it was given."""

HEALTH_PATIENCE = 2.0
"""Seconds that a worker may hang before no stream is opened there any more."""

OPEN_PATIENCE = 3.0
"""Seconds after which opening a stream at one that hangs is given up, and the next one is asked."""


class Worker:
    def __init__(self, plan: WorkerPlan, dice: Dice, nursery: trio.Nursery) -> None:
        """`nursery` is where its engine is watched."""
        self.plan = plan
        self._dice = dice
        self._nursery = nursery
        self.engine_hung = False
        self.engine_back_at = 0.0
        self.down = False
        self.silent = False
        """Its streams say nothing."""
        self.stuck = False
        """Its streams take nothing."""
        self.refusing = False
        self.draining = False
        self.hung_since: float | None = None
        self.doubtful = False
        """A stream has failed there, and it has not been seen to be well since."""
        self.slots = Slots()
        self.slots.learn(plan.slots, 0, held_before=0)
        self.streams: list[Stream] = []
        self.back = trio.Event()

    def begin(self, kind: str, seconds: float) -> None:
        match kind:
            case "drain":
                self.draining = True
                for stream in self.streams:
                    stream.drain(seconds)
            case "crash":
                self.down, self.engine_hung = True, False
                for stream in self.streams:
                    stream.break_off()
                self.streams.clear()
            case "refuse":
                self.refusing = True
            case "engine":
                self._nursery.start_soon(self._hang_engine, seconds, None)
            case "freeze":
                self.silent = True
            case "kill":
                self.begin("crash", seconds)
                self.silent = False
            case _:
                self.silent, self.stuck, self.hung_since = True, kind == "stuck", trio.current_time()

    def poisoned(self, stream: Stream, *, after: float, hangs: bool) -> None:
        """The engine has been given something on this stream that it dies of: when it has done what came before it."""
        self._nursery.start_soon(self._die, stream, after, hangs)

    async def _die(self, stream: Stream, after: float, hangs: bool) -> None:
        await trio.sleep_until(max(after, trio.current_time()) + TURN)
        if stream not in self.streams or self.engine_hung:
            return  # it never gets to what it was given
        stream.note_poisoned()
        if hangs:
            await self._hang_engine(ENGINE_HANG, stream)
        else:
            self._lose_engine(stream)

    async def _hang_engine(self, seconds: float, stream: Stream | None) -> None:
        """`stream`: the one whose audio did it; None: the one whose turn it happened to be."""
        if self.engine_hung or self.engine_back_at > trio.current_time():
            return
        self.engine_hung = True
        for one in self.streams:
            one.engine_hangs()
        born = self.engine_back_at
        await trio.sleep(seconds)
        if self.engine_hung and born == self.engine_back_at:
            busy = [one for one in self.streams if one.busy]
            self._lose_engine(stream or (self._dice.pick(busy) if busy else None))

    def _lose_engine(self, stream: Stream | None) -> None:
        """Its process is gone. The worker knows of what, as well as it can: what was decoded together is one suspect."""
        culprits = [] if stream is None else [stream]
        if stream is not None and self.plan.batched and not stream.alone:
            culprits = [one for one in self.streams if one.busy and not one.alone]
        self.engine_hung = False
        self.engine_back_at = trio.current_time() + self.plan.reload
        streams, self.streams = self.streams, []
        for one in streams:
            died = WorkerCrashed("the engine died of it") if one in culprits else EngineLost("the engine died")
            one.break_off(died)
        self.back.set()
        self.back = trio.Event()

    def end(self) -> None:
        if self.draining:
            for stream in self.streams:
                stream.cut()
            self.streams.clear()
        self.down = self.silent = self.stuck = self.refusing = self.draining = False
        self.hung_since = None
        self.doubtful = False
        self.back.set()
        self.back = trio.Event()
        for stream in self.streams:
            stream.wake()

    @property
    def ready(self) -> bool:
        hung = self.hung_since is not None and trio.current_time() - self.hung_since >= HEALTH_PATIENCE
        return not self.down and not hung and not self.draining and trio.current_time() >= self.engine_back_at


class Fleet:
    def __init__(self, plan: Plan, trace: Trace, nursery: trio.Nursery) -> None:
        """`nursery` is where engines are watched."""
        self._plan = plan
        self._trace = trace
        self._streams = 0
        self._dice = Dice(plan.seed, "choice")
        self.workers = [
            Worker(one, Dice(plan.seed, "engine", number), nursery) for number, one in enumerate(plan.workers)
        ]
        self._poison = {one.name: Poison(one.poison, one.poison_hangs) for one in plan.callers}
        self._cut = {one.name: any(step.kind == "cut" for step in one.steps) for one in plan.callers}
        self.held: Counter[str] = Counter()
        """Streams that each caller's session has open."""
        self.open: dict[str, list[Stream]] = {}

    async def run(self) -> None:
        """Begin and end the outages. Runs until all are over."""
        moments = []
        for number, worker in enumerate(self.workers):
            for outage in worker.plan.outages:
                moments.append((outage.at, 0, number, outage.kind, outage.seconds))
                if outage.kind == "freeze" and outage.seconds > FREEZE_NOTICED:
                    moments.append((outage.at + FREEZE_NOTICED, 0, number, "kill", 0.0))
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

    async def _choose(self, caller: str) -> Worker:
        failure: WorkerBusy | WorkerUnavailable = WorkerUnavailable("no worker is ready")
        ready = [worker for worker in self.workers if worker.ready]
        for worker in in_order(ready, lambda one: one.slots, self._dice):
            patience = trio.current_time() + OPEN_PATIENCE
            if (worker.silent or worker.engine_hung) and not await self._comes_back(worker, until=patience):
                worker.doubtful = True
                failure = failure if isinstance(failure, WorkerBusy) else WorkerSilent("it does not answer")
                continue
            if not worker.ready:
                continue
            if not worker.refusing and len(worker.streams) < worker.plan.slots:
                return worker
            failure = WorkerBusy("no slot is free")
        self._refuse(caller, failure)

    async def _comes_back(self, worker: Worker, *, until: float) -> bool:
        with trio.move_on_at(until):
            while worker.silent or worker.engine_hung:
                await worker.back.wait()
        return not (worker.silent or worker.engine_hung)

    def _refuse(self, caller: str, failure: WorkerBusy | WorkerUnavailable) -> NoReturn:
        self._trace.note(caller, "refused", "busy" if isinstance(failure, WorkerBusy) else "away")
        raise failure

    @asynccontextmanager
    async def open_stream(self, caller: str, *, alone: bool) -> AsyncIterator[Stream]:
        await trio.lowlevel.checkpoint()
        worker = await self._choose(caller)
        asked_at = trio.current_time()
        await trio.sleep(worker.plan.opening)
        if worker.silent and not await self._comes_back(worker, until=asked_at + OPEN_PATIENCE):
            worker.doubtful = True
            self._refuse(caller, WorkerSilent("it does not answer"))
        if worker.down or worker.draining or trio.current_time() < worker.engine_back_at:
            self._refuse(caller, WorkerUnavailable("the worker is gone, or about to be"))
        if len(worker.streams) >= worker.plan.slots:
            self._refuse(caller, WorkerBusy("no slot is free"))
        self._streams += 1
        dice = Dice(self._plan.seed, "stream", self._streams)
        poison, cut = self._poison[caller], self._cut[caller]
        stream = Stream(worker, worker.plan, dice, caller, self._trace, alone=alone, poison=poison, cut=cut)
        worker.streams.append(stream)
        self.held[caller] += 1
        self.open.setdefault(caller, []).append(stream)
        self._trace.note(caller, "slot", +1)
        try:
            with worker.slots.taken():
                yield stream
        except WorkerDraining:
            self._trace.note(caller, "moved")
            raise
        except WorkerUnavailable:
            worker.doubtful = worker.silent
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
        return self._fleet.open_stream(self._caller, alone=config.alone)
