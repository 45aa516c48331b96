"""A server with two workers of its own that hear with different engines: sessions choose, and the operator sees both."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from .client import open_client
from .conftest import StartServer
from .processes import ADMIN_KEY, ROOT, ServerProcess
from .sound import GOOD_IDEA, silence
from .test_exactness import words_of
from .waiting import until

pytestmark = pytest.mark.slow

SPEECH = silence(0.5) + GOOD_IDEA.pcm + silence(0.8)


def fleet(server: ServerProcess) -> list[dict]:
    """What `voicetrio workers --json` prints."""
    command = [sys.executable, "-m", "voicetrio", "workers", "--json", "--server", server.url]
    environment = {**os.environ, "VOICETRIO_SERVER__ADMIN_KEY": ADMIN_KEY}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["workers"]


async def test_sessions_choose_among_the_workers_of_a_server(start_server: StartServer, tmp_path: Path):
    more = tmp_path / "more.toml"
    more.write_text('[stt]\nengine = "pocketsphinx"\nslots = 2\nprocesses = 1\n[tts]\nengine = "none"\n')
    environment = {"VOICETRIO_WORKERS__MORE": json.dumps([str(more)]), "VOICETRIO_SERVER__ADMIN_KEY": ADMIN_KEY}
    server = await trio.to_thread.run_sync(lambda: start_server("config/bench.toml", environment=environment))
    first, second = await trio.to_thread.run_sync(fleet, server)
    assert (first["worker"], first["engine"], first["state"]) == ("unix:worker.sock", "instant", "ready")
    assert (second["worker"], second["engine"], second["stt_slots"]) == ("unix:worker-2.sock", "pocketsphinx", 2)
    assert (first["speaks_with"], second["speaks_with"]) == ("instant", "")

    async with open_client(server.url) as exact, open_client(server.url) as words:
        assert exact.got("session.created")[0]["model"].startswith("instant"), "the first one is the default"
        await words.send("session.configure", model="pocketsphinx")
        config = (await words.wait_for("session.configured"))["config"]
        assert config["model"] == f"pocketsphinx {second['model']}".strip()
        await words.send("session.configure", model="whisper")
        assert (await words.wait_for("error"))["code"] == "unknown_model"
        for client in (exact, words):
            await client.pour(SPEECH)
        final = await exact.wait_for("transcript.final")
        assert final["text"].split() == words_of(SPEECH, final)
        assert (await words.wait_for("transcript.final"))["text"] == GOOD_IDEA.text
        first, second = await trio.to_thread.run_sync(fleet, server)
        assert (first["streams"], second["streams"], second["load"]) == (1, 1, 0.5)
        await exact.finish()
        await words.finish()

    # One that is told to end by somebody else is replaced.
    os.kill(server.worker_pid(), signal.SIGTERM)
    await until(lambda: server.metric("voicetrio_worker_restarts_total") == 1)
    await until(lambda: server.metric("voicetrio_workers_ready") == 2)
    await trio.to_thread.run_sync(server.stop)


def test_a_default_model_that_no_worker_has_is_told_before_anybody_is_served(tmp_path: Path):
    server = ServerProcess(tmp_path, "config/bench.toml", environment={"VOICETRIO_SESSION__MODEL": "whisper large"})
    try:
        assert server.wait() == 2
        assert "VOICETRIO_SESSION__MODEL: no worker hears with it; there are: instant" in server.stderr
        server.check_end()
    finally:
        server.kill()
