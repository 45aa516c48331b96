"""Says what the client asks for, one utterance after the other.

An utterance is one task with one cancel scope, and carries its own identity: nothing outside has to remember which one
is being said. It ends in exactly one way: heard to its end (`playback.completed`), stopped (`playback.interrupted`),
or failed (an `error`; what was sent before is heard to its end). While it can be heard the ear is muted, unless the
session listens in full duplex; the mute is a context manager, so that it is left whatever happens.
"""

import math
import secrets
from collections import deque
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import structlog
import trio

from voicetrio.core.config import SessionLimits
from voicetrio.core.errors import RemoteError, WorkerBusy, WorkerError, WorkerRejected, WorkerUnavailable
from voicetrio.core.messages import Speak
from voicetrio.core.pcm import Resampler
from voicetrio.core.playback import Playback, WordMark
from voicetrio.core.ring import SAMPLE_BYTES
from voicetrio.session.outbox import Outbox
from voicetrio.session.ports import SpeechAudio, SpeechRequest, Synthesizer, Telemetry


class Mouth(Protocol):
    """What the rest of the session does about an utterance."""

    def speaking(self) -> AbstractContextManager[None]:
        """Entered when the first sound goes out, left when the last one was heard."""
        ...

    def now_ms(self) -> int:
        """Where the next audio begins, in milliseconds of the client's audio clock."""
        ...


@dataclass(slots=True, eq=False)
class Utterance:
    request_id: str
    request: SpeechRequest
    asked_at: float
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    cancelled: str | None = None
    """Why it was stopped, as in `playback.interrupted`; None while nobody stopped it."""
    playback: Playback | None = None
    """From the first sound on."""
    resampler: Resampler | None = None
    made: int = 0
    """Samples that were given to the outbox."""
    end_announced: bool = False
    """Whether `tts.speaking_end` was posted."""
    reported: trio.Event = field(default_factory=trio.Event)
    """Set, and replaced, when more is known of the playback."""

    def cancel(self, reason: str) -> None:
        if self.cancelled is None:
            self.cancelled = reason
        self.scope.cancel(reason=reason)

    def wake(self) -> None:
        """What is known of the playback has changed."""
        self.reported.set()
        self.reported = trio.Event()


