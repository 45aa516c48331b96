"""What a client keeps of a session to come back to it over a new connection, and the limits that it was told.

Pure: messages go in, a query for the next connection comes out. The token is a secret, as good as the session itself:
it appears in the query only, never in a text or a `repr`.
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """`limits` of `session.created`."""

    max_rate: float | None
    """Seconds of audio that the server takes per second; None: as many as come."""
    max_backlog_s: float
    """Seconds of audio that may wait in the server before it drops some."""
    resume_grace_s: float
    """Seconds that a session waits for a client whose connection broke. 0: it does not."""

    @classmethod
    def from_message(cls, created: dict[str, Any]) -> "ServerLimits | None":
        """None for a server that tells none: it is of the time before limits, and stops reading instead."""
        limits = created.get("limits")
        if not isinstance(limits, dict):
            return None
        max_rate = _seconds(limits.get("max_rate"))
        return cls(
            max_rate=max_rate or None,
            max_backlog_s=_seconds(limits.get("max_backlog_ms")) / 1000,
            resume_grace_s=_seconds(limits.get("resume_grace_ms")) / 1000,
        )


def _seconds(value: object) -> float:
    """A number that is none, or below 0, is 0."""
    return max(0.0, float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


@dataclass(slots=True)
class ResumeTicket:
    """Of one session, over all of its connections. `NativeSession` keeps it up to date."""

    received: int = 0
    """Text frames received, without any `session.created`: the server repeats what came after them."""
    limits: ServerLimits | None = None
    _token: str = field(default="", repr=False)

    @property
    def valid(self) -> bool:
        """Whether the server keeps the session for us when the connection breaks."""
        return bool(self._token) and self.limits is not None and self.limits.resume_grace_s > 0

    @property
    def query(self) -> str:
        """What to add to the session's address; empty for a session that does not exist yet."""
        return urlencode({"resume": self._token, "received": self.received}) if self._token else ""

    def note(self, message: dict[str, Any]) -> None:
        """To be called with each text message, once, when it is handed on to whoever makes use of it."""
        if message.get("type") != "session.created":
            self.received += 1
            return
        token = message.get("resume_token")
        self._token = token if isinstance(token, str) else ""
        self.limits = ServerLimits.from_message(message)
