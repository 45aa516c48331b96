"""Engines that speak, as the server's trio side sees them: pieces of text in, audio out, and where it is made is hidden."""

import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Protocol

import trio

from voicetrio.core.errors import WorkerUnavailable
from voicetrio.worker.engine_process import EngineProcess
from voicetrio.worker.engines.contract import (
    HearingDescription,
    PieceRequest,
    SpeakingDescription,
    SpeakingEngine,
    SpeakingSetup,
    SpokenChunk,
)
from voicetrio.worker.errors import SetupError
from voicetrio.worker.speaking_link import CHUNKS_MAX, SpeakingLink

RESTART_PATIENCE = 10.0
"""Seconds that a piece of text waits for a process that is being started again. As long as a session waits for a sound."""


class Piece(Protocol):
    async def receive(self) -> SpokenChunk | None:
        """The next chunk; None at the end. Raises `WorkerRejected`, `WorkerUnavailable`, `WorkerCrashed`, `EngineLost`."""
        ...


class Synthesis(Protocol):
    @property
    def description(self) -> SpeakingDescription: ...

    def speak(self, request: PieceRequest) -> AbstractAsyncContextManager[Piece]:
        """Have a piece spoken when those before it have been; its voice is what a client asked for.

        Leaving the context stops the engine within a chunk's time. Entering raises `WorkerRejected` or
        `WorkerUnavailable`.
        """
        ...


class SpeakingProcess(EngineProcess[SpeakingLink, SpeakingDescription]):
    """A `Synthesis` in a process of its own, which may crash alone: then the pieces that wait for it wait for the next."""

    def __init__(self, engine: str, setup: SpeakingSetup, environment: dict[str, str]) -> None:
        super().__init__("voicetrio.worker.speaking_host", engine, "tts.engine", setup, environment)
        self._ids = itertools.count(1)

    @asynccontextmanager
    async def speak(self, request: PieceRequest) -> AsyncIterator[Piece]:
        """As `Synthesis.speak`; what the process died of comes out of `receive`."""
        with trio.move_on_after(RESTART_PATIENCE):
            await self.wait_up()
        if self._link is None:
            raise WorkerUnavailable("the engine's process died, and has not come back yet")
        async with self._link.speak(next(self._ids), request) as piece:
            yield piece

    def _make_link(self, process: trio.Process) -> SpeakingLink:
        return SpeakingLink(process)

    def _learn(self, description: HearingDescription | SpeakingDescription) -> SpeakingDescription:
        assert isinstance(description, SpeakingDescription)
        return description


@asynccontextmanager
async def open_speaking_process(
    engine: str, setup: SpeakingSetup, environment: dict[str, str]
) -> AsyncIterator[SpeakingProcess]:
    """Start it, and end it with the block. `environment` is all that it gets of ours.

    Raises:
        SetupError: the engine cannot be loaded. No process is left.
    """
    process = SpeakingProcess(engine, setup, environment)
    failure: SetupError | None = None
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(process.serve)
        except SetupError as error:  # not through the nursery, which would wrap it
            failure = error
        else:
            yield process
        nursery.cancel_scope.cancel(reason="the worker ends its engines")
    if failure is not None:
        raise failure


class InProcessSynthesis:
    """For engines without native code: they run in a thread, and their pieces take turns, in the order they came."""

    def __init__(self, engine: SpeakingEngine) -> None:
        self._engine = engine
        self._turns = trio.CapacityLimiter(1)

    @property
    def description(self) -> SpeakingDescription:
        return self._engine.description

    @asynccontextmanager
    async def speak(self, request: PieceRequest) -> AsyncIterator[Piece]:
        wanted = replace(request, voice=self._engine.resolve_voice(request.voice))
        piece = _InProcessPiece()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_engine, wanted, piece)
            yield piece
            nursery.cancel_scope.cancel(reason="nobody listens any more")

    async def _run_engine(self, request: PieceRequest, piece: "_InProcessPiece") -> None:
        def emit(chunk: SpokenChunk) -> None:
            # When the call is cancelled this raises `Cancelled`, which stops the engine and comes back to us.
            trio.from_thread.run(piece.chunks_in.send, chunk)

        with piece.chunks_in, contextlib.suppress(trio.BrokenResourceError):  # Nobody listens any more.
            await trio.to_thread.run_sync(self._engine.speak, request, emit, limiter=self._turns)


class _InProcessPiece:
    def __init__(self) -> None:
        self.chunks_in, self._chunks = trio.open_memory_channel[SpokenChunk](CHUNKS_MAX)

    async def receive(self) -> SpokenChunk | None:
        try:
            return await self._chunks.receive()
        except trio.EndOfChannel:
            return None
