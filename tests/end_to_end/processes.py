"""Real processes under test: started, waited for with a bound, stopped, and looked for afterwards.

Every process of a test inherits a mark of its own in its environment, so that one that was left behind is found whoever
its parent is by then. Output goes to files: there is no pipe that could fill up and stop the server.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]

START_S = 60.0
"""For a server to start: it takes 2 s on an idle machine, and models may come from a cold disk."""

STOP_S = 20.0
"""For a server to end in order: it takes 1 s on an idle machine."""

GONE_S = 15.0
"""For what a killed process leaves behind to follow it: at once, on an idle machine."""

PATIENCE = {"VOICETRIO_SESSION__CLOSING_TIMEOUT": "20"}
"""Seconds. Tests that close a session ask what it has heard; a worker that gets no CPU for 2 s is no part of that."""

ADMIN_KEY = "a-key-for-the-operator"
"""Of servers whose tests look at their workers."""

_POLL_S = 0.02
_MARK = "TEST_PROCESS_MARK"

PASSED_ON = {"VOICETRIO_WORKER__ENVIRONMENT": json.dumps([_MARK])}
"""Workers and engines do not inherit a server's environment, but for what it names."""


class Run:
    """A command that was started with `folder` for its output and its temporary files."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
        self.mark = uuid.uuid4().hex
        self.temporary = folder / "t"  # short: the path of a socket has 108 characters at most
        self.temporary.mkdir(parents=True)
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        ours = {key: value for key, value in os.environ.items() if not key.startswith("VOICETRIO_")}
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=ROOT,
                env={**ours, "TMPDIR": str(self.temporary), _MARK: self.mark, **PASSED_ON, **(environment or {})},
            )

    @property
    def stdout(self) -> str:
        return self._stdout.read_text()

    @property
    def stderr(self) -> str:
        return self._stderr.read_text()

    def wait(self, within: float = START_S) -> int:
        """Its exit code."""
        return self.process.wait(within)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def pids(self) -> list[int]:
        """It and everything that it started, and they, that still run."""
        found = []
        wanted = f"{_MARK}={self.mark}".encode()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    environment = (folder / "environ").read_bytes()  # empty for a zombie
                except OSError:
                    continue
                if wanted in environment.split(b"\0"):
                    found.append(int(folder.name))
        return found

    def worker_pid(self) -> int:
        """The process `voicetrio worker`."""
        return next(pid for pid in self.pids() if b"worker\0--child" in _command_line(pid))

    def engine_pids(self) -> list[int]:
        return [pid for pid in self.pids() if b"voicetrio.worker.engine_host" in _command_line(pid)]

    def environment_of(self, pid: int) -> dict[str, str]:
        variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
        return dict(one.split("=", 1) for one in variables if "=" in one)

    def wait_gone(self, within: float = GONE_S) -> None:
        """Until none of its processes is left."""
        deadline = time.monotonic() + within
        while pids := self.pids():
            assert time.monotonic() < deadline, f"left behind: {[_command_line(pid) for pid in pids]}"
            time.sleep(_POLL_S)

    def check_end(self) -> None:
        """It said nothing of errors, and has left neither a process nor a file behind."""
        output = self.stdout + self.stderr
        assert "Traceback" not in output, output
        assert "Warning" not in output, output
        self.wait_gone()
        assert list(self.temporary.iterdir()) == []

    def kill(self) -> None:
        """However the test went, nothing of it shall run on. The worker ends by itself when its parent is gone."""
        self.process.kill()
        self.process.wait(STOP_S)
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


class ServerProcess(Run):
    """`python run.py` with these configuration files, on a free port."""

    def __init__(self, folder: Path, *configs: str, environment: dict[str, str] | None = None) -> None:
        arguments = [part for config in configs for part in ("--config", config)]
        super().__init__(
            [sys.executable, "run.py", *arguments],
            folder,
            {"VOICETRIO_SERVER__PORT": "0", **PATIENCE, **(environment or {})},
        )
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def wait_listening(self) -> None:
        deadline = time.monotonic() + START_S
        while (match := re.search(r"listening on http://127\.0\.0\.1:(\d+)\n", self.stdout)) is None:
            assert self.process.poll() is None, f"the server did not start: {self.stderr}"
            assert time.monotonic() < deadline, f"the server is not ready: {self.stderr}"
            time.sleep(_POLL_S)
        self.port = int(match[1])

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """An orderly end, checked."""
        self.send(number)
        assert self.wait(STOP_S) == 0, self.stderr
        self.check_end()

    def readyz(self) -> int:
        """The status of /readyz."""
        return http_status(self.port, "/readyz")

    def busy_worker(self) -> str:
        """The one worker that has a recogniser stream, as `/v1/workers` calls it. The server must have the `ADMIN_KEY`."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/workers", headers={"Authorization": f"Bearer {ADMIN_KEY}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            (busy,) = [worker["worker"] for worker in json.load(answer)["workers"] if worker["streams"] > 0]
        return str(busy)

    def metric(self, name: str) -> float:
        """The value of a metric now; `name` with its labels, as /metrics writes it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
        return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} "))


@contextmanager
def running_server(folder: Path, *configs: str, environment: dict[str, str] | None = None) -> Iterator[ServerProcess]:
    """A server that listens, and has to survive all that is done to it and to end well."""
    process = ServerProcess(folder, *configs, environment=environment)
    try:
        process.wait_listening()
        yield process
        process.stop()
    finally:
        process.kill()


class WorkerProcess(Run):
    """`voicetrio worker`, of its own, with these configuration files."""

    def __init__(self, folder: Path, listen: str, *configs: str) -> None:
        arguments = [part for config in configs for part in ("--config", config)]
        super().__init__([sys.executable, "-m", "voicetrio", "worker", "--listen", listen, *arguments], folder)


def http_status(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def memory_kb(pid: int) -> int:
    """What a process occupies of this machine's memory."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
