"""`voicetrio transcribe FILE...`: what is said in audio files, by way of a server.

One session per file, one file after the other; how a file goes through its session is in `transcribe_file.py`.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, get_args

from voicetrio.cli.media import MediaError, open_audio
from voicetrio.cli.transcribe_file import FileRun
from voicetrio.cli.transcript_view import Format, Transcript, Writer, new_writer, open_view
from voicetrio.cli.with_server import add_server_arguments, run_with_server
from voicetrio.core.errors import VoicetrioError
from voicetrio.session.session_id import new_session_id

PATIENCE_MS = 86_400_000
"""A day, the longest a server takes: a session of ours ends when the file does."""


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    language: str | None = None
    """Such as `en`; None leaves it to the server."""
    format: Format = "text"
    track: int | None = None
    """Which of a file's sound tracks, from 1 on; None: the one that a player would play."""
    fast: bool = False
    """As quickly as the server's limits allow, instead of in the file's own time."""


async def transcribe(
    files: Sequence[str], *, server_url: str, options: TranscribeOptions, out: TextIO, err: TextIO
) -> int:
    """Transcribe the files one after the other; the exit code: 0, or 1 if one of them failed.

    A file that is damaged or cut off, or in which no speech was heard, has not failed: there is a warning.
    """
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
        if transcript.error is None and transcript.is_empty:
            transcript.warnings.append(f"{file}: no speech was heard in it")
        out.write(writer.end(transcript))
        out.flush()
        for warning in transcript.warnings:
            print(f"voicetrio: {warning}", file=err, flush=True)
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
    async with open_audio(transcript.file, track=options.track) as audio:
        session_id = new_session_id()
        if audio.tracks and options.track is None:
            said = f"{transcript.file}: has several sound tracks; --track N takes another one than track {audio.track}:"
            print(f"voicetrio: {said}{audio.tracks}", file=err, flush=True)
        with open_view(out, err, title=Path(transcript.file).name, duration_s=audio.duration_s) as view:
            # A file may be silent for long: that is no sign that nobody is there any more.
            settings: dict[str, Any] = {"init_timeout_ms": PATIENCE_MS, "hold_timeout_ms": PATIENCE_MS}
            if options.language is not None:
                settings["language"] = options.language
            if out.isatty():
                settings["interim"] = True
            run = FileRun(
                audio,
                view,
                writer,
                transcript,
                header=header + writer.begin(),
                settings=settings,
                real_time=not options.fast,
            )
            await run.run(server_url, session_id)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "transcribe",
        help="print what is said in audio files",
        epilog="Exit code: 0, also where a file is damaged or cut off (it is used as far as it goes) or silent, with a "
        "warning on standard error; 1 if nothing of a file could be used, or not all of its sound was transcribed.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio, or video with sound, of any common format")
    parser.add_argument("--language", metavar="CODE", help="the language spoken, such as en")
    parser.add_argument("--format", choices=get_args(Format), default="text", help="default: text")
    parser.add_argument(
        "--track", type=_track, metavar="N", help="which sound track, from 1 on; default: the file's own"
    )
    parser.add_argument(
        "--fast", action="store_true", help="as quickly as the server allows, not in the file's own time"
    )
    add_server_arguments(parser)
    parser.set_defaults(command=run_transcribe)


def _track(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a track: 1, 2, ...")
    return int(text)


def run_transcribe(args: argparse.Namespace) -> int:
    if args.format in ("srt", "vtt") and len(args.files) > 1:
        print("voicetrio: subtitles of several files do not fit into one: give one file at a time", file=sys.stderr)
        return 2
    options = TranscribeOptions(language=args.language, format=args.format, track=args.track, fast=args.fast)
    return run_with_server(
        args,
        lambda url: transcribe(args.files, server_url=url, options=options, out=sys.stdout, err=sys.stderr),
    )
