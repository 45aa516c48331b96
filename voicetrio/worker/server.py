"""The worker's composition root: engines, rooms, gRPC services and signals, and what becomes of them at the end.

bind -> listen (health: NOT_SERVING) -> load engines -> SERVING, announced -> stop -> drain (NOT_SERVING) -> end
"""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
import trio
import trio_asyncio  # before grpclib, see `edge`
from grpclib.health.check import ServiceStatus
from grpclib.health.service import Health
from grpclib.reflection.service import ServerReflection

from voicetrio.core.environment import engine_environment
from voicetrio.core.errors import VoicetrioError
from voicetrio.core.socket_paths import worker_name
from voicetrio.worker.config import WorkerConfig
from voicetrio.worker.engine_pool import core_count, open_pool
from voicetrio.worker.engines import registry
from voicetrio.worker.errors import SetupError
from voicetrio.worker.grpc_server import DrainableServer, serving
from voicetrio.worker.hearing import Hearing
from voicetrio.worker.lifeline import wait_parent_gone
from voicetrio.worker.listening import bound_socket
from voicetrio.worker.recognition import InProcessRecognition, Recognition
from voicetrio.worker.services import Rooms, SpeechToTextService, TextToSpeechService, WorkerService
from voicetrio.worker.slots import Slots
from voicetrio.worker.speaking import Speaking
from voicetrio.worker.synthesis import InProcessSynthesis, Synthesis, open_speaking_process

HEALTH_INTERVAL = 0.1
"""Seconds between looks at the engines. Health is a fact here, and not a series of events that could be missed."""

log = structlog.get_logger()


