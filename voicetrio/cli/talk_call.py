"""One call: a recording goes into a session as a microphone would send it, and its answers are heard as they are played.

    microphone ─> session ==> server ==> session ─> listener, conversation, view
       the sender                          the receiver

The sender is the only one that sends: a frame every 20 ms, in real time, and between two frames what the listener has
to report. It hangs up when the conversation is over. The receiver decides how a connection ended: when the sender meets
a closed socket it just stops, for the messages that explain the end may not have been read yet.

Both are made anew for each connection, for the call survives a cut. What outlives a connection is in `Call`, and goes on
meanwhile: the microphone's time, and the playing of what has come.
"""

import math
from collections.abc import Callable
from typing import Any

import trio

from voicetrio.cli.native_client import NativeSession
from voicetrio.cli.native_errors import (
    NORMAL_CLOSE_CODES,
    ConnectionCut,
    ConnectionLost,
    SessionFailed,
    SessionGone,
    describe_close,
)
from voicetrio.cli.resuming import run_resumable
from voicetrio.cli.talk_conversation import Conversation
from voicetrio.cli.talk_listener import Listener
from voicetrio.cli.talk_microphone import FRAME_S, Microphone, Recording
from voicetrio.cli.talk_view import TalkView
from voicetrio.cli.ticket import ResumeTicket
from voicetrio.core.errors import VoicetrioError

CREATED_S = 30.0
"""Seconds the server has to create and configure a session: all it needs is a free worker."""

STALL_S = 60.0
"""Seconds between two messages after the recording's end. The longest the server keeps still in order is the 10 s of
sound that it is ahead, or an agent's time to think, which is the server's to bound: this is for one that hangs."""

END_SILENCE_S = 30.0
"""Seconds for the server's goodbye: all that was heard has been answered before."""


