"""`voicetrio transcribe FILE...`: what is said in audio files, by way of a server.

    file -> AudioFile -> [pacer] -> session ==> server ==> session -> view
                 the sender                            the receiver

One session per file. Sender and receiver are two tasks, so words appear while the file is still being sent.
The receiver decides how the session ended; the sender, when it meets a closed socket, just stops: the messages that
explain the end may not have been read yet.
"""

import argparse
import math
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, get_args

import trio

from voicetrio.cli.media import SAMPLE_BYTES, SAMPLE_RATE, AudioFile, MediaError, open_audio
from voicetrio.cli.native_client import (
    NORMAL_CLOSE_CODES,
    ConnectionLost,
    NativeSession,
    SessionFailed,
    describe_close,
    open_native_session,
)
from voicetrio.cli.subtitles import Segment
from voicetrio.cli.transcript_view import Format, Transcript, TranscriptView, Writer, new_writer, open_view
from voicetrio.cli.with_server import add_server_arguments, run_with_server
from voicetrio.core.errors import VoicetrioError

FRAME_S = 0.1
"""Seconds per message: a tenth is not felt, and costs ten messages a second."""

FRAME_BYTES = int(FRAME_S * SAMPLE_RATE) * SAMPLE_BYTES

FRAME_BYTES_MIN = SAMPLE_RATE // 100 * SAMPLE_BYTES
"""10 ms, the shortest frame the protocol takes. A file's last one is filled up with silence."""

CREATED_S = 30.0
"""Seconds the server has to create a session: all it needs is a free worker."""

PATIENCE_MS = 86_400_000
"""A day, the longest a server takes: a session of ours ends when the file does."""
END_SILENCE_S = 300.0
"""Seconds between two messages once all is sent: a slow engine may take minutes for one long segment."""


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    language: str | None = None
    """Such as `en`; None leaves it to the server."""
    format: Format = "text"
    fast: bool = False
    """As quickly as the server takes it, instead of in the file's own time."""


class Pacer:
    """When each frame is due. Pure: seconds of the caller's clock go in and come out.

    Frame k is due at `start + k * FRAME_S`, whenever the one before it really went: lateness does not add up.
    A hold asked for by the server moves all that follows, lest the held frames come in one burst.
    """

    def __init__(self, start: float, *, real_time: bool) -> None:
        self._start = start
        self._frame_s = FRAME_S if real_time else 0.0
        self._held_until = -math.inf

    def due(self, frame: int) -> float:
        return max(self._start + frame * self._frame_s, self._held_until)

    def hold(self, now: float, delay_s: float) -> None:
        """Nothing for `delay_s` from now. Holds that overlap count once."""
        until = now + delay_s
        if until > self._held_until:
            self._start += until - max(now, self._held_until)
            self._held_until = until


async def transcribe(
    files: Sequence[str], *, server_url: str, options: TranscribeOptions, out: TextIO, err: TextIO
) -> int:
    """Transcribe the files one after the other; the exit code: 0, or 1 if one of them failed."""
    failed = False
    for number, file in enumerate(files):
        header = ""
        if options.format == "text" and len(files) > 1:
            header = ("\n" if number else "") + f"==> {file} <==\n"  # as `head` does it
        transcript = Transcript(file)
        writer = new_writer(options.format)
        try:
            await _transcribe_file(transcript, writer, header, server_url, options, out, err)
        except MediaError as error:
            transcript.error = str(error)
        except VoicetrioError as error:
            transcript.error = f"{file}: {error}"
        out.write(writer.end(transcript))
        out.flush()
        if transcript.error is not None:
            failed = True
            print(f"voicetrio: {transcript.error}", file=err, flush=True)
    return 1 if failed else 0


async def _transcribe_file(
    transcript: Transcript,
    writer: Writer,
    header: str,
    server_url: str,
    options: TranscribeOptions,
    out: TextIO,
    err: TextIO,
) -> None:
    """Fills the transcript. Raises: VoicetrioError; what came before it is in the transcript, and shown."""
    async with open_audio(transcript.file) as audio:
        session_id = f"transcribe-{secrets.token_hex(8)}"
        with open_view(out, err, title=Path(transcript.file).name, duration_s=audio.duration_s) as view:
            async with open_native_session(server_url, session_id) as session:
                view.write(header + writer.begin())
                # A file may be silent for long: that is no sign that nobody is there any more.
                settings: dict[str, Any] = {"init_timeout_ms": PATIENCE_MS, "hold_timeout_ms": PATIENCE_MS}
                if options.language is not None:
                    settings["language"] = options.language
                if out.isatty():
                    settings["interim"] = True
                run = _Run(session, audio, view, writer, transcript)
                await run.run(settings, real_time=not options.fast)