class Speaker:
    def __init__(
        self,
        *,
        synthesizer: Synthesizer,
        outbox: Outbox,
        mouth: Mouth,
        limits: SessionLimits,
        telemetry: Telemetry,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._synthesizer = synthesizer
        self._outbox = outbox
        self._mouth = mouth
        self._limits = limits
        self._telemetry = telemetry
        self._log = log
        self._queue: deque[Utterance] = deque()
        self._current: Utterance | None = None
        self._asked = trio.Event()

    def speak(self, message: Speak, *, voice: str) -> None:
        """Queue an utterance; `voice` is the session's, used when the message names none.

        Raises:
            RemoteError: the text is empty or too long, the id is in use, or too many utterances wait.
        """
        if not message.text.strip():
            raise RemoteError("invalid_field", "tts.speak: text: there is nothing to say")
        if len(message.text) > self._limits.max_text_chars:
            raise RemoteError(
                "text_too_long",
                f"tts.speak: text: {len(message.text)} characters, at most {self._limits.max_text_chars} at once; "
                "send it in parts, they are spoken one after the other",
            )
        request_id = message.request_id or f"tts-{secrets.token_hex(6)}"
        if any(other.request_id == request_id for other in self._live()):
            raise RemoteError(
                "duplicate_request", "tts.speak: request_id: an utterance with this id is still under way"
            )
        if len(self._queue) >= self._limits.max_queued_utterances:
            raise RemoteError("tts_queue_full", f"tts.speak: {len(self._queue)} utterances are waiting already")
        request = SpeechRequest(message.text, message.voice or voice, float(message.speed))
        self._queue.append(Utterance(request_id, request, asked_at=trio.current_time()))
        self._asked.set()

    def _live(self) -> list[Utterance]:
        return ([] if self._current is None else [self._current]) + list(self._queue)

    def cancel(self, request_id: str | None, *, reason: str = "cancelled") -> bool:
        """Stop one utterance, or all. False when there is no such utterance."""
        chosen = [one for one in self._live() if request_id is None or one.request_id == request_id]
        for utterance in chosen:
            utterance.cancel(reason)
        return bool(chosen)

    def report(self, request_id: str, played_ms: float) -> None:
        """The client has played so much of an utterance. A report about one that is over changes nothing."""
        current = self._current
        if current is None or current.request_id != request_id or current.playback is None:
            return
        played = int(played_ms * current.playback.sample_rate / 1000)
        if played_ms >= current.playback.milliseconds(current.playback.sent):
            # All of it: clients know the length in whole milliseconds, rounded down, from `tts.speaking_end`.
            played = current.playback.sent
        current.playback.report(played, now=trio.current_time())
        current.wake()

    async def run(self) -> None:
        """Say what is queued until cancelled; then each utterance that is left is told its end."""
        try:
            while True:
                while self._queue:
                    self._current = self._queue.popleft()
                    try:
                        await self._say(self._current)
                    finally:
                        self._current = None
                self._asked = trio.Event()
                await self._asked.wait()
        finally:
            while self._queue:
                self._interrupted(self._queue.popleft())

    async def _say(self, utterance: Utterance) -> None:
        outcome = "interrupted"
        try:
            with utterance.scope:
                outcome = await self._perform(utterance)
        finally:
            # Also when the whole session is cancelled: each utterance is told its end. `post` never waits.
            if outcome == "interrupted":
                self._interrupted(utterance)
            self._telemetry.utterance(outcome)
            self._log.info("utterance_ended", request_id=utterance.request_id, outcome=outcome)

    async def _perform(self, utterance: Utterance) -> str:
        """Synthesise, send, and wait until it was heard. Returns "completed" or "failed"; cancelled otherwise."""
        await trio.lowlevel.checkpoint()  # one that was stopped while it waited is not even asked for
        error: WorkerError | None = None
        with ExitStack() as audible:
            try:
                with trio.move_on_after(self._limits.synthesis_silence) as patience:
                    async with self._synthesizer.open_speech(utterance.request) as stream:
                        while (audio := await stream.receive()) is not None:
                            patience.deadline = math.inf  # how long the client takes is not the worker's fault
                            if utterance.playback is None:
                                audible.enter_context(self._mouth.speaking())
                                self._begin(utterance, audio)
                            await self._send(utterance, audio)
                            patience.deadline = trio.current_time() + self._limits.synthesis_silence
                        patience.deadline = math.inf
                        await self._flush(utterance)
                if patience.cancelled_caught:
                    raise WorkerUnavailable(f"the worker gave no sound for {self._limits.synthesis_silence:g} s")
            except WorkerError as failure:
                error = failure
            if error is not None or utterance.playback is None:
                self._failed(utterance, error)
            if utterance.playback is None:
                return "failed"
            await self._finish_sending(utterance, utterance.playback)
            await self._wait_heard(utterance, utterance.playback)
            self._outbox.post(
                {
                    "type": "playback.completed",
                    "request_id": utterance.request_id,
                    "heard_ms": utterance.playback.milliseconds(utterance.playback.sent),
                    "timestamp_ms": self._mouth.now_ms(),
                }
            )
        return "completed" if error is None else "failed"

    def _begin(self, utterance: Utterance, audio: SpeechAudio) -> None:
        rate = self._limits.output_sample_rate
        utterance.playback = Playback(rate, now=trio.current_time())
        if audio.sample_rate != rate:
            utterance.resampler = Resampler(audio.sample_rate, rate)
        self._outbox.post(
            {
                "type": "tts.speaking_start",
                "request_id": utterance.request_id,
                "sample_rate": rate,
                "text": utterance.request.text,
                "timestamp_ms": self._mouth.now_ms(),
            }
        )

    async def _send(self, utterance: Utterance, audio: SpeechAudio) -> None:
        playback = utterance.playback
        assert playback is not None
        pcm, marks = audio.pcm, audio.marks
        if utterance.resampler is not None:
            pcm = utterance.resampler.push(pcm)
            ratio = playback.sample_rate / audio.sample_rate
            marks = tuple(replace(mark, start_sample=int(mark.start_sample * ratio)) for mark in marks)
        await self._outbox.send_audio(pcm, partial(self._note_sent, utterance, len(pcm) // SAMPLE_BYTES, marks))
        utterance.made += len(pcm) // SAMPLE_BYTES

    async def _flush(self, utterance: Utterance) -> None:
        """Send what the resampler still holds."""
        if utterance.resampler is not None and utterance.playback is not None:
            pcm = utterance.resampler.push(b"", last=True)
            await self._outbox.send_audio(pcm, partial(self._note_sent, utterance, len(pcm) // SAMPLE_BYTES, ()))
            utterance.made += len(pcm) // SAMPLE_BYTES

    def _failed(self, utterance: Utterance, error: WorkerError | None) -> None:
        match error:
            case WorkerBusy():
                code = "overloaded"
            case WorkerRejected():
                code = "tts_rejected"
            case _:
                code = "tts_failed"
        reason = "the synthesis gave no sound" if error is None else str(error)
        self._telemetry.client_error(code)
        self._outbox.post(
            {
                "type": "error",
                "code": code,
                "message": f"tts.speak: {reason}",
                "recoverable": True,
                "request_id": utterance.request_id,
            }
        )

    def _note_sent(self, utterance: Utterance, samples: int, marks: tuple[WordMark, ...]) -> None:
        """The connection has taken this audio: from now on it can be heard."""
        if utterance.playback is None:
            return
        if utterance.playback.sent == 0:
            self._telemetry.first_speech(trio.current_time() - utterance.asked_at)
        utterance.playback.extend(samples, marks, now=trio.current_time())
        utterance.wake()

    async def _finish_sending(self, utterance: Utterance, playback: Playback) -> None:
        """All audio has been made; the connection takes it as quickly as the client reads."""
        while playback.sent < utterance.made:
            await utterance.reported.wait()
        playback.finish()
        utterance.end_announced = True
        self._outbox.post(self._speaking_end(utterance, playback.milliseconds(playback.sent), cancelled=False))

    def _speaking_end(self, utterance: Utterance, duration_ms: int, *, cancelled: bool) -> dict[str, object]:
        return {
            "type": "tts.speaking_end",
            "request_id": utterance.request_id,
            "duration_ms": duration_ms,
            "cancelled": cancelled,
        }

    async def _wait_heard(self, utterance: Utterance, playback: Playback) -> None:
        """Until the listener has heard the end, by its own reports or by the clock."""
        while (until := playback.completes_at(now=trio.current_time())) > trio.current_time():
            with trio.move_on_at(until):
                await utterance.reported.wait()

    def _interrupted(self, utterance: Utterance) -> None:
        """The last words about an utterance that was stopped: it was heard up to here."""
        playback = utterance.playback
        heard_ms, heard_text = 0, ""
        if playback is not None:
            now = trio.current_time()
            heard_ms = playback.milliseconds(playback.heard(now=now))
            heard_text = playback.heard_text(utterance.request.text, now=now)
            self._outbox.drop_audio()
            utterance.playback = None  # what is still on its way out is of no account any more
            if not utterance.end_announced:
                sent_ms = playback.milliseconds(playback.sent)
                self._outbox.post(self._speaking_end(utterance, sent_ms, cancelled=True))
        self._outbox.post(
            {
                "type": "playback.interrupted",
                "request_id": utterance.request_id,
                "heard_ms": heard_ms,
                "heard_text": heard_text,
                "reason": utterance.cancelled or "closed",
                "timestamp_ms": self._mouth.now_ms(),
            }
        )
