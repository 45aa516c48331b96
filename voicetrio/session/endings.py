"""Why sessions end, in words for the client and for metrics, each with its WebSocket close code."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class End:
    """Why a session ended, and the WebSocket close code that says so."""

    reason: str
    code: int


CLOSED_BY_CLIENT = End("client_closed", 1000)
CANCELLED_BY_CLIENT = End("cancelled", 1000)
DISCONNECTED = End("disconnected", 1000)
GOING_AWAY = End("going_away", 1001)
INTERNAL_ERROR = End("internal_error", 1011)
SLOW_CLIENT = End("slow_client", 1013)
OVERLOADED = End("overloaded", 1013)
"""All workers that could hear it are busy, and stayed so: the client had better come back later, or elsewhere."""
TIMED_OUT = End("timed_out", 4408)
TAKEN_OVER = End("taken_over", 4409)
"""Of a connection: the client goes on with its session on another one. Of a session: the owner of an older one with this id
has come back to that."""
