"""Engines that die or hang, with real processes: who has nothing to do with it loses nothing, and no process knows a key."""

import os
import signal

import pytest
import trio

from .client import open_client
from .conftest import StartServer
from .waiting import until

pytestmark = pytest.mark.slow

DEADLY = "s'" * 100
"""espeak-ng 1.52 writes beyond a buffer when it is to say this at once."""


async def test_a_text_that_kills_espeak_is_spoken_and_so_is_everybody_elses(start_server: StartServer):
    server = start_server(environment={"VOICETRIO_STT__ENGINE": "instant"})
    worker = server.worker_pid()
    async with open_client(server.url) as one, open_client(server.url) as other:
        await other.send(
            "tts.speak", text="This is another caller, who has nothing to do with it. " * 3, request_id="b"
        )
        await other.wait_for("tts.speaking_start")
        await one.send("tts.speak", text=DEADLY, request_id="a")
        assert (await one.wait_for("tts.speaking_end"))["duration_ms"] > 5000
        assert (await other.wait_for("tts.speaking_end"))["duration_ms"] > 5000
        assert one.got("error") == other.got("error") == []
    assert server.worker_pid() == worker
    server.stop()


async def test_an_engine_process_that_is_stopped_is_replaced_before_anybody_needs_it(start_server: StartServer):
    server = start_server(environment={"VOICETRIO_STT__PROCESSES": "1", "VOICETRIO_TTS__ENGINE": "none"})
    [stopped] = await trio.to_thread.run_sync(server.engine_pids)
    os.kill(stopped, signal.SIGSTOP)
    # Nobody has asked it for anything: it is pinged, after 2 s, found to hang 5 s later, and loaded again.
    await until(lambda: server.engine_pids() not in ([], [stopped]))
    server.stop()


def test_workers_and_engines_get_no_secrets(start_server: StartServer):
    secrets = {"VOICETRIO_SERVER__ADMIN_KEY": "a-key-for-the-operator", "SOME_API_KEY": "k", "UNRELATED": "u"}
    server = start_server(environment=secrets)
    others = [pid for pid in server.pids() if pid != server.process.pid]
    assert len(others) >= 3  # the worker, what hears, and what speaks
    for pid in others:
        environment = server.environment_of(pid)
        assert not secrets.keys() & environment.keys()
        assert "PATH" in environment
        assert not any(name.startswith("VOICETRIO_") for name in environment)
    server.stop()
