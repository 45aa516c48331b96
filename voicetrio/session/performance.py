"""Performs one utterance: piece by piece it is synthesised, sent, and waited for until it was heard.

Pieces are made ahead of the listener, so that there is no pause between them, and by a bounded amount, so that little is
made in vain. While an utterance can be heard the ear is muted, unless the session listens in full duplex; the mute is a
context manager, so that it is left whatever happens.
"""

import math
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Protocol

import trio

from voicetrio.core.config import AudioFormat, SessionLimits
from voicetrio.core.errors import WorkerBusy, WorkerCrashed, WorkerError, WorkerRejected, WorkerUnavailable
from voicetrio.core.pcm import OutputEncoder
from voicetrio.core.playback import Playback, WordMark
from voicetrio.session.outbox import Outbox
from voicetrio.session.ports import SpeechAudio, SpeechRequest, Synthesizer, Telemetry
from voicetrio.session.utterance import Utterance


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
        self, *, synthesizer: Synthesizer, outbox: Outbox, mouth: Mouth, limits: SessionLimits, telemetry: Telemetry
    ) -> None:
        self._synthesizer = synthesizer
        self._outbox = outbox
        self._mouth = mouth
        self._limits = limits
        self._telemetry = telemetry

    async def perform(self, utterance: Utterance) -> str:
        """Until it was heard. Returns "completed", or "failed": what was made of it was heard, and it had an `error`.

        Whoever stops it has told its end before this task learns of it, so nothing may be told after a wait that was not
        for something of the utterance's own.
        """
        await trio.lowlevel.checkpoint()  # one that was stopped while it waited is not even asked for
        error: WorkerError | None = None
        try:
            while (text := await utterance.script.next()) is not None:
                await self._wait_ahead(utterance)
                await self._say_piece(utterance, text)
                utterance.piece_start += len(text)
        except WorkerError as failure:
            error = failure
        playback = utterance.playback
        if error is not None or playback is None:
            self._failed(utterance, error)
        if playback is None:
            return "failed"
        while playback.sent < utterance.made:  # the connection takes it as quickly as the client reads
            await utterance.reported.wait()
        playback.finish(whole=error is None)
        self.announce_end(utterance, playback, cancelled=False)
        await self._wait_heard(utterance, playback)
        return "completed" if error is None else "failed"

    async def _wait_ahead(self, utterance: Utterance) -> None:
        """Until the listener is near enough to what was made. Between pieces, so that no worker's slot is kept."""
        playback = utterance.playback
        if playback is None:
            return
        enough = utterance.made - int(self._limits.max_ahead * playback.sample_rate)
        while True:
            now = trio.current_time()
            until = playback.expected_at(enough, now=now) if enough <= playback.sent else math.inf
            if until <= now:
                return
            with trio.move_on_at(until):
                await utterance.reported.wait()

    async def _say_piece(self, utterance: Utterance, text: str) -> None:
        """Raises `WorkerError`; what came before that has been sent."""
        begins: str | None = text
        encoder: OutputEncoder | None = None
        request = SpeechRequest(text, utterance.voice, utterance.speed)
        with trio.move_on_after(self._limits.synthesis_silence) as patience:
            async with self._synthesizer.open_speech(request) as stream:
                while (audio := await stream.receive()) is not None:
                    if utterance.over.is_set():
                        await trio.lowlevel.checkpoint()  # cancelled, in the very moment in which this came
                    patience.deadline = math.inf  # how long the client takes is not the worker's fault
                    if encoder is None:
                        encoder = OutputEncoder(audio.sample_rate, self._begin_piece(utterance, text))
                    await self._send(utterance, audio, encoder, begins)
                    begins = None
                    patience.deadline = trio.current_time() + self._limits.synthesis_silence
                patience.deadline = math.inf
                if encoder is not None and (rest := encoder.flush()):
                    await self._send_sound(utterance, rest, (), None)
        if patience.cancelled_caught:
            raise WorkerUnavailable(f"the worker gave no sound for {self._limits.synthesis_silence:g} s")

    def _begin_piece(self, utterance: Utterance, text: str) -> AudioFormat:
        """Returns what the client gets its audio in: what it wanted when the utterance began, to its end."""
        about: dict[str, object] = {"request_id": utterance.request_id}
        if utterance.turn_id is not None:
            about["turn_id"] = utterance.turn_id
        if utterance.playback is not None and utterance.format is not None:
            offset_ms = utterance.playback.milliseconds(utterance.made)
            self._outbox.post({"type": "tts.speaking_text", **about, "text": text, "offset_ms": offset_ms})
            return utterance.format
        utterance.audible.enter_context(self._mouth.speaking())
        utterance.format = form = self._mouth.output_format
        sound = {"sample_rate": form.sample_rate, "encoding": form.encoding}
        at_ms = self._mouth.now_ms()
        self._outbox.post({"type": "tts.speaking_start", **about, **sound, "text": text, "timestamp_ms": at_ms})
        utterance.playback = Playback(form.sample_rate, now=trio.current_time())  # not announced: has not begun
        return form

    async def _send(self, utterance: Utterance, audio: SpeechAudio, encoder: OutputEncoder, begins: str | None) -> None:
        try:
            sound = encoder.encode(audio.pcm)
        except ValueError as error:
            raise WorkerError(f"the worker's speech cannot be used: {error}") from None
        marks = tuple(replace(mark, start_sample=int(mark.start_sample * encoder.ratio)) for mark in audio.marks)
        await self._send_sound(utterance, sound, marks, begins)

    async def _send_sound(
        self, utterance: Utterance, sound: bytes, marks: tuple[WordMark, ...], begins: str | None
    ) -> None:
        assert utterance.format is not None
        samples = len(sound) // utterance.format.sample_bytes
        await self._outbox.send_audio(sound, partial(self._note_sent, utterance, samples, marks, begins))
        utterance.made += samples

    def _note_sent(self, utterance: Utterance, samples: int, marks: tuple[WordMark, ...], begins: str | None) -> None:
        """The connection has taken this audio: from now on it can be heard."""
        playback = utterance.playback
        if playback is None:
            return
        first = playback.sent == 0
        if begins is not None:
            playback.begin_piece(begins)
        playback.extend(samples, marks, now=trio.current_time())
        if first and playback.sent > 0:
            self._telemetry.first_speech(trio.current_time() - utterance.asked_at)
            if utterance.on_first_sound is not None:
                utterance.on_first_sound()
        utterance.wake()

    async def _wait_heard(self, utterance: Utterance, playback: Playback) -> None:
        """Until the listener has heard the end, by its own reports or by the clock."""
        while (until := playback.completes_at(now=trio.current_time())) > trio.current_time():
            with trio.move_on_at(until):
                await utterance.reported.wait()

    def announce_end(self, utterance: Utterance, playback: Playback, *, cancelled: bool) -> None:
        """All audio has been sent that will be."""
        if utterance.end_announced:
            return
        utterance.end_announced = True
        duration_ms = playback.milliseconds(playback.sent)
        self._outbox.post(
            {
                "type": "tts.speaking_end",
                "request_id": utterance.request_id,
                "duration_ms": duration_ms,
                "cancelled": cancelled,
            },
            owed=True,
        )

    def _failed(self, utterance: Utterance, error: WorkerError | None) -> None:
        if utterance.over.is_set():
            return
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
