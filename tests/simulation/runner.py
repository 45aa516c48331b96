"""Runs one seed in virtual time and judges it: `run_seed(417)`.

trio has no public switch for its order of tasks; this uses the one that its Hypothesis plug-in uses, and
`test_canary.py` fails if a release of trio takes it away.
"""

import random
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
import trio
from trio._core import _run as trio_run
from trio.testing import MockClock

from tests.simulation.caller import Caller
from tests.simulation.checkers import judge
from tests.simulation.dice import Dice
from tests.simulation.door import Door
from tests.simulation.fleet import Fleet
from tests.simulation.monitor import watch_bounds
from tests.simulation.plan import Plan
from tests.simulation.planner import make_plan
from tests.simulation.run import Run
from tests.simulation.task_tree import task_tree
from tests.simulation.trace import Trace

VIRTUAL_LIMIT = 1200.0
"""Seconds of virtual time: the longest plan, and a session that speaks slowly and then idles to its end, take less."""

REAL_LIMIT = 60.0
"""Seconds of real time: a run takes a tenth of one, and 60 is a loop that never lets the clock move."""

LINGER = 120.0
"""Seconds after the last caller has left, within which every session must have ended: a grace, a flush, a farewell."""


@dataclass(slots=True)
class Report:
    seed: int
    problems: list[str]
    virtual_seconds: float
    real_seconds: float
    digest: str
    plan: Plan
    trace: Trace = field(repr=False)


class Stuck(BaseException):
    """The run used up its real time. Not an `Exception`: the session would take it for its own."""


def run_seed(seed: int, *, plan: Plan | None = None) -> Report:
    """One whole run. Nothing is raised for what goes wrong in it: see `Report.problems`."""
    plan = plan or make_plan(seed)
    trace = Trace()
    run = Run(plan, trace)
    began = time.perf_counter()
    with _seeded(seed), _quiet_log(trace), _alarm():
        try:
            trio.run(_simulate, run, clock=MockClock(autojump_threshold=0))
        except Stuck as stuck:
            run.failures.append(f"no progress in {REAL_LIMIT:g} s of real time; tasks:\n{stuck}")
        except BaseExceptionGroup as group:
            run.failures += [f"a simulated part failed: {type(one).__name__}: {one}" for one in _leaves(group)]
        except Exception as error:
            run.failures.append(f"the simulation failed: {type(error).__name__}: {error}")
    problems = run.failures or judge(run)
    seconds = trace.events[-1][0] if trace.events else 0.0
    return Report(seed, problems, seconds, time.perf_counter() - began, trace.digest(), plan, trace)


async def _simulate(run: Run) -> None:
    with trio.move_on_after(VIRTUAL_LIMIT) as limit:
        async with trio.open_nursery() as nursery:
            fleet = Fleet(run.plan, run.trace, nursery)
            run.door = Door(run.plan, fleet, run.trace, nursery)
            run.fleet = fleet
            nursery.start_soon(fleet.run)
            nursery.start_soon(watch_bounds, run)
            nursery.start_soon(_stop_server, run)
            async with trio.open_nursery() as callers:
                for plan in run.plan.callers:
                    caller = Caller(plan, Dice(run.plan.seed, plan.name), run.door, run.trace)
                    run.callers.append(caller)
                    callers.start_soon(caller.run)
            with trio.move_on_after(LINGER) as linger:
                await run.door.wait_empty()
            if linger.cancelled_caught:
                run.failures.append(f"a session goes on {LINGER:g} s after its caller has left; tasks:\n{task_tree()}")
            await trio.sleep(2.0)  # handlers close their connections
            nursery.cancel_scope.cancel(reason="the run is over")
    if limit.cancelled_caught:
        run.failures.append(f"the run was not over after {VIRTUAL_LIMIT:g} s of virtual time")
    run.tasks_left = task_tree(below="_simulate")


async def _stop_server(run: Run) -> None:
    if run.plan.server_stops_at is not None:
        await trio.sleep_until(run.plan.server_stops_at)
        run.trace.note("server", "stops")
        run.door.stop()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    before = trio_run._r.getstate(), trio_run._ALLOW_DETERMINISTIC_SCHEDULING
    token_hex, ids = secrets.token_hex, random.Random(f"{seed}/ids")
    secrets.token_hex = lambda size=32: ids.randbytes(size).hex()
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True
    trio_run._r.seed(seed)
    try:
        yield
    finally:
        secrets.token_hex = token_hex
        trio_run._r.setstate(before[0])
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = before[1]


@contextmanager
def _quiet_log(trace: Trace) -> Iterator[None]:
    """Nothing is printed; a crash that a session logged is kept, with its traceback."""

    def keep(_logger: object, _name: str, event: dict) -> str:
        if event.get("exc_info"):
            trace.note(event.get("session_id", "log"), "crash", structlog.processors.format_exc_info(None, "", event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[keep], wrapper_class=structlog.make_filtering_bound_logger(40))
    try:
        yield
    finally:
        structlog.configure(**before)


@contextmanager
def _alarm() -> Iterator[None]:
    """Ends a run that neither finishes nor lets the clock move; only the main thread of a process has alarms."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: object) -> None:
        raise Stuck(task_tree())

    before: Callable[..., object] | int | None = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, REAL_LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _leaves(group: BaseExceptionGroup) -> Iterator[BaseException]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one
