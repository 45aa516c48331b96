"""One call: a recording goes into a session as a microphone would send it, and its answers are heard as they are played.

    recording, then silence ─> [pacer] ─> session ==> server ==> session ─> player, conversation, view
              the microphone, which also reports what was heard           the receiver

The microphone is the only one that sends: a frame every 20 ms, in real time, and between two frames what the player has
to report. It hangs up when the conversation is over. The receiver decides how the call ended: when the microphone meets
a closed socket it just stops, for the messages that explain the end may not have been read yet.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import trio

from voicetrio.cli.media import SAMPLE_BYTES, SAMPLE_RATE
from voicetrio.cli.native_client import NativeSession
from voicetrio.cli.native_errors import NORMAL_CLOSE_CODES, ConnectionLost, SessionFailed, describe_close
from voicetrio.cli.pacing import Pacer, sending_rate
from voicetrio.cli.player import Player
from voicetrio.cli.talk_conversation import Conversation
from voicetrio.cli.talk_view import TalkView
from voicetrio.cli.ticket import ServerLimits
from voicetrio.core.errors import VoicetrioError

FRAME_S = 0.02
"""Seconds of audio per message, as telephones have it: what waits for a frame to be full comes on top of every answer."""

FRAME_BYTES = round(FRAME_S * SAMPLE_RATE) * SAMPLE_BYTES

CREATED_S = 30.0
"""Seconds the server has to create and configure a session: all it needs is a free worker."""

STALL_S = 60.0
"""Seconds between two messages after the recording's end. The longest the server keeps still in order is the 10 s of
sound that it is ahead, or an agent's time to think, which is the server's to bound: this is for one that hangs."""

END_SILENCE_S = 30.0
"""Seconds for the server's goodbye: all that was heard has been answered before."""

OUTPUT_RATE = 24_000
"""Samples per second of an utterance that does not tell: the protocol's default."""


