"""An engine process that is always there: started, watched, and started again when it dies."""

import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from subprocess import PIPE
from typing import Generic, TypeVar

import structlog
import trio

from voicetrio.worker.engines.contract import HearingDescription, HearingSetup, SpeakingDescription, SpeakingSetup
from voicetrio.worker.errors import SetupError
from voicetrio.worker.host_link import HostLink

LOAD_TIMEOUT = 60.0
"""Seconds a model may take to load, from a cold disk."""
BACKOFF_MIN, BACKOFF_MAX = 0.1, 1.0
"""Seconds before a dead process is started again; doubled each time that it did not live for `STEADY_AFTER`. At most what
a session that waits for it can spare: what crashes an engine is not given to it for ever."""
STEADY_AFTER = 10.0
"""Seconds of life after which a death counts as the first one again."""
REAP_TIMEOUT = 5.0
"""Seconds for the kernel to end a process that was killed."""

_PACKAGE_ROOT = Path(__file__).parents[2]

log = structlog.get_logger()

LinkT = TypeVar("LinkT", bound=HostLink)
DescriptionT = TypeVar("DescriptionT", HearingDescription, SpeakingDescription)


class EngineProcess(ABC, Generic[LinkT, DescriptionT]):
    """What is said to it depends on whether it hears or speaks."""

    def __init__(
        self, host: str, engine: str, setting: str, setup: HearingSetup | SpeakingSetup, environment: dict[str, str]
    ) -> None:
        """`host` is the module that the process runs; `setting` chooses the engine, and is named when it cannot load."""
        # -P: the current folder is not a place to import from. The child finds the same voicetrio as we did.
        self._command = [sys.executable, "-P", "-m", host, engine, json.dumps(asdict(setup))]
        self._environment = dict(environment)
        self._environment["PYTHONPATH"] = os.pathsep.join(
            filter(None, [str(_PACKAGE_ROOT), environment.get("PYTHONPATH")])
        )
        self._engine = engine
        self._setting = setting
        self._link: LinkT | None = None
        self._changed = trio.Event()
        self._described: DescriptionT | None = None

    @property
    def description(self) -> DescriptionT:
        assert self._described is not None
        return self._described

    @property
    def is_up(self) -> bool:
        return self._link is not None

    @property
    def works(self) -> bool:
        """Whether it is up, and does not seem to hang."""
        return self._link is not None and self._link.works

    async def wait_up(self) -> None:
        """Until it is up. Safe to cancel."""
        while self._link is None:
            await self._changed.wait()

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep a process alive until cancelled; `started` when it is ready. No process is left behind.

        Raises:
            SetupError: the engine could not be loaded the first time. Later, it is tried again for ever.
        """
        backoff = BACKOFF_MIN
        while True:
            began = trio.current_time()
            try:
                async with self._open_link() as link:
                    task_status.started()
                    task_status = trio.TASK_STATUS_IGNORED
                    await link.run()
            except SetupError as error:
                if self._described is None:
                    raise
                log.error("engine_process_cannot_be_restarted", engine=self._engine, reason=str(error))
            if trio.current_time() - began > STEADY_AFTER:
                backoff = BACKOFF_MIN
            await trio.sleep(backoff)
            backoff = min(2 * backoff, BACKOFF_MAX)

    @abstractmethod
    def _make_link(self, process: trio.Process) -> LinkT: ...

    @abstractmethod
    def _learn(self, description: HearingDescription | SpeakingDescription) -> DescriptionT:
        """The description as what it has to be of such a process."""

    @asynccontextmanager
    async def _open_link(self) -> AsyncIterator[LinkT]:
        process = await trio.lowlevel.open_process(self._command, stdin=PIPE, stdout=PIPE, env=self._environment)
        link = self._make_link(process)
        try:
            try:
                with trio.fail_after(LOAD_TIMEOUT):
                    self._described = self._learn(await link.receive_ready())
            except trio.TooSlowError as error:
                raise SetupError(f"{self._setting}: {self._engine} was not loaded within {LOAD_TIMEOUT:g} s") from error
            self._set_link(link)
            log.info("engine_process_ready", engine=self._engine, pid=process.pid)
            yield link
            log.warning(
                "engine_process_died",
                engine=self._engine,
                pid=process.pid,
                exit_code=process.returncode,
                culprits=link.culprits,
            )
        finally:
            self._set_link(None)
            process.kill()
            with trio.move_on_after(REAP_TIMEOUT, shield=True):
                await _reap(process)

    def _set_link(self, link: LinkT | None) -> None:
        self._link = link
        self._changed.set()
        self._changed = trio.Event()


async def _reap(process: trio.Process) -> None:
    """Wait for the end of a process that was killed, and close the pipes."""
    await process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            await trio.aclose_forcefully(pipe)
