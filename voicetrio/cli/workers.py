"""`voicetrio workers`: the fleet of a running server as its operator sees it, from `GET /v1/workers`.

A table on a terminal, a line for each worker with tabs in it elsewhere, and with `--json` the server's own answer.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, TextIO
from urllib.parse import urlsplit, urlunsplit

from voicetrio.cli.compose import admin_key
from voicetrio.core.errors import VoicetrioError
from voicetrio.core.origins import bracketed, reachable_host
from voicetrio.settings import ConfigError, Settings, load_settings

_PATIENCE = 10.0
"""Seconds for the answer, which a server has at hand."""

_ANSWER_BYTES = 4 * 1024 * 1024
"""Of an answer: ten thousand workers are less."""

_COLUMNS = {
    "worker": "worker",
    "state": "state",
    "engine": "hears with",
    "model": "model",
    "slots": "slots",
    "load": "load",
    "streams": "streams here",
    "recoveries": "recoveries",
    "moved": "moved",
    "speaks_with": "speaks with",
    "voices": "voices",
    "texts": "texts",
}
_NUMBERS = {"slots", "load", "streams", "recoveries", "moved", "voices", "texts"}
_COLOURS = {"ready": "green", "draining": "yellow", "starting": "yellow", "not ready": "red"}


class NoFleet(VoicetrioError):
    """The server could not be asked; the text says what to do."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("workers", help="show the workers of a running server")
    parser.add_argument("--server", metavar="URL", help="such as http://127.0.0.1:8000; without it, the configured one")
    parser.add_argument(
        "--config",
        metavar="FILE",
        action="append",
        default=[],
        help="settings, for the address and the admin key; the last file wins",
    )
    parser.add_argument("--json", action="store_true", help="the server's answer as it is")
    parser.set_defaults(command=run_workers)


def run_workers(args: argparse.Namespace) -> int:
    """The exit code: 0; 1 where the server cannot be asked; 2 for settings that cannot be used, or without a key."""
    try:
        settings = load_settings(args.config, os.environ)
        key = admin_key(settings)
    except ConfigError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 2
    if not key:
        print(
            "voicetrio: no admin key: set server.admin_key_file, or VOICETRIO_SERVER__ADMIN_KEY, to the key that the "
            "server was started with (16 or more characters), or name its settings with --config FILE",
            file=sys.stderr,
        )
        return 2
    try:
        told = ask(server_url(settings, args.server), key)
    except NoFleet as error:
        print(f"voicetrio: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        show(told["workers"], sys.stdout)
    return 0


def server_url(settings: Settings, server: str | None) -> str:
    """Where the fleet is asked for. `server` may be written http(s):// or ws(s)://. Raises `NoFleet`."""
    if server is None:
        server = f"http://{bracketed(reachable_host(settings.server.host))}:{settings.server.port}"
    try:
        parts = urlsplit(server)
        scheme = {"ws": "http", "wss": "https", "http": "http", "https": "https"}[parts.scheme]
        if not parts.hostname or parts.port == 0:
            raise ValueError
    except (KeyError, ValueError):
        raise NoFleet("--server is not the address of a server; write it like http://127.0.0.1:8000") from None
    return urlunsplit((scheme, parts.netloc, "/v1/workers", "", ""))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The key is for this server, and for nobody that it may point to."""

    def redirect_request(self, *_args: object, **_more: object) -> None:
        return None


def ask(url: str, key: str) -> dict[str, Any]:
    """The server's answer. Blocks. Raises `NoFleet`."""
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    shown = url.removesuffix("/v1/workers")
    try:
        with opener.open(request, timeout=_PATIENCE) as answer:
            told = json.loads(answer.read(_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            raise NoFleet(_explain(shown, error.code, error.read(_ANSWER_BYTES))) from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise NoFleet(
            f"no server can be reached at {shown} ({reason}); start one with `voicetrio serve`, or name another with "
            "--server URL"
        ) from None
    except ValueError:
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("workers"), list):
        raise NoFleet(f"what answers at {shown} is no voicetrio server, or one that is too old to tell of its workers")
    return told


def _explain(shown: str, status: int, body: bytes) -> str:
    if status == 401:
        return f"the server at {shown} has another admin key than these settings: give those that it was started with"
    if status == 404:
        return f"what answers at {shown} is no voicetrio server, or one that is too old to tell of its workers"
    try:
        text = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        text = f"HTTP {status}"
    return f"the server at {shown} refuses: {_printable(text)}"


def show(workers: list[Mapping[str, Any]], out: TextIO) -> None:
    """The fleet for people, or for `cut` and `awk` where `out` is no terminal."""
    rows = [_row(worker) for worker in workers]
    if not out.isatty():
        print("\t".join(_COLUMNS.values()), file=out)
        for row in rows:
            print("\t".join(row.values()), file=out)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, title in _COLUMNS.items():
        table.add_column(title, justify="right" if column in _NUMBERS else "left")
    for row in rows:
        table.add_row(
            *(Text(text, style=_COLOURS.get(text, "") if column == "state" else "") for column, text in row.items())
        )
    Console(file=out).print(table)


def _row(worker: Mapping[str, Any]) -> dict[str, str]:
    values = {
        **worker,
        "slots": f"{worker.get('stt_in_use', 0)}/{worker.get('stt_slots', 0)}",
        "load": f"{round(100 * worker.get('load', 0))} %",
        "texts": f"{worker.get('tts_in_use', 0)}/{worker.get('tts_slots', 0)}",
    }
    return {column: _printable(str(values.get(column, ""))) or "-" for column in _COLUMNS}


def _printable(text: str) -> str:
    """Names come from workers, and a terminal obeys what it is sent."""
    return "".join(character for character in text if character.isprintable())
