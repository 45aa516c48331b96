"""Whether a browser's page may open a session here. Pure.

Browsers let any page open a WebSocket to any address, also to this machine's loopback, and say only which page it was.
So a request with an `Origin` is served only to pages of this server itself and to those that the operator names.
Programs that are no browsers send no `Origin` and are not concerned.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_allowed(origin: str | None, host: str | None, allowed: Sequence[str], *, loopback_only: bool) -> bool:
    """`origin` and `host` are the request's headers; `allowed` are origins such as `https://example.org`, or `*`.

    With `loopback_only` the server listens on this machine alone, and a name that is not this machine's was made to
    point here by somebody else (DNS rebinding).
    """
    if origin is None or "*" in allowed or origin in allowed:
        return True
    try:
        parts = urlsplit(origin)
        own = urlsplit(f"//{host or ''}")
        same = parts.netloc != "" and parts.netloc.lower() == (host or "").lower()
        return same and (not loopback_only or own.hostname in _LOOPBACK)
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is this machine's own."""
    return host in _LOOPBACK
