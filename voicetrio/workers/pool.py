"""The workers a gateway has, behind the session's `Recognizer` and `Synthesizer` ports.

Each worker's health is asked for by a task of the pool's nursery: a worker that is ready is asked every couple of
seconds, one that is not, often. A new stream goes to a ready worker; one that refuses or breaks is followed by the next.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

import structlog
import trio
import trio_asyncio

from voicetrio.core.errors import WorkerBusy, WorkerError, WorkerUnavailable
from voicetrio.session.overview import WorkerOverview
from voicetrio.session.ports import RecognizerStream, SpeechRequest, SpeechStream, StreamConfig
from voicetrio.v1 import worker_pb2 as pb
from voicetrio.workers.client import WorkerClient, open_client, worker_name

_UNREADY_INTERVAL = 0.1
"""Seconds between looks at a worker that is not ready: a restarted one should be used at once."""

log = structlog.get_logger()

_Stream = TypeVar("_Stream")


class PoolTelemetry(Protocol):
    def workers_ready(self, count: int) -> None: ...


@dataclass(eq=False)
class Member:
    client: WorkerClient
    ready: bool = False
    description: pb.Description = field(default_factory=pb.Description)
    changed: trio.Event = field(default_factory=trio.Event)
    """Set, and replaced, when `ready` changes."""
    doubted: trio.Event = field(default_factory=trio.Event)
    """Set, and replaced, when a call has failed: look at once."""


class Pool:
    """Use `open_pool`."""

    def __init__(self, members: Sequence[Member], telemetry: PoolTelemetry) -> None:
        self.members = list(members)
        self._telemetry = telemetry

    @property
    def ready(self) -> bool:
        """Whether a session could be heard now."""
        return any(member.ready for member in self.members)

    def model(self) -> str:
        for member in self.members:
            stt = member.description.stt
            if stt.engine:
                return f"{stt.engine} {stt.model}".strip()
        return ""

    def languages(self) -> tuple[str, ...]:
        known = (language for member in self.members for language in member.description.stt.languages)
        return tuple(dict.fromkeys(known))

    def voices(self) -> tuple[str, ...]:
        known = (voice.name for member in self.members for voice in member.description.tts.voices)
        return tuple(dict.fromkeys(known))

    def overview(self) -> tuple[WorkerOverview, ...]:
        """For the operator, in the order in which they are asked for a stream."""
        return tuple(_overview_of(member) for member in self.members)

    def open_stream(self, config: StreamConfig) -> AbstractAsyncContextManager[RecognizerStream]:
        return self._first_that_takes("stt", lambda client: client.open_stream(config))

    def open_speech(self, request: SpeechRequest) -> AbstractAsyncContextManager[SpeechStream]:
        return self._first_that_takes("tts", lambda client: client.open_speech(request))

    @asynccontextmanager
    async def _first_that_takes(
        self, kind: str, open_call: Callable[[WorkerClient], AbstractAsyncContextManager[_Stream]]
    ) -> AsyncIterator[_Stream]:
        """Entering raises `WorkerBusy` when all are busy, another `WorkerError` when none can."""
        async with AsyncExitStack() as stack:
            failure: WorkerError = WorkerUnavailable("no worker is ready")
            for member in self.members:
                if not member.ready or not member.description.HasField(kind):
                    continue
                try:
                    stream = await stack.enter_async_context(open_call(member.client))
                except WorkerUnavailable as error:
                    failure = failure if isinstance(failure, WorkerBusy) else error
                    self._doubt(member)
                except WorkerBusy as error:
                    failure = error
                else:
                    break
            else:
                raise failure
            try:
                yield stream
            except WorkerUnavailable:
                self._doubt(member)
                raise

    def _doubt(self, member: Member) -> None:
        member.doubted.set()

    async def watch(self, member: Member, *, interval: float, patience: float) -> None:
        """Keep `member.ready` true to the facts; both in seconds. Runs until cancelled."""
        while True:
            member.doubted = trio.Event()  # before the look: a doubt that comes during it asks for another one
            self._set_ready(member, await self._look(member, patience))
            with trio.move_on_after(interval if member.ready else _UNREADY_INTERVAL):
                await member.doubted.wait()

    async def _look(self, member: Member, patience: float) -> bool:
        """Whether it serves, and is known: one whose description did not come in time would never be used."""
        with trio.move_on_after(patience):
            try:
                if not await member.client.is_serving():
                    return False
                if not member.ready:
                    member.description = await member.client.describe()
                return True
            except WorkerError:
                return False
            except Exception as error:
                # Of one worker, which may be anything that answers on that port: not a reason to stop serving sessions.
                log.warning("worker_health_failed", worker=member.client.address, error=type(error).__name__)
        return False

    def _set_ready(self, member: Member, ready: bool) -> None:
        if ready == member.ready:
            return
        member.ready = ready
        self._telemetry.workers_ready(sum(other.ready for other in self.members))
        log.info("worker_ready" if ready else "worker_not_ready", worker=member.client.address)
        member.changed.set()
        member.changed = trio.Event()


def _overview_of(member: Member) -> WorkerOverview:
    stt, tts = member.description.stt, member.description.tts
    return WorkerOverview(
        name=worker_name(member.client.address),
        ready=member.ready,
        hears_with=f"{stt.engine} {stt.model}".strip(),
        stt_slots=stt.slots,
        speaks_with=tts.engine,
        tts_slots=tts.slots,
    )


@asynccontextmanager
async def open_pool(
    addresses: Sequence[str],
    loop: trio_asyncio.TrioEventLoop,
    telemetry: PoolTelemetry,
    *,
    health_interval: float,
    health_timeout: float,
) -> AsyncIterator[Pool]:
    """A pool of the workers at these addresses, watched inside; seconds."""
    async with AsyncExitStack() as stack:
        members = [Member(await stack.enter_async_context(open_client(address, loop))) for address in addresses]
        pool = Pool(members, telemetry)
        async with trio.open_nursery() as nursery:
            for member in members:
                nursery.start_soon(partial(pool.watch, member, interval=health_interval, patience=health_timeout))
            yield pool
            nursery.cancel_scope.cancel(reason="the pool is closed")
