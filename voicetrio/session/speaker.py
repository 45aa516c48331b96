"""Says what it is asked to, one utterance after the other.

An utterance is one task with one cancel scope. It ends in exactly one way: heard to its end (`playback.completed`),
stopped (`playback.interrupted`), or failed (an `error`; what was made before is heard to its end, which is told by
`playback.interrupted`, too). The end of whoever writes its text, or of the synthesis, ends nothing that is still being
heard; nor does the end of a connection, if the client comes back and says what it has.
"""

import secrets
from collections import deque

import trio

from voicetrio.core.config import SessionLimits
from voicetrio.core.errors import RemoteError
from voicetrio.core.messages import Speak
from voicetrio.core.playback import Playback
from voicetrio.session.line import Attachment
from voicetrio.session.log import SessionLog
from voicetrio.session.outbox import Outbox
from voicetrio.session.performance import Mouth, Performance
from voicetrio.session.playout import Playout
from voicetrio.session.ports import Synthesizer, Telemetry
from voicetrio.session.utterance import Script, Utterance


class Speaker:
    def __init__(
        self,
        *,
        synthesizer: Synthesizer,
        outbox: Outbox,
        mouth: Mouth,
        limits: SessionLimits,
        telemetry: Telemetry,
        log: SessionLog,
    ) -> None:
        self._outbox = outbox
        self._mouth = mouth
        self._limits = limits
        self._telemetry = telemetry
        self._log = log
        self._playout = Playout(outbox=outbox, limits=limits, telemetry=telemetry)
        self._performance = Performance(
            synthesizer=synthesizer, outbox=outbox, playout=self._playout, mouth=mouth, limits=limits
        )
        self._queue: deque[Utterance] = deque()
        self._current: Utterance | None = None
        self._asked = trio.Event()

    @property
    def audible(self) -> Utterance | None:
        """The utterance that the listener may be hearing now."""
        current = self._current
        return current if current is not None and current.playback is not None else None

    def speak(self, message: Speak, *, voice: str) -> None:
        """Queue what the client wants said; `voice` is the session's, used when the message names none.

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
        request_id = message.request_id or new_request_id()
        if any(other.request_id == request_id for other in self._live()):
            raise RemoteError(
                "duplicate_request", "tts.speak: request_id: an utterance with this id is still under way"
            )
        if len(self._queue) >= self._limits.max_queued_utterances:
            raise RemoteError("tts_queue_full", f"tts.speak: {len(self._queue)} utterances are waiting already")
        script = Script(message.text, closed=True)
        self.say(Utterance(request_id, script, message.voice or voice, float(message.speed), trio.current_time()))

    def say(self, utterance: Utterance) -> None:
        """Queue an utterance of the session's own. Whoever asks bounds how many there are."""
        self._queue.append(utterance)
        self._asked.set()

    def _live(self) -> list[Utterance]:
        """Those that have not had their end."""
        every = ([] if self._current is None else [self._current]) + list(self._queue)
        return [utterance for utterance in every if not utterance.over.is_set()]

    def cancel(self, request_id: str | None, *, reason: str = "cancelled") -> bool:
        """Stop one utterance, or all; their ends are told at once. False when there is no such utterance."""
        chosen = [one for one in self._live() if request_id is None or one.request_id == request_id]
        for utterance in chosen:
            utterance.cancel(reason)
            self._end(utterance, "interrupted")
        return bool(chosen)

    def report(self, request_id: str, played_ms: float) -> None:
        """The client has played so much of an utterance. A report about one that is over changes nothing."""
        current = self.audible
        if current is None or current.request_id != request_id:
            return
        assert current.playback is not None
        played = int(played_ms * current.playback.sample_rate / 1000)
        if played_ms >= current.playback.milliseconds(current.playback.reach):
            # All of it: clients know the length in whole milliseconds, rounded down, from `tts.speaking_end`.
            played = current.playback.reach
        current.playback.report(played, now=trio.current_time())
        current.wake()

    def pause(self) -> Utterance | None:
        """Somebody may be interrupting: the listener's player stops where it is. Returns what was paused."""
        current = self.audible
        if current is None or current.playback is None or current.playback.paused or current.scope.cancel_called:
            return None
        current.playback.pause(now=trio.current_time())
        current.wake()
        heard_ms = current.playback.milliseconds(current.playback.heard(now=trio.current_time()))
        self._log.debug("playback_paused", request_id=current.request_id, heard_ms=heard_ms)
        self._outbox.post({"type": "playback.paused", "request_id": current.request_id, "heard_ms": heard_ms})
        return current

    def resume(self, utterance: Utterance) -> bool:
        """Nobody was: it goes on where it stopped. False: it is over, or was not paused."""
        if utterance is not self.audible or utterance.playback is None or not utterance.playback.paused:
            return False
        utterance.playback.resume(now=trio.current_time())
        utterance.wake()
        self._log.debug("playback_resumed", request_id=utterance.request_id)
        self._outbox.post({"type": "playback.resumed", "request_id": utterance.request_id})
        return True

    def line_lost(self, alive_at: float) -> None:
        """Nobody is connected any more; the client gave its last sign of life `alive_at`."""
        current = self.audible
        if current is not None and current.playback is not None:
            current.playback.lose(alive_at=alive_at)
            current.wake()

    def line_attached(self, attachment: Attachment) -> None:
        """The client is back. What it lacks is sent again; where nobody can know what it lacks, it is told so."""
        current = self.audible
        if current is None or current.over.is_set():
            return
        if not self._playout.resume(current, attachment):
            self.cancel(current.request_id, reason="disconnected")

    async def run(self) -> None:
        """Say what is queued until cancelled; then each utterance that is left is told its end."""
        try:
            while True:
                while self._queue:
                    self._current = self._queue.popleft()
                    self._log.debug("utterance_started", request_id=self._current.request_id, waiting=len(self._queue))
                    try:
                        await self._say(self._current)
                    finally:
                        self._current = None
                self._asked = trio.Event()
                await self._asked.wait()
        finally:
            while self._queue:
                self._end(self._queue.popleft(), "interrupted")

    async def _say(self, utterance: Utterance) -> None:
        outcome = "interrupted"
        try:
            with utterance.scope:
                outcome = await self._performance.perform(utterance)
        finally:
            # Also when the whole session is cancelled: each utterance is told its end. `post` never waits.
            self._end(utterance, outcome)

    def _end(self, utterance: Utterance, outcome: str) -> None:
        """Tell its end, once."""
        if utterance.over.is_set():
            return
        if utterance.failed and utterance.playback is None:
            outcome = "failed"  # its error was its end, also for whoever stops it before its task has unwound
        utterance.over.set()
        utterance.outcome = outcome
        self._telemetry.utterance(outcome)
        self._log.info("utterance_ended", request_id=utterance.request_id, outcome=outcome)
        with utterance.audible:  # left here, whoever ends it: nobody is deaf for as long as its task takes to unwind
            if outcome == "interrupted" or (outcome == "failed" and utterance.playback is not None):
                self._interrupted(utterance, "failed" if outcome == "failed" else utterance.cancelled or "closed")
            elif utterance.playback is not None:
                self._completed(utterance, utterance.playback)

    def _completed(self, utterance: Utterance, playback: Playback) -> None:
        utterance.spoken = playback.text
        utterance.heard_text = playback.heard_text(now=trio.current_time())
        utterance.heard_ms = playback.milliseconds(playback.sent)
        utterance.playback = None
        self._outbox.post(
            {
                "type": "playback.completed",
                "request_id": utterance.request_id,
                "heard_ms": utterance.heard_ms,
                "timestamp_ms": self._mouth.now_ms(),
            },
            owed=True,
        )

    def _interrupted(self, utterance: Utterance, reason: str) -> None:
        """The last words about an utterance that was stopped, or has failed: it was heard up to here."""
        playback = utterance.playback
        if playback is not None:
            now = trio.current_time()
            utterance.spoken = playback.text
            utterance.heard_ms = playback.milliseconds(playback.heard(now=now))
            utterance.heard_text = playback.heard_text(now=now)
            self._outbox.drop_audio()
            utterance.playback = None  # what is still on its way out is of no account any more
            if not utterance.end_announced:
                self._playout.announce_end(utterance, playback, cancelled=True)
        self._outbox.post(
            {
                "type": "playback.interrupted",
                "request_id": utterance.request_id,
                "heard_ms": utterance.heard_ms,
                "heard_text": utterance.heard_text,
                "reason": reason,
                "timestamp_ms": self._mouth.now_ms(),
            },
            owed=True,
        )


def new_request_id() -> str:
    return f"tts-{secrets.token_hex(6)}"
