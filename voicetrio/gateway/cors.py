"""Which pages may use an HTTP endpoint, and the headers that tell their browsers so.

The rule is that of sessions (`origin`), with one difference: with a GET to a page's own host a browser sends no `Origin`.
That host's name may have been made to point at this machine (DNS rebinding), so on loopback the name counts, too.
"""

from quart import Response, request

from voicetrio.gateway.house import House
from voicetrio.gateway.origin import is_allowed, is_known_host

_PREFLIGHT_S = 600
"""Seconds that a browser remembers the answer to a preflight: a round trip less, and an operator's change is soon seen."""


def is_served(house: House) -> bool:
    """Whether the page that this request comes from, if any, may use this server."""
    origin, host = request.headers.get("Origin"), request.headers.get("Host")
    if origin is None and house.loopback_only:
        return is_known_host(host, house.allowed_origins)
    return is_allowed(origin, host, house.allowed_origins, loopback_only=house.loopback_only)


def cors_headers(house: House) -> dict[str, str]:
    """For any answer to this request, whether it is good or an error: the page shall be able to read it."""
    headers = {"Vary": "Origin"}
    origin = request.headers.get("Origin")
    if origin is not None and is_served(house):
        headers["Access-Control-Allow-Origin"] = origin
    return headers


def preflight(house: House, methods: str) -> Response:
    """The answer to OPTIONS. A page that is not served gets no permission in it."""
    headers = {"Cache-Control": "no-store", **cors_headers(house)}
    if not is_served(house):
        return Response("", status=403, content_type="text/plain", headers=headers)
    headers |= {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": "Content-Type, Authorization, X-Sandbox-ID",
        "Access-Control-Max-Age": str(_PREFLIGHT_S),
    }
    return Response("", status=204, content_type="text/plain", headers=headers)
