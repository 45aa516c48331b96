"""The workers a gateway has, behind the session's `Recognizer` and `Synthesizer` ports.

Each worker's health is asked for by a task of the pool's nursery: a worker that is ready is asked every couple of
seconds, one that is not, often. Which workers may take a call, and in which order they are asked, is in `choice`; one
that refuses or breaks is followed by the next.
"""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Protocol, TypeVar

import structlog
import trio
import trio_asyncio

from voicetrio.core.errors import WorkerBusy, WorkerDraining, WorkerError, WorkerRejected, WorkerUnavailable
from voicetrio.core.names import find_model
from voicetrio.core.socket_paths import worker_name
from voicetrio.core.voices import KnownVoice
from voicetrio.session.overview import WorkerOverview, WorkerState
from voicetrio.session.ports import RecognizerStream, SpeechRequest, SpeechStream, StreamConfig
from voicetrio.workers.choice import in_order, that_speak
from voicetrio.workers.client import open_client
from voicetrio.workers.member import Member, Slots

_UNREADY_INTERVAL = 0.1
"""Seconds between looks at a worker that is not ready: a restarted one should be used at once."""

_STARVED = 0.5
"""Seconds that this process may be late to see the end of a look, and still be believed that no answer has come."""

log = structlog.get_logger()

_Stream = TypeVar("_Stream")


class PoolTelemetry(Protocol):
    def workers_ready(self, count: int) -> None: ...
    def worker_frozen(self) -> None: ...


