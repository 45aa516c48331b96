"""Addresses and names in settings: written in the one way in which they can match, or refused with the way to write them.

For pydantic's `AfterValidator`. What can be meant in one way only is put right; the texts never hold the value itself.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from pydantic_core import PydanticCustomError

from voicetrio.core.origins import canonical_origin

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


def check_origin(value: str) -> str:
    try:
        return canonical_origin(value)
    except ValueError as error:
        raise PydanticCustomError("origin", "{why}", {"why": str(error)}) from None


def check_host(value: str) -> str:
    """An address or a name to listen on. The brackets of an IPv6 address belong to URLs, and go."""
    host = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if not _HOST_NAME.fullmatch(host):
            raise PydanticCustomError("host", "{why}", {"why": _why_no_host(host)}) from None
    return host


def _why_no_host(value: str) -> str:
    if not value:
        return "must not be empty"
    if "://" in value or "/" in value:
        return "must be an address or a host name alone, such as 0.0.0.0, without http:// and without a path"
    if value.count(":") == 1:
        return "must be an address or a host name alone: the port is the key server.port"
    return "must be an address, such as 127.0.0.1 or ::1, or a host name"


def check_language(value: str) -> str:
    """A tag of BCP 47 or nothing. The underscore of locales means the same as the hyphen."""
    tag = value.replace("_", "-")
    if tag and not _LANGUAGE.fullmatch(tag):
        raise PydanticCustomError("language", 'must be a BCP 47 tag, such as "en" or "de-AT"')
    return tag


def check_http_url(value: str) -> str:
    """The address of an HTTP server, to which paths are added; or nothing."""
    try:
        parts = urlsplit(value)
        address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")  # as the resolver does it, which raises for an empty or a long label
        sound = not value or (address and parts.username is None)
    except ValueError:
        sound = False
    if not sound:
        raise PydanticCustomError("url", "must be an address like http://127.0.0.1:8001, without a password in it")
    if parts.query or parts.fragment or value.endswith(("?", "#")):
        raise PydanticCustomError("url", "must end with its path: what is asked for is added to it")
    return value.rstrip("/")
