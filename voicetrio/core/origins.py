"""Web origins: scheme, host and port, compared as browsers compare them (RFC 6454). Pure.

A port that is the scheme's own says nothing: `https://example.org` and `https://example.org:443` are one origin. Letters'
case does not matter, and an IPv6 address is one address however it is written.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_OWN_PORTS = {"http": 80, "https": 443}
_SOCKET_SCHEMES = {"ws": "http", "wss": "https"}
_NAME = re.compile(r"[a-z0-9._-]+")

ANY, OPAQUE = "*", "null"
"""All origins, for operators; and what browsers send for pages that have none, such as local files."""


@dataclass(frozen=True, slots=True)
class Origin:
    scheme: str
    host: str
    """In small letters; an IPv6 address without brackets, in its shortest form."""
    port: int | None
    """None: the scheme has no port of its own, and none is given."""

    def __str__(self) -> str:
        """As browsers write it: without the scheme's own port."""
        host = bracketed(self.host)
        shown = self.port is not None and self.port != _OWN_PORTS.get(self.scheme)
        return f"{self.scheme}://{host}:{self.port}" if shown else f"{self.scheme}://{host}"


def parse_origin(text: str) -> Origin:
    """One slash at the end is forgiven: it is how browsers show an address.

    Raises:
        ValueError: no page can have this origin; it says why, without the text itself.
    """
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or not scheme:
        raise ValueError("must begin with a scheme, as in https://example.org")
    if scheme in _SOCKET_SCHEMES:
        raise ValueError(
            f"must begin with {_SOCKET_SCHEMES[scheme]}://, for it is the page's address, not the socket's"
        )
    rest = rest.removesuffix("/")
    if any(mark in rest for mark in "/?#\\"):
        raise ValueError("must end after the host and its port: browsers tell no path, query or fragment")
    if "@" in rest:
        raise ValueError("must not have a user or a password in it: browsers tell none")
    if "*" in rest:
        raise ValueError('must not have a wildcard in it: name each origin, or allow all with "*"')
    host, port = parse_host(rest)
    return Origin(scheme, host, _OWN_PORTS.get(scheme) if port is None else port)


def canonical_origin(text: str) -> str:
    """What a browser sends for this origin. `*` and `null` stay as they are. Raises `ValueError` as `parse_origin`."""
    return text if text in (ANY, OPAQUE) else str(parse_origin(text))


def parse_host(text: str) -> tuple[str, int | None]:
    """Host and port of `host`, `host:port`, `[IPv6 address]` or `[IPv6 address]:port`, as in a `Host` header.

    Raises:
        ValueError: it is none of these; it says why, without the text itself.
    """
    if not text.isascii():
        raise ValueError("must have its host in ASCII, as browsers send it: xn--... for other letters")
    parts = urlsplit(f"//{text}")
    if parts.netloc != text or parts.username is not None:
        raise ValueError("must have nothing but a host and a port")
    host, port = parts.hostname or "", parts.port
    if ":" in host:
        host = str(ipaddress.IPv6Address(host))
    elif not _NAME.fullmatch(host):
        raise ValueError("must have a host of letters, digits, '-' and '.'")
    if port == 0:
        raise ValueError("must not have port 0")
    return host, port


def is_own_page(origin: Origin, host: str, port: int | None) -> bool:
    """Whether a request with this `Host` was sent by a page of the very server that it went to.

    Without a port the origin's scheme says which is meant: behind a proxy with TLS ours is not the page's.
    """
    own = _OWN_PORTS.get(origin.scheme)
    return own is not None and origin.host == host and origin.port == (own if port is None else port)


def bracketed(host: str) -> str:
    """As it stands in an address before a port."""
    return f"[{host}]" if ":" in host else host


def reachable_host(host: str) -> str:
    """By which address a program on this machine reaches a server that listens on `host`: 0.0.0.0 and :: are none."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"


def is_loopback(host: str) -> bool:
    """Whether this address or name is this machine's own, whatever a name server says (RFC 6761)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
