"""What the gateway serves, as it is given by the composition root."""

from dataclasses import dataclass, field
from typing import Protocol

from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.token_request import IssuedToken, TokenRequest
from voicetrio.gateway.connection_rules import ConnectionRules, CutTelemetry
from voicetrio.gateway.registry import Registry
from voicetrio.session.overview import WorkerOverview
from voicetrio.session.ports import Ports, Recognizer, Synthesizer, Telemetry


class GatewayTelemetry(Telemetry, CutTelemetry, Protocol):
    def connection_refused(self, why: str) -> None: ...
    def token_request(self, outcome: str) -> None: ...
    def admin_refused(self, why: str) -> None: ...
    def render(self) -> bytes | None:
        """All metrics in Prometheus' text format; None where none are kept."""
        ...


class Workers(Recognizer, Synthesizer, Protocol):
    @property
    def ready(self) -> bool: ...

    def overview(self) -> tuple[WorkerOverview, ...]: ...


class TokenDesk(Protocol):
    """Hands out tokens for LiveKit rooms."""

    @property
    def server_url(self) -> str:
        """Where clients find the LiveKit server."""
        ...

    @property
    def agent_name(self) -> str:
        """The only agent that a client may ask for; empty: none."""
        ...

    def wait(self, address: str) -> float:
        """Whether this address may ask now: 0, and it counts; or the seconds until it may."""
        ...

    def issue(self, request: TokenRequest) -> IssuedToken:
        """Raises `RoomRefused` or `RoomTaken`."""
        ...


@dataclass(frozen=True, slots=True)
class House:
    """What the app serves; made by the composition root, for as long as the server runs."""

    registry: Registry
    workers: Workers
    ports: Ports
    telemetry: GatewayTelemetry
    session_config: SessionConfig
    session_limits: SessionLimits
    allowed_origins: tuple[str, ...]
    loopback_only: bool
    connection_rules: ConnectionRules = field(default_factory=ConnectionRules)
    admin_key: str = field(default="", repr=False)
    """What opens the operator's page; empty: nothing does."""
    tokens: TokenDesk | None = None
    """None: no LiveKit keys are configured."""
    livekit_url: str = ""
    """Where browsers find the LiveKit server, such as `wss://livekit.example.org`; empty: there is none."""
