"""Engines that hear, as the server's trio side sees them: calls are awaited, and where they run is hidden."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import trio

from voicetrio.core.hypothesis import Hypothesis
from voicetrio.worker.engine_link import EngineLink
from voicetrio.worker.engines.contract import HearingDescription, HearingEngine, HearingStream, StreamOptions


class RecognitionStream(Protocol):
    """A `HearingStream` whose calls are awaited, one at a time. After a cancelled call, only leave its context.

    Calls raise `EngineLost` when the engine's process died, and `WorkerCrashed` when it may have died of this stream.
    """

    @property
    def works(self) -> bool:
        """Whether the engine gives signs of work, while a call is under way."""
        ...

    async def begin_segment(self, segment_id: int, initial_prompt: str) -> None: ...

    async def accept(self, segment_id: int, start_sample: int, pcm: bytes) -> Hypothesis | None:
        """Raises `WorkerUnavailable` when the engine failed on this stream."""
        ...

    async def end_segment(self, segment_id: int, end_sample: int) -> Hypothesis:
        """Raises `WorkerUnavailable` when the engine failed on this stream."""
        ...


class Recognition(Protocol):
    @property
    def description(self) -> HearingDescription: ...

    @property
    def is_alive(self) -> bool:
        """Whether a stream opened now would find an engine."""
        ...

    def open_stream(self, options: StreamOptions) -> AbstractAsyncContextManager[RecognitionStream]:
        """Entering raises `WorkerRejected` for an unknown language, `WorkerUnavailable` without a live engine."""
        ...


class LinkedStream:
    """A stream of an engine in another process."""

    def __init__(self, link: EngineLink, stream_id: int) -> None:
        self._link = link
        self._stream_id = stream_id
        self._prompt: str | None = None

    @property
    def works(self) -> bool:
        return self._link.works

    async def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        """The prompt travels with the segment's first audio: on its own it would wait its turn among all streams."""
        await trio.lowlevel.checkpoint()
        self._prompt = initial_prompt

    async def accept(self, segment_id: int, start_sample: int, pcm: bytes) -> Hypothesis | None:
        prompt, self._prompt = self._prompt, None
        return await self._link.accept(self._stream_id, segment_id, start_sample, pcm, prompt)

    async def end_segment(self, segment_id: int, end_sample: int) -> Hypothesis:
        self._prompt = None  # of a segment without audio
        return await self._link.end_segment(self._stream_id, segment_id, end_sample)


class InProcessRecognition:
    """For engines that are cheap: their calls take well under a millisecond and are made where they are asked for."""

    is_alive = True

    def __init__(self, engine: HearingEngine) -> None:
        self._engine = engine

    @property
    def description(self) -> HearingDescription:
        return self._engine.description

    @asynccontextmanager
    async def open_stream(self, options: StreamOptions) -> AsyncIterator[RecognitionStream]:
        stream = self._engine.open(options)
        try:
            await trio.lowlevel.checkpoint()
            yield _InProcessStream(stream)
        finally:
            stream.close()


class _InProcessStream:
    works = True
    """If it does not, nothing here does."""

    def __init__(self, stream: HearingStream) -> None:
        self._stream = stream

    async def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        await trio.lowlevel.checkpoint()
        self._stream.begin_segment(segment_id, initial_prompt)

    async def accept(self, segment_id: int, start_sample: int, pcm: bytes) -> Hypothesis | None:
        await trio.lowlevel.checkpoint()
        return self._stream.accept(segment_id, start_sample, pcm)

    async def end_segment(self, segment_id: int, end_sample: int) -> Hypothesis:
        await trio.lowlevel.checkpoint()
        return self._stream.end_segment(segment_id, end_sample)
