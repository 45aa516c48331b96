"""`voicetrio talk RECORDING`: a conversation, in which a recording is the user.

How the call goes is in `talk_call.py`, when it is over in `talk_conversation.py`, what is printed in `talk_view.py`.
This is what surrounds it: the recording is opened before a session is, and what the listener heard is written
however the call ends, by Ctrl-C too.
"""

import argparse
import math
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import trio

from voicetrio.cli.media import open_audio
from voicetrio.cli.talk_call import Call
from voicetrio.cli.talk_heard import heard_wav
from voicetrio.cli.talk_view import FORMATS, Format, new_view
from voicetrio.cli.transcribe import PATIENCE_MS
from voicetrio.cli.wav_file import check_place, write_whole
from voicetrio.cli.with_server import add_server_arguments, run_with_server
from voicetrio.core.errors import VoicetrioError

WAIT_S = 10.0
"""Seconds after the last that was heard for a turn to begin. Half a second of pause ends a segment, its final takes a
tenth of its length (3 s for the longest), and a server that has lost its recogniser takes up to 10 s to find another."""

WAIT_S_MAX = 3600.0
"""An hour: longer is no waiting."""


@dataclass(frozen=True, slots=True)
class TalkOptions:
    barge_in: bool = False
    """Whether the server listens while it speaks."""
    language: str | None = None
    """Such as `en`; None leaves it to the server."""
    format: Format = "text"
    wait_s: float = WAIT_S

    def settings(self) -> dict[str, Any]:
        """Of `session.configure`."""
        # A recording may be silent for long: that is no sign that nobody is there any more.
        settings: dict[str, Any] = {"init_timeout_ms": PATIENCE_MS, "hold_timeout_ms": PATIENCE_MS}
        settings |= {"agent": "on", "speak_replies": True}
        if self.barge_in:
            settings["duplex"] = "barge_in"
        if self.language is not None:
            settings["language"] = self.language
        return settings


async def talk(
    recording: str, *, server_url: str, output: Path | str | None, options: TalkOptions, out: TextIO, err: TextIO
) -> int:
    """Hold the conversation, and write what was heard to `output`; the exit code: 0, or 1."""

    def tell(text: str) -> None:
        print(f"voicetrio: {text}", file=err, flush=True)

    try:
        if output is not None:
            await trio.to_thread.run_sync(check_place, output)
        async with open_audio(recording) as audio:
            view = new_view(options.format, out)
            call = Call(audio, view, settings=options.settings(), wait_s=options.wait_s, tell=tell)
            try:
                # `new_`: a dialog that has no name yet; the agent gives it one.
                await call.run(server_url, f"new_talk-{secrets.token_hex(8)}")
                for warning in audio.warnings:
                    tell(warning)
            finally:
                if output is not None and call.opened_at is not None:
                    # Also when cancelled, as Ctrl-C does it: what was heard is all that is left of the call.
                    with trio.CancelScope(shield=True):  # bounded: it writes one file
                        await trio.to_thread.run_sync(_write, call, call.opened_at, trio.current_time(), output)
    except (VoicetrioError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        tell(str(error))
        return 1
    return _verdict(call, options, tell)


def _write(call: Call, begin: float, end: float, output: Path | str) -> None:
    """Runs in a thread. Raises: OSError."""
    write_whole(heard_wav(call.player.heard, begin=begin, end=end), output)


def _verdict(call: Call, options: TalkOptions, tell: Callable[[str], None]) -> int:
    """The exit code of a call that ended in order."""
    conversation = call.conversation
    if not conversation.turns:
        tell(f"nothing was understood: no turn began within {options.wait_s:g} s")
        return 1
    if not conversation.answered:
        tell("nothing was answered aloud")
        return 1
    return 1 if conversation.faults or conversation.failed else 0


def _wait(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= WAIT_S_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, more than 0 and up to {WAIT_S_MAX:g}")
    return seconds


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "talk",
        help="hold a conversation in which a recording is the user",
        description="Play a recording as the microphone, in real time and then silent, until all that was said in it is "
        "answered, and print the conversation with its times. While the server speaks it does not listen: what the "
        "recording says meanwhile is not heard, unless --barge-in is given.",
        epilog="Exit code: 0 if something was answered aloud and nothing went wrong; 1 if not.",
    )
    parser.add_argument("recording", metavar="RECORDING", help="audio, or video with sound, of any common format")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write what the listener heard as a WAV, in the conversation's time"
    )
    parser.add_argument(
        "--barge-in", action="store_true", help="the server listens while it speaks, and can be interrupted"
    )
    parser.add_argument("--language", metavar="CODE", help="the language spoken, such as en")
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text; json: one event per line")
    parser.add_argument(
        "--wait",
        type=_wait,
        default=WAIT_S,
        metavar="SECONDS",
        help=f"for what was said last to be understood; default: {WAIT_S:g}",
    )
    add_server_arguments(parser)
    parser.set_defaults(command=run_talk)


def run_talk(args: argparse.Namespace) -> int:
    options = TalkOptions(barge_in=args.barge_in, language=args.language, format=args.format, wait_s=args.wait)
    return run_with_server(
        args,
        lambda url: talk(
            args.recording, server_url=url, output=args.output, options=options, out=sys.stdout, err=sys.stderr
        ),
    )
