"""What the gateway serves, as it is given by the composition root."""

from dataclasses import dataclass
from typing import Protocol

from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.gateway.registry import Registry
from voicetrio.session.ports import Ports, Recognizer, Synthesizer, Telemetry


class GatewayTelemetry(Telemetry, Protocol):
    def connection_refused(self, why: str) -> None: ...
    def render(self) -> bytes | None:
        """All metrics in Prometheus' text format; None where none are kept."""
        ...


class Workers(Recognizer, Synthesizer, Protocol):
    @property
    def ready(self) -> bool: ...


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
