"""Performs one utterance: piece by piece it is synthesised, while `playout` sends what there is.

Pieces are made ahead of the listener, so that there is no pause between them, and by a bounded amount, so that little is
made in vain. While an utterance can be heard the ear is muted, unless the session listens in full duplex; the mute is a
context manager, so that it is left whatever happens.
"""

import math
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

import trio

from voicetrio.core.config import AudioFormat, SessionLimits
from voicetrio.core.errors import WorkerBusy, WorkerCrashed, WorkerError, WorkerRejected, WorkerUnavailable
from voicetrio.core.kept_audio import KeptAudio
from voicetrio.core.pcm import OutputEncoder
from voicetrio.core.playback import Playback
from voicetrio.session.outbox import Outbox
from voicetrio.session.playout import Playout, forget_heard
from voicetrio.session.ports import SpeechAudio, SpeechRequest, Synthesizer
from voicetrio.session.utterance import SpokenPiece, Utterance

BUSY_RETRY = 0.2
"""Seconds between two attempts to find a worker for the next piece: a sentence is made in about that time."""

KEPT_CHECK = 1.0
"""Seconds between looks at whether there is room for more audio: seconds of it are there to be played."""


class Mouth(Protocol):
    """What the rest of the session does about an utterance."""

    @property
    def output_format(self) -> AudioFormat:
        """What the client wants its speech in, from the next utterance on."""
        ...

    def speaking(self) -> AbstractContextManager[None]:
        """Entered when the first sound goes out, left when the last one was heard."""
        ...

    def now_ms(self) -> int:
        """Where the next audio begins, in milliseconds of the client's audio clock."""
        ...

    def speech_failed(self, code: str, message: str, request_id: str, **place: int) -> None:
        """Tell the client. `place`: `text_start` and `text_end`, the characters that could not be spoken, where known."""
        ...


