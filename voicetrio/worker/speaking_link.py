"""What a worker says to the process of an engine that speaks: a piece of text is a request, and its audio are replies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from voicetrio.core.errors import WorkerRejected, WorkerUnavailable
from voicetrio.worker.engines.contract import PieceRequest, SpokenChunk
from voicetrio.worker.host_link import HostLink
from voicetrio.worker.host_messages import Close, Closed, HostReply, HostRequest, Refused, Said, Speak, Spoken

CHUNKS_MAX = 1024
"""Of one piece, in the buffer: about a minute in chunks of 60 ms, four times what a piece usually lasts. When it is
full the engine waits for the client; only texts like 200 digits get there."""


class SpokenPiece:
    """The audio of one piece of text, as it is made."""

    def __init__(self) -> None:
        self.chunks_in, self._chunks = trio.open_memory_channel[SpokenChunk](CHUNKS_MAX)
        self.failure: WorkerUnavailable | WorkerRejected | None = None

    async def receive(self) -> SpokenChunk | None:
        """The next chunk; None at the end.

        Raises:
            WorkerRejected: there is no such voice.
            WorkerCrashed: the engine's process died of this piece.
            EngineLost: the process died of something else.
            WorkerUnavailable: the engine failed.
        """
        try:
            return await self._chunks.receive()
        except trio.EndOfChannel:
            if self.failure is not None:
                raise self.failure from None
            return None

    def close(self) -> None:
        self._chunks.close()
        self.chunks_in.close()


class SpeakingLink(HostLink):
    def __init__(self, process: trio.Process) -> None:
        super().__init__(process, "tts.engine")
        self._pieces: dict[int, SpokenPiece] = {}

    @asynccontextmanager
    async def speak(self, stream_id: int, request: PieceRequest) -> AsyncIterator[SpokenPiece]:
        """Leaving the context stops the engine within a chunk's time."""
        if self._dead:
            raise self.death_of(stream_id)
        piece = self._pieces[stream_id] = SpokenPiece()
        self._post(Speak(stream_id, request.text, request.voice, request.speed, request.pause_after))
        try:
            await trio.lowlevel.checkpoint()
            yield piece
        finally:
            piece.close()
            if self._pieces.pop(stream_id, None) is not None and not self._dead:
                self._post(Close(stream_id))

    async def _take(self, reply: HostReply | HostRequest) -> None:
        assert isinstance(reply, Spoken | Said | Refused | Closed)
        stream_id = reply.stream_id
        piece = self._pieces.get(stream_id)
        match reply:
            case Spoken(pcm=pcm, marks=marks):
                if piece is not None:
                    try:
                        await piece.chunks_in.send(SpokenChunk(pcm, marks))
                    except (trio.BrokenResourceError, trio.ClosedResourceError):
                        return  # nobody listens any more
                return
            case Refused(rejected=rejected, message=message) if piece is not None:
                piece.failure = WorkerRejected(message) if rejected else WorkerUnavailable(message)
        self._settle(stream_id)
        if piece is not None:
            del self._pieces[stream_id]
            piece.chunks_in.close()

    def _ended(self) -> None:
        for stream_id, piece in self._pieces.items():
            piece.failure = self.death_of(stream_id)
            piece.chunks_in.close()
        self._pieces.clear()
