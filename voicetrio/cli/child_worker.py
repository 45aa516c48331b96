"""The worker process that `serve` owns: `voicetrio worker --child JSON`, a command of ours and of nobody else.

It is told all that it needs, so it reads no settings, and imports nothing of the server: that is half of the time in
which a worker that died is back.
"""

import json
from types import SimpleNamespace

from voicetrio.cli.logs import configure_logging
from voicetrio.worker.config import WorkerConfig
from voicetrio.worker.server import run


def run_child(text: str) -> int:
    """`text` holds the values of `WorkerConfig` and of the section [log]. Returns the exit code."""
    values = json.loads(text)
    configure_logging(SimpleNamespace(**values["log"]))
    return run(WorkerConfig(**values["worker"]))