class Performance:
    def __init__(
        self, *, synthesizer: Synthesizer, outbox: Outbox, playout: Playout, mouth: Mouth, limits: SessionLimits
    ) -> None:
        self._synthesizer = synthesizer
        self._outbox = outbox
        self._playout = playout
        self._mouth = mouth
        self._limits = limits

    async def perform(self, utterance: Utterance) -> str:
        """Until it was heard. Returns "completed", or "failed": what was made of it was heard, and it had an `error`.

        Whoever stops it has told its end before this task learns of it, so nothing may be told after a wait that was not
        for something of the utterance's own.
        """
        await trio.lowlevel.checkpoint()  # one that was stopped while it waited is not even asked for
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._make, utterance)
            await self._playout.run(utterance)
        return "failed" if utterance.failed else "completed"

    async def _make(self, utterance: Utterance) -> None:
        """All of its audio."""
        error: WorkerError | None = None
        try:
            while (text := await utterance.script.next()) is not None:
                await self._wait_ahead(utterance)
                await self._make_in_time(utterance, text)
                utterance.piece_start += len(text)
        except WorkerError as failure:
            error = failure
        if utterance.over.is_set():
            await trio.lowlevel.checkpoint()
        if error is not None or utterance.playback is None:
            utterance.failed = True
            self._tell_failure(utterance, error)
        utterance.all_made = True
        utterance.wake()

    async def _wait_ahead(self, utterance: Utterance) -> None:
        """Until the listener is near enough to what was made. Between pieces, so that no worker's slot is kept."""
        playback = utterance.playback
        if playback is None:
            return
        enough = utterance.audio.made - int(self._limits.max_ahead * playback.sample_rate)
        while True:
            now = trio.current_time()
            until = now if enough <= 0 else playback.expected_at(enough, now=now)
            if until <= now:
                return
            with trio.move_on_at(until):
                await utterance.reported.wait()

    async def _make_in_time(self, utterance: Utterance, text: str) -> None:
        """Raises as `_make_piece`; but while there is something left to be heard, a worker may become free."""
        while True:
            try:
                return await self._make_piece(utterance, text)
            except WorkerBusy:
                now, playback = trio.current_time(), utterance.playback
                if playback is None or playback.expected_at(utterance.audio.made, now=now) <= now:
                    raise
            await trio.sleep(BUSY_RETRY)

    async def _make_piece(self, utterance: Utterance, text: str) -> None:
        """Raises `WorkerError`; what came before that will be heard."""
        piece: SpokenPiece | None = None
        encoder: OutputEncoder | None = None
        request = SpeechRequest(text, utterance.voice, utterance.speed)
        with trio.move_on_after(self._limits.synthesis_silence) as patience:
            async with self._synthesizer.open_speech(request) as stream:
                while (audio := await stream.receive()) is not None:
                    if utterance.over.is_set():
                        await trio.lowlevel.checkpoint()  # cancelled, in the very moment in which this came
                    patience.deadline = math.inf  # how long the client takes is not the worker's fault
                    if piece is None or encoder is None:
                        piece, form = self._begin_piece(utterance, text)
                        encoder = OutputEncoder(audio.sample_rate, form)
                    self._add(utterance, piece, audio, encoder)
                    await self._wait_kept(utterance)
                    patience.deadline = trio.current_time() + self._limits.synthesis_silence
                patience.deadline = math.inf
                if encoder is not None:
                    utterance.audio.append(encoder.flush())
                    utterance.wake()
        if patience.cancelled_caught:
            raise WorkerUnavailable(f"the worker gave no sound for {self._limits.synthesis_silence:g} s")

    def _begin_piece(self, utterance: Utterance, text: str) -> tuple[SpokenPiece, AudioFormat]:
        """Returns also what the client gets its audio in: what it wanted when the utterance began, to its end."""
        piece = SpokenPiece(text, utterance.audio.made)
        utterance.pieces.append(piece)
        if utterance.playback is not None and utterance.format is not None:
            return piece, utterance.format
        utterance.audible.enter_context(self._mouth.speaking())
        utterance.format = form = self._mouth.output_format
        utterance.audio = KeptAudio(form.sample_bytes)
        about: dict[str, object] = {"request_id": utterance.request_id}
        if utterance.turn_id is not None:
            about["turn_id"] = utterance.turn_id
        sound = {"sample_rate": form.sample_rate, "encoding": form.encoding}
        start = {"type": "tts.speaking_start", **about, **sound, "text": text, "timestamp_ms": self._mouth.now_ms()}
        self._outbox.post(start, tag=utterance.start_tag)
        piece.announced = True
        # Not announced: has not begun.
        utterance.playback = Playback(form.sample_rate, now=trio.current_time(), confirms=self._outbox.confirms)
        return piece, form

    def _add(self, utterance: Utterance, piece: SpokenPiece, audio: SpeechAudio, encoder: OutputEncoder) -> None:
        try:
            sound = encoder.encode(audio.pcm)
        except ValueError as error:
            raise WorkerError(f"the worker's speech cannot be used: {error}") from None
        piece.marks += [replace(mark, start_sample=int(mark.start_sample * encoder.ratio)) for mark in audio.marks]
        utterance.audio.append(sound)
        utterance.wake()

    async def _wait_kept(self, utterance: Utterance) -> None:
        """Until there is room for more audio: only within texts that are far longer than what is made ahead."""
        while utterance.audio.size >= self._limits.max_kept_audio_bytes:
            with trio.move_on_after(KEPT_CHECK):
                await utterance.reported.wait()
            # All that there is may have been sent: then the playout does not forget any of it.
            forget_heard(utterance, trio.current_time())

    def _tell_failure(self, utterance: Utterance, error: WorkerError | None) -> None:
        match error:
            case WorkerBusy():
                code = "overloaded"
            case WorkerRejected():
                code = "tts_rejected"
            case _:
                code = "tts_failed"
        reason = "the synthesis gave no sound" if error is None else str(error)
        what = "tts.speak" if utterance.turn_id is None else "the reply"
        place = {}
        if isinstance(error, WorkerCrashed) and error.text_range is not None:
            start, end = error.text_range
            place = {"text_start": utterance.piece_start + start, "text_end": utterance.piece_start + end}
        self._mouth.speech_failed(code, f"{what}: {reason}", utterance.request_id, **place)
