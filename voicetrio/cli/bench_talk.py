"""`voicetrio bench talk`: how long an answer takes, from the end of the question to the first sound of the reply.

    this process ──starts──> server, with its worker and its agent
         │ speaks and listens  ^
         └─────────────────────┘

Whole conversations, one after the other, by the engines that come with voicetrio: this measures what somebody feels,
where `voicetrio bench` measures the server alone. The question is spoken by the server's own synthesiser, once, so that
nothing has to be recorded or shipped. The first turn is not counted: it pays for what only a first one costs.
"""

import argparse
import json
import os
import platform
import sys

import trio

from voicetrio.cli.bench import Progress
from voicetrio.cli.bench_process import BenchError
from voicetrio.cli.bench_talk_report import TalkFigures, as_json, table
from voicetrio.cli.bench_talk_server import open_talk_server
from voicetrio.cli.bench_talk_turn import Answer, NoAnswer, ask
from voicetrio.cli.media import SAMPLE_RATE
from voicetrio.cli.say import receive_speech
from voicetrio.core.errors import VoicetrioError
from voicetrio.core.resampling import Resampler

QUESTION = "Where is the house?"
"""Pocketsphinx hears a whole sentence in it when espeak-ng says it. Most others end for it in words such as "the", and then
the turn's maximum delay is measured, which is waited for when somebody seems to go on."""

TURNS_MAX = 10_000


async def measure(server_url: str, turns: int, progress: Progress) -> TalkFigures:
    """Raises: BenchError, if the server does not even speak the question."""
    progress.show("preparing the question")
    try:
        speech = await receive_speech(server_url, {"text": QUESTION}, sys.stderr)
    except VoicetrioError as error:
        raise BenchError(f"the question could not be spoken: {error}") from None
    pcm = Resampler(speech.sample_rate, SAMPLE_RATE).push(bytes(speech.pcm), last=True)
    answers: list[Answer] = []
    unanswered: list[str] = []
    for number in range(turns + 1):
        progress.show("warming up" if number == 0 else f"turn {number} of {turns}")
        try:
            answer = await ask(server_url, pcm)
        except NoAnswer as error:
            if number > 0:
                unanswered.append(str(error))
        else:
            if number > 0:
                answers.append(answer)
    progress.show("")
    return TalkFigures(tuple(answers), tuple(unanswered))


def _turns(text: str) -> int:
    turns = int(text)
    if not 1 <= turns <= TURNS_MAX:
        raise ValueError(text)
    return turns


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`subparsers` are those of `voicetrio bench`."""
    parser = subparsers.add_parser(
        "talk",
        help="measure how long answers take",
        description="Start a server, ask it a spoken question again and again, and tell how long the first sound of its "
        "answer took from the end of the question, and which part of that.",
        epilog="Exit code: 0 if every turn was answered; 1 if not.",
    )
    parser.add_argument("--turns", type=_turns, default=10, metavar="N", help="to measure; default: 10")
    parser.add_argument(
        "--config",
        metavar="FILE",
        action="append",
        default=[],
        help="the server's settings; may be given again, the last one wins; default: the defaults",
    )
    # Suppressed: `bench` has the same option, and a default here would undo it.
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="write a JSON object instead of a table"
    )
    parser.set_defaults(command=run_bench_talk)


def run_bench_talk(args: argparse.Namespace) -> int:
    """Returns the exit code: 0 when every turn was answered, 1 when not."""
    progress = Progress(sys.stderr)
    try:
        with open_talk_server(args.config) as server_url:
            figures = trio.run(measure, server_url, args.turns, progress)
    except BenchError as error:
        progress.show("")
        print(f"voicetrio bench talk: {error}", file=sys.stderr)
        return 1
    print(json.dumps(as_json(figures)) if args.json else table(figures, _title(args)), flush=True)
    return 0 if figures.passed else 1


def _title(args: argparse.Namespace) -> str:
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.release()}"
    settings = " ".join(args.config) or "default settings"
    return f"{args.turns} turns, one at a time, {settings}; {machine}"
