"""The checkers bite: a copy of the package with one deliberate bug fails under some seed, and one without passes.

Each mutation runs in processes of its own, against a copy in a temporary folder that is first on the path.
"""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.simulation.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]

SEEDS = 400
"""A bug that so many runs do not show would hardly be seen in 2,000."""

UNCHANGED = Mutation("nothing is changed", "core/states.py", "class State(Enum):", "class State(Enum):")

Result = dict[str, object]


def _run(mutation: Mutation, folder: Path, seeds: int) -> Result:
    package = folder / "voicetrio"
    shutil.copytree(ROOT / "voicetrio", package, ignore=shutil.ignore_patterns("__pycache__"))
    changed = package / mutation.file
    text = changed.read_text()
    assert text.count(mutation.old) == 1, (
        f"{mutation.file}: the text to change is there {text.count(mutation.old)} times"
    )
    changed.write_text(text.replace(mutation.old, mutation.new))
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.mutant", str(mutation.first), str(seeds)],
        cwd=folder,  # first on the path of `python -m`
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=900,  # seconds: hundreds of seeds, beside everything else that a CI does
    )
    assert done.returncode == 0, done.stderr
    result: Result = json.loads(done.stdout.splitlines()[-1])
    assert result["package"] == str(package), "another package was run"
    return result


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """All of them, as many at a time as there are cores, in their order: by name, what will be the result."""

    def run(mutation: Mutation) -> Result:
        return _run(mutation, tmp_path_factory.mktemp("mutant"), SEEDS)

    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    try:
        yield {mutation.name: pool.submit(run, mutation) for mutation in MUTATIONS}
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", [one.name for one in MUTATIONS])
def test_some_seed_notices_that(results, name):
    result = results[name].result()
    assert result["seed"] is not None, f"no seed of {SEEDS} noticed that {name}"
    print(f"seed {result['seed']}: {result['problem']}")


def test_a_copy_without_a_mutation_passes(tmp_path):
    assert _run(UNCHANGED, tmp_path, 20)["seed"] is None