class Recording(Protocol):
    """What of an `AudioFile` is needed."""

    path: str
    duration_s: float | None

    async def read(self, n_bytes: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Piece:
    """Of an utterance: its text, until the listener hears it."""

    request_id: str
    text: str
    offset_ms: int


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
        self.player = Player(now=trio.current_time())
        self.opened_at: float | None = None
        """When the microphone opened; None if it never did."""
        self._recording, self._view, self._tell = recording, view, tell
        self._settings, self._wait_s = settings, wait_s
        self._limits: ServerLimits | None = None
        self._created = trio.Event()
        self._configured = trio.Event()
        self._pacer = Pacer(math.inf, real_time=True)
        self._pieces: list[_Piece] = []
        self._recorded = True
        """Whether the recording goes on."""
        self._hung_up = False

    @property
    def at(self) -> float:
        """Seconds since the microphone opened."""
        return 0.0 if self.opened_at is None else trio.current_time() - self.opened_at

    async def run(self, session: NativeSession) -> None:
        """Until both sides have said goodbye.

        Raises:
            VoicetrioError: the call could not begin, was cut, or was ended by the server; or the recording is damaged,
                and what could be read of it was answered.
        """
        session.limit_silence(CREATED_S)
        ended: VoicetrioError | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._speak, session)
                try:
                    async for message in session:
                        self._hear(message, session)
                except VoicetrioError as error:
                    ended = error
                nursery.cancel_scope.cancel(reason="the session has ended")
        finally:
            self.player.advance(trio.current_time())
            if self.opened_at is not None:
                self._view.ended(self.conversation, at=self.at)
        if ended is not None:
            raise ended
        if not self._hung_up:
            reason = (session.closed_message or {}).get("reason")
            raise ConnectionLost(f"the server ended the call ({reason})" if reason else "the server ended the call")
        if session.close_code is not None and session.close_code not in NORMAL_CLOSE_CODES:
            how = describe_close(session.close_code, session.close_reason)
            raise ConnectionLost(f"the server ended the call ({how})")

    # -- the microphone -----------------------------------------------------------------------------------------------

    async def _speak(self, session: NativeSession) -> None:
        try:
            await self._created.wait()
            await session.send_json({"type": "session.configure", **self._settings})
            await self._configured.wait()
            await self._open_microphone(session)
            self._hung_up = True
            session.limit_silence(END_SILENCE_S)
            await session.send_json({"type": "session.close"})
        except ConnectionLost:
            return  # the receiver tells

    async def _open_microphone(self, session: NativeSession) -> None:
        """Until the conversation is over."""
        frame = await self._read()  # before the clock starts: the first one may have to be decoded
        self.opened_at = trio.current_time()
        self._pacer = Pacer(self.opened_at, real_time=True, rate=sending_rate(self._limits))
        session.limit_silence(math.inf)  # a recording may be silent for long
        self._view.opened(self._recording.path, self._recording.duration_s)
        frames = 0
        while True:
            await self._wait_until_due(frames * FRAME_S, session)
            if not frame and self._recorded:
                self._end_recording(session)
            if self.conversation.over(now=trio.current_time(), playing=self.player.busy(now=trio.current_time())):
                return
            await session.send_audio(frame.ljust(FRAME_BYTES, b"\0"))
            self._pacer.sent(trio.current_time())
            frames += 1
            frame = await self._read()

    async def _read(self) -> bytes:
        """The next frame of the recording; empty after its end, which is silence."""
        return await self._recording.read(FRAME_BYTES) if self._recorded else b""

    def _end_recording(self, session: NativeSession) -> None:
        self._recorded = False
        self.conversation.recording_ended(now=trio.current_time())
        session.limit_silence(STALL_S + self._wait_s)
        self._view.silent(at=self.at)

    async def _wait_until_due(self, begin_s: float, session: NativeSession) -> None:
        """Reports go on meanwhile: the server may have asked for a pause of seconds."""
        while True:
            await self._report(session)
            due = self._pacer.due(begin_s, FRAME_S)
            if due <= trio.current_time():
                return
            await trio.sleep_until(min(due, trio.current_time() + FRAME_S))

    async def _report(self, session: NativeSession) -> None:
        self._show_heard()
        for progress in self.player.take_reports(now=trio.current_time()):
            fields = {"request_id": progress.request_id, "played_ms": progress.played_ms}
            await session.send_json({"type": "playback.progress", **fields})

    # -- what comes from the server -----------------------------------------------------------------------------------

    def _hear(self, message: dict[str, Any] | bytes, session: NativeSession) -> None:
        """Raises: SessionFailed, if the server does not take part in conversations."""
        now = trio.current_time()
        if isinstance(message, bytes):
            if self.player.feed(message, now=now):
                self.conversation.sounded()
            return
        self.conversation.note(message, now=now)
        self._play(message, now)
        match message.get("type"):
            case "session.created":
                self._limits = ServerLimits.from_message(message)
                self._created.set()
            case "session.configured":
                self._configured.set()
            case "session.rate_limit":
                self._pacer.hold(now, message.get("delay_ms", 0) / 1000)
            case "session.frames_dropped":
                self._tell(f"the server dropped {message.get('dropped_ms', 0) / 1000:.2f} s of what was said")
            case "error":
                text = f"{message.get('code')}: {message.get('message')}"
                if not self._configured.is_set():
                    raise SessionFailed(text)
                self._tell(text)
            case _:
                pass
        if self.opened_at is not None:
            self._view.event(message, self.conversation, at=self.at)

    def _play(self, message: dict[str, Any], now: float) -> None:
        request_id = str(message.get("request_id"))
        match message.get("type"):
            case "tts.speaking_start":
                self.player.begin(request_id, int(message.get("sample_rate") or OUTPUT_RATE), now=now)
                self._pieces.append(_Piece(request_id, str(message.get("text") or ""), 0))
            case "tts.speaking_text":
                text, offset_ms = str(message.get("text") or ""), int(message.get("offset_ms") or 0)
                self._pieces.append(_Piece(request_id, text, offset_ms))
            case "tts.speaking_end":
                self.player.end(request_id, now=now)
            case "playback.paused":
                self.player.pause(request_id, now=now)
            case "playback.resumed":
                self.player.resume(request_id, now=now)
            case "playback.completed":
                # The server gives a player no more time that is far behind; ours may still have a little to play.
                self.player.end(request_id, now=now)
                self.player.resume(request_id, now=now)
            case "playback.interrupted":
                self._show_heard()
                self.player.flush(request_id, now=now)
                self._pieces = [piece for piece in self._pieces if piece.request_id != request_id]
            case _:
                pass
        self._show_heard()

    def _show_heard(self) -> None:
        """Pieces are in the order of their sound."""
        now = trio.current_time()
        while self._pieces and self.player.reached(self._pieces[0].request_id, self._pieces[0].offset_ms, now=now):
            text = self._pieces.pop(0).text
            if text:
                self._view.piece(text, at=self.at)
