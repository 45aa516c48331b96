"""What tokens are made with."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TokenConfig:
    server_url: str
    """Where clients find the LiveKit server."""
    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    """32 bytes or more, ASCII."""
    ttl: float = 900.0
    """Seconds in which a client must join."""
    agent_name: str = ""
    """The agent that is sent to each room; empty: none."""
    shared_rooms: tuple[str, ...] = ()
    """Rooms that several people may share."""
    per_minute: int = 60
    """Tokens for one address in a minute."""
