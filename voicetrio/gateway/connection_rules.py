"""What every connection of a server is held to, and how it gets there: with the lifespan's state, as ASGI has it.

The application puts the rules into the state when it starts (`ConnectionRules.into`), and Hypercorn hands each connection a
copy of it. So there is nothing global, and it is the same whoever starts the application.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
import trio

from voicetrio.core.errors import RemoteError
from voicetrio.core.flood import FloodRules

_STATE_KEY = "voicetrio.connection_rules"

log = structlog.get_logger()


class CutTelemetry(Protocol):
    def connection_cut(self, why: str) -> None: ...
    def accept_failed(self) -> None: ...


class Wire(Protocol):
    """The connection below a WebSocket."""

    rules: "ConnectionRules"
    heard_at: float
    """When the last bytes came, on trio's clock."""

    def abort(self) -> None:
        """Close it at once and for good. Whoever uses it meets an error that Hypercorn expects."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ConnectionRules:
    ping_interval: float = 10.0
    """Seconds between two pings on a WebSocket."""
    pong_timeout: float = 15.0
    """Seconds for any sign of life after one."""
    send_stall: float = 20.0
    """Seconds that sent data may stay without the kernel of the other side having taken it."""
    flood: FloodRules = field(default_factory=FloodRules)
    telemetry: CutTelemetry | None = None
    turns: trio.Lock = field(default_factory=trio.Lock)

    @property
    def silence(self) -> float:
        """Seconds without a byte after which a WebSocket's client is gone: it was pinged at least `pong_timeout` ago."""
        return self.ping_interval + self.pong_timeout

    def into(self, scope: MutableMapping[str, Any]) -> None:
        """Make them the rules of the server whose lifespan scope this is."""
        state = scope.get("state")
        if state is not None:
            state[_STATE_KEY] = self

    @staticmethod
    def of(state: MutableMapping[str, Any]) -> "ConnectionRules":
        """The server's rules, from a connection's state; the defaults where it has none."""
        found = state.get(_STATE_KEY)
        return found if isinstance(found, ConnectionRules) else ConnectionRules()

    def note_cut(self, why: str) -> None:
        """A connection is ended for what its client did, or did not do."""
        log.warning("connection_cut", why=why)
        if self.telemetry is not None:
            self.telemetry.connection_cut(why)

    def note_refusal(self, error: RemoteError) -> None:
        self.note_cut(error.code)

    async def next_turn(self) -> None:
        """Wait until it is one's turn to take apart more of what has come.

        Of all connections that have more to do than a few frames, one gets a turn in each round of trio's scheduler. So
        everybody else waits for one of them and not for all, however many there are.
        """
        async with self.turns:
            await trio.lowlevel.checkpoint()
