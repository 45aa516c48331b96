"""Runs seeds against whatever `voicetrio` is first on the path, up to the first that fails. For `test_mutations`.

    python -m tests.simulation.mutant FIRST COUNT

Prints one line of JSON: the failing seed (or null), what broke, how many were run, and which package that was.
"""

import json
import sys
from pathlib import Path

import voicetrio
from tests.simulation.runner import run_seed


def main() -> None:
    first, count = int(sys.argv[1]), int(sys.argv[2])
    result: dict[str, object] = {"seed": None, "problem": "", "runs": count}
    for seed in range(first, first + count):
        report = run_seed(seed)
        if report.problems:
            result |= {"seed": seed, "problem": report.problems[0], "runs": seed - first + 1}
            break
    result["package"] = str(Path(voicetrio.__file__).parent)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
