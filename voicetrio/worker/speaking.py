"""The TextToSpeech service: one call speaks one text, piece by piece. Knows gRPC only by its messages.

Engines that speak have one state for the whole process, so pieces of all calls take turns, in the order they came.
The audio of one piece is buffered: an engine is not held by a client that reads slowly. Cancelling a call stops its
piece.

Where an engine's process dies, the pieces of all calls go on with the next one. The one of which it died goes on from where
its audio ended, and in smaller parts: what kills an engine is often that a piece is too long for it. What it has died of
three times is not tried again; the call fails, and says which characters these were.
"""

from dataclasses import replace
from typing import TypeAlias

import structlog

from voicetrio.core.errors import EngineLost, WorkerCrashed, WorkerRejected
from voicetrio.v1 import worker_pb2 as pb
from voicetrio.worker.edge import Call
from voicetrio.worker.engines.contract import PieceRequest, SpokenChunk
from voicetrio.worker.slots import Slots
from voicetrio.worker.synthesis import Synthesis
from voicetrio.worker.text_pieces import TextPiece, text_pieces

SynthesizeCall: TypeAlias = Call[pb.SynthesizeRequest, pb.SynthesizeReply]

TEXT_MAX = 20_000
"""Code points of one request: half an hour of speech. Longer is a book, and should be sent by chapters."""
SPEED_MIN, SPEED_MAX = 0.25, 4.0
CRASHES_MAX = 3
"""How often a text is given to an engine that dies of it, as a whole or in parts: once may be chance, and each time others
wait.
"""
PARTS_MAX = (60, 20)
"""Code points of the parts of a piece that has killed an engine once, and twice: a clause, and a few words. espeak-ng writes
beyond a buffer when a clause has very many phonemes."""

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
                utterance.begin_piece(piece.offset)
                await self._speak_piece(request, piece, utterance, crashes=0)

    async def _speak_piece(
        self, request: pb.SynthesizeRequest, piece: TextPiece, utterance: "_Utterance", *, crashes: int
    ) -> None:
        """`crashes`: how often an engine has died of a text that this is a part of."""
        wanted = PieceRequest(piece.text, request.voice, request.speed or 1.0, piece.pause_after)
        while True:
            utterance.begin_try()
            try:
                async with self.synthesis.speak(wanted) as spoken:
                    while (chunk := await spoken.receive()) is not None:
                        await utterance.send(chunk)
                return
            except EngineLost:
                continue  # it died of something else
            except WorkerCrashed:
                crashes += 1
                log.warning("speech_engine_crashed", crashes=crashes, characters=len(piece.text))
            if crashes == CRASHES_MAX:
                await utterance.fail(piece)
                raise WorkerCrashed(f"the engine died {CRASHES_MAX} times of a part of the text")
            if crashes == 1 and utterance.piece_begun:
                continue  # it may have hung, or died in the middle of a word, which should not be heard twice
            for part in utterance.rest_of(piece, PARTS_MAX[crashes - 1]):
                utterance.begin_piece(part.offset)
                await self._speak_piece(request, part, utterance, crashes=crashes)
            return


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
        self._last_mark = (0, 0)
        """Of what was sent: where the last word with a mark begins in the text, and in the audio."""

    @property
    def piece_begun(self) -> bool:
        """Whether some of the piece's audio was sent."""
        return self._next_sample > self._piece_start

    def begin_piece(self, text_offset: int) -> None:
        """A piece; or the rest of one, which begins with a word that was sent, maybe in part."""
        offset, start = self._last_mark
        self._text_offset = text_offset
        self._piece_start = start if text_offset == offset else self._next_sample
        self._last_mark = text_offset, self._piece_start

    def rest_of(self, piece: TextPiece, part_max: int) -> list[TextPiece]:
        """What of the piece has to be made again, in parts: all from the last word on that has a mark."""
        offset = self._last_mark[0]
        parts = [
            replace(part, offset=offset + part.offset)
            for part in text_pieces(piece.text[offset - piece.offset :], part_max)
        ]
        return [*parts[:-1], replace(parts[-1], pause_after=piece.pause_after)]

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
        if marks:
            self._last_mark = marks[-1].text_offset, marks[-1].start_sample
        await self._call.send(reply)

    async def fail(self, piece: TextPiece) -> None:
        """Say which characters of the text cannot be spoken."""
        failed = pb.TextRange(offset=piece.offset, length=len(piece.text))
        await self._call.send(
            pb.SynthesizeReply(start_sample=self._next_sample, sample_rate_hz=self._sample_rate, failed=failed)
        )
