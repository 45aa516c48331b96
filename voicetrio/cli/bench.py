"""`voicetrio bench`: what a session costs this machine, and how long the server itself takes to answer.

    this process --starts--> gateway --starts--> worker (engine "instant", which answers at once)
         |  reads /proc         ^
         '------starts--> client (bench_client.py), N sessions of speech at real-time pace

Each number of sessions has a server of its own: memory that an earlier run left behind would be measured too. Two
sessions come first, before the empty server's memory is looked at, because what only the first one costs is no cost of
a session. Which finals must come is computed beforehand, by running the server's own endpointing over the audio.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from voicetrio.cli.bench_process import BenchError, CpuTimes, client_reports, memory_bytes, open_client, open_server
from voicetrio.cli.bench_report import Figures, as_json, table
from voicetrio.cli.bench_speech import expected_ends, make_speech, session_audio

_WARM_S = 3.0
"""Seconds of the run before the measured one: long enough for a segment."""

_SOCKETS_MAX = 65_536
"""Files that a process may have open: six times what the most sessions need."""

_SETTLE_S = 1.0
"""Seconds for the sessions of that run to be gone."""


class Progress:
    """One line on a terminal that is written over; nothing anywhere else."""

    def __init__(self, out: TextIO) -> None:
        self._out = out if out.isatty() else None

    def show(self, text: str) -> None:
        if self._out is not None:
            print(f"\r\x1b[K{text}", end="", file=self._out, flush=True)


def measure(sessions: int, seconds: float, frame_ms: int, progress: Progress, *, pcm: bytes) -> Figures:
    """Raises: BenchError."""
    progress.show(f"{sessions} sessions: preparing")
    audio = [session_audio(pcm, index, sessions, seconds=seconds, frame_ms=frame_ms) for index in range(sessions)]
    expected = [expected_ends(one) for one in audio]
    del audio
    with tempfile.TemporaryDirectory(prefix="voicetrio-bench-") as folder, open_server(sessions) as server:
        speech = Path(folder) / "speech.pcm"
        speech.write_bytes(pcm)
        progress.show(f"{sessions} sessions: warming up")
        with open_client(server, 2, _WARM_S, frame_ms, speech) as client:
            for _ in client_reports(client):
                pass
        time.sleep(_SETTLE_S)
        empty = memory_bytes(server)
        with open_client(server, sessions, seconds, frame_ms, speech) as client:
            for report in client_reports(client):
                match report["at"]:
                    case "begin":
                        begin = CpuTimes.take(server, client.pid)
                    case "end":
                        end = CpuTimes.take(server, client.pid)
                        full = memory_bytes(server)
                    case "result":
                        result = report
                    case at:
                        progress.show(f"{sessions} sessions: {at:.0f} of {seconds:g} s")
    progress.show("")
    return compare(sessions, begin, end, (full[0] - empty[0], full[1] - empty[1]), expected, result)


def compare(
    sessions: int,
    begin: CpuTimes,
    end: CpuTimes,
    memory: tuple[int, int],
    expected: Sequence[tuple[list[int], int | None]],
    result: dict[str, Any],
) -> Figures:
    ours = sum(getattr(end, name) - getattr(begin, name) for name in ("gateway", "workers", "client"))
    wanted = Counter((i, end) for i, (ends, last) in enumerate(expected) for end in [*ends, last] if end is not None)
    received = Counter((i, end) for i, ends in enumerate(result["finals"]) for end in ends)
    # Only where a pause ended the segment: a cut, or the session's end, is nothing that a frame has decided.
    delays = [
        delay
        for (ends, _), measured in zip(expected, result["delays_ms"], strict=True)
        for end_ms, delay in measured
        if end_ms in ends
    ]
    return Figures(
        sessions=sessions,
        seconds=end.at - begin.at,
        gateway_cpu_s=end.gateway - begin.gateway,
        worker_cpu_s=end.workers - begin.workers,
        client_cpu_s=end.client - begin.client,
        other_cpu_s=max(0.0, end.machine - begin.machine - ours),
        gateway_bytes=memory[0],
        worker_bytes=memory[1],
        delays_ms=tuple(sorted(delays)),
        finals=received.total(),
        expected=wanted.total(),
        missing=(wanted - received).total(),
        unexpected=(received - wanted).total(),
        failures=tuple(result["failures"]),
        late_ms_p99=result["late_ms_p99"],
        late_ms_max=result["late_ms_max"],
    )


def _session_counts(text: str) -> list[int]:
    counts = [int(part) for part in text.split(",")]
    if not all(1 <= count <= 10_000 for count in counts):
        raise ValueError(text)
    return counts


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 3600:
        raise ValueError(text)
    return seconds


def _frame_ms(text: str) -> int:
    milliseconds = int(text)
    if not 10 <= milliseconds <= 1000:
        raise ValueError(text)
    return milliseconds


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("bench", help="measure what sessions cost on this machine")
    parser.add_argument(
        "--sessions", metavar="N,N", type=_session_counts, default=[10, 50], help="at once; each number is a run"
    )
    parser.add_argument("--seconds", type=_seconds, default=30.0, help="to measure in each run, 1 to 3600")
    parser.add_argument("--frame-ms", type=_frame_ms, default=20, help="of audio in each message, 10 to 1000")
    parser.add_argument("--json", action="store_true", help="write a JSON object for each run, one per line")
    parser.set_defaults(command=run_bench)
    # Here, for they use this file's `Progress`.
    from voicetrio.cli import bench_partials, bench_talk, bench_vad, bench_worker

    others = parser.add_subparsers(title="or, instead", metavar="[talk|worker|vad|partials]")
    for other in (bench_talk, bench_worker, bench_vad, bench_partials):
        other.add_parser(others)


def run_bench(args: argparse.Namespace) -> int:
    """Returns the exit code: 0 when every session got all of its finals, 1 when not, 2 where nothing can be measured."""
    if not Path("/proc/self/smaps_rollup").exists():
        print(
            "voicetrio bench: it reads the server's CPU time and memory from /proc, which only Linux (4.14 or newer) has",
            file=sys.stderr,
        )
        return 2
    _allow_many_sockets()
    progress = Progress(sys.stderr)
    pcm = make_speech(args.frame_ms)
    runs: list[Figures] = []
    for sessions in args.sessions:
        try:
            figures = measure(sessions, args.seconds, args.frame_ms, progress, pcm=pcm)
        except BenchError as error:
            progress.show("")
            print(f"voicetrio bench: {sessions} sessions: {error}", file=sys.stderr)
            continue
        runs.append(figures)
        if args.json:
            print(json.dumps(as_json(figures)), flush=True)
    if runs and not args.json:
        print(table(runs, _title(args)))
    return 0 if len(runs) == len(args.sessions) and all(figures.passed for figures in runs) else 1


def _title(args: argparse.Namespace) -> str:
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.release()}"
    return f"{args.frame_ms} ms frames, {args.seconds:g} s measured, worker engine `instant`; {machine}"


def _allow_many_sockets() -> None:
    """For this process and those that it starts: the usual 1024 are too few for a thousand sessions."""
    import resource  # not on Windows, where we do not come as far

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _SOCKETS_MAX if hard == resource.RLIM_INFINITY else min(hard, _SOCKETS_MAX)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
