"""An engine process that is always there: started, watched, and started again when it dies. One per CPU core or so."""

import itertools
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from subprocess import PIPE

import structlog
import trio

from voicetrio.core.errors import WorkerUnavailable
from voicetrio.worker.engine_link import EngineLink
from voicetrio.worker.engines.contract import HearingDescription, HearingSetup, StreamOptions
from voicetrio.worker.errors import SetupError
from voicetrio.worker.recognition import LinkedStream, RecognitionStream

LOAD_TIMEOUT = 60.0
"""Seconds a model may take to load, from a cold disk."""
BACKOFF_MIN, BACKOFF_MAX = 0.1, 10.0
"""Seconds before a dead process is started again; doubled each time that it did not live for `BACKOFF_MAX`."""
REAP_TIMEOUT = 5.0
"""Seconds for the kernel to end a process that was killed."""

_PACKAGE_ROOT = Path(__file__).parents[2]

log = structlog.get_logger()


class EngineProcess:
    def __init__(self, engine: str, setup: HearingSetup, streams_max: int) -> None:
        # -P: the current folder is not a place to import from. The child finds the same voicetrio as we did.
        told = json.dumps(asdict(setup))
        self._command = [sys.executable, "-P", "-m", "voicetrio.worker.engine_host", engine, told]
        self._engine = engine
        self._streams_max = streams_max
        self._link: EngineLink | None = None
        self._description: HearingDescription | None = None
        self._ids = itertools.count(1)

    @property
    def description(self) -> HearingDescription:
        assert self._description is not None
        return self._description

    @property
    def is_up(self) -> bool:
        return self._link is not None

    @property
    def streams(self) -> int:
        return 0 if self._link is None else self._link.streams

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
                if self._description is None:
                    raise
                log.error("engine_process_cannot_be_restarted", engine=self._engine, reason=str(error))
            if trio.current_time() - began > BACKOFF_MAX:
                backoff = BACKOFF_MIN
            await trio.sleep(backoff)
            backoff = min(2 * backoff, BACKOFF_MAX)

    @asynccontextmanager
    async def open_stream(self, options: StreamOptions) -> AsyncIterator[RecognitionStream]:
        """As `Recognition.open_stream`, on this process."""
        link = self._link
        if link is None:
            raise WorkerUnavailable("the engine's process died and is being restarted")
        stream_id = next(self._ids)
        try:
            await link.open(stream_id, options)
            yield LinkedStream(link, stream_id)
        finally:
            link.close(stream_id)

    @asynccontextmanager
    async def _open_link(self) -> AsyncIterator[EngineLink]:
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH")]))
        process = await trio.lowlevel.open_process(self._command, stdin=PIPE, stdout=PIPE, env=environment)
        link = EngineLink(process, self._streams_max)
        try:
            try:
                with trio.fail_after(LOAD_TIMEOUT):
                    self._description = await link.receive_ready()
            except trio.TooSlowError as error:
                raise SetupError(f"stt.engine: {self._engine} was not loaded within {LOAD_TIMEOUT:g} s") from error
            self._link = link
            log.info("engine_process_ready", engine=self._engine, pid=process.pid)
            yield link
            log.warning("engine_process_died", engine=self._engine, pid=process.pid, streams=link.streams)
        finally:
            self._link = None
            process.kill()
            with trio.move_on_after(REAP_TIMEOUT, shield=True):
                await _reap(process)


async def _reap(process: trio.Process) -> None:
    """Wait for the end of a process that was killed, and close the pipes."""
    await process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            await trio.aclose_forcefully(pipe)
