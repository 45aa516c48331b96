"""A worker as a process of its own: how it starts, how it ends, and what it leaves."""

import contextlib
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest
import trio

from .worker_client import open_client, until

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from voicetrio.worker.config import WorkerConfig
from voicetrio.worker.server import run
sys.exit(run(WorkerConfig(listen=sys.argv[1], stt_engine=sys.argv[2], tts_engine="none", stt_processes=1,
                          die_with_parent=len(sys.argv) > 3)))
"""

OF_TRIO_ASYNCIO = "ignore:'AbstractChildWatcher' is deprecated:DeprecationWarning"
"""What trio-asyncio does on Python 3.12 and 3.13."""


@asynccontextmanager
async def worker_process(listen: str, *arguments: str, stdin=PIPE):
    command = [sys.executable, "-W", "error", "-W", OF_TRIO_ASYNCIO, "-c", PROGRAM, listen, *arguments]
    process = await trio.lowlevel.open_process(command, stdin=stdin, stdout=PIPE, stderr=PIPE)
    try:
        yield process
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                await trio.aclose_forcefully(pipe)


async def read_all(stream) -> str:
    return b"".join([bytes(data) async for data in stream]).decode()


async def wait_serving(address: str) -> None:
    async with open_client(address) as client:
        while True:
            # The file may not be there yet, or be that of a worker that was killed.
            with contextlib.suppress(OSError):
                if await client.health() == "SERVING":
                    return
            await trio.sleep(0.02)


def children_of(pid: int) -> list[int]:
    # Of all its threads: trio starts processes in one.
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def wait_gone(pids: list[int]) -> None:
    await until(lambda: not any(map(is_alive, pids)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_order(tmp_path, number):
    address = f"unix:{tmp_path}/w.sock"
    with trio.fail_after(30):
        async with worker_process(address, "pocketsphinx") as process:
            await wait_serving(address)
            children = children_of(process.pid)
            assert len(children) == 1
            process.send_signal(number)
            assert await process.wait() == 0
            assert await read_all(process.stderr) == ""
            await wait_gone(children)
            assert not (tmp_path / "w.sock").exists()


async def test_open_calls_have_five_seconds_and_a_second_signal_ends_them_now(tmp_path):
    address = f"unix:{tmp_path}/w.sock"
    with trio.fail_after(30):
        async with worker_process(address, "instant") as process:
            await wait_serving(address)
            async with open_client(address) as client, client.transcribe() as stream:
                await stream.config()
                process.terminate()
                with trio.move_on_after(1) as scope:
                    await process.wait()
                assert scope.cancelled_caught
                process.terminate()
                with trio.fail_after(2):
                    assert await process.wait() == 0


async def test_it_ends_with_its_parent_and_so_do_its_engines(tmp_path):
    address = f"unix:{tmp_path}/w.sock"
    with trio.fail_after(30):
        async with worker_process(address, "pocketsphinx", "die") as process:
            await wait_serving(address)
            children = children_of(process.pid)
            async with open_client(address) as client, client.transcribe() as stream:
                await stream.config()
                await process.stdin.aclose()
                with trio.fail_after(3):
                    assert await process.wait() == 0
            assert await read_all(process.stderr) == ""
            await wait_gone(children)


async def test_engines_end_with_a_worker_that_was_killed(tmp_path):
    address = f"unix:{tmp_path}/w.sock"
    with trio.fail_after(30):
        async with worker_process(address, "pocketsphinx") as process:
            await wait_serving(address)
            children = children_of(process.pid)
            process.kill()
            await process.wait()
            await wait_gone(children)
        async with worker_process(address, "instant"):
            await wait_serving(address)


async def test_a_mistake_in_the_settings_is_two_lines_and_no_traceback(tmp_path):
    with trio.fail_after(30):
        async with worker_process(f"unix:{tmp_path}/no/w.sock", "instant") as process:
            assert await process.wait() == 2
            assert (await read_all(process.stderr)).startswith("voicetrio worker: worker.listen: cannot listen on ")
        async with worker_process(f"unix:{tmp_path}/w.sock", "instant", "die", stdin=DEVNULL) as process:
            assert await process.wait() == 2
            assert "stdin has to be a pipe" in await read_all(process.stderr)
