"""The app under an ASGI server that is not ours: `hypercorn -k trio voicetrio.asgi:app`."""

import signal
import socket
import sys
import time
from pathlib import Path

import pytest
import trio

from .client import open_client
from .processes import PATIENCE, ROOT, START_S, STOP_S, Run, http_status
from .sound import THANK_YOU

pytestmark = pytest.mark.slow


def free_port() -> int:
    """A port that nobody has; somebody may take it before we do, but hardly."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_ready(run: Run, port: int) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            if http_status(port, "/readyz") == 200:
                return
        except OSError:
            pass
        assert run.process.poll() is None, run.stderr
        assert time.monotonic() < deadline, run.stderr
        time.sleep(0.05)


async def test_hypercorn_serves_the_app_and_ends_in_order(tmp_path: Path):
    port = free_port()
    command = [sys.executable, "-m", "hypercorn", "-k", "trio", "--bind", f"127.0.0.1:{port}", "voicetrio.asgi:app"]
    run = Run(command, tmp_path / "run", {**PATIENCE, "VOICETRIO_CONFIG": str(ROOT / "config" / "default.toml")})
    try:
        await trio.to_thread.run_sync(wait_ready, run, port)
        async with open_client(f"ws://127.0.0.1:{port}") as client:
            await client.pour(THANK_YOU.pcm)
            assert await client.finish() == THANK_YOU.text
        async with open_client(f"ws://127.0.0.1:{port}") as client:
            await client.pour(THANK_YOU.pcm[: 2 * 20_000])
            await client.wait_for("vad.speech_start")
            run.send(signal.SIGTERM)
            await client.ended.wait()
            assert client.got()[-1]["reason"] == "going_away"
            assert client.session.close_code == 1001
        assert await trio.to_thread.run_sync(run.wait, STOP_S) == 0, run.stderr
        run.check_end()
    finally:
        run.kill()
