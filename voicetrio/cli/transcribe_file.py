"""One file on its way through one session, over as many connections as that takes.

    AudioFile -> ReplayedAudio -> [pacer] -> session ==> server ==> session -> view
                       the sender                            the receiver

Sender and receiver are two tasks, so words appear while the file is still being sent. The receiver decides how a
connection ended; the sender, when it meets a closed socket, just stops: the messages that explain the end may not have
been read yet. Both are made anew for each connection, and go on where `session.created` says.
"""

import math
from typing import Any

import trio

from voicetrio.cli.media import AudioFile
from voicetrio.cli.native_client import NativeSession
from voicetrio.cli.native_errors import NORMAL_CLOSE_CODES, ConnectionLost, SessionFailed, describe_close
from voicetrio.cli.pacing import Pacer, sending_rate
from voicetrio.cli.replay import BYTES_PER_S, ReplayedAudio
from voicetrio.cli.resuming import run_resumable
from voicetrio.cli.subtitles import Segment
from voicetrio.cli.ticket import ResumeTicket
from voicetrio.cli.transcript_view import Transcript, TranscriptView, Writer
from voicetrio.core.errors import VoicetrioError

CREATED_S = 30.0
"""Seconds the server has to create a session: all it needs is a free worker."""

END_SILENCE_S = 300.0
"""Seconds between two messages once all is sent: a slow engine may take minutes for one long segment."""


class FileRun:
    """Fills the transcript, and shows what comes of it. `header` is shown when there is a session."""

    def __init__(
        self,
        audio: AudioFile,
        view: TranscriptView,
        writer: Writer,
        transcript: Transcript,
        *,
        header: str,
        settings: dict[str, Any],
        real_time: bool,
    ) -> None:
        self._audio = ReplayedAudio(audio)
        self._file = audio
        self._view, self._writer, self._transcript = view, writer, transcript
        self._header, self._settings, self._real_time = header, settings, real_time
        self._pacer: Pacer | None = None
        self._configured = False
        self._close_sent = False
        self._close_code: int | None = None
        self._close_reason = ""
        self._dropped_ms = 0
        self._failure: VoicetrioError | None = None
        """The first thing that went wrong; raised when all that can still be heard has been."""

    async def run(self, server_url: str, session_id: str) -> None:
        """Raises: VoicetrioError; what came before it is in the transcript, and shown."""
        try:
            await run_resumable(server_url, session_id, self._talk, on_cut=self._tell_cut)
        except VoicetrioError as error:
            self._fail(error)
        if not self._close_sent:
            self._fail(ConnectionLost("the server ended the session before the whole file was sent"))
        if self._close_code is not None and self._close_code not in NORMAL_CLOSE_CODES:
            how = describe_close(self._close_code, self._close_reason)
            self._fail(ConnectionLost(f"the server ended the session ({how})"))
        self._transcript.warnings += self._file.warnings
        if self._dropped_ms:
            hole = f"{self._dropped_ms / 1000:.1f} s of the audio are missing: the server dropped them"
            if self._failure is None:
                self._fail(SessionFailed(hole))
            else:
                self._note(hole)
        if self._failure is not None:
            raise self._failure

    def _fail(self, error: VoicetrioError) -> None:
        self._failure = self._failure or error

    async def _talk(self, session: NativeSession, ticket: ResumeTicket) -> None:
        self._view.write(self._header)
        self._header = ""
        session.limit_silence(CREATED_S)
        created = trio.Event()
        ended: VoicetrioError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, session, created)
            try:
                async for message in session:
                    if not isinstance(message, dict):
                        continue
                    if message.get("type") == "session.created":
                        self._enter(message, session, ticket)
                        created.set()
                    else:
                        self._hear(message)
            except VoicetrioError as error:
                ended = error
            nursery.cancel_scope.cancel(reason="the connection has ended")
        self._close_code, self._close_reason = session.close_code, session.close_reason
        if isinstance(self._failure, SessionFailed):
            raise self._failure  # a session that has failed is nothing to come back to
        if ended is not None:
            raise ended

    def _enter(self, created: dict[str, Any], session: NativeSession, ticket: ResumeTicket) -> None:
        """Raises: AudioGone."""
        session.limit_silence(math.inf)  # a file may be silent for hours
        if self._pacer is None:
            rate = sending_rate(ticket.limits)
            self._pacer = Pacer(trio.current_time(), real_time=self._real_time, rate=rate)
            if ticket.valid and ticket.limits is not None:
                self._audio.keep_lacking(ticket.limits, rate=rate)
        self._audio.go_to(int(created.get("next_audio_ms") or 0))
        self._close_sent = self._close_sent and self._audio.position_is_end

    async def _send(self, session: NativeSession, created: trio.Event) -> None:
        try:
            await created.wait()
            assert self._pacer is not None
            if not self._configured:
                await session.send_json({"type": "session.configure", **self._settings})
            await self._send_audio(session, self._pacer)
            self._close_sent = True
            await session.send_json({"type": "session.close"})
            session.limit_silence(END_SILENCE_S)
        except ConnectionLost:
            return  # the receiver tells

    async def _send_audio(self, session: NativeSession, pacer: Pacer) -> None:
        while True:
            begin_s = self._audio.position_s
            pcm = await self._audio.read()
            if not pcm:
                return
            await _wait_until_due(pacer, begin_s, len(pcm) / BYTES_PER_S)
            await session.send_audio(pcm)
            pacer.sent(trio.current_time())
            self._transcript.duration_s = self._file.timeline.end(self._audio.file_s)
            self._view.progress(self._file.timeline.end(self._audio.position_s), now=trio.current_time())

    def _hear(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "session.configured":
                self._configured = True
            case "transcript.partial":
                self._view.words(message.get("text") or "", message.get("tentative") or "")
            case "transcript.final":
                segment = Segment.from_message(message).on(self._file.timeline)
                self._transcript.segments.append(segment)
                self._view.words("", "")
                self._view.write(self._writer.final(segment))
            case "session.rate_limit" if self._pacer is not None:
                self._pacer.hold(trio.current_time(), message.get("delay_ms", 0) / 1000)
            case "session.frames_dropped":
                if not self._dropped_ms:
                    self._note(f"the server drops audio: {message.get('message', '')}")
                self._dropped_ms += message.get("dropped_ms", 0)
            case "error":
                text = f"{message.get('code')}: {message.get('message')}"
                if message.get("recoverable", True):
                    self._note(text)
                else:
                    self._fail(SessionFailed(text))
            case _:
                pass  # grows with the protocol

    def _tell_cut(self) -> None:
        self._note("the connection to the server was lost; resuming")

    def _note(self, text: str) -> None:
        self._view.note(f"voicetrio: {self._transcript.file}: {text}")


async def _wait_until_due(pacer: Pacer, begin_s: float, length_s: float) -> None:
    while True:
        due = pacer.due(begin_s, length_s)
        if due <= trio.current_time():
            return
        await trio.sleep_until(due)  # and look again: a hold may have come while we slept
