"""`voicetrio bench worker`: what batches are worth to an engine that decodes many streams at once.

The streams hear their recordings side by side, as if live: 100 ms to each, and then the engine runs if something is due.
No time is waited for; only the engine's own work is timed. The same audio is then given to streams one after the other,
each alone with the engine, as many workers would do it that serve one stream each. Both make the same passes.

    batched      8 streams, one engine:    [1 2 3 .. 8] [1 2 3 .. 8] ...
    one by one   8 times one stream:       [1] [1] [1] ... [2] [2] [2] ... ... [8]

For faster-whisper a third run gives each pass a whole window of 30 s, one by one, as the library itself does it; and with
`--windows` accuracy and cost of several window lengths are compared, where the recordings have their texts.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence

from voicetrio.cli.bench import Progress
from voicetrio.cli.bench_process import BenchError
from voicetrio.cli.bench_speech import make_speech
from voicetrio.cli.bench_worker_report import Run, Windows, Work, table
from voicetrio.cli.recordings import Recording, load_recordings, word_errors
from voicetrio.core.errors import VoicetrioError
from voicetrio.worker.engines.contract import BatchedHearing, BatchedStream, EngineOptions, HearingSetup, StreamOptions
from voicetrio.worker.engines.registry import load_hearing

RATE = 16_000
PIECE_BYTES = 2 * RATE // 10
SEGMENT_SECONDS = 10.0
"""Of the longest segment: speech that somebody utters in one breath or two."""
WINDOWS = ("5 30", "10 30", "15 30", "30")
"""Seconds; each set is tried. What does not fit in the shorter one gets 30 s."""
STEP = 0.5
"""Seconds of audio between two passes at least, in all runs."""


def hear_together(engine: BatchedHearing, audio: Sequence[bytes]) -> Work:
    """All streams at once, a piece of each at a time."""
    work = Work()
    streams = [engine.open(_options(place)) for place in range(len(audio))]
    finals = [""] * len(audio)
    for offset in range(0, max(map(len, audio)) + PIECE_BYTES, PIECE_BYTES):
        for stream, pcm in zip(streams, audio, strict=True):
            _feed(stream, pcm, offset)
            if offset >= len(pcm) > offset - PIECE_BYTES:
                stream.finish(1, len(pcm) // 2)
        _run(engine, work)
        work.answers += _collect(streams, finals)
    for stream in streams:
        stream.close()
    work.finals = tuple(finals)
    return work


def hear_alone(engine: BatchedHearing, audio: Sequence[bytes]) -> Work:
    """One stream after the other."""
    whole = Work()
    for pcm in audio:
        one = hear_together(engine, [pcm])
        whole.seconds += one.seconds
        whole.runs += one.runs
        whole.answers += one.answers
        whole.finals += one.finals
    return whole


def _feed(stream: BatchedStream, pcm: bytes, offset: int) -> None:
    piece = pcm[offset : offset + PIECE_BYTES]
    if piece:
        stream.feed(1, offset // 2, piece)


def _run(engine: BatchedHearing, work: Work) -> None:
    while engine.has_work:
        began = time.perf_counter()
        engine.run()
        work.seconds += time.perf_counter() - began
        work.runs += 1


def _collect(streams: Sequence[BatchedStream], finals: list[str]) -> int:
    """Finals into the list. Returns the number of answers."""
    answers = 0
    for place, stream in enumerate(streams):
        heard = stream.take()
        answers += heard is not None
        if heard is not None and heard.final:
            finals[place] = heard.text
    return answers


def _options(place: int) -> StreamOptions:
    return StreamOptions(session_id=f"bench-{place}", language="")


def measure_batches(
    load: Callable[[EngineOptions], BatchedHearing], audio: Sequence[bytes], windowed: bool
) -> list[Run]:
    """The runs to compare, the batched one first. `windowed`: whether the engine has windows to be made longer."""
    seconds = sum(len(pcm) for pcm in audio) / 2 / RATE
    engine = load({})
    hear_together(engine, [pcm[: 2 * RATE] for pcm in audio])  # what only a first pass costs is nobody's
    runs = [
        Run("batched", hear_together(engine, audio), seconds),
        Run("one by one", hear_alone(engine, audio), seconds),
    ]
    if windowed:
        runs.append(Run("one by one, windows of 30 s", hear_alone(load({"windows": "30"}), audio), seconds))
    return runs


def measure_windows(
    load: Callable[[EngineOptions], BatchedHearing], recordings: Sequence[Recording], progress: Progress
) -> list[Windows]:
    """Whole recordings, one pass each, with each set of windows."""
    results = []
    for windows in WINDOWS:
        progress.show(f"windows {windows}")
        engine = load({"windows": windows, "step": 10.0})
        work = hear_alone(engine, [recording.pcm for recording in recordings])
        errors = sum(
            word_errors(recording.text, final) for recording, final in zip(recordings, work.finals, strict=True)
        )
        words = sum(len(recording.text.split()) for recording in recordings)
        results.append(Windows(windows, errors, words, work.seconds, work.runs))
    progress.show("")
    return results


def _audio(recordings: Sequence[Recording], streams: int) -> list[bytes]:
    """A segment for each stream, from the recordings in turns; without recordings, synthesised English."""
    pieces = [recording.pcm for recording in recordings] or [make_speech(20)]
    audio = []
    for place in range(streams):
        pcm, turn = b"", place
        while not pcm or len(pcm) + len(pieces[turn % len(pieces)]) <= 2 * RATE * SEGMENT_SECONDS:
            pcm += pieces[turn % len(pieces)]
            turn += streams
        audio.append(pcm[: round(2 * RATE * SEGMENT_SECONDS)])
    return audio


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("worker", help="measure what batches are worth to an engine")
    parser.add_argument("recordings", nargs="?", help="folder of WAVs and transcripts.tsv; default: synthesised speech")
    parser.add_argument("--engine", default="faster-whisper", help="one that decodes in batches")
    parser.add_argument("--model", default="", help="as stt.model")
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto", help="as stt.device")
    parser.add_argument("--threads", type=int, default=0, help="as stt.threads")
    parser.add_argument("--streams", type=int, default=8, choices=range(1, 257), metavar="N", help="1 to 256")
    parser.add_argument("--windows", action="store_true", help="compare faster-whisper's window lengths")
    parser.add_argument("--json", action="store_true", help="write a JSON object for each run, one per line")
    parser.set_defaults(command=run_bench_worker)


def run_bench_worker(args: argparse.Namespace) -> int:
    """Returns the exit code: 0, or 2 with a message for what cannot be measured."""
    whisper = args.engine == "faster-whisper"
    base: EngineOptions = {"step": STEP} if whisper else {}

    def load(options: EngineOptions) -> BatchedHearing:
        setup = HearingSetup(args.model, args.device, threads=args.threads, options={**base, **options})
        engine = load_hearing(args.engine, setup)
        if not isinstance(engine, BatchedHearing):
            raise BenchError(f"the engine {args.engine!r} decodes one stream at a time: there is nothing to compare")
        return engine

    progress = Progress(sys.stderr)
    try:
        recordings = load_recordings(args.recordings) if args.recordings else []
        if args.windows and not (whisper and recordings):
            raise BenchError("--windows needs faster-whisper, and a folder of recordings with their texts")
        progress.show("loading the engine")
        if args.windows:
            results: Sequence[Run | Windows] = measure_windows(load, recordings, progress)
        else:
            results = measure_batches(load, _audio(recordings, args.streams), whisper)
        progress.show("")
    except VoicetrioError as error:
        progress.show("")
        print(f"voicetrio bench worker: {error}", file=sys.stderr)
        return 2
    if args.json:
        for result in results:
            print(json.dumps(result.as_json()))
    else:
        print(table(results, f"{args.engine} {args.model} on {args.device}"))
    return 0
