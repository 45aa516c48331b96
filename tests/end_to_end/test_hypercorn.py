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


def hypercorn(port: int, *options: str) -> list[str]:
    return [sys.executable, "-m", "hypercorn", *options, "--bind", f"127.0.0.1:{port}", "voicetrio.asgi:app"]


INSTANT = {"VOICETRIO_STT__ENGINE": "instant", "VOICETRIO_TTS__ENGINE": "instant"}


def test_several_processes_are_refused_and_none_goes_on(tmp_path: Path):
    run = Run(hypercorn(free_port(), "-k", "trio", "-w", "2"), tmp_path / "run", INSTANT)
    try:
        run.wait(START_S)
        assert "voicetrio serves with one process" in run.stderr
        run.wait_gone()
    finally:
        run.kill()


def test_another_event_loop_is_refused_in_one_sentence(tmp_path: Path):
    run = Run(hypercorn(free_port(), "-k", "asyncio"), tmp_path / "run", INSTANT)
    try:
        run.wait(START_S)  # its exit code is 0: Hypercorn 0.18 forgets that of a process that has failed
        assert run.stderr.count("voicetrio: this application runs under trio") == 1
        run.wait_gone()
    finally:
        run.kill()


def test_nobody_is_spoken_to_in_http2(tmp_path: Path):
    port = free_port()
    run = Run(hypercorn(port, "-k", "trio"), tmp_path / "run", INSTANT)
    try:
        wait_ready(run, port)
        offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
        request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            for headers in (offer, b""):  # and the connection is as good as any
                client.sendall(request + headers + b"\r\n")
                answer = b""
                while b'"service":"voicetrio"}' not in answer:
                    data = client.recv(4096)
                    assert data, answer
                    answer += data
                assert answer.startswith(b"HTTP/1.1 200 ")
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 505 ")
            assert client.recv(4096) == b""
        run.send(signal.SIGTERM)
        run.wait(STOP_S)
        run.check_end()
    finally:
        run.kill()


async def test_hypercorn_serves_the_app_and_ends_in_order(tmp_path: Path):
    port = free_port()
    run = Run(
        hypercorn(port, "-k", "trio"),
        tmp_path / "run",
        {**PATIENCE, "VOICETRIO_CONFIG": str(ROOT / "config" / "default.toml")},
    )
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
            assert len(client.got("transcript.final")) == 1, "what was said until then is finished and told"
            assert client.session.close_code == 1001
        assert await trio.to_thread.run_sync(run.wait, STOP_S) == 0, run.stderr
        run.check_end()
    finally:
        run.kill()