async def serve(
    config: WorkerConfig,
    *,
    stopping: trio.Event | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, or until `stopping` is set and the open calls have ended or had their time.

    `started` is called with the address, in the form of `WorkerConfig.listen`, when calls are being served. Cancelling
    ends all calls at once; no process, socket or socket file is left behind either way.

    Raises:
        VoicetrioError: the address cannot be used, or an engine not loaded. Nothing was announced.
    """
    stop = trio.Event() if stopping is None else stopping
    failure: VoicetrioError | None = None
    with bound_socket(config.listen) as (sock, address):
        async with trio_asyncio.open_loop() as loop:
            rooms = Rooms()
            worker = WorkerService(rooms, loop)
            stt, tts = SpeechToTextService(rooms, loop), TextToSpeechService(rooms, loop)
            health = _Health(rooms)
            checks = Health({worker: [health.hears, health.speaks], stt: [health.hears], tts: [health.speaks]})
            services = ServerReflection.extend([worker, stt, tts, checks])
            try:
                async with serving(services, sock, loop) as server, _loaded(config, rooms):
                    rooms.gate.open()
                    health.update()
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(health.watch)
                        log.info(
                            "worker_serves",
                            address=worker_name(address),
                            stt=config.stt_engine,
                            tts=config.tts_engine,
                        )
                        task_status.started(address)
                        await stop.wait()
                        await _drain(rooms, health, server, config.drain_timeout)
                        nursery.cancel_scope.cancel(reason="the worker has drained")
            except VoicetrioError as error:
                # Not through the loop's nurseries: they would wrap it in groups.
                failure = error
    if failure is not None:
        raise failure


@asynccontextmanager
async def _loaded(config: WorkerConfig, rooms: Rooms) -> AsyncIterator[None]:
    """Engines in their rooms. Raises `VoicetrioError` when one cannot be loaded."""
    async with AsyncExitStack() as stack:
        if config.tts_engine != registry.NONE:
            synthesis = await stack.enter_async_context(_open_synthesis(config))
            rooms.speaking = Speaking(synthesis, Slots("tts", config.tts_slots))
        if config.stt_engine != registry.NONE:
            recognition = await stack.enter_async_context(_open_recognition(config))
            rooms.hearing = Hearing(recognition, Slots("stt", config.stt_slots))
        yield


@asynccontextmanager
async def _open_synthesis(config: WorkerConfig) -> AsyncIterator[Synthesis]:
    entry = await trio.to_thread.run_sync(registry.speaking_entry, config.tts_engine)
    if not entry.own_process:
        yield InProcessSynthesis(
            await trio.to_thread.run_sync(registry.load_speaking, config.tts_engine, config.speaking)
        )
        return
    async with open_speaking_process(config.tts_engine, config.speaking, _environment(config)) as process:
        yield process


@asynccontextmanager
async def _open_recognition(config: WorkerConfig) -> AsyncIterator[Recognition]:
    entry = await trio.to_thread.run_sync(registry.hearing_entry, config.stt_engine)
    if not entry.own_process:
        yield InProcessRecognition(registry.load_hearing(config.stt_engine, config.hearing))
        return
    processes = min(config.stt_processes or (1 if entry.batched else core_count()), config.stt_slots)
    async with open_pool(config.stt_engine, config.hearing, processes, config.stt_slots, _environment(config)) as pool:
        yield pool


def _environment(config: WorkerConfig) -> dict[str, str]:
    """What the processes of engines get of this one's."""
    known = registry.are_ours(config.stt_engine, config.tts_engine)
    return engine_environment(os.environ, named=config.environment, known=known)


class _Health:
    """What the health service says: whether there is an engine to call, and whether calls are let in."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self.hears = ServiceStatus()
        self.speaks = ServiceStatus()
        self.update()

    def update(self) -> None:
        """A process that speaks and died is not told of: texts wait for the next one, which is there in a moment."""
        is_open = self._rooms.gate.is_open
        hearing = self._rooms.hearing
        self.hears.set(is_open and (hearing is None or hearing.recognition.is_alive))
        self.speaks.set(is_open)

    async def watch(self) -> None:
        while True:
            await trio.sleep(HEALTH_INTERVAL)
            self.update()


async def _drain(rooms: Rooms, health: _Health, server: DrainableServer, patience: float) -> None:
    """Let the open calls end, within `patience` seconds. Recogniser streams live as long as sessions do, so their clients
    are told to go elsewhere.
    """
    log.info("worker_drains", calls=rooms.gate.inside, cut_after_s=patience)
    rooms.gate.close("this worker is shutting down")
    health.update()
    server.stop_listening()
    with trio.move_on_after(patience) as scope:
        if rooms.hearing is not None:
            rooms.hearing.drain(cut_at=scope.deadline)
        await rooms.gate.wait_empty()
    log.info("worker_drained", calls_cut=rooms.gate.inside)


def run(config: WorkerConfig) -> int:
    """Serve as a process: until SIGTERM or SIGINT, or the parent's end where the config asks for it.

    The first signal drains, the second one ends at once. Returns the exit code: 0, or 2 after saying on stderr what is
    wrong with the configuration.
    """
    try:
        trio.run(_run, config)
    except VoicetrioError as error:
        sys.stderr.write(f"voicetrio worker: {error}\n")
        return 2
    return 0


async def _run(config: WorkerConfig) -> None:
    failure: VoicetrioError | None = None
    stopping = trio.Event()
    # The receiver is entered before anything is opened: a signal in between would end the process and leave engines.
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:

            async def watch_signals() -> None:
                async for number in signals:
                    log.info("worker_stops", signal=signal.Signals(number).name)
                    if stopping.is_set():
                        nursery.cancel_scope.cancel(reason="a second signal")
                    stopping.set()

            async def watch_parent() -> None:
                nonlocal failure
                try:
                    await wait_parent_gone()
                except SetupError as error:
                    failure = error
                nursery.cancel_scope.cancel(reason="the parent is gone")

            nursery.start_soon(watch_signals)
            try:
                if config.die_with_parent:
                    nursery.start_soon(watch_parent)
                await serve(config, stopping=stopping)
            except VoicetrioError as error:
                failure = error
            nursery.cancel_scope.cancel(reason="the worker has ended")
    if failure is not None:
        raise failure