class Pool:
    """Use `open_pool`."""

    def __init__(
        self,
        members: Sequence[Member],
        telemetry: PoolTelemetry,
        *,
        default_model: str = "",
        dice: random.Random | None = None,
    ) -> None:
        """`default_model`: an engine, a model or both, for streams that name none; empty: the first worker's."""
        self.members = list(members)
        self._telemetry = telemetry
        self._default_model = default_model
        self._dice = dice or random.Random()

    @property
    def ready(self) -> bool:
        """Whether a session could be heard now."""
        return any(member.ready for member in self.members)

    # -- what there is ------------------------------------------------------------------------------------------------

    def model(self) -> str:
        found = self._find(self._default_model)
        return "" if found is None else found

    def models(self) -> tuple[str, ...]:
        known = (member.model for member in self.members if member.model)
        return tuple(dict.fromkeys(name for name in (self.model(), *known) if name))

    def languages(self, model: str = "") -> tuple[str, ...]:
        name = self._find(model or self._default_model)
        members = (member for member in self.members if name is not None and member.model == name)
        return tuple(dict.fromkeys(language for one in members for language in one.description.stt.languages))

    def voices(self) -> tuple[KnownVoice, ...]:
        return tuple(dict.fromkeys(voice for member in self.members for voice in member.voices))

    def overview(self) -> tuple[WorkerOverview, ...]:
        """For the operator, in the order in which they are configured."""
        return tuple(member.overview() for member in self.members)

    def _find(self, wanted: str) -> str | None:
        """The full name of a model; empty: the first worker's that hears. None: none has it."""
        known = [member.model for member in self.members if member.model]
        return find_model(wanted, known) if wanted else next(iter(known), None)

    # -- calls --------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def open_stream(self, config: StreamConfig) -> AsyncIterator[RecognizerStream]:
        """Entering raises `WorkerBusy` when all that have the model are busy, another `WorkerError` when none can."""

        def open_call(member: Member) -> AbstractAsyncContextManager[RecognizerStream]:
            return member.client.open_stream(config, on_draining=partial(self._note_draining, member))

        candidates = self._that_hear(config.model)
        async with self._first_that_takes(candidates, lambda one: one.stt, open_call) as (member, stream):
            try:
                yield stream
            except WorkerDraining:
                member.moved += 1
                raise
            except WorkerUnavailable:
                member.recoveries += 1
                raise

    @asynccontextmanager
    async def open_speech(self, request: SpeechRequest) -> AsyncIterator[SpeechStream]:
        """Entering raises as `open_stream`. Without a voice, the first worker that speaks and is ready chooses it."""

        def open_call(member: Member) -> AbstractAsyncContextManager[SpeechStream]:
            return member.client.open_speech(request)

        candidates = that_speak(request.voice, self.members)
        async with self._first_that_takes(candidates, lambda one: one.tts, open_call) as (_, stream):
            yield stream

    def _that_hear(self, wanted: str) -> list[Member]:
        """The workers that may take a stream. Raises `WorkerRejected` for a model that none has, nor ever had."""
        name = self._find(wanted or self._default_model)
        if name is None and all(member.known for member in self.members):
            there = ", ".join(self.models())
            raise WorkerRejected(f"no worker hears with the model that is asked for; there are: {there or 'none'}")
        return [member for member in self.members if member.ready and member.model == name]

    @asynccontextmanager
    async def _first_that_takes(
        self,
        candidates: Sequence[Member],
        slots_of: Callable[[Member], Slots],
        open_call: Callable[[Member], AbstractAsyncContextManager[_Stream]],
    ) -> AsyncIterator[tuple[Member, _Stream]]:
        failure: WorkerError = WorkerUnavailable("no worker is ready")
        for member in in_order(candidates, slots_of, self._dice):
            try:
                async with AsyncExitStack() as opening:
                    opening.enter_context(slots_of(member).taken())
                    stream = await opening.enter_async_context(open_call(member))
                    call = opening.pop_all()
                break
            except WorkerUnavailable as error:
                failure = failure if isinstance(failure, WorkerBusy) else error
                member.doubt()
            except WorkerBusy as error:
                failure = error
                slots_of(member).fill()
        else:
            raise failure
        async with call:
            try:
                yield member, stream
            except WorkerDraining:
                raise
            except WorkerUnavailable:
                member.doubt()
                raise

    # -- health -------------------------------------------------------------------------------------------------------

    async def watch(self, member: Member, *, interval: float, patience: float) -> None:
        """Keep `member.state`, and what is known of it, true to the facts; both in seconds. Runs until cancelled.

        A worker that freezes is found within `interval + patience` seconds, or `patience` after a call there has failed.
        """
        while True:
            member.doubted = trio.Event()  # before the look: a doubt that comes during it asks for another one
            began = trio.current_time()
            state = await self._look(member, patience)
            if state is not None:
                self._set_state(member, state)
                member.doubtful = member.doubted.is_set()
            elif await self._is_frozen(member, began, patience):
                self._set_state(member, "not ready", frozen=True)
            else:
                continue
            with trio.move_on_after(interval if member.ready else _UNREADY_INTERVAL):
                await member.doubted.wait()

    async def _look(self, member: Member, patience: float) -> WorkerState | None:
        """A worker that does not say what it can do is not ready: it could not be chosen. None: no answer came in time."""
        state: WorkerState = "not ready"
        with trio.move_on_after(patience):
            try:
                serving = await member.client.is_serving()
                state = "not ready" if serving else "starting"  # unless it can say what it does
                held = member.stt.held, member.tts.held
                description = await member.client.describe()
                member.learn(description, held_before=held)
                if description.draining:
                    return "draining"
                return "ready" if serving else "not ready"
            except WorkerError:
                return state
            except Exception as error:
                # Of one worker, which may be anything that answers on that port: not a reason to stop serving sessions.
                log.warning(
                    "worker_health_failed", worker=worker_name(member.client.address), error=type(error).__name__
                )
                return "not ready"
        return None

    async def _is_frozen(self, member: Member, began: float, patience: float) -> bool:
        """No answer came to a look that began then. Breaks off all calls if the worker has said nothing at all since.

        A frozen process, or the machine or network that it is behind, ends no connection: whoever has a stream there would
        find out only when it is owed something, and after that.
        """
        now = trio.current_time()
        if now - began > patience + _STARVED:
            return False  # it was this process that stood still: the answer may be here, and not be read yet
        if member.client.heard_at >= began:
            await member.client.reconnect_health()
            return False
        if member.state in ("ready", "draining"):  # else it has not begun yet, or is known to be away
            log.warning("worker_frozen", worker=worker_name(member.client.address), silent_for_s=round(now - began, 3))
            self._telemetry.worker_frozen()
        await member.client.break_off()
        return True

    def _note_draining(self, member: Member) -> None:
        self._set_state(member, "draining")
        member.doubted.set()  # a look that is under way may not know it yet

    def _set_state(self, member: Member, state: WorkerState, *, frozen: bool = False) -> None:
        changed = state != member.state
        member.set_state(state, frozen=frozen)
        if not changed:
            return
        self._telemetry.workers_ready(sum(one.ready for one in self.members))
        log.info("worker_state", worker=worker_name(member.client.address), state=state)


@asynccontextmanager
async def open_pool(
    addresses: Sequence[str],
    loop: trio_asyncio.TrioEventLoop,
    telemetry: PoolTelemetry,
    *,
    health_interval: float,
    health_timeout: float,
    default_model: str = "",
) -> AsyncIterator[Pool]:
    """A pool of the workers at these addresses, watched inside; seconds, see `Pool.watch`."""
    async with AsyncExitStack() as stack:
        members = [Member(await stack.enter_async_context(open_client(address, loop))) for address in addresses]
        pool = Pool(members, telemetry, default_model=default_model)
        async with trio.open_nursery() as nursery:
            for member in members:
                nursery.start_soon(partial(pool.watch, member, interval=health_interval, patience=health_timeout))
            yield pool
            nursery.cancel_scope.cancel(reason="the pool is closed")
