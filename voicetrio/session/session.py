"""One session: a nursery that owns everything the session ever started.

    outer nursery: outbox (the only writer), which lives until the last message is written
      inner nursery: intake, recognition, turn taking, conversation, speaker, state timeouts, watch, and the flush of a
                     closing session
                     cancelled as a whole when the session ends, for whatever reason

A session is not a connection's task: `attach` gives it one, and it waits some time for another when that is lost. Every
end comes out of `run`: a last final is flushed if there is time for it, `session.closed` is always the last message,
and every connection is given a close code. An exception in here ends this session alone, with close code 1011.
"""

from collections.abc import Callable
from contextlib import suppress

import trio

from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.history import History
from voicetrio.core.states import State, Trigger
from voicetrio.session.body import Body
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
from voicetrio.session.identity import Identity, is_temporary
from voicetrio.session.line import Attachment, Line, SpeechReceived
from voicetrio.session.log import SessionLog
from voicetrio.session.outbox import SlowClient
from voicetrio.session.overview import Overview, overview_of
from voicetrio.session.ports import Link, Ports
from voicetrio.session.reporter import welcome_message
from voicetrio.session.timeouts import Timeouts
from voicetrio.session.watch import Watch


class Session:
    """`attach` a connection and `run` it, once. Everything else may be called from other tasks while it runs."""

    def __init__(
        self,
        session_id: str,
        *,
        config: SessionConfig,
        limits: SessionLimits,
        ports: Ports,
        resume_token: str,
        claim: Callable[["Session", str], bool] = lambda _session, _id: True,
    ) -> None:
        """`resume_token` is a secret: who has it may take the session over. `claim` gives the session another id, which
        its agent has named, or says that it cannot be had.
        """
        self.first_id = session_id
        """What the client called it when it came."""
        self.resume_token = resume_token
        self._limits = limits
        self._recognizer = ports.recognizer
        self._telemetry = ports.telemetry
        self._log = SessionLog(session_id)
        self._started = trio.current_time()
        self._timeouts = Timeouts(config.timeouts, on_timeout=self._time_out, log=self._log)
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
        self._identity = Identity(
            session_id,
            claim=lambda wanted: claim(self, wanted),
            welcome=lambda: self._body.outbox.welcome(self.session_id),
            log=self._log,
        )
        self._body = Body(
            self,
            identity=self._identity,
            line=self._line,
            timeouts=self._timeouts,
            config=config,
            limits=limits,
            ports=ports,
            log=self._log,
        )
        self._watch = Watch(
            stalled_since=lambda: self._body.outbox.stalled_since,
            send_stall=limits.send_stall,
            give_up=lambda: self.end(SLOW_CLIENT),
            waits_for_audio=lambda: self.state is State.ACTIVE and self._line.current is not None,
            end_speech=self._body.ear.pause,
            no_audio=self._body.intake.tell_dropped,
        )

    @property
    def session_id(self) -> str:
        """What it is called now; an agent may rename it."""
        return self._identity.session_id

    @property
    def history(self) -> History:
        return self._body.conversation.history

    # -- from other tasks -------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self._timeouts.state

    @property
    def config(self) -> SessionConfig:
        return self._body.config

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

    def overview(self) -> Overview:
        """What its operator may know of it, now: nothing that anybody said. Cheap, and also while it ends."""
        away = self._line.current is None and not self._line.released
        return overview_of(
            self._body,
            session_id=self.session_id,
            state=self.state,
            started=self._started,
            connected=self._line.current is not None,
            away_since=(self._started if self._left_at is None else self._left_at) if away else None,
        )

    def attach(self, link: Link, *, received: int | None = None, speech: SpeechReceived | None = None) -> Attachment:
        """Talk to the client over this connection from now on; one that it had before is given up.

        `received` says how many text frames of this session the client has, without those of types `session.created` and
        `session.pong`; what it has missed is repeated. `speech` says what it has of the speech. The caller waits for
        `Attachment.over` and closes the connection.
        """
        resumed, self._has_been_attached = self._has_been_attached, True
        if resumed:
            self._telemetry.session_resumed()
            self._log.info("session_resumed")
        temporary = is_temporary(self.session_id)
        if not resumed:
            if temporary:
                self._log.told("Temporary session ID detected, will create new session")
            self._log.told(f"WebSocket connected (temp={temporary})")
        self._left_at = None
        welcome = welcome_message(
            self.session_id,
            resume_token=self.resume_token,
            model=self.config.model or self._recognizer.model(),
            config=self.config,
            limits=self._limits,
            resumed=resumed,
            next_audio_ms=self._body.ear.resume(),
        )
        attachment = Attachment(link, welcome, received, holds_welcome=temporary and not resumed, speech=speech)
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
            self._body.finish()
            self._flush.set()

    def go_away(self) -> None:
        """The server stops: end in order, with the last final, and so that the client may come back to another server.

        It takes as long as the worker does, so whoever calls this calls `end` when there is no more time.
        """
        self.close(GOING_AWAY)
        if self._scope.cancel_called:  # it is over, and only waits for somebody to listen to its last words
            self.end(GOING_AWAY)

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
                        self._log.warning("farewell_not_delivered", queued=self._body.outbox.queued)
                    self._writer_scope.cancel(reason="the farewell had its time")
        finally:
            end = self._end or GOING_AWAY
            self._line.release(end)
            self._body.ear.ring.release()
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
                await self._body.outbox.run()
        except Exception:
            self._log.exception("writer_crashed")
            self.end(INTERNAL_ERROR)
        self._written.set()

    async def _converse(self) -> None:
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    body = self._body
                    nursery.start_soon(self._receive)
                    nursery.start_soon(body.recognition.run)
                    nursery.start_soon(body.turn_taking.run)
                    nursery.start_soon(body.conversation.run)
                    nursery.start_soon(body.speaker.run)
                    nursery.start_soon(self._timeouts.run)
                    nursery.start_soon(self._watch.run)
                    nursery.start_soon(self._identity.welcome_late)
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
            await self._body.intake.serve(attachment)
            if not attachment.over.is_set():
                self._line.lose(attachment)
            if self._line.current is None:
                self._left_at = trio.current_time()
                if not self._body.engaged:
                    self.end(DISCONNECTED)  # nothing was said: there is nothing to come back to
                    return
                self._log.info("client_away")

    async def _finish(self) -> None:
        """Once the session closes: wait for the last final, and end."""
        await self._flush.wait()
        await self._body.recognition.wait_idle()
        if self.state is State.CLOSING:
            self._timeouts.move(Trigger.FLUSHED)
        self.end(self._end or CLOSED_BY_CLIENT)

    def _time_out(self, state: State) -> None:
        match state:
            case State.SILENCE:
                self._timeouts.move(Trigger.TIMEOUT)
                self._body.recognition.release()
                self._body.reporter.held(self.config.timeouts.hold)
            case State.INIT:
                self._timeouts.move(Trigger.TIMEOUT)
                self.end(TIMED_OUT)
            case State.HOLD:
                self.close(TIMED_OUT)
            case State.CLOSING:
                if self._flush_has_time():
                    self._body.recognition.doubt()
                    self._timeouts.rearm()
                    return
                if self._body.ear.segments.pending:
                    self._body.reporter.flush_timed_out(self._body.ear.segments.pending)
                self._timeouts.move(Trigger.TIMEOUT)
                self.end(self._end or TIMED_OUT)
            case State.ACTIVE | State.CLOSED:
                pass

    def flush_goes_on(self) -> None:
        """The worker is alive: a flush goes on for as long as that, within reason."""
        if trio.current_time() - self._closing_since < self._limits.closing_max:
            self._timeouts.rearm()

    def _flush_has_time(self) -> bool:
        """Whether what is owed may still come, although nothing was heard of it for the closing timeout.

        Recognition finds another worker, or gives the segments up itself when there is none.
        """
        within = trio.current_time() - self._closing_since < self._limits.closing_max
        return within and bool(self._body.ear.segments.pending)

    async def _say_goodbye(self) -> None:
        with suppress(SlowClient):  # then it is not told this either
            self._body.intake.tell_dropped()
        self._body.reporter.closed(self._end or GOING_AWAY)
        if self._line.current is not None:
            await self._written.wait()

    # -- Life: what the body asks for -------------------------------------------------------------------------------

    def audio_came(self, now: float) -> None:
        self._watch.audio_came(now)