class Call:
    """`run` it once; afterwards `conversation` and `player` tell what came of it, however it ended."""

    def __init__(
        self,
        recording: Recording,
        view: TalkView,
        *,
        settings: dict[str, Any],
        wait_s: float,
        tell: Callable[[str], None],
    ) -> None:
        """`settings` are those of `session.configure`; `tell` takes what went wrong, a line for the person."""
        self.conversation = Conversation(wait_s=wait_s)
        self._listener = Listener(lambda text: view.piece(text, at=self.at), now=trio.current_time())
        self.player = self._listener.player
        self.opened_at: float | None = None
        """When the microphone opened; None if it never did."""
        self._view, self._tell = view, tell
        self._settings, self._wait_s = settings, wait_s
        self._microphone = Microphone(recording)
        self._session: NativeSession | None = None
        """Over the connection that is there, or was there last."""
        self._configured = trio.Event()
        self._silent = False
        """Whether the view was told that the recording has ended."""
        self._hung_up = False
        self._failed = False
        """Whether the server has told an error that its session does not survive."""

    @property
    def at(self) -> float:
        """Seconds since the microphone opened."""
        return 0.0 if self.opened_at is None else trio.current_time() - self.opened_at

    async def run(self, server_url: str, session_id: str) -> None:
        """Until both sides have said goodbye, over as many connections as that takes.

        Raises:
            VoicetrioError: the call could not begin, was cut and could not be resumed, or was ended by the server.
        """
        ended: VoicetrioError | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._show_heard)
                try:
                    await run_resumable(server_url, session_id, self._talk, on_cut=self._tell_cut)
                except VoicetrioError as error:
                    ended = error
                nursery.cancel_scope.cancel(reason="the call has ended")
        finally:
            self.player.advance(trio.current_time())
            if self.opened_at is not None:
                self._view.ended(self.conversation, at=self.at)
        if isinstance(ended, SessionGone) and self._hung_up:
            return  # it has ended, as we had asked for: only the goodbye was lost with a connection
        if ended is not None:
            raise ended
        assert self._session is not None
        self._check_end(self._session)

    def _check_end(self, session: NativeSession) -> None:
        """Raises: ConnectionLost, if it was not us who ended the call, or not in order."""
        if not self._hung_up:
            reason = (session.closed_message or {}).get("reason")
            raise ConnectionLost(f"the server ended the call ({reason})" if reason else "the server ended the call")
        if session.close_code is not None and session.close_code not in NORMAL_CLOSE_CODES:
            how = describe_close(session.close_code, session.close_reason)
            raise ConnectionLost(f"the server ended the call ({how})")

    async def _show_heard(self) -> None:
        """What is heard is shown when it is, also while there is no connection."""
        while True:
            self._listener.show_heard(now=trio.current_time())
            await trio.sleep(FRAME_S)

    def _tell_cut(self) -> None:
        self._tell("the connection was lost; going on over another one")

    async def _talk(self, session: NativeSession, ticket: ResumeTicket) -> None:
        """Over one connection; after a cut the next one goes on where this one ended."""
        self._session = session
        session.limit_silence(CREATED_S)
        created = trio.Event()
        ended: VoicetrioError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, session, created)
            try:
                async for message in session:
                    if isinstance(message, dict) and message.get("type") == "session.created":
                        self._enter(message, ticket)
                        created.set()
                    else:
                        self._hear(message)
            except VoicetrioError as error:
                ended = error
            nursery.cancel_scope.cancel(reason="the connection has ended")
        if self._failed and isinstance(ended, ConnectionCut):
            raise ConnectionLost(f"{ended}: the call is over")  # there is nothing to come back to
        if ended is not None:
            raise ended

    def _enter(self, created: dict[str, Any], ticket: ResumeTicket) -> None:
        """Raises: AudioGone."""
        self._microphone.connected(ticket, int(created.get("next_audio_ms") or 0))
        self.conversation.recording_goes_on()

    # -- the sender ---------------------------------------------------------------------------------------------------

    async def _send(self, session: NativeSession, created: trio.Event) -> None:
        try:
            await created.wait()
            if not self._configured.is_set():  # also again: the first time may have been lost with its connection
                await session.send_json({"type": "session.configure", **self._settings})
                await self._configured.wait()
            if not self._hung_up:
                await self._send_audio(session)
            self._hung_up = True
            session.limit_silence(END_SILENCE_S)
            await session.send_json({"type": "session.close"})
        except ConnectionLost:
            return  # the receiver tells

    async def _send_audio(self, session: NativeSession) -> None:
        """Until the conversation is over."""
        frame = await self._microphone.read()  # before the clock starts: the first one may have to be decoded
        if self.opened_at is None:
            self.opened_at = trio.current_time()
            self._microphone.open(self.opened_at)
            self._view.opened(self._microphone.path, self._microphone.duration_s)
        session.limit_silence(math.inf)  # a recording may be silent for long
        recorded = True
        while True:
            await self._wait_until_due(session)
            if recorded and self._microphone.silent:
                recorded = False
                self._end_recording(session)
            now = trio.current_time()
            if self.conversation.over(now=now, playing=self.player.busy(now=now)):
                return
            await session.send_audio(frame)
            self._microphone.sent(trio.current_time())
            frame = await self._microphone.read()

    def _end_recording(self, session: NativeSession) -> None:
        """Of this connection: after a cut the end of the recording may come once more."""
        self.conversation.recording_ended(now=trio.current_time())
        session.limit_silence(STALL_S + self._wait_s)
        if not self._silent:
            self._silent = True
            self._view.silent(at=self.at)

    async def _wait_until_due(self, session: NativeSession) -> None:
        """Reports go on meanwhile: the server may have asked for a pause of seconds."""
        while True:
            for report in self._listener.take_reports(now=trio.current_time()):
                await session.send_json(report)
            due = self._microphone.due()
            if due <= trio.current_time():
                return
            await trio.sleep_until(min(due, trio.current_time() + FRAME_S))

    # -- the receiver -------------------------------------------------------------------------------------------------

    def _hear(self, message: dict[str, Any] | bytes) -> None:
        """Raises: SessionFailed, if the server does not take part in conversations."""
        now = trio.current_time()
        if isinstance(message, bytes):
            if self.player.feed(message, now=now):
                self.conversation.sounded()
            return
        self.conversation.note(message, now=now)
        self._listener.note(message, now=now)
        match message.get("type"):
            case "session.configured":
                self._configured.set()
            case "session.rate_limit":
                self._microphone.hold(now, message.get("delay_ms", 0) / 1000)
            case "session.frames_dropped":
                self._tell(f"the server dropped {message.get('dropped_ms', 0) / 1000:.2f} s of what was said")
            case "error":
                text = f"{message.get('code')}: {message.get('message')}"
                if not self._configured.is_set():
                    raise SessionFailed(text)
                self._tell(text)
                self._failed = self._failed or not message.get("recoverable", True)
            case _:
                pass
        if self.opened_at is not None:
            self._view.event(message, self.conversation, at=self.at)
