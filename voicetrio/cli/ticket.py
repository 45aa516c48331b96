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
    """Text frames received, but `session.created` and `session.pong`: the server repeats what came after them."""
    utterance: str = ""
    """The `request_id` of what the server said, or says: the last one whose audio came, or comes next."""
    samples: int = 0
    """Of its audio, received over all connections: the server goes on with the next one."""
    limits: ServerLimits | None = None
    _token: str = field(default="", repr=False)
    _sample_bytes: int = 2

    @property
    def valid(self) -> bool:
        """Whether the server keeps the session for us when the connection breaks."""
        return bool(self._token) and self.limits is not None and self.limits.resume_grace_s > 0

    @property
    def query(self) -> str:
        """What to add to the session's address; empty for a session that does not exist yet."""
        if not self._token:
            return ""
        speech = {"utterance": self.utterance, "samples": self.samples} if self.utterance else {}
        return urlencode({"resume": self._token, "received": self.received, **speech})

    def note(self, message: dict[str, Any]) -> None:
        """To be called with each text message, once, when it is handed on to whoever makes use of it."""
        match message.get("type"):
            case "session.pong":
                return
            case "tts.speaking_start":
                self.received += 1
                self._begin(message, 0)
                return
            case "tts.speaking_resumed":
                self.received += 1
                start = message.get("start_sample")
                self._begin(message, start if isinstance(start, int) else 0)
                return
            case "session.created":
                pass
            case _:
                self.received += 1
                return
        token = message.get("resume_token")
        self._token = token if isinstance(token, str) else ""
        self.limits = ServerLimits.from_message(message)

    def note_audio(self, audio: bytes) -> None:
        """To be called with each binary message, as `note` is."""
        self.samples += len(audio) // self._sample_bytes

    def _begin(self, message: dict[str, Any], samples: int) -> None:
        self.utterance, self.samples = str(message.get("request_id")), samples
        self._sample_bytes = 2 if message.get("encoding", "pcm_s16le") == "pcm_s16le" else 1
