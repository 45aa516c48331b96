"""One session: a nursery that owns everything the session ever started.

    outer nursery: outbox (the only writer), which lives until the last message is written
      inner nursery: intake, recognition, speaker, state timeouts, stall watch
                     cancelled as a whole when the session ends, for whatever reason

Every end comes out of `run`: a last final is flushed if there is time for it, `session.closed` is always the last
message, and a close frame always follows. An exception in here ends this session alone, with close code 1011.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
import trio

from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.errors import RemoteError, WorkerError
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.core.segments import Segment
from voicetrio.core.server_messages import final_message, milliseconds, partial_message
from voicetrio.core.states import Lifecycle, State, Trigger
from voicetrio.core.transcript import Partial
from voicetrio.session.ear import Ear
from voicetrio.session.endings import (
    CANCELLED_BY_CLIENT,
    CLOSED_BY_CLIENT,
    DISCONNECTED,
    GOING_AWAY,
    INTERNAL_ERROR,
    SLOW_CLIENT,
    TIMED_OUT,
    End,
)
from voicetrio.session.intake import Intake
from voicetrio.session.outbox import Outbox, SlowClient
from voicetrio.session.ports import Link, Recognizer, Synthesizer, Telemetry, VoiceDetector
from voicetrio.session.recognition import Recognition, explain_loss
from voicetrio.session.speaker import Speaker

_STALL_CHECK = 1.0
"""Seconds between looks at a send that does not return, and at a speaker whose audio stays away."""

_LULL = 5.0
"""Seconds without audio in the middle of a speech that end it, as with a push-to-talk button: no silence would ever come,
and ACTIVE has no timeout. Longer than the gaps of a mobile network, which would only cut the speech, without a hole."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a session is given by the composition root."""

    recognizer: Recognizer
    synthesizer: Synthesizer
    make_detector: Callable[[str], VoiceDetector]
    telemetry: Telemetry


