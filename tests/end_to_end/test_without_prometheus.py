"""A server where prometheus-client cannot be imported hears as ever; only /metrics is missing, and says what to do."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from .client import open_client
from .conftest import StartServer
from .processes import http_status
from .sound import THANK_YOU, silence

pytestmark = pytest.mark.slow


async def test_a_session_gets_its_final_and_metrics_say_what_to_install(start_server: StartServer, tmp_path: Path):
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "prometheus_client.py").write_text('raise ImportError("not in this test")\n')
    server = start_server("config/bench.toml", environment={"PYTHONPATH": str(blocked)})
    assert server.readyz() == 200
    async with open_client(server.url) as client:
        await client.pour(silence(0.5) + THANK_YOU.pcm + silence(0.5))
        assert await client.finish() != ""
    assert http_status(server.port, "/metrics") == 501
    assert "pip install prometheus-client" in body_of_error(server.port, "/metrics")["status"]
    assert server.readyz() == 200
    assert server.stderr.count("metrics_off") == 1
    server.stop()


def body_of_error(port: int, path: str) -> dict:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).close()
    with caught.value as answer:
        return json.loads(answer.read())
