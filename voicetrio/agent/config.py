"""Which agent answers, and where it is. What is impossible is refused here, so that no turn has to find out."""

import math
from dataclasses import dataclass, field
from typing import Literal

import httpx2


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """Raises `ValueError`, which begins with the name of the setting and holds none of the secrets."""

    kind: Literal["embedded", "runtime", "chat"] = "embedded"
    url: str = field(default="", repr=False)
    """Where the agent is: `http://127.0.0.1:8001` for a runtime, `http://127.0.0.1:11434/v1` for a chat server. Not
    shown: a URL may hold a password."""
    api_key: str = field(default="", repr=False)
    """Sent with every request if there is one; as `X-Internal-Auth` to a runtime, as `Authorization: Bearer` to a chat."""
    model: str = ""
    """For a chat: the model's name, as its server knows it."""
    instructions: str = ""
    """For a chat: the system prompt."""
    connect_timeout: float = 5.0
    """Seconds for a connection to be made. A host that is there takes milliseconds; the rest is for a lost packet or two,
    which TCP sends again after 1 and 3 s."""
    max_event_bytes: int = 1_048_576
    """An event of this many bytes or more is refused: it would be held whole. 1 MiB is thousands of times a token, and
    WebSocket clients with common settings refuse a message above it."""

    max_answer_events: int = 131_072
    """Events of one answer: what a model that writes 200 tokens a second comes to in 11 minutes."""
    max_answer_bytes: int = 67_108_864
    """Bytes of one answer: so many events of 512 bytes, twice what a chat server takes for a token."""

    def __post_init__(self) -> None:
        if self.kind != "embedded":
            _check_url(self.url)
        if not all("!" <= character <= "~" for character in self.api_key):
            # httpx2 and h11 would name the whole header in their own errors, key and all.
            raise ValueError("agent.api_key: must be printable ASCII without spaces; is there a line end in it?")
        if not 0 < self.connect_timeout < math.inf:
            raise ValueError("agent.connect_timeout: must be more than 0 seconds")
        for name in ("max_event_bytes", "max_answer_events", "max_answer_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"agent.{name}: must be at least 1")


def _check_url(url: str) -> None:
    try:
        parsed = httpx2.URL(url)
        parsed.raw_host.decode().encode("idna")  # as the resolver does it, which raises for an empty or a long label
        usable = parsed.scheme in ("http", "https") and bool(parsed.host) and (parsed.port or 0) < 65536
    except (httpx2.InvalidURL, UnicodeError):
        usable = False
    if not usable:
        raise ValueError("agent.url: must be an address such as http://127.0.0.1:8001") from None
