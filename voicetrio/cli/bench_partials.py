"""`voicetrio bench partials`: how early and how reliably an encoder-decoder engine's words are shown.

Recordings are given to the engine as if live, and each is one segment (with `--join` several are strung together). No time
is waited for: positions in the audio are the clock, and an engine's own time for a pass is no part of a delay. But an
engine that makes fewer passes under load makes fewer here, too, on a slow machine. Every pass is judged by what a session
would show of it, and by what would be shown without a policy.
"""

import argparse
import json
import platform
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from voicetrio.cli.bench import Progress
from voicetrio.cli.bench_partials_report import Agreed, PartialsFigures, Plain, Tally
from voicetrio.cli.recordings import Recording, load_recordings, word_errors
from voicetrio.core.config import SAMPLE_RATE
from voicetrio.core.errors import VoicetrioError
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.worker.engines.contract import (
    BatchedHearing,
    HearingEngine,
    HearingSetup,
    StreamOptions,
)
from voicetrio.worker.engines.registry import load_hearing

PIECE_SECONDS = 0.1
"""As sessions send it."""
PIECE_BYTES = 2 * round(PIECE_SECONDS * SAMPLE_RATE)
COUNT_MAX = 100
OPTIONS = StreamOptions(session_id="bench", language="")


class PartialsBenchError(VoicetrioError):
    """Nothing can be measured; the text says why."""


@runtime_checkable
class CountsAudio(Protocol):
    """An engine that says how much its passes have decoded, in all."""

    @property
    def decoded_seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Heard:
    """One segment's passes."""

    passes: tuple[Hypothesis, ...]
    """The final one last."""
    ends: tuple[int, ...]
    """Samples of the segment that had come before each pass, also of those that had nothing to say."""


def hear(engine: HearingEngine | BatchedHearing, pcm: bytes, step: float) -> Heard:
    """A segment of its own, with passes `step` seconds apart (if the engine does not want more) and one at its end."""
    passes: list[Hypothesis] = []
    ends: list[int] = []
    begins = range(0, len(pcm), PIECE_BYTES * round(step / PIECE_SECONDS))
    stops = [*begins[1:], len(pcm)]
    if isinstance(engine, BatchedHearing):
        stream = engine.open(OPTIONS)
        for begin, stop in zip(begins, stops, strict=True):
            for place in range(begin, stop, PIECE_BYTES):
                stream.feed(1, place // 2, pcm[place : min(stop, place + PIECE_BYTES)])
            if engine.has_work:
                engine.run()
                ends.append(stop // 2)
            heard = stream.take()
            if heard is not None:
                passes.append(heard)
        passes.append(stream.end_segment(1, len(pcm) // 2))
        stream.close()
    else:
        alone = engine.open(OPTIONS)
        for begin, stop in zip(begins, stops, strict=True):
            heard = alone.accept(1, begin // 2, pcm[begin:stop])
            if heard is not None:
                passes.append(heard)
                ends.append(stop // 2)
        passes.append(alone.end_segment(1, len(pcm) // 2))
        alone.close()
    ends.append(len(pcm) // 2)
    return Heard(tuple(passes), tuple(ends))


def join(recordings: Sequence[Recording], count: int) -> list[Recording]:
    """Each `count` of them as one; the last has what is left."""
    groups = [recordings[place : place + count] for place in range(0, len(recordings), count)]
    return [
        Recording(
            name="+".join(one.name for one in some),
            pcm=b"".join(one.pcm for one in some),
            text=" ".join(one.text for one in some),
            words=(),
        )
        for some in groups
    ]


def measure(
    engine: HearingEngine | BatchedHearing,
    recordings: Sequence[Recording],
    *,
    step: float,
    min_confirm_passes: int,
    progress: Progress,
) -> PartialsFigures:
    """Each recording is a segment. An engine that fails raises whatever it raises."""
    agreed, plain = Tally(), Tally()
    passes, whole_samples = 0, 0
    decoded_before = engine.decoded_seconds if isinstance(engine, CountsAudio) else 0.0
    for number, recording in enumerate(recordings, start=1):
        progress.show(f"recording {number} of {len(recordings)}")
        heard = hear(engine, recording.pcm, step)
        passes += len(heard.ends)
        whole_samples += sum(heard.ends)
        for tally, policy in ((agreed, Agreed(min_confirm_passes)), (plain, Plain())):
            tally.errors += word_errors(recording.text, tally.add(policy, heard.passes))
    progress.show("")
    return PartialsFigures(
        segments=len(recordings),
        spoken_words=sum(len(recording.text.split()) for recording in recordings),
        audio_seconds=sum(recording.seconds for recording in recordings),
        passes=passes,
        agreed=agreed.shown,
        plain=plain.shown,
        whole_seconds=whole_samples / SAMPLE_RATE,
        decoded_seconds=engine.decoded_seconds - decoded_before if isinstance(engine, CountsAudio) else None,
    )


def _option(text: str) -> tuple[str, str | int | float | bool]:
    """As a settings file has it, where a text may do without its quotes."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(text)
    try:
        read = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value
    return name, read if isinstance(read, str | int | float) else value


def _step(text: str) -> float:
    step = float(text)
    if not PIECE_SECONDS <= step <= 10:
        raise ValueError(text)
    return round(step, 1)


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= COUNT_MAX:
        raise ValueError(text)
    return count


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`subparsers` are those of `voicetrio bench`."""
    parser = subparsers.add_parser(
        "partials",
        help="measure how early and how reliably words are shown",
        description="Give recordings to an encoder-decoder engine as if live, and compare what LocalAgreement shows with "
        "showing each pass whole: how many words before the end, how many taken back, how late.",
    )
    parser.add_argument(
        "recordings", metavar="FOLDER", help="of WAVs and a transcripts.tsv with the columns file and text"
    )
    parser.add_argument("--engine", default="faster-whisper", help="default: faster-whisper")
    parser.add_argument("--model", default="", help="as stt.model")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto", help="as stt.device")
    parser.add_argument(
        "--option", type=_option, action="append", default=[], metavar="NAME=VALUE", help="of stt.options"
    )
    parser.add_argument("--step", type=_step, default=0.5, help="seconds between passes, 0.1 to 10; default: 0.5")
    parser.add_argument("--passes", type=_count, default=2, help="that have to agree, as session.min_confirm_passes")
    parser.add_argument("--join", type=_count, default=1, metavar="N", help="make long segments of N recordings each")
    # Suppressed: `bench` has the same option, and a default here would undo it.
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="write a JSON object instead of a table"
    )
    parser.set_defaults(command=run_bench_partials)


def run_bench_partials(args: argparse.Namespace) -> int:
    """Returns the exit code: 0, or 2 with a message for what cannot be measured."""
    progress = Progress(sys.stderr)
    options = dict(args.option)
    if args.engine == "faster-whisper":
        options = {"step": args.step, **options}
    try:
        recordings = join(load_recordings(args.recordings), args.join)
        progress.show("loading the engine")
        engine = load_hearing(args.engine, HearingSetup(args.model, args.device, options=options))
        if engine.description.architecture != "encoder-decoder":
            raise PartialsBenchError(
                f"the engine {args.engine!r} makes partials of its own: there is nothing to compare"
            )
        figures = measure(engine, recordings, step=args.step, min_confirm_passes=args.passes, progress=progress)
    except VoicetrioError as error:
        progress.show("")
        print(f"voicetrio bench partials: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(figures.as_json()))
    else:
        model = engine.description.model
        print(figures.table(f"{args.engine} {model}, passes {args.step:g} s apart; Python {platform.python_version()}"))
    return 0
