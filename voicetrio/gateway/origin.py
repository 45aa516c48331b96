"""Whether a browser's page may open a session here. Pure.

Browsers let any page open a WebSocket to any address, also to this machine's loopback, and say only which page it was.
So a request with an `Origin` is served only to pages of this server itself and to those that the operator names.
Programs that are no browsers send no `Origin` and are not concerned.
"""

from collections.abc import Sequence

from voicetrio.core.origins import ANY, canonical_origin, is_loopback, is_own_page, parse_host, parse_origin


def is_allowed(origin: str | None, host: str | None, allowed: Sequence[str], *, loopback_only: bool) -> bool:
    """`origin` and `host` are the request's headers; `allowed` are origins as browsers write them, or `*`.

    With `loopback_only` the server listens on this machine alone, and a name that is not this machine's was made to
    point here by somebody else (DNS rebinding).
    """
    if origin is None or ANY in allowed:
        return True
    try:
        if canonical_origin(origin) in allowed:
            return True
        name, port = parse_host(host or "")
        return is_own_page(parse_origin(origin), name, port) and (not loopback_only or is_loopback(name))
    except ValueError:
        return False


def is_known_host(host: str | None, allowed: Sequence[str]) -> bool:
    """Whether a `Host` header means this machine by its own name, or by one that the operator has named."""
    if ANY in allowed:
        return True
    try:
        name, port = parse_host(host or "")
        return is_loopback(name) or any(is_own_page(parse_origin(one), name, port) for one in allowed if "://" in one)
    except ValueError:
        return False


__all__ = ["is_allowed", "is_known_host", "is_loopback"]
