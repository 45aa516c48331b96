"""Whether a process does something, as the kernel sees it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from voicetrio.worker.activity import Activity

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc")


@contextmanager
def running(program: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that has said that it is there."""
    with subprocess.Popen([sys.executable, "-c", f"print(flush=True); {program}"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process
        finally:
            process.kill()


def looks(process: subprocess.Popen[bytes]) -> list[bool]:
    """What is seen after it has had time to settle: the interpreter's last steps count as work, too."""
    activity = Activity(process.pid)
    time.sleep(0.1)
    activity.look()
    seen = []
    for _ in range(5):
        time.sleep(0.05)
        seen.append(activity.look())
    return seen


def test_one_that_computes_works_all_the_time():
    with running("[None for _ in iter(int, 1)]") as process:
        assert all(looks(process))


BESIDE = "import threading; t = threading.Thread(target=lambda: [None for _ in iter(int, 1)]); t.start(); t.join()"


def test_one_whose_main_thread_waits_works_if_another_one_computes():
    with running(BESIDE) as process:
        assert all(looks(process))


def test_one_that_waits_for_itself_does_nothing():
    with running("import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()") as process:
        assert not any(looks(process))


def test_one_that_is_stopped_does_nothing():
    with running("[None for _ in iter(int, 1)]") as process:
        os.kill(process.pid, signal.SIGSTOP)
        assert not any(looks(process))


def test_one_that_has_ended_is_no_hang():
    with running("pass") as process:
        process.wait()
        assert Activity(process.pid).look()