class Session:
    """`run` it once. Everything else may be called from other tasks while it runs."""

    def __init__(
        self, session_id: str, link: Link, *, config: SessionConfig, limits: SessionLimits, ports: Ports
    ) -> None:
        self.session_id = session_id
        self._config = config
        self._limits = limits
        self._telemetry = ports.telemetry
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger().bind(session_id=session_id)
        self._started = trio.current_time()
        self._lifecycle = Lifecycle(config.timeouts, now=self._started)
        self._deadline_moved = trio.Event()
        self._end: End | None = None
        self._scope = trio.CancelScope()
        self._writer_scope = trio.CancelScope(shield=True)
        self._intake_scope = trio.CancelScope()
        self._transcribed = 0
        self._had_partial = False
        self._speech_began = self._started
        self._heard_at = self._started
        self._model = ports.recognizer.model()
        self._link = link
        self._outbox = Outbox(link, limits)
        self._ear = Ear(
            config,
            limits,
            make_detector=ports.make_detector,
            events=self,
            telemetry=ports.telemetry,
            clock=trio.current_time,
        )
        self._recognition = Recognition(
            ring=self._ear.ring,
            segments=self._ear.segments,
            recognizer=ports.recognizer,
            session_id=session_id,
            config=lambda: self._config,
            limits=limits,
            events=self,
            telemetry=ports.telemetry,
            log=self._log,
        )
        self._speaker = Speaker(
            synthesizer=ports.synthesizer,
            outbox=self._outbox,
            mouth=self,
            limits=limits,
            telemetry=ports.telemetry,
            log=self._log,
        )
        self._intake = Intake(
            link=link,
            ear=self._ear,
            recognition=self._recognition,
            speaker=self._speaker,
            session=self,
            recognizer=ports.recognizer,
            synthesizer=ports.synthesizer,
            limits=limits,
        )

    # -- from other tasks -------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self._lifecycle.state

    @property
    def config(self) -> SessionConfig:
        return self._config

    def end(self, end: End) -> None:
        """End the session at once: what was heard and not yet transcribed is dropped. The first reason counts."""
        if self._end is None:
            self._end = end
        self._scope.cancel(reason=f"session ends: {self._end.reason}")

    def close(self, end: End = CLOSED_BY_CLIENT) -> None:
        """End the session in order: no more input, the last final is delivered, then the end."""
        if self._end is None and self._lifecycle.allows(Trigger.CLOSE):
            self._end = end
            self._move(Trigger.CLOSE)
            self._intake_scope.cancel(reason=f"session closes: {end.reason}")
            self._speaker.cancel(None, reason="closed")

    def cancel(self) -> None:
        """Drop everything and end."""
        self.end(CANCELLED_BY_CLIENT)

    async def run(self) -> End:
        """The whole life of the session. Cancelling it tells the client 1001 and returns no later than the farewell."""
        self._telemetry.session_opened()
        self._log.info("session_opened")
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                try:
                    await self._converse()
                finally:
                    with trio.move_on_after(self._limits.farewell, shield=True) as goodbye:
                        await self._say_goodbye()
                    if goodbye.cancelled_caught:
                        self._log.warning("farewell_not_delivered", queued=self._outbox.queued)
                    self._writer_scope.cancel(reason="the farewell had its time")
        finally:
            end = self._end or GOING_AWAY
            if self._lifecycle.state is not State.CLOSED:
                self._lifecycle.handle(Trigger.ABORT, now=trio.current_time())
            seconds = trio.current_time() - self._started
            self._telemetry.session_closed(end.reason, seconds)
            self._log.info("session_closed", reason=end.reason, code=end.code, seconds=round(seconds, 3))
        return end

    # -- the tasks --------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        """The writer. A cancel from outside ends the conversation, not the farewell, which is bounded."""
        with self._writer_scope:
            await self._outbox.run()

    async def _converse(self) -> None:
        try:
            await self._live()
        except* SlowClient:
            self._end = self._end or SLOW_CLIENT
        except* Exception:
            self._end = INTERNAL_ERROR
            self._log.exception("session_crashed")

    async def _live(self) -> None:
        with self._scope:
            self._outbox.post(
                {
                    "type": "session.created",
                    "session_id": self.session_id,
                    "model": self._model,
                    "config": self._config.as_message(),
                    "resumed": False,
                    "next_audio_ms": 0,
                }
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._receive)
                nursery.start_soon(self._recognition.run)
                nursery.start_soon(self._speaker.run)
                nursery.start_soon(self._watch_deadline)
                nursery.start_soon(self._watch_stall)

    async def _receive(self) -> None:
        with self._intake_scope:
            await self._intake.run()
            self.end(DISCONNECTED)
            return
        assert self._end is not None, "only `close` cancels the intake"
        self._ear.finish()
        await self._recognition.wait_idle()
        if self._lifecycle.state is State.CLOSING:
            self._lifecycle.handle(Trigger.FLUSHED, now=trio.current_time())
        self.end(self._end)

    async def _watch_deadline(self) -> None:
        """The state timeouts: a cancel scope around a wait for the deadline to be moved."""
        while True:
            moved = self._deadline_moved = trio.Event()
            with trio.move_on_at(self._lifecycle.deadline):
                await moved.wait()
            if not moved.is_set() and trio.current_time() >= self._lifecycle.deadline:
                self._time_out()

    def _time_out(self) -> None:
        match self._lifecycle.state:
            case State.SILENCE:
                self._move(Trigger.TIMEOUT)
                self._recognition.release()
                hold_ms = round(self._config.timeouts.hold * 1000)
                self._outbox.post({"type": "session.hold", "timestamp_ms": self.now_ms(), "hold_timeout_ms": hold_ms})
            case State.INIT:
                self._move(Trigger.TIMEOUT)
                self.end(TIMED_OUT)
            case State.HOLD:
                self.close(TIMED_OUT)
            case State.CLOSING:
                self.post_error(
                    "final_timeout",
                    f"the last {len(self._ear.segments.pending)} segment(s) were not transcribed in time",
                    recoverable=False,
                )
                self._move(Trigger.TIMEOUT)
                self.end(self._end or TIMED_OUT)
            case State.ACTIVE | State.CLOSED:
                pass

    async def _watch_stall(self) -> None:
        while True:
            await trio.sleep(_STALL_CHECK)
            since = self._outbox.stalled_since
            if since is not None and trio.current_time() - since > self._limits.send_stall:
                self.end(SLOW_CLIENT)
            if self._recognition.holds_back:
                self._heard_at = trio.current_time()
            elif self._lifecycle.state is State.ACTIVE and trio.current_time() - self._heard_at > _LULL:
                self._ear.pause()

    async def _say_goodbye(self) -> None:
        end = self._end or GOING_AWAY
        self._outbox.post_last(
            {
                "type": "session.closed",
                "reason": end.reason,
                "total_duration_ms": self.now_ms(),
                "segments_transcribed": self._transcribed,
            }
        )
        await self._outbox.wait_written()
        await self._link.close(end.code, end.reason)

    def _move(self, trigger: Trigger) -> None:
        self._lifecycle.handle(trigger, now=trio.current_time())
        self._deadline_moved.set()

    # -- what intake asks for ---------------------------------------------------------------------------------------

    def configure(self, config: SessionConfig) -> None:
        """Use these values from now on. They have been checked."""
        self._config = config
        self._lifecycle.configure(config.timeouts)
        self._deadline_moved.set()
        self._ear.configure(config)
        self._recognition.reconfigure()
        self._outbox.post({"type": "session.configured", "config": config.as_message()})

    def refuse(self, error: RemoteError) -> None:
        """Tell the client what was wrong with what it sent; end the session where it cannot go on."""
        self.post_error(error.code, error.message, recoverable=error.recoverable)
        if not error.recoverable:
            self.end(End(error.code, error.close_code))

    def post_error(self, code: str, message: str, *, recoverable: bool) -> None:
        self._telemetry.client_error(code)
        self._log.info("client_error", code=code, recoverable=recoverable)
        self._outbox.post({"type": "error", "code": code, "message": message, "recoverable": recoverable})

    # -- EarEvents --------------------------------------------------------------------------------------------------

    def speech_started(self, at_sample: int) -> None:
        if self._lifecycle.allows(Trigger.SPEECH_START):
            self._move(Trigger.SPEECH_START)
        self._speech_began = trio.current_time()
        self._had_partial = False
        self._outbox.post({"type": "vad.speech_start", "timestamp_ms": milliseconds(at_sample)})

    def speech_ended(self, at_sample: int) -> None:
        if self._lifecycle.allows(Trigger.SPEECH_END):
            self._move(Trigger.SPEECH_END)
        self._outbox.post({"type": "vad.speech_end", "timestamp_ms": milliseconds(at_sample)})

    def audio_added(self) -> None:
        self._heard_at = trio.current_time()
        self._recognition.audio_added()

    # -- RecognitionEvents ------------------------------------------------------------------------------------------

    def partial(self, news: Partial) -> None:
        if not self._had_partial:
            self._had_partial = True
            self._telemetry.first_partial(trio.current_time() - self._speech_began)
        message = partial_message(news, with_tentative=self._config.interim)
        self._outbox.post(message, replace_key=news.segment_id)

    def final(self, segment: Segment, hypothesis: Hypothesis) -> None:
        assert segment.end is not None
        assert segment.ended_at is not None
        self._ear.settled()
        if hypothesis.words:
            self._transcribed += 1
        if hypothesis.confidence is not None:
            self._telemetry.confidence(hypothesis.confidence)
        message = final_message(segment.segment_id, segment.start, segment.end, hypothesis)
        ended_at = segment.ended_at
        self._outbox.post(message, on_written=lambda: self._telemetry.final_written(trio.current_time() - ended_at))

    def lost(self, segments: int, error: WorkerError) -> None:
        self._ear.settled()
        code, message = explain_loss(segments, error)
        self.post_error(code, message, recoverable=True)

    def progress(self) -> None:
        if self._lifecycle.state is State.CLOSING:
            self._lifecycle.rearm(now=trio.current_time())
            self._deadline_moved.set()

    # -- Mouth ------------------------------------------------------------------------------------------------------

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Around an utterance that can be heard: nobody is listened to, unless the session listens in full duplex."""
        self._lifecycle.pause()
        self._deadline_moved.set()
        try:
            if self._config.duplex == "mute":
                with self._ear.mute():
                    yield
            else:
                yield
        finally:
            self._lifecycle.resume(now=trio.current_time())
            self._deadline_moved.set()

    def now_ms(self) -> int:
        return milliseconds(self._ear.ring.head)
