"""The application as an ASGI server sees it; its public name is `voicetrio.asgi:app`.

Importing it starts nothing. The settings come from the files named in `VOICETRIO_CONFIG` (separated by the system's path
separator) and from the environment, unless whoever runs the app has set them. Everything that runs is opened in the
lifespan task and closed in it: one task owns it all, and the end of the lifespan is the end of every worker process.
"""

import os
import sys
from typing import Any

import sniffio
import structlog
import trio

from voicetrio.cli.checking import checked_settings, files_of
from voicetrio.cli.compose import open_house
from voicetrio.cli.logs import configure_logging
from voicetrio.cli.only_one import only_process
from voicetrio.core.errors import LocalError, VoicetrioError
from voicetrio.gateway.accept_warnings import accept_warnings
from voicetrio.gateway.app import make_gateway
from voicetrio.gateway.connections import contain_connections, wait_terminated
from voicetrio.gateway.http1 import stay_with_http1
from voicetrio.gateway.registry import Registry
from voicetrio.settings import Settings

_NEEDS_TRIO = (
    "this application runs under trio, and the ASGI server that has loaded it does not. Use `voicetrio serve`, or "
    "`hypercorn -k trio voicetrio.asgi:app`; uvicorn and others that know only asyncio cannot run it"
)

log = structlog.get_logger()


class Application:
    """The Quart-Trio app together with what it serves."""

    def __init__(self) -> None:
        contain_connections()
        stay_with_http1()
        self.gateway = make_gateway()
        self.settings: Settings | None = None
        """Set before the lifespan starts, or left to the environment."""
        self.failure: VoicetrioError | None = None
        """Why it failed, or does not serve any more; for whoever runs the app and can say more than the ASGI server."""
        self.explains = False
        """Whether whoever runs the app says by itself why it has failed: ASGI servers do so in the depth of a traceback."""
        self.over = trio.Event()
        """Set when the lifespan has ended, for whatever reason."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if not _under_trio():
            await _refuse_asyncio(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        else:
            await self.gateway(scope, receive, send)

    async def _live(self, scope: Any, receive: Any, send: Any) -> None:
        served = False
        try:
            with only_process():
                if self.settings is None:
                    # Not to be broken off: it is bounded, and what it has started would go on.
                    files = files_of([], os.environ)
                    self.settings = await trio.to_thread.run_sync(checked_settings, files, os.environ)
                    configure_logging(self.settings.log)
                async with open_house(self.settings) as house:
                    self.gateway.house = house
                    house.connection_rules.into(scope)
                    served = True
                    try:
                        with accept_warnings(house.telemetry):
                            async with trio.open_nursery() as nursery:
                                nursery.start_soon(self._stop_with_server)
                                await self.gateway(scope, receive, send)
                                nursery.cancel_scope.cancel(reason="the lifespan is over")
                    finally:
                        self.gateway.house = None
        except* VoicetrioError as group:
            self.failure = _first(group)
        except* Exception:
            # Hypercorn would go on without a lifespan, and every session would be an internal error.
            log.exception("server_crashed")
            self.failure = LocalError("the server has met a bug of its own; the log has the traceback")
        finally:
            self.over.set()
        if self.failure is not None and not served:
            if not self.explains:
                print(f"voicetrio: {self.failure}", file=sys.stderr, flush=True)
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(self.failure)})

    async def _stop_with_server(self) -> None:
        """`hypercorn` as a command knows no `stop`: its connections have its graceful timeout, 3 s by default."""
        await wait_terminated()
        await self.stop()

    @property
    def registry(self) -> Registry:
        """The live sessions; only while the lifespan runs."""
        return self.gateway.in_house().registry

    async def stop(self) -> None:
        """Send every session away, within the configured grace; call it before the ASGI server closes the sockets."""
        if self.gateway.house is not None and self.settings is not None:
            await self.registry.send_away(self.settings.server.shutdown_grace)
        else:
            await trio.lowlevel.checkpoint()


def _under_trio() -> bool:
    # Not by asking trio: trio-asyncio, once imported, runs it below every loop of asyncio.
    try:
        return sniffio.current_async_library() == "trio"
    except sniffio.AsyncLibraryNotFoundError:
        return False


async def _refuse_asyncio(scope: Any, receive: Any, send: Any) -> None:
    """Under an event loop that is not trio's nothing here can run; say so before anything else fails."""
    if scope["type"] != "lifespan":
        raise RuntimeError(_NEEDS_TRIO)
    print(f"voicetrio: {_NEEDS_TRIO}", file=sys.stderr, flush=True)
    await receive()
    await send({"type": "lifespan.startup.failed", "message": _NEEDS_TRIO})


def _first(group: BaseExceptionGroup[VoicetrioError]) -> VoicetrioError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


app = Application()
