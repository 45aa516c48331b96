"""`voicetrio serve`: the application on Hypercorn, with signals, a clear start and an orderly end.

SIGINT, SIGTERM -> sessions are told (session.closed, 1001) -> Hypercorn closes -> lifespan ends: worker is taken down
a second signal ends all of it at once
"""

import argparse
import os
import signal
import socket
import sys
from functools import partial

import hypercorn.trio
import trio
from hypercorn.config import Config
from hypercorn.utils import LifespanFailureError

from voicetrio.cli.application import Application, app
from voicetrio.cli.banner import banner
from voicetrio.cli.checking import checked_settings, files_of
from voicetrio.cli.logs import configure_logging
from voicetrio.core.errors import VoicetrioError
from voicetrio.settings import ConfigError, Settings

_GRACE_AFTER_SESSIONS = 1.0
"""Seconds that plain HTTP requests may still take when the sessions are gone."""

_START_MARGIN = 10.0
"""Seconds beyond `workers.start_timeout`, so that our own message about it comes first."""


class BindError(VoicetrioError):
    """The configured address cannot be listened on."""


def bind(settings: Settings) -> socket.socket:
    """The listening socket.

    Raises:
        BindError: with what to change.
    """
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        # Two binds with SO_REUSEADDR both succeed; only listening finds out that the port is taken.
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise BindError(
            f"server.host, server.port: cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}. "
            "Another server may be running there; choose another port, e.g. VOICETRIO_SERVER__PORT=8001."
        ) from None
    except (UnicodeError, OverflowError):
        sock.close()
        raise BindError(f"server.host: {host!r} is not an address or host name") from None
    return sock


async def serve(
    settings: Settings,
    *,
    stopping: trio.Event,
    application: Application = app,
    task_status: trio.TaskStatus[tuple[str, int]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stopping` is set; `started` is called with host and port when a worker is ready.

    Raises:
        VoicetrioError: the address cannot be used, or the local worker could not be started.
    """
    sock = bind(settings)
    host, port = sock.getsockname()[:2]
    config = Config()
    config.bind = [f"fd://{sock.detach()}"]
    config.loglevel = "WARNING"
    config.startup_timeout = settings.workers.start_timeout + _START_MARGIN
    config.graceful_timeout = _GRACE_AFTER_SESSIONS
    config.shutdown_timeout = 60.0
    config.websocket_max_message_size = settings.session.max_message_bytes
    application.settings = settings
    application.failure = None
    application.explains = True
    application.over = trio.Event()

    async def trigger() -> None:
        await _wait_any(stopping, application.over)
        await application.stop()

    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(hypercorn.trio.serve, application, config, shutdown_trigger=trigger))
            # Hypercorn says that it has started even when the lifespan has just failed.
            if application.failure is None:
                task_status.started((host, port))
    except* LifespanFailureError:
        if application.failure is None:
            raise
    if application.failure is not None:
        raise application.failure


async def _wait_any(*events: trio.Event) -> None:
    async with trio.open_nursery() as nursery:

        async def wait(event: trio.Event) -> None:
            await event.wait()
            nursery.cancel_scope.cancel(reason="one of the events has come")

        for event in events:
            nursery.start_soon(wait, event)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("serve", help="run the server")
    parser.add_argument(
        "--config",
        metavar="FILE",
        action="append",
        default=[],
        help="settings; the last file wins; else those of VOICETRIO_CONFIG",
    )
    parser.set_defaults(command=run_serve)


def run_serve(args: argparse.Namespace) -> int:
    """Returns the exit code: 0 after an orderly end, 2 for a configuration that cannot be used, 1 for a failed start."""
    try:
        settings = checked_settings(files_of(args.config, os.environ), os.environ)
    except ConfigError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 2
    configure_logging(settings.log)
    code = 0
    try:
        trio.run(_serve_with_signals, settings)
    except* BindError as group:
        code = 2
        _complain(group)
    except* VoicetrioError as group:
        code = 1
        _complain(group)
    return code


def _complain(group: BaseExceptionGroup[VoicetrioError]) -> None:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            _complain(error)
        else:
            print(f"voicetrio serve: {error}", file=sys.stderr)


async def _serve_with_signals(settings: Settings) -> None:
    stopping = trio.Event()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:

            async def watch_signals() -> None:
                async for _ in signals:
                    if stopping.is_set() or not ready:
                        outer.cancel(reason="stopped by a signal")
                    stopping.set()

            ready = False
            nursery.start_soon(watch_signals)
            with trio.CancelScope() as outer:
                async with trio.open_nursery() as server:
                    host, port = await server.start(partial(serve, settings, stopping=stopping))
                    ready = True
                    print(banner(host, port), flush=True)
            nursery.cancel_scope.cancel(reason="the server has ended")
