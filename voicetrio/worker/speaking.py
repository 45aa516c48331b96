"""The TextToSpeech service: one call speaks one text, piece by piece. Knows gRPC only by its messages.

Engines that speak have one state for the whole process, so pieces of all calls take turns, in the order they came.
The audio of one piece is buffered: an engine is not held by a client that reads slowly. Cancelling a call stops its
piece.
"""

import contextlib
from dataclasses import replace
from typing import TypeAlias

import structlog
import trio

from voicetrio.core.errors import WorkerRejected
from voicetrio.v1 import worker_pb2 as pb
from voicetrio.worker.edge import Call
from voicetrio.worker.engines.contract import PieceRequest, SpeakingEngine, SpokenChunk
from voicetrio.worker.slots import Slots
from voicetrio.worker.text_pieces import text_pieces

SynthesizeCall: TypeAlias = Call[pb.SynthesizeRequest, pb.SynthesizeReply]

TEXT_MAX = 20_000
"""Code points of one request: half an hour of speech. Longer is a book, and should be sent by chapters."""
SPEED_MIN, SPEED_MAX = 0.25, 4.0
CHUNKS_MAX = 1024
"""Of one piece, in the buffer: about a minute in chunks of 60 ms, four times what a piece usually lasts. When it is
full the engine waits for the client; only texts like 200 digits get there."""

log = structlog.get_logger()


class Speaking:
    def __init__(self, engine: SpeakingEngine, slots: Slots) -> None:
        self.engine = engine
        self.slots = slots
        self._turns = trio.CapacityLimiter(1)

    async def synthesize(self, call: SynthesizeCall) -> None:
        """Serve one call to its end. Cancelling stops the engine within a chunk's time and gives back the slot.

        Raises:
            WorkerBusy, WorkerRejected, WorkerUnavailable: what the client is told (perhaps in a group).
        """
        request = await call.receive()
        if request is None:
            raise WorkerRejected("the call ended without a request")
        _check(request)
        voice = self.engine.resolve_voice(request.voice)
        with self.slots.take():
            utterance = _Utterance(call, self.engine.description.sample_rate)
            for piece in text_pieces(request.text):
                wanted = PieceRequest(piece.text, voice, request.speed or 1.0, piece.pause_after)
                await self._speak_piece(wanted, piece.offset, utterance)

    async def _speak_piece(self, request: PieceRequest, text_offset: int, utterance: "_Utterance") -> None:
        chunks_in, chunks_out = trio.open_memory_channel[SpokenChunk](CHUNKS_MAX)
        utterance.begin_piece(text_offset)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run_engine, request, chunks_in)
            with chunks_out:
                async for chunk in chunks_out:
                    await utterance.send(chunk)

    async def _run_engine(self, request: PieceRequest, chunks: trio.MemorySendChannel[SpokenChunk]) -> None:
        def emit(chunk: SpokenChunk) -> None:
            # When the call is cancelled this raises `Cancelled`, which stops the engine and comes back to us.
            trio.from_thread.run(chunks.send, chunk)

        with chunks, contextlib.suppress(trio.BrokenResourceError):  # Nobody listens any more.
            await trio.to_thread.run_sync(self.engine.speak, request, emit, limiter=self._turns)


def _check(request: pb.SynthesizeRequest) -> None:
    if len(request.text) > TEXT_MAX:
        raise WorkerRejected(f"the text has {len(request.text)} characters; {TEXT_MAX} are the most in one request")
    # 0 is what a client leaves that does not care: the field has no presence on the wire.
    if request.speed != 0 and not SPEED_MIN <= request.speed <= SPEED_MAX:
        raise WorkerRejected(f"speed {request.speed:g} is outside {SPEED_MIN:g} to {SPEED_MAX:g}")


class _Utterance:
    """Turns the positions of pieces into positions of the whole."""

    def __init__(self, call: SynthesizeCall, sample_rate: int) -> None:
        self._call = call
        self._sample_rate = sample_rate
        self._text_offset = 0
        self._piece_start = 0
        self._next_sample = 0

    def begin_piece(self, text_offset: int) -> None:
        self._text_offset = text_offset
        self._piece_start = self._next_sample

    async def send(self, chunk: SpokenChunk) -> None:
        marks = [
            replace(
                mark,
                text_offset=self._text_offset + mark.text_offset,
                start_sample=self._piece_start + mark.start_sample,
            )
            for mark in chunk.marks
        ]
        reply = pb.SynthesizeReply(
            start_sample=self._next_sample,
            pcm=chunk.pcm,
            sample_rate_hz=self._sample_rate,
            marks=[
                pb.WordMark(text_offset=m.text_offset, text_length=m.text_length, start_sample=m.start_sample)
                for m in marks
            ],
        )
        self._next_sample += len(chunk.pcm) // 2
        await self._call.send(reply)