async def _wait_until_due(pacer: Pacer, frame: int) -> None:
    while True:
        due = pacer.due(frame)
        if due <= trio.current_time():
            return
        await trio.sleep_until(due)  # and look again: a hold may have come while we slept


class _Run:
    """One file on its way through one session."""

    def __init__(
        self, session: NativeSession, audio: AudioFile, view: TranscriptView, writer: Writer, transcript: Transcript
    ) -> None:
        self._session, self._audio, self._view, self._writer = session, audio, view, writer
        self._transcript = transcript
        self._created = trio.Event()
        self._pacer: Pacer | None = None
        self._close_sent = False
        self._failure: VoicetrioError | None = None
        """The first thing that went wrong; raised when all that can still be heard has been."""

    async def run(self, settings: dict[str, Any], *, real_time: bool) -> None:
        self._session.limit_silence(CREATED_S)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, settings, real_time)
            try:
                async for message in self._session:
                    if isinstance(message, dict):
                        self._hear(message)
            except ConnectionLost as error:
                self._fail(error)
            nursery.cancel_scope.cancel(reason="the session has ended")
        if not self._close_sent:
            self._fail(ConnectionLost("the server ended the session before the whole file was sent"))
        code = self._session.close_code
        if code is not None and code not in NORMAL_CLOSE_CODES:
            how = describe_close(code, self._session.close_reason)
            self._fail(ConnectionLost(f"the server ended the session ({how})"))
        if self._failure is not None:
            raise self._failure

    def _fail(self, error: VoicetrioError) -> None:
        self._failure = self._failure or error

    async def _send(self, settings: dict[str, Any], real_time: bool) -> None:
        try:
            await self._created.wait()
            await self._session.send_json({"type": "session.configure", **settings})
            self._pacer = Pacer(trio.current_time(), real_time=real_time)
            await self._send_audio(self._pacer)
            self._close_sent = True
            await self._session.send_json({"type": "session.close"})
            self._session.limit_silence(END_SILENCE_S)
        except ConnectionLost:
            return  # the receiver tells

    async def _send_audio(self, pacer: Pacer) -> None:
        frame, sent_s = 0, 0.0
        try:
            while pcm := await self._audio.read(FRAME_BYTES):
                await _wait_until_due(pacer, frame)
                await self._session.send_audio(pcm.ljust(FRAME_BYTES_MIN, b"\0"))
                frame += 1
                sent_s += len(pcm) / SAMPLE_BYTES / SAMPLE_RATE
                self._transcript.duration_s = sent_s
                self._view.progress(sent_s, now=trio.current_time())
        except MediaError as error:
            self._fail(error)  # and go on to the close: what could be read shall be heard

    def _hear(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "session.created":
                self._session.limit_silence(math.inf)  # a file may be silent for hours
                self._created.set()
            case "transcript.partial":
                self._view.words(message.get("text") or "", message.get("tentative") or "")
            case "transcript.final":
                segment = Segment.from_message(message)
                self._transcript.segments.append(segment)
                self._view.words("", "")
                self._view.write(self._writer.final(segment))
            case "session.rate_limit" if self._pacer is not None:
                self._pacer.hold(trio.current_time(), message.get("delay_ms", 0) / 1000)
            case "session.frames_dropped":
                lost_ms = message.get("dropped_ms", 0)
                self._note(f"the server dropped {lost_ms} ms of audio: {message.get('message', '')}")
            case "error":
                text = f"{message.get('code')}: {message.get('message')}"
                if message.get("recoverable", True):
                    self._note(text)
                else:
                    self._fail(SessionFailed(text))
            case _:
                pass  # grows with the protocol

    def _note(self, text: str) -> None:
        self._view.note(f"voicetrio: {self._transcript.file}: {text}")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("transcribe", help="print what is said in audio files")
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio, or video with sound, of any common format")
    parser.add_argument("--language", metavar="CODE", help="the language spoken, such as en")
    parser.add_argument("--format", choices=get_args(Format), default="text", help="default: text")
    parser.add_argument("--fast", action="store_true", help="as quickly as the server can, not in the file's own time")
    add_server_arguments(parser)
    parser.set_defaults(command=run_transcribe)


def run_transcribe(args: argparse.Namespace) -> int:
    if args.format in ("srt", "vtt") and len(args.files) > 1:
        print("voicetrio: subtitles of several files do not fit into one: give one file at a time", file=sys.stderr)
        return 2
    options = TranscribeOptions(language=args.language, format=args.format, fast=args.fast)
    return run_with_server(
        args,
        lambda url: transcribe(args.files, server_url=url, options=options, out=sys.stdout, err=sys.stderr),
    )
