"""`voicetrio say TEXT`: the text as speech in a WAV file, by way of a server."""

import argparse
import math
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import trio

from voicetrio.cli.native_client import NativeSession
from voicetrio.cli.native_errors import ConnectionLost, SessionFailed
from voicetrio.cli.resuming import run_resumable
from voicetrio.cli.ticket import ResumeTicket
from voicetrio.cli.wav_file import SAMPLE_BYTES, STDOUT, WavStream, check_place, open_stream, wav_bytes, write_whole
from voicetrio.cli.with_server import add_server_arguments, run_with_server
from voicetrio.core.errors import VoicetrioError
from voicetrio.session.session_id import new_session_id

SILENCE_S = 120.0
"""Seconds between two messages: a slow engine on a slow machine may need this for its first sound."""

SPEED_MIN, SPEED_MAX = 0.25, 4.0
"""The protocol's own limits, told before a server is bothered."""

REPORT_MS = 100
"""Milliseconds of audio between two reports of what was heard: the server sends at most some 10 s more than that."""

FATAL_CODES = ("tts_", "invalid_", "unknown_voice", "text_too_long")
"""Beginnings of error codes after which no speech will come; others may be about the unused half of the session."""


@dataclass(slots=True)
class Speech:
    """What has been received of the utterance."""

    request_id: str
    sample_rate: int = 0
    """Samples per second; 0 until the server has said it."""
    pcm: bytearray = field(default_factory=bytearray)
    """16-bit little-endian mono."""
    complete: bool = False
    reported_ms: int = 0
    """What the server was told has been heard."""

    @property
    def received_ms(self) -> int:
        """Rounded down: nothing counts as heard that has not come."""
        return len(self.pcm) // SAMPLE_BYTES * 1000 // self.sample_rate

    @property
    def duration_ms(self) -> int:
        """Rounded up: a report of having heard it all must not fall short by half a millisecond."""
        return math.ceil(len(self.pcm) / SAMPLE_BYTES * 1000 / self.sample_rate)


async def say(
    text: str,
    *,
    server_url: str,
    output: Path | str,
    voice: str | None,
    speed: float,
    err: TextIO,
    stdout: BinaryIO | None = None,
) -> int:
    """Write `text` as speech to the WAV file `output`, or to `stdout` if that is "-"; the exit code: 0, or 1.

    A file appears when all has been said; into a pipe or a device the speech goes as it comes.
    """
    stdout = stdout or sys.stdout.buffer
    try:
        if not text.strip():
            raise SessionFailed("there is no text to say")
        await trio.to_thread.run_sync(check_place, output)
        request: dict[str, Any] = {"text": text, "voice": voice, "speed": speed}
        # Its reader may never come, or be slow for ever: a cancelled command does not wait for it.
        stream = await trio.to_thread.run_sync(open_stream, output, stdout, abandon_on_cancel=True)
        speech = await receive_speech(server_url, request, err, stream)
        if stream is None:
            data = wav_bytes(speech.pcm, speech.sample_rate)
            await trio.to_thread.run_sync(write_whole, data, output, stdout)
        elif str(output) not in STDOUT:
            stream.close()
    except (VoicetrioError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        print(f"voicetrio: {error}", file=err, flush=True)
        return 1
    return 0


async def receive_speech(
    server_url: str, request: dict[str, Any], err: TextIO, stream: WavStream | None = None
) -> Speech:
    """What a `tts.speak` with the fields of `request` brings; into `stream`, too, while it comes.

    Raises:
        VoicetrioError: not all of it came.
        OSError: the stream cannot be written.
    """
    speech = Speech(request_id=f"say-{secrets.token_hex(8)}")
    fields = {name: value for name, value in request.items() if value is not None}

    async def listen(session: NativeSession, _ticket: ResumeTicket) -> None:
        """Over one connection; after a cut the next one goes on where this one ended."""
        session.limit_silence(SILENCE_S)
        try:
            async for message in session:
                if isinstance(message, bytes):
                    if speech.sample_rate and not speech.complete:
                        speech.pcm += message
                        if stream is not None:
                            rate = speech.sample_rate
                            await trio.to_thread.run_sync(stream.write, message, rate, abandon_on_cancel=True)
                        await _report(speech, session)
                elif message.get("type") != "session.created":
                    await _hear(message, speech, session, err)
                elif not speech.sample_rate:  # also again: the first time may have been lost with its connection
                    await session.send_json({"type": "tts.speak", "request_id": speech.request_id, **fields})
        except ConnectionLost:
            if not speech.complete:  # else we have what we came for
                raise

    def tell_cut() -> None:
        print("voicetrio: the connection was lost; going on over another one", file=err, flush=True)

    await run_resumable(server_url, new_session_id(), listen, on_cut=tell_cut)
    if not speech.complete:
        raise ConnectionLost("the server ended the session before all was said")
    return speech


async def _report(speech: Speech, session: NativeSession) -> None:
    """Nobody listens in real time: what has come counts as heard, so that the server need not wait for that."""
    if speech.received_ms >= speech.reported_ms + REPORT_MS:
        speech.reported_ms = speech.received_ms
        played = {"request_id": speech.request_id, "played_ms": speech.reported_ms}
        await session.send_json({"type": "playback.progress", **played})


async def _hear(message: dict[str, Any], speech: Speech, session: NativeSession, err: TextIO) -> None:
    if message.get("request_id", speech.request_id) != speech.request_id:
        return
    match message.get("type"):
        case "tts.speaking_start":
            speech.sample_rate = int(message.get("sample_rate", 24_000))  # the protocol's default
        case "tts.speaking_end" if not speech.complete:
            if message.get("cancelled") or not speech.pcm:
                raise SessionFailed("the server broke off the speech")
            speech.complete = True
            played = {"request_id": speech.request_id, "played_ms": speech.duration_ms}
            await session.send_json({"type": "playback.progress", **played})
            await session.send_json({"type": "session.close"})
        case "playback.interrupted" if not speech.complete:
            raise SessionFailed("the server broke off the speech")
        case "error" if message.get("code") == "duplicate_request":
            pass  # it had got through before the connection was cut
        case "error":
            code, text = str(message.get("code")), f"{message.get('code')}: {message.get('message')}"
            if not speech.complete and (code.startswith(FATAL_CODES) or not message.get("recoverable", True)):
                raise SessionFailed(text)
            print(f"voicetrio: {text}", file=err, flush=True)
        case _:
            pass  # grows with the protocol


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not SPEED_MIN <= speed <= SPEED_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {SPEED_MIN} to {SPEED_MAX}")
    return speed


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("say", help="speak a text into a WAV file")
    parser.add_argument("text", metavar="TEXT", help="what to say; - reads it from standard input")
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="-", help="a WAV file, or a pipe; default: standard output"
    )
    parser.add_argument("--voice", metavar="NAME", help="a voice of the server's engine")
    parser.add_argument("--speed", type=_speed, default=1.0, metavar="X", help="0.25 to 4; default: 1")
    add_server_arguments(parser)
    parser.set_defaults(command=run_say)


def run_say(args: argparse.Namespace) -> int:
    if args.output in STDOUT and sys.stdout.isatty():
        print("voicetrio: a WAV file is nothing to look at: name one with --output, or use a pipe", file=sys.stderr)
        return 2
    try:
        text = sys.stdin.read() if args.text == "-" else args.text
    except UnicodeDecodeError:
        print("voicetrio: standard input is not text in UTF-8", file=sys.stderr)
        return 1
    return run_with_server(
        args,
        lambda url: say(text, server_url=url, output=args.output, voice=args.voice, speed=args.speed, err=sys.stderr),
    )
