"""One session: a nursery that owns everything the session ever started.

    outer nursery: outbox (the only writer), which lives until the last message is written
      inner nursery: intake, recognition, speaker, state timeouts, watch, and the flush of a closing session
                     cancelled as a whole when the session ends, for whatever reason

A session is not a connection's task: `attach` gives it one, and it waits some time for another when that is lost. Every
end comes out of `run`: a last final is flushed if there is time for it, `session.closed` is always the last message,
and every connection is given a close code. An exception in here ends this session alone, with close code 1011.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import structlog
import trio

from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.errors import RemoteError, WorkerError
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.core.segments import Segment
from voicetrio.core.states import State, Trigger
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
from voicetrio.session.line import Attachment, Line
from voicetrio.session.outbox import Outbox, SlowClient
from voicetrio.session.ports import Link, Ports
from voicetrio.session.recognition import Recognition
from voicetrio.session.reporter import Reporter, welcome_message
from voicetrio.session.speaker import Speaker
from voicetrio.session.timeouts import Timeouts
from voicetrio.session.watch import Watch


class Session:
    """`attach` a connection and `run` it, once. Everything else may be called from other tasks while it runs."""

    def __init__(
        self, session_id: str, *, config: SessionConfig, limits: SessionLimits, ports: Ports, resume_token: str
    ) -> None:
        """`resume_token` is a secret: who has it may take the session over."""
        self.session_id = session_id
        self.resume_token = resume_token
        self._config = config
        self._limits = limits
        self._recognizer = ports.recognizer
        self._telemetry = telemetry = ports.telemetry
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger().bind(session_id=session_id)
        self._started = trio.current_time()
        self._timeouts = Timeouts(config.timeouts, on_timeout=self._time_out)
        self._end: End | None = None
        self._scope = trio.CancelScope()
        self._lingering = trio.CancelScope()
        self._writer_scope = trio.CancelScope(shield=True)
        self._written = trio.Event()
        self._flush = trio.Event()
        self._closing_since = 0.0
        self._has_been_attached = False
        self._left_at: float | None = None
        self._line = Line()
        self._outbox = Outbox(self._line, limits)
        self._ear = Ear(
            config,
            limits,
            make_detector=ports.make_detector,
            events=self,
            telemetry=telemetry,
            clock=trio.current_time,
        )
        self._reporter = Reporter(
            self._outbox, clock=self._ear.clock, now_ms=self.now_ms, telemetry=telemetry, log=self._log
        )
        self._recognition = Recognition(
            ring=self._ear.ring,
            segments=self._ear.segments,
            recognizer=ports.recognizer,
            session_id=session_id,
            config=lambda: self._config,
            limits=limits,
            events=self,
            telemetry=telemetry,
            log=self._log,
        )
        self._speaker = Speaker(
            synthesizer=ports.synthesizer,
            outbox=self._outbox,
            mouth=self,
            limits=limits,
            telemetry=telemetry,
            log=self._log,
        )
        self._intake = Intake(
            ear=self._ear,
            recognition=self._recognition,
            speaker=self._speaker,
            session=self,
            recognizer=ports.recognizer,
            synthesizer=ports.synthesizer,
            reporter=self._reporter,
            limits=limits,
        )
        self._watch = Watch(
            stalled_since=lambda: self._outbox.stalled_since,
            send_stall=limits.send_stall,
            give_up=lambda: self.end(SLOW_CLIENT),
            waits_for_audio=lambda: self.state is State.ACTIVE and self._line.current is not None,
            end_speech=self._ear.pause,
            no_audio=self._intake.tell_dropped,
        )

    # -- from other tasks -------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self._timeouts.state

    @property
    def config(self) -> SessionConfig:
        return self._config

    @property
    def closing(self) -> bool:
        """Whether the session only flushes what it has heard."""
        return self.state in (State.CLOSING, State.CLOSED)

    @property
    def waits_for_client(self) -> bool:
        """Whether the connection was lost, and the session waits for the client to come back."""
        return self._left_at is not None

    @property
    def over(self) -> bool:
        """Whether the session takes no connection any more."""
        return self._line.released

    def attach(self, link: Link, *, received: int | None = None) -> Attachment:
        """Talk to the client over this connection from now on; one that it had before is given up.

        `received` says how many text frames of this session the client has, without those of type `session.created`;
        what it has missed is repeated. The caller waits for `Attachment.over` and closes the connection.
        """
        now = trio.current_time()
        resumed, self._has_been_attached = self._has_been_attached, True
        if self._left_at is not None:
            self._intake.excuse(now - self._left_at)  # what the client has heard meanwhile comes at once
        if resumed:
            self._telemetry.session_resumed()
            self._log.info("session_resumed")
        self._left_at = None
        welcome = welcome_message(
            self.session_id,
            resume_token=self.resume_token,
            model=self._recognizer.model(),
            config=self._config,
            limits=self._limits,
            resumed=resumed,
            next_audio_ms=self._ear.resume(),
        )
        attachment = Attachment(link, welcome, received)
        self._line.attach(attachment)
        return attachment

    def end(self, end: End) -> None:
        """End the session at once: what was heard and not yet transcribed is dropped. The first reason counts."""
        if self._end is None:
            self._end = end
        self._scope.cancel(reason=f"session ends: {self._end.reason}")
        if end is not self._end:  # not its own end, which it waits after for a listener, but somebody else's
            self._lingering.cancel(reason=f"session ends: {end.reason}")

    def close(self, end: End = CLOSED_BY_CLIENT) -> None:
        """End the session in order: no more input, the last final is delivered, then the end."""
        if self._end is None and self._timeouts.allows(Trigger.CLOSE):
            self._end = end
            self._closing_since = trio.current_time()
            self._timeouts.move(Trigger.CLOSE)
            self._ear.finish()
            self._speaker.cancel(None, reason="closed")
            self._flush.set()

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
                    await self._wait_for_listener()
                finally:
                    with trio.move_on_after(self._limits.farewell, shield=True) as goodbye:
                        await self._say_goodbye()
                    if goodbye.cancelled_caught:
                        self._log.warning("farewell_not_delivered", queued=self._outbox.queued)
                    self._writer_scope.cancel(reason="the farewell had its time")
        finally:
            end = self._end or GOING_AWAY
            self._line.release(end)
            if self.state is not State.CLOSED:
                self._timeouts.move(Trigger.ABORT)
            seconds = trio.current_time() - self._started
            self._telemetry.session_closed(end.reason, seconds)
            self._log.info("session_closed", reason=end.reason, code=end.code, seconds=round(seconds, 3))
        return end

    # -- the tasks --------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        """The writer. A cancel from outside ends the conversation, not the farewell, which is bounded."""
        try:
            with self._writer_scope:
                await self._outbox.run()
        except Exception:
            self._log.exception("writer_crashed")
            self.end(INTERNAL_ERROR)
        self._written.set()

    async def _converse(self) -> None:
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._receive)
                    nursery.start_soon(self._recognition.run)
                    nursery.start_soon(self._speaker.run)
                    nursery.start_soon(self._timeouts.run)
                    nursery.start_soon(self._watch.run)
                    nursery.start_soon(self._finish)
        except* SlowClient:
            self._end = self._end or SLOW_CLIENT
        except* Exception:
            self._end = INTERNAL_ERROR
            self._log.exception("session_crashed")

    async def _wait_for_listener(self) -> None:
        """Somebody who asked for an orderly end and then lost the connection may still come for the last final."""
        if self._left_at is not None and self._end in (CLOSED_BY_CLIENT, TIMED_OUT):
            with self._lingering:
                self._lingering.deadline = self._left_at + self._limits.resume_grace
                await self._line.wait_attached()

    async def _receive(self) -> None:
        """Serve one connection after the other; a client that is away for longer than the grace is not waited for."""
        while True:
            with trio.move_on_after(self._limits.resume_grace):
                await self._line.wait_attached()
            attachment = self._line.current
            if attachment is None:
                self.close(DISCONNECTED)
                return
            await self._intake.serve(attachment)
            if not attachment.over.is_set():
                self._line.lose(attachment)
            if self._line.current is None:
                self._left_at = trio.current_time()
                self._log.info("client_away")

    async def _finish(self) -> None:
        """Once the session closes: wait for the last final, and end."""
        await self._flush.wait()
        await self._recognition.wait_idle()
        if self.state is State.CLOSING:
            self._timeouts.move(Trigger.FLUSHED)
        self.end(self._end or CLOSED_BY_CLIENT)

    def _time_out(self, state: State) -> None:
        match state:
            case State.SILENCE:
                self._timeouts.move(Trigger.TIMEOUT)
                self._recognition.release()
                self._reporter.held(self._config.timeouts.hold)
            case State.INIT:
                self._timeouts.move(Trigger.TIMEOUT)
                self.end(TIMED_OUT)
            case State.HOLD:
                self.close(TIMED_OUT)
            case State.CLOSING:
                if self._ear.segments.pending:
                    self._reporter.flush_timed_out(self._ear.segments.pending)
                self._timeouts.move(Trigger.TIMEOUT)
                self.end(self._end or TIMED_OUT)
            case State.ACTIVE | State.CLOSED:
                pass

    async def _say_goodbye(self) -> None:
        with suppress(SlowClient):  # then it is not told this either
            self._intake.tell_dropped()
        self._reporter.closed(self._end or GOING_AWAY)
        if self._line.current is not None:
            await self._written.wait()

    # -- what intake asks for ---------------------------------------------------------------------------------------

    def configure(self, config: SessionConfig) -> None:
        """Use these values from now on. They have been checked."""
        self._config = config
        self._timeouts.configure(config.timeouts)
        self._ear.configure(config)
        self._recognition.reconfigure()
        self._reporter.configured(config)

    def refuse(self, error: RemoteError) -> None:
        """Tell the client what was wrong with what it sent; end the session where it cannot go on."""
        self._reporter.error(error.code, error.message, recoverable=error.recoverable)
        if not error.recoverable:
            self.end(End(error.code, error.close_code))

    def audio_came(self, now: float) -> float:
        return self._watch.audio_came(now)

    # -- EarEvents --------------------------------------------------------------------------------------------------

    def speech_started(self, at_sample: int) -> None:
        if self._timeouts.allows(Trigger.SPEECH_START):
            self._timeouts.move(Trigger.SPEECH_START)
        self._recognition.want()
        self._reporter.speech_started(at_sample)

    def speech_ended(self, at_sample: int) -> None:
        if self._timeouts.allows(Trigger.SPEECH_END):
            self._timeouts.move(Trigger.SPEECH_END)
        self._reporter.speech_ended(at_sample)

    def audio_added(self) -> None:
        self._recognition.audio_added()

    # -- RecognitionEvents ------------------------------------------------------------------------------------------

    def partial(self, news: Partial) -> None:
        self._reporter.partial(news, with_tentative=self._config.interim)

    def final(self, segment: Segment, hypothesis: Hypothesis) -> None:
        self._reporter.final(segment, hypothesis)
        self._ear.settled()

    def lost(self, segments: int, start: int, end: int, error: WorkerError) -> None:
        self._reporter.lost(segments, start, end, error)
        self._ear.settled()

    def progress(self) -> None:
        """A flush goes on for as long as the worker is alive, within reason."""
        if self.state is State.CLOSING and trio.current_time() - self._closing_since < self._limits.closing_max:
            self._timeouts.rearm()

    # -- Mouth ------------------------------------------------------------------------------------------------------

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Around an utterance that can be heard: nobody is listened to, unless the session listens in full duplex."""
        with ExitStack() as stack:
            stack.enter_context(self._timeouts.paused())
            if self._config.duplex == "mute":
                stack.enter_context(self._ear.mute())
            yield

    def now_ms(self) -> int:
        return self._ear.position_ms
