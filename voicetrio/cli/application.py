"""The application as an ASGI server sees it; its public name is `voicetrio.asgi:app`.

Importing it starts nothing. The settings come from the files named in `VOICETRIO_CONFIG` (separated by the system's path
separator) and from the environment, unless whoever runs the app has set them. Everything that runs is opened in the
lifespan task and closed in it: one task owns it all, and the end of the lifespan is the end of every worker process.
"""

import os
from typing import Any

import structlog
import trio

from voicetrio.cli.compose import open_house
from voicetrio.cli.logs import configure_logging
from voicetrio.core.errors import LocalError, VoicetrioError
from voicetrio.gateway.app import make_gateway
from voicetrio.gateway.connections import contain_connections
from voicetrio.gateway.registry import Registry
from voicetrio.settings import Settings, load_settings

log = structlog.get_logger()


class Application:
    """The Quart-Trio app together with what it serves."""

    def __init__(self) -> None:
        contain_connections()
        self.gateway = make_gateway()
        self.settings: Settings | None = None
        """Set before the lifespan starts, or left to the environment."""
        self.failure: VoicetrioError | None = None
        """Why it failed, or does not serve any more; for whoever runs the app and can say more than the ASGI server."""
        self.over = trio.Event()
        """Set when the lifespan has ended, for whatever reason."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        else:
            await self.gateway(scope, receive, send)

    async def _live(self, scope: Any, receive: Any, send: Any) -> None:
        served = False
        try:
            if self.settings is None:
                files = [file for file in os.environ.get("VOICETRIO_CONFIG", "").split(os.pathsep) if file]
                self.settings = load_settings(files, os.environ)
                configure_logging(self.settings.log)
            async with open_house(self.settings) as house:
                self.gateway.house = house
                served = True
                try:
                    await self.gateway(scope, receive, send)
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
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(self.failure)})

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


def _first(group: BaseExceptionGroup[VoicetrioError]) -> VoicetrioError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


app = Application()
