"""All engine processes of a worker as one engine. It chooses: of the processes that do not seem to hang, the
one with the fewest streams gets the next.
"""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import trio

from voicetrio.core.errors import WorkerUnavailable
from voicetrio.worker.engines.contract import HearingDescription, HearingSetup, StreamOptions
from voicetrio.worker.errors import SetupError, first_leaf
from voicetrio.worker.hearing_process import HearingProcess
from voicetrio.worker.recognition import RecognitionStream


class EnginePool:
    """A `Recognition`."""

    def __init__(self, processes: Sequence[HearingProcess]) -> None:
        self._processes = processes

    @property
    def description(self) -> HearingDescription:
        return self._processes[0].description

    @property
    def is_alive(self) -> bool:
        return any(process.is_up for process in self._processes)

    def open_stream(self, options: StreamOptions) -> AbstractAsyncContextManager[RecognitionStream]:
        """As `Recognition.open_stream`. A stream stays on its process; it ends when that dies."""
        up = [process for process in self._processes if process.is_up]
        if not up:
            raise WorkerUnavailable("all of the engine's processes died and are being restarted")
        return min(up, key=lambda process: (not process.works, process.streams)).open_stream(options)


@asynccontextmanager
async def open_pool(
    engine: str, setup: HearingSetup, processes: int, slots: int, environment: dict[str, str]
) -> AsyncIterator[EnginePool]:
    """Start `processes` of an engine, at once, and end them with the block. `environment` is all that they get of ours.

    Raises:
        SetupError: the engine cannot be loaded. No process is left.
    """
    # When all other processes are down, one gets all slots' streams; twice that leaves room for streams that were left
    # and whose last call is still under way.
    streams_max = 2 * slots
    pool = [HearingProcess(engine, setup, streams_max, environment) for _ in range(processes)]
    failure: SetupError | None = None
    async with trio.open_nursery() as nursery:
        try:
            async with trio.open_nursery() as starting:
                for process in pool:
                    starting.start_soon(nursery.start, process.serve)
        except* SetupError as group:
            failure = first_leaf(group)
        if failure is None:
            yield EnginePool(pool)
        nursery.cancel_scope.cancel(reason="the worker ends its engines")
    if failure is not None:
        raise failure


def core_count() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
