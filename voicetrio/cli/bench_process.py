"""The processes of a bench: the server and the client that it starts, and what /proc tells about them.

CPU time is that of a process itself, so that the gateway is told apart from the worker it has started.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicetrio.core.errors import VoicetrioError

_STOP_S = 20.0
"""Seconds for the server to end itself."""


class BenchError(VoicetrioError):
    """The server or the client could not be run."""


@contextmanager
def _alive(who: str) -> Iterator[None]:
    try:
        yield
    except OSError:
        raise BenchError(f"the {who} has ended in the middle of the run") from None


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces and brackets; the first is field 3."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _cpu_s(pids: Sequence[int]) -> float:
    """User and system time of these processes, their children not included."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _machine_cpu_s() -> float:
    """What all programs of this machine have used; with what its host took away, without interrupts (ours, mostly)."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, stolen = (*fields[:3], fields[7])
    return (user + nice + system + stolen) / os.sysconf("SC_CLK_TCK")


def _descendants(pid: int) -> list[int]:
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(_stat(int(folder.name))[1])
        except OSError:
            continue  # it has just ended
    found = [pid]
    for parent in found:
        found += [child for child, of in parents.items() if of == parent]
    return found[1:]


def _pss_bytes(pid: int) -> int:
    """Proportional set size: pages that are shared count for each process in part."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    match = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    assert match is not None, "the kernel tells no Pss"
    return 1024 * int(match[1])


@dataclass(frozen=True, slots=True)
class Server:
    """Port and process ids."""

    port: int
    gateway: int
    workers: list[int]


@contextmanager
def open_server(sessions: int) -> Iterator[Server]:
    """A real server with settings of its own, whatever this environment says, so that runs can be compared.

    They are those of config/bench.toml, which an installed package does not have. Raises: BenchError.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("VOICETRIO_")}
    room = str(sessions + 2)
    environment |= {
        "VOICETRIO_SERVER__HOST": "127.0.0.1",
        "VOICETRIO_SERVER__PORT": "0",
        "VOICETRIO_SERVER__MAX_SESSIONS": room,
        "VOICETRIO_STT__ENGINE": "instant",
        "VOICETRIO_STT__SLOTS": room,
        "VOICETRIO_TTS__ENGINE": "instant",
        "VOICETRIO_LOG__LEVEL": "error",
    }
    command = [sys.executable, "-m", "voicetrio", "serve"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            match = re.search(r"listening on http://127\.0\.0\.1:(\d+)", process.stdout.readline())
            if match is None:
                raise BenchError("the server could not be started; its own message is above")
            yield Server(int(match[1]), process.pid, _descendants(process.pid))
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def open_client(
    server: Server, sessions: int, seconds: float, frame_ms: int, speech: Path
) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "voicetrio.cli.bench_client", "--port", str(server.port)]
    command += ["--sessions", str(sessions), "--seconds", str(seconds)]
    command += ["--frame-ms", str(frame_ms), "--speech", str(speech)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def client_reports(process: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    """What the client tells, ending with its result."""
    assert process.stdout is not None
    for line in process.stdout:
        report: dict[str, Any] = json.loads(line)
        yield report
        if report["at"] == "result":
            return
    raise BenchError("the client ended before its time; its own message is above")


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Seconds of CPU time since each process began, or the machine."""

    at: float
    """On the monotonic clock."""
    gateway: float
    workers: float
    client: float
    machine: float

    @classmethod
    def take(cls, server: Server, client: int) -> "CpuTimes":
        """Raises: BenchError."""
        now, machine = time.monotonic(), _machine_cpu_s()
        with _alive("gateway"):
            gateway = _cpu_s([server.gateway])
        with _alive("worker"):
            workers = _cpu_s(server.workers)
        with _alive("client"):
            return cls(now, gateway, workers, _cpu_s([client]), machine)


def memory_bytes(server: Server) -> tuple[int, int]:
    """Of the gateway, and of its workers together. Raises: BenchError."""
    with _alive("gateway"):
        gateway = _pss_bytes(server.gateway)
    with _alive("worker"):
        return gateway, sum(map(_pss_bytes, server.workers))
