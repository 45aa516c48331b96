"""The server of `voicetrio bench talk`: a process of its own, with the embedded engines or those of a settings file."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from voicetrio.cli.bench_process import BenchError

STOP_S = 20.0
"""Seconds for the server to end itself."""


@contextmanager
def open_talk_server(config_files: Sequence[str]) -> Iterator[str]:
    """The address of a real server on a free port of this machine.

    Without settings files it has the default settings, whatever this environment says, so that runs can be compared.
    With them it is the caller's own server, and the environment counts: an agent's key is nothing to keep in a file.

    Raises: BenchError.
    """
    environment = dict(os.environ)
    if not config_files:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("VOICETRIO_")}
    environment |= {
        "VOICETRIO_SERVER__HOST": "127.0.0.1",
        "VOICETRIO_SERVER__PORT": "0",
        "VOICETRIO_LOG__LEVEL": "error",
    }
    command = [sys.executable, "-m", "voicetrio", "serve"]
    for file in config_files:
        command += ["--config", file]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            match = re.search(r"listening on http://127\.0\.0\.1:(\d+)", process.stdout.readline())
            if match is None:
                raise BenchError("the server could not be started; its own message is above")
            yield f"ws://127.0.0.1:{match[1]}"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
