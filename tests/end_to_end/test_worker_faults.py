"""Workers that go wrong without dying: one takes audio and says nothing more, one loses its connection, one is not there."""

import json
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from .client import open_client
from .conftest import StartServer
from .processes import WorkerProcess
from .proxy import open_proxy
from .sound import RATE, silence
from .test_exactness import words_of
from .test_recovery import ENVIRONMENT, Second, both_ready, second_worker, spoken
from .waiting import until

pytestmark = pytest.mark.slow

MIDDLE = 2 * 3 * RATE
"""Bytes: 3 s into the sentence."""


async def test_a_worker_that_takes_audio_and_says_nothing_more_costs_no_word(start_server: StartServer, tmp_path: Path):
    async with second_worker(tmp_path) as second:
        environment = {**ENVIRONMENT, "VOICETRIO_WORKERS__ADDRESSES": json.dumps([second.address])}
        server = start_server("config/bench.toml", environment=environment)
        await both_ready(server)
        pcm = spoken(0)
        async with open_client(server.url) as client:
            await client.pour(pcm[:MIDDLE])
            await client.wait_for("transcript.partial")
            on_second = await trio.to_thread.run_sync(server.busy_worker) == second.name
            stopped = second.pid if on_second else server.worker_pid()
            os.kill(stopped, signal.SIGSTOP)  # its kernel goes on taking what comes
            await client.pour(pcm[MIDDLE:])
            final = await client.wait_for("transcript.final")
            await client.finish()
            assert final["text"].split() == words_of(pcm, final)
            assert len(client.got("transcript.final")) == 1
            assert client.got("error", "session.frames_dropped") == []
        with suppress(ProcessLookupError):  # a supervisor has killed it, or else it has to be able to end
            os.kill(stopped, signal.SIGCONT)
        server.stop()


async def test_a_connection_to_a_worker_that_is_cut_costs_no_word(start_server: StartServer, tmp_path: Path):
    told = tmp_path / "told.toml"  # where it listens
    told.write_text('[log]\nlevel = "info"\nformat = "json"\n')
    worker = WorkerProcess(tmp_path / "worker", "127.0.0.1:0", "config/bench.toml", str(told))
    try:
        await until(lambda: "worker_serves" in worker.stderr)
        line = next(line for line in worker.stderr.splitlines() if "worker_serves" in line)
        port = int(json.loads(line)["address"].rpartition(":")[2])
        async with open_proxy(port) as proxy:
            addresses = json.dumps([f"127.0.0.1:{proxy.port}"])
            environment = {
                **ENVIRONMENT,
                "VOICETRIO_WORKERS__LOCAL": "false",
                "VOICETRIO_WORKERS__ADDRESSES": addresses,
            }
            server = await trio.to_thread.run_sync(lambda: start_server("config/bench.toml", environment=environment))
            await until(lambda: server.readyz() == 200)
            pcm = spoken(1)
            async with open_client(server.url) as client:
                await client.pour(pcm[:MIDDLE])
                await client.wait_for("transcript.partial")
                proxy.cut()
                await client.pour(pcm[MIDDLE:])
                final = await client.wait_for("transcript.final")
                await client.finish()
                assert final["text"].split() == words_of(pcm, final)
                assert len(client.got("transcript.final")) == 1
                assert client.got("error") == []
            assert await trio.to_thread.run_sync(server.metric, "stt_worker_recoveries_total") == 1
            await trio.to_thread.run_sync(server.stop)
    finally:
        worker.kill()


async def test_without_a_worker_the_client_is_told_and_heard_again_once_one_is_back(
    start_server: StartServer, tmp_path: Path
):
    second = Second(tmp_path)
    environment = {
        **ENVIRONMENT,
        "VOICETRIO_WORKERS__LOCAL": "false",
        "VOICETRIO_WORKERS__ADDRESSES": json.dumps([second.address]),
        "VOICETRIO_SESSION__RECOVERY_TIMEOUT": "2",  # seconds: not the default ten, which is held in virtual time
    }
    server = start_server("config/bench.toml", environment=environment)
    try:
        async with open_client(server.url) as client:
            pcm = spoken(2)
            await client.pour(pcm)
            error = await client.wait_for("error")
            assert (error["code"], error["recoverable"]) == ("worker_unavailable", True)
            assert error["start_ms"] == 0
            assert error["end_ms"] > 5000, "all of what was said, on the client's clock"
            second.start()
            await until(lambda: server.readyz() == 200)
            await client.pour(silence(0.1) + spoken(3))
            final = await client.wait_for("transcript.final")
            await client.finish()
            assert final["text"].split() == words_of(pcm + silence(0.1) + spoken(3), final)
            assert len(client.got("transcript.final", "error")) == 2
        server.stop()
    finally:
        second.kill()
