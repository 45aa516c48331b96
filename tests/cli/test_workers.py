"""`voicetrio workers` against a real HTTP server that answers as the gateway does, or as something else does."""

import argparse
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.workers import fleet
from voicetrio.cli import workers
from voicetrio.settings import Settings

KEY = "correct-horse-battery"


def answer() -> dict:
    members = (
        fleet.member("unix:/x/worker.sock", "whisper small", slots=8, in_use=2, speaks="piper", voices=("a", "b")),
        fleet.member("10.0.0.7:1", "ctc [bold]tiny\x1b[31m", state="draining"),
    )
    return {"default_model": "whisper small", "workers": [one.as_message() for one in fleet.pool(*members).overview()]}


@contextmanager
def http_server(status: int = 200, body: bytes | None = None, **headers: str) -> Iterator[tuple[str, list[str]]]:
    """Its address, and the keys that it was sent. A body of its own is given whatever the key is."""
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(self.headers.get("Authorization", ""))
            right = body is not None or (keys[-1] == f"Bearer {KEY}" and self.path == "/v1/workers")
            self.send_response(status if right else 401)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write((json.dumps(answer()).encode() if body is None else body) if right else b"{}")

        def log_message(self, *_args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", keys
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def call(monkeypatch):
    """Runs the command with these words; its exit code."""
    monkeypatch.setenv("VOICETRIO_SERVER__ADMIN_KEY", KEY)
    parser = argparse.ArgumentParser()
    workers.add_parser(parser.add_subparsers())

    def run(*words: str) -> int:
        args = parser.parse_args(["workers", *words])
        return args.command(args)

    return run


def test_a_pipe_gets_a_line_for_each_worker(call, capsys):
    with http_server() as (url, keys):
        assert call("--server", url) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == list(workers._COLUMNS.values())
    assert lines[1] == [
        "unix:worker.sock",
        "ready",
        "whisper",
        "small",
        "2/8",
        "25 %",
        "0",
        "0",
        "0",
        "piper",
        "2",
        "0/2",
    ]
    assert lines[2][:4] == ["10.0.0.7:1", "draining", "ctc", "[bold]tiny[31m"], "what a terminal would obey is left out"
    assert keys == [f"Bearer {KEY}"]


def test_a_terminal_gets_a_table(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "200")
    out = Terminal()
    workers.show(answer()["workers"], out)
    shown = out.getvalue()
    assert "unix:worker.sock" in shown
    assert "[bold]tiny[31m" in shown, "names are no markup"
    assert "streams here" in shown


def test_json_is_the_servers_own_answer(call, capsys):
    with http_server() as (url, _):
        assert call("--server", url.replace("http", "ws"), "--json") == 0
    assert json.loads(capsys.readouterr().out) == answer()


def test_without_a_key_it_says_what_to_set(call, capsys, monkeypatch):
    monkeypatch.delenv("VOICETRIO_SERVER__ADMIN_KEY")
    assert call() == 2
    told = capsys.readouterr()
    assert told.out == ""
    for name in ("server.admin_key_file", "VOICETRIO_SERVER__ADMIN_KEY", "--config"):
        assert name in told.err


def test_the_key_and_the_address_come_from_the_settings(call, capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("VOICETRIO_SERVER__ADMIN_KEY")
    with http_server() as (url, keys):
        (tmp_path / "key").write_text(KEY)
        settings = tmp_path / "a.toml"
        settings.write_text(f'[server]\nport = {url.rpartition(":")[2]}\nadmin_key_file = "{tmp_path / "key"}"\n')
        assert call("--config", str(settings)) == 0
    assert keys == [f"Bearer {KEY}"]


def test_a_server_with_another_key_says_so(call, capsys, monkeypatch):
    monkeypatch.setenv("VOICETRIO_SERVER__ADMIN_KEY", "another-key-of-some-length")
    with http_server() as (url, _):
        assert call("--server", url) == 1
    assert "another admin key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (200, b"<html>", "no voicetrio server"),
        (200, b"[]", "no voicetrio server"),
        (200, b"{}", "no voicetrio server"),
        (404, b"", "no voicetrio server"),
        (429, b'{"error": "try again in 6 s"}', "try again in 6 s"),
        (500, b"oops", "HTTP 500"),
    ],
)
def test_what_else_may_answer_is_told(call, capsys, status, body, why):
    with http_server(status, body) as (url, _):
        assert call("--server", url) == 1
    told = capsys.readouterr().err
    assert why in told
    assert KEY not in told


def test_the_key_is_not_sent_to_where_a_server_points(call, capsys):
    with http_server() as (other, keys), http_server(302, b"", Location=f"{other}/v1/workers") as (url, _):
        assert call("--server", url) == 1
    assert keys == []


def test_no_server_is_told_with_what_to_do(call, capsys):
    assert call("--server", "http://127.0.0.1:1") == 1
    assert "voicetrio serve" in capsys.readouterr().err


@pytest.mark.parametrize("server", ["", "nowhere", "ftp://x", "http://", "http://x:0", "http://x:99999"])
def test_what_is_no_address_is_told(server):
    with pytest.raises(workers.NoFleet, match="--server"):
        workers.server_url(Settings(), server)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("fd00::1", "http://[fd00::1]:8000"),
    ],
)
def test_the_configured_server_is_asked(host, url):
    settings = Settings.model_validate({"server": {"host": host}})
    assert workers.server_url(settings, None) == f"{url}/v1/workers"
