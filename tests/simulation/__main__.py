"""`python -m tests.simulation --seeds 2000 --first 0` runs many seeds; `--seed 417` replays one, with all that happened."""

import argparse
import sys
import time

from tests.simulation.fanout import Tally, replay_command, run_seeds
from tests.simulation.plan import describe
from tests.simulation.planner import make_plan
from tests.simulation.runner import run_seed

SHOWN = 5
"""Failures that are told with their plan; of the others only the seed."""

PROGRESS_INTERVAL = 10.0
"""Seconds between two lines of progress."""


def main() -> int:
    options = _parse()
    if options.seed is not None:
        return _replay(options.seed, quiet=options.quiet)
    began = last = time.monotonic()

    def progress(tally: Tally) -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS_INTERVAL:
            last = time.monotonic()
            print(f"{tally.seeds} of {options.seeds} seeds, {len(tally.failed)} failed", flush=True)

    tally = run_seeds(
        options.first, options.seeds, processes=options.processes, stop_at=options.stop_at, progress=progress
    )
    _tell(tally, time.monotonic() - began)
    return 1 if tally.failed else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many (default: 2000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument("--seed", type=int, help="replay this one and print its plan and trace")
    parser.add_argument("--quiet", action="store_true", help="with --seed: only its problems and its digest")
    parser.add_argument("--processes", type=int, help="how many at a time (default: one per core)")
    parser.add_argument("--stop-at", type=int, default=20, help="begin no more after so many failures (default: 20)")
    return parser.parse_args()


def _replay(seed: int, *, quiet: bool) -> int:
    report = run_seed(seed)
    if not quiet:
        print(describe(report.plan))
        print(report.trace.text())
    print(f"seed {seed}: {report.virtual_seconds:.3f} s, {len(report.problems)} problems, digest {report.digest}")
    for problem in report.problems:
        print(f"  {problem}")
    return 1 if report.problems else 0


def _tell(tally: Tally, seconds: float) -> None:
    for verdict in tally.failed[:SHOWN]:
        print(f"\nseed {verdict.seed} failed:")
        for problem in verdict.problems:
            print(f"  {problem}")
        print(f"its plan:\n{describe(make_plan(verdict.seed))}")
        print(f"replay it: {replay_command(verdict.seed)}")
    if len(tally.failed) > SHOWN:
        print(f"\nalso failed: {', '.join(str(verdict.seed) for verdict in tally.failed[SHOWN:])}")
    each = 1000 * tally.real_seconds / max(1, tally.seeds)
    print(
        f"\n{tally.seeds} seeds, {len(tally.failed)} failed, in {seconds:.1f} s; "
        f"{each:.0f} ms and {tally.virtual_seconds / max(1, tally.seeds):.0f} virtual seconds each"
    )


if __name__ == "__main__":
    sys.exit(main())
