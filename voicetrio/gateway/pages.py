"""The pages for people, and `/web/...`: the widget that they and other sites are made of.

Files are those of `voicetrio/web`. Each is read once, in a thread, and again when it has changed, as it does while somebody
works on it. A page allows only what is its own: no inline script or style, no other host but the configured LiveKit server.
"""

import functools
import hashlib
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import trio
from quart import Response, request

from voicetrio.gateway.house import House

WEB = Path(__file__).resolve().parents[1] / "web"

MAX_FILE_BYTES = 4 * 1024 * 1024
"""The largest of them, livekit-client, has about 1 MB. What is larger got there by mistake, and is not kept in memory."""

_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".md": "text/plain; charset=utf-8",
    "": "text/plain; charset=utf-8",  # LICENSE
}
"""What `/web/` serves. No HTML: pages have addresses of their own, with their policy."""

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""A part of a path. It cannot be `..`, hidden, absolute, or Windows' own."""

_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?")
"""A host that can stand in a policy; an IPv6 address cannot."""


@dataclass(frozen=True, slots=True)
class WebFile:
    content: bytes
    etag: str
    mark: tuple[int, int]
    """When it was changed, in nanoseconds, and its size: another one means that it is another file."""


class WebFiles:
    """The files below a folder, in memory. Only those that exist are kept, so it is bounded by the folder."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._known: dict[str, WebFile] = {}

    def read(self, path: str) -> WebFile | None:
        """The file at `path`, which is relative with forward slashes; None if there is none. Blocks."""
        if not all(_PART.fullmatch(part) for part in path.split("/")):
            return None
        try:
            file = (self._root / path).resolve(strict=True)
            if not file.is_relative_to(self._root) or not file.is_file():
                return None
            status = file.stat()
            mark = (status.st_mtime_ns, status.st_size)
            known = self._known.get(path)
            if known is None or known.mark != mark:
                if status.st_size > MAX_FILE_BYTES:
                    return None
                content = file.read_bytes()
                known = self._known[path] = WebFile(content, etag_of(content), mark)
        except OSError:
            self._known.pop(path, None)
            return None
        return known


_FILES = WebFiles(WEB)


async def give_file(path: str) -> Response:
    """`/web/{path}`. Any site may use it: it is the same for everybody and holds nothing of anybody."""
    kind = _TYPES.get(Path(path).suffix)
    file = None if kind is None else await trio.to_thread.run_sync(_FILES.read, path)
    if kind is None or file is None:
        return Response("there is no such file\n", status=404, content_type="text/plain; charset=utf-8")
    headers = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
    return _answer(file.content, file.etag, kind, headers)


async def give_page(house: House, name: str) -> Response:
    """A page of `voicetrio/web/pages`, with its policy. It finds the LiveKit server, if there is one, in its `meta`."""
    file = await trio.to_thread.run_sync(_FILES.read, f"pages/{name}.html")
    assert file is not None, f"voicetrio/web/pages/{name}.html is not installed"
    content = file.content.replace(b"{{livekit_url}}", escape(house.livekit_url).encode())
    return _answer(
        content,
        etag_of(content),
        "text/html; charset=utf-8",
        {
            "Content-Security-Policy": page_policy(request.host, house.livekit_url),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "microphone=(self)",
            "Referrer-Policy": "no-referrer",
        },
    )


def wants_html() -> bool:
    """Whether this request is a browser's, for a page. Programs, and curl, take anything or JSON."""
    return any(kind == "text/html" and quality > 0 for kind, quality in request.accept_mimetypes)


@functools.lru_cache(maxsize=64)
def page_policy(host: str, livekit_url: str) -> str:
    """The content security policy of a page that was asked for at `host`."""
    connect = ["'self'"]
    if _HOST.fullmatch(host):
        connect += [f"ws://{host}", f"wss://{host}"]  # older Safari does not count them as the same origin
    livekit = urlsplit(livekit_url)
    if _HOST.fullmatch(livekit.netloc):
        # It asks over HTTP why a connection was refused.
        schemes = ("wss", "https") if livekit.scheme in ("wss", "https") else ("ws", "http")
        connect += [f"{scheme}://{livekit.netloc}" for scheme in schemes]
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"connect-src {' '.join(connect)}",
            "img-src 'self' data:",
            "media-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def etag_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _answer(content: bytes, etag: str, kind: str, headers: dict[str, str]) -> Response:
    """`no-cache` means: keep it, and ask whether it is still the same."""
    same = request.if_none_match.contains_weak(etag)
    response = Response(b"" if same else content, status=304 if same else 200, content_type=kind, headers=headers)
    if same:
        del response.headers["Content-Length"]  # it would be that of the file, and there is none
    response.set_etag(etag)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
