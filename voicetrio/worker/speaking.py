"""The TextToSpeech service: one call speaks one text, piece by piece. Knows gRPC only by its messages.

Engines that speak have one state for the whole process, so pieces of all calls take turns, in the order they came.
The audio of one piece is buffered: an engine is not held by a client that reads slowly. Cancelling a call stops its
piece.

Where an engine's process dies, the pieces of all calls go on with the next one: the one of which it died from where its
audio ended, and three times in all; then the call fails, and says at which characters.
"""

from dataclasses import replace
from typing import TypeAlias

import structlog

from voicetrio.core.errors import WorkerCrashed, WorkerRejected
from voicetrio.v1 import worker_pb2 as pb
from voicetrio.worker.edge import Call
from voicetrio.worker.engines.contract import PieceRequest, SpokenChunk
from voicetrio.worker.errors import EngineLost
from voicetrio.worker.slots import Slots
from voicetrio.worker.synthesis import Synthesis
from voicetrio.worker.text_pieces import TextPiece, text_pieces

SynthesizeCall: TypeAlias = Call[pb.SynthesizeRequest, pb.SynthesizeReply]

TEXT_MAX = 20_000
"""Code points of one request: half an hour of speech. Longer is a book, and should be sent by chapters."""
SPEED_MIN, SPEED_MAX = 0.25, 4.0
TRIES_MAX = 3
"""How often a piece is given to an engine that dies of it: once may be chance, and each time others wait."""

log = structlog.get_logger()


class Speaking:
    def __init__(self, synthesis: Synthesis, slots: Slots) -> None:
        self.synthesis = synthesis
        self.slots = slots

    async def synthesize(self, call: SynthesizeCall) -> None:
        """Serve one call to its end. Cancelling stops the engine within a chunk's time and gives back the slot.

        Raises:
            WorkerBusy, WorkerRejected, WorkerUnavailable: what the client is told (perhaps in a group).
        """
        request = await call.receive()
        if request is None:
            raise WorkerRejected("the call ended without a request")
        _check(request)
        with self.slots.take():
            utterance = _Utterance(call, self.synthesis.description.sample_rate)
            for piece in text_pieces(request.text):
                wanted = PieceRequest(piece.text, request.voice, request.speed or 1.0, piece.pause_after)
                await self._speak_piece(wanted, piece, utterance)

    async def _speak_piece(self, request: PieceRequest, piece: TextPiece, utterance: "_Utterance") -> None:
        utterance.begin_piece(piece.offset)
        crashes = 0
        while True:
            utterance.begin_try()
            try:
                async with self.synthesis.speak(request) as spoken:
                    while (chunk := await spoken.receive()) is not None:
                        await utterance.send(chunk)
                return
            except EngineLost:
                continue  # it died of somebody else's piece
            except WorkerCrashed:
                crashes += 1
                log.warning("speech_engine_crashed", tries=crashes, characters=len(piece.text))
                if crashes == TRIES_MAX:
                    await utterance.fail(piece)
                    raise WorkerCrashed(
                        f"the engine died {TRIES_MAX} times on characters {piece.offset} to "
                        f"{piece.offset + len(piece.text)} of the text"
                    ) from None


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
        self._made = 0

    def begin_piece(self, text_offset: int) -> None:
        self._text_offset = text_offset
        self._piece_start = self._next_sample

    def begin_try(self) -> None:
        """What is made from now on is the piece from its beginning, of which some may have been sent."""
        self._made = self._piece_start

    async def send(self, chunk: SpokenChunk) -> None:
        start, self._made = self._made, self._made + len(chunk.pcm) // 2
        known = max(0, self._next_sample - start)
        marks = [
            replace(
                mark,
                text_offset=self._text_offset + mark.text_offset,
                start_sample=self._piece_start + mark.start_sample,
            )
            for mark in chunk.marks
        ]
        if known > 0:
            # A second try. An engine that speaks a text again says about the same, so this is where it was broken off.
            marks = [mark for mark in marks if mark.start_sample >= self._next_sample]
            if self._made <= self._next_sample and not marks:
                return
        reply = pb.SynthesizeReply(
            start_sample=self._next_sample,
            pcm=chunk.pcm[2 * known :],
            sample_rate_hz=self._sample_rate,
            marks=[
                pb.WordMark(text_offset=m.text_offset, text_length=m.text_length, start_sample=m.start_sample)
                for m in marks
            ],
        )
        self._next_sample = max(self._next_sample, self._made)
        await self._call.send(reply)

    async def fail(self, piece: TextPiece) -> None:
        """Say which characters of the text cannot be spoken."""
        failed = pb.TextRange(offset=piece.offset, length=len(piece.text))
        await self._call.send(
            pb.SynthesizeReply(start_sample=self._next_sample, sample_rate_hz=self._sample_rate, failed=failed)
        )
