"""A server for one command: the one that was named, the one that already runs, or a new one inside this process."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TextIO

import trio

from voicetrio.cli.application import Application
from voicetrio.cli.logs import configure_logging
from voicetrio.cli.serve import serve
from voicetrio.core.origins import bracketed, reachable_host
from voicetrio.settings import Settings, load_settings

_PROBE_TIMEOUT = 0.5
"""Seconds for a server on this machine to say that it is there."""

_FILE_RATE = 8.0
"""Times real time at which a server for one call takes audio: its client sends files, and it has nobody else to serve."""

_MARK = b'"service":"voicetrio"'
_ANSWER_BYTES = 65_536
"""Of an answer from whatever else may listen on that port."""


@asynccontextmanager
async def open_server(config_files: Sequence[str], server: str | None, err: TextIO) -> AsyncIterator[str]:
    """The address of a server that can be used inside, such as `ws://127.0.0.1:8000`.

    Raises:
        VoicetrioError: the settings have faults, or the embedded server could not be started.
    """
    if server is not None:
        yield server
        return
    settings = load_settings(config_files, os.environ)
    host = reachable_host(settings.server.host)
    if await _answers(host, settings.server.port):
        yield f"ws://{bracketed(host)}:{settings.server.port}"
        return
    print("voicetrio: no server is running here; starting one for this call", file=err, flush=True)
    own = _for_one_call(settings)
    configure_logging(own.log)
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        host, port = await nursery.start(partial(serve, own, stopping=stopping, application=Application()))
        try:
            yield f"ws://{host}:{port}"
        finally:
            stopping.set()


def _for_one_call(settings: Settings) -> Settings:
    """The same, on any free port of this machine, for files, and with warnings only."""
    return settings.model_copy(
        update={
            "server": settings.server.model_copy(update={"host": "127.0.0.1", "port": 0}),
            "session": settings.session.model_copy(update={"max_rate": _FILE_RATE}),
            "log": settings.log.model_copy(update={"level": "warning"}),
        }
    )


async def _answers(host: str, port: int) -> bool:
    """Whether a voicetrio server is there."""
    if port == 0:
        return False
    answer = b""
    with trio.move_on_after(_PROBE_TIMEOUT):
        try:
            stream = await trio.open_tcp_stream(host, port)
            async with stream:
                await stream.send_all(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                # Until it is recognised: the server may keep the connection open after its answer.
                while _MARK not in answer and len(answer) < _ANSWER_BYTES:
                    chunk = await stream.receive_some(4096)
                    if not chunk:
                        break
                    answer += chunk
        except OSError:
            return False
    return _MARK in answer


__all__ = ["open_server"]
