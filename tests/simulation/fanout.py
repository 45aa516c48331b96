"""Many seeds over all cores of the machine, in processes of their own; the first failures come back whole."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice

from tests.simulation.runner import run_seed

BATCH = 25
"""Seeds per task: a few seconds of work, so that progress shows and the last task leaves no core idle for long."""


@dataclass(slots=True)
class Verdict:
    """What is kept of a run."""

    seed: int
    problems: list[str]
    virtual_seconds: float
    real_seconds: float
    happened: Counter[str]


@dataclass(slots=True)
class Tally:
    seeds: int = 0
    virtual_seconds: float = 0.0
    real_seconds: float = 0.0
    failed: list[Verdict] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)

    def add(self, verdict: Verdict) -> None:
        self.seeds += 1
        self.virtual_seconds += verdict.virtual_seconds
        self.real_seconds += verdict.real_seconds
        self.happened += verdict.happened
        if verdict.problems:
            self.failed.append(verdict)


def run_batch(seeds: list[int]) -> list[Verdict]:
    """In a process of the pool."""
    verdicts = []
    for seed in seeds:
        report = run_seed(seed)
        happened = report.trace.summary()
        verdicts.append(Verdict(seed, report.problems, report.virtual_seconds, report.real_seconds, happened))
    return verdicts


def run_seeds(
    first: int,
    count: int,
    *,
    processes: int | None = None,
    stop_at: int = 20,
    progress: Callable[[Tally], None] = lambda _tally: None,
) -> Tally:
    """Run the seeds `first`, `first + 1` and so on; no new ones are begun once `stop_at` have failed."""
    processes = processes or len(os.sched_getaffinity(0))
    tally = Tally()
    # Spawned, not forked: a test runner has threads and half of the world imported.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        batches = _batches(first, count)
        running: set[Future[list[Verdict]]] = set()
        while True:
            room = 2 * processes - len(running)
            if len(tally.failed) < stop_at:
                running.update(pool.submit(run_batch, batch) for batch in islice(batches, room))
            if not running:
                break
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                for verdict in future.result():
                    tally.add(verdict)
            progress(tally)
    tally.failed.sort(key=lambda verdict: verdict.seed)
    return tally


def _batches(first: int, count: int) -> Iterator[list[int]]:
    for start in range(first, first + count, BATCH):
        yield list(range(start, min(start + BATCH, first + count)))


def replay_command(seed: int) -> str:
    return f"python -m tests.simulation --seed {seed}"
