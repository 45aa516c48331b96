"""The process of an engine that hears: streams are opened on it, and live as long as it does. One per CPU core or so."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from voicetrio.core.errors import WorkerUnavailable
from voicetrio.worker.engine_link import EngineLink
from voicetrio.worker.engine_process import EngineProcess
from voicetrio.worker.engines.contract import HearingDescription, HearingSetup, SpeakingDescription, StreamOptions
from voicetrio.worker.recognition import LinkedStream, RecognitionStream


class HearingProcess(EngineProcess[EngineLink, HearingDescription]):
    def __init__(self, engine: str, setup: HearingSetup, streams_max: int, environment: dict[str, str]) -> None:
        super().__init__("voicetrio.worker.engine_host", engine, "stt.engine", setup, environment)
        self._streams_max = streams_max
        self._ids = itertools.count(1)

    @property
    def streams(self) -> int:
        return 0 if self._link is None else self._link.streams

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

    def _make_link(self, process: trio.Process) -> EngineLink:
        return EngineLink(process, self._streams_max)

    def _learn(self, description: HearingDescription | SpeakingDescription) -> HearingDescription:
        assert isinstance(description, HearingDescription)
        return description
