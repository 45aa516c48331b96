"""Takes care of one worker process on this machine: starts it, starts it again when it dies or hangs, takes it down.

The worker listens on a socket file in a folder that only this user can enter, so no port is opened and a restarted
worker has the same address. Its output goes where ours goes: there is no pipe that could fill up. Its stdin is a pipe
that nobody writes to: when this process is gone, even by SIGKILL, the kernel closes it and the worker ends itself.
It runs in a session of its own, so that a Ctrl-C in the terminal reaches only us, and we end it in order.
"""

import math
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog
import trio

from voicetrio.core.errors import VoicetrioError
from voicetrio.workers.member import Member

_BACKOFF_FIRST = 0.05
"""Seconds before the first restart; doubles with each one that does not live long."""

_STEADY_AFTER = 30.0
"""Seconds of life after which a death counts as the first one again."""

log = structlog.get_logger()


class WorkerStartError(VoicetrioError):
    """The worker process ended, or was not ready in time, when the server started."""


class SupervisorTelemetry(Protocol):
    def worker_restarted(self) -> None: ...
    def worker_started(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds."""

    start: float
    """From the start of a process until it must be ready: engines load models. Also for one that was ready, says that it is
    not any more, and answers."""
    budget: float
    """From the start of a process until it should be ready; more is reported, and no more than that."""
    backoff_max: float
    """Before a process that has died is started again."""


class Supervisor:
    def __init__(
        self,
        command: Sequence[str],
        member: Member,
        telemetry: SupervisorTelemetry,
        patience: Patience,
        *,
        environment: Mapping[str, str] | None = None,
        name: str = "the local worker",
    ) -> None:
        """`environment` is all that the process gets of it; None: ours. `name` is for people, in the text of a
        `WorkerStartError`.
        """
        self._environment = environment
        self._name = name
        self._command = list(command)
        self._member = member
        self._telemetry = telemetry
        self._patience = patience
        self.pid: int | None = None

    async def run(  # noqa: ASYNC114, ASYNC128 - it passes `started` on
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Keep the worker running until cancelled; `started` is called when it is ready for the first time.

        Raises:
            WorkerStartError: it ended, or was not ready in time, before it was ready for the first time.
        """
        backoff = _BACKOFF_FIRST
        first = True
        while True:
            born = trio.current_time()
            status = await self._live_once(task_status.started if first else lambda: None)
            if first and status.ready_at is None:
                raise WorkerStartError(status.explain(self._name, self._patience.start))
            first = False
            if trio.current_time() - born > _STEADY_AFTER:
                backoff = _BACKOFF_FIRST
            # One that was told to end by somebody else has drained, and the gateway goes on needing one.
            report = log.info if status.exit_code == 0 else log.error
            report("worker_died", exit_code=status.exit_code, restart_in_s=backoff)
            self._telemetry.worker_restarted()
            self._member.doubted.set()
            await trio.sleep(backoff)
            # Else the next process would be taken for ready at its birth, and for hung while it loads its models.
            while self._member.ready:
                await self._member.changed.wait()
            backoff = min(2 * backoff, self._patience.backoff_max)

    async def _live_once(self, on_ready: Callable[[], None]) -> "_Life":
        """One process from its start to its end. Cancelling ends it: SIGTERM, five seconds later SIGKILL."""
        life = _Life()
        born = trio.current_time()
        async with trio.open_nursery() as nursery:
            try:
                process: trio.Process = await nursery.start(
                    partial(
                        trio.run_process,
                        self._command,
                        stdin=subprocess.PIPE,
                        env=self._environment,
                        check=False,
                        start_new_session=True,
                    )
                )
            except OSError as error:  # no memory, no process ids: perhaps later, and meanwhile the server lives
                log.error("worker_not_started", error=type(error).__name__, errno=error.errno)
            else:
                self.pid = process.pid
                log.info("worker_started", pid=process.pid)
                nursery.start_soon(self._care, process, born, life, on_ready)
                life.exit_code = await process.wait()
                nursery.cancel_scope.cancel(reason="the worker process has ended")
        self.pid = None
        return life

    async def _care(self, process: trio.Process, born: float, life: "_Life", on_ready: Callable[[], None]) -> None:
        with trio.move_on_after(self._patience.start) as starting:
            while not self._member.ready:
                await self._member.changed.wait()
        if starting.cancelled_caught:
            log.error("worker_not_ready_in_time", pid=process.pid)
            process.kill()
            return
        life.ready_at = trio.current_time()
        self._report_start(life.ready_at - born)
        on_ready()
        await self._wait_useless()
        log.error("worker_hangs", pid=process.pid, frozen=self._member.frozen)
        process.kill()

    def _report_start(self, seconds: float) -> None:
        self._telemetry.worker_started(seconds)
        if seconds > self._patience.budget:
            log.warning("worker_start_over_budget", took_s=round(seconds, 3), restart_budget_s=self._patience.budget)

    async def _wait_useless(self) -> None:
        """Until the process is frozen, or has not been ready for as long as one may take to start. Safe to cancel.

        That it is frozen is what the pool has found, which does not blame it while this process is starved itself.
        """
        while not self._member.frozen:
            serves = self._member.state in ("ready", "draining")
            with trio.move_on_after(math.inf if serves else self._patience.start) as patience:
                await self._member.changed.wait()
            if patience.cancelled_caught:
                return


@dataclass(slots=True)
class _Life:
    ready_at: float | None = None
    exit_code: int | None = None

    def explain(self, name: str, patience: float) -> str:
        if self.exit_code is None:
            return f"the process of {name} could not be started; the log has the system's error"
        if self.exit_code == -9:
            return f"{name} was not ready within {patience:g} s (workers.start_timeout) or was killed"
        return f"{name} ended with exit code {self.exit_code} before it was ready; its own message is above"


@asynccontextmanager
async def supervised(supervisors: Sequence[Supervisor]) -> AsyncIterator[None]:
    """The workers run inside, and all are ready when entered: they start, and end, at the same time.

    Raises:
        WorkerStartError: of one that could not be started, alone; the others have been taken down.
    """
    failure: WorkerStartError | None = None
    try:
        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as starting:
                for supervisor in supervisors:
                    starting.start_soon(nursery.start, supervisor.run)
            yield
            nursery.cancel_scope.cancel(reason="the server stops")
    except* WorkerStartError as group:
        failure = next(_leaves(group))
    if failure is not None:
        raise failure


def _leaves(group: BaseExceptionGroup[WorkerStartError]) -> Iterator[WorkerStartError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
