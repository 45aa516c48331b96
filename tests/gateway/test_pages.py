"""The pages and the widget's files: what is served, as what, and under which policy."""

import os
import re
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from voicetrio.gateway.pages import MAX_FILE_BYTES, WEB, WebFiles, page_policy

from .caller import open_door

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PAGES = ("/", "/isolation")


async def test_a_browser_gets_the_page_and_a_program_what_it_always_got():
    async with open_door() as door:
        status, headers, body = await door.fetch("/", **BROWSER)
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert b"<voicetrio-call" in body
        assert headers["vary"] == "Accept"
        for accept in ({}, {"accept": "*/*"}, {"accept": "application/json"}, {"accept": "text/html;q=0, */*"}):
            status, headers, body = await door.get("/", **accept)
            assert (status, headers["content-type"], body["service"]) == (200, "application/json", "voicetrio")
            assert headers["vary"] == "Accept"


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_allows_only_what_is_its_own(path: str):
    async with open_door() as door:
        _, headers, _ = await door.fetch(path, **BROWSER, host="voice.example.org:8443")
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self' ws://voice.example.org:8443 wss://voice.example.org:8443",
        "img-src": "'self' data:",
        "media-src": "'self' blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["permissions-policy"] == "microphone=(self)"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("url", "added"),
    [
        ("wss://livekit.example.org", "wss://livekit.example.org https://livekit.example.org"),
        ("ws://10.0.0.2:7880", "ws://10.0.0.2:7880 http://10.0.0.2:7880"),
        ("https://livekit.example.org/path", "wss://livekit.example.org https://livekit.example.org"),
    ],
)
async def test_the_page_may_reach_the_livekit_server_and_is_told_where_it_is(url: str, added: str):
    async with open_door() as door:
        door.give(replace(door.house, livekit_url=url))
        _, headers, body = await door.fetch("/", **BROWSER, host="localhost")
    connect = next(part for part in headers["content-security-policy"].split("; ") if part.startswith("connect-src"))
    assert connect == f"connect-src 'self' ws://localhost wss://localhost {added}"
    assert f'<meta name="voicetrio-livekit-url" content="{url}">'.encode() in body


async def test_without_livekit_the_page_is_told_of_none_and_no_address_can_break_out_of_it():
    async with open_door() as door:
        _, _, body = await door.fetch("/", **BROWSER)
        assert b'<meta name="voicetrio-livekit-url" content="">' in body
        door.give(replace(door.house, livekit_url='wss://x"><script>'))
        _, headers, body = await door.fetch("/", **BROWSER)
        assert b'content="wss://x&quot;&gt;&lt;script&gt;"' in body
        assert "script>" not in headers["content-security-policy"]


@pytest.mark.parametrize("host", ["", "a; script-src *", "a b", "a,b", "[::1]:8000", "a'b", "x:123456", "a\n"])
def test_a_host_that_cannot_stand_in_a_policy_is_left_out(host: str):
    assert "connect-src 'self'; " in page_policy(host, "")


@pytest.mark.parametrize(
    ("path", "kind"),
    [("pages/index.js", "text/javascript; charset=utf-8"), ("pages/page.css", "text/css; charset=utf-8")],
)
async def test_a_file_is_served_to_any_site_as_what_it_is(path: str, kind: str):
    async with open_door() as door:
        status, headers, body = await door.fetch(f"/web/{path}")
    assert (status, headers["content-type"], body) == (200, kind, (WEB / path).read_bytes())
    assert headers["access-control-allow-origin"] == "*"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/web/pages/page.css", "/"])
async def test_what_has_not_changed_is_not_sent_again(path: str):
    async with open_door() as door:
        _, headers, body = await door.fetch(path, **BROWSER)
        assert headers["cache-control"] == "no-cache"
        assert body
        again = {**BROWSER, "if-none-match": headers["etag"]}
        status, headers, body = await door.fetch(path, **again)
        assert (status, body, headers["cache-control"]) == (304, b"", "no-cache")
        status, _, _ = await door.fetch(path, **{**again, "if-none-match": '"other"'})
        assert status == 200


@pytest.mark.parametrize(
    "path",
    [
        "nothing.js",
        "pages",
        "pages/",
        "pages/index.html",
        "../gateway/app.py",
        "..%2fgateway%2fapp.py",
        "%2e%2e/%2e%2e/pyproject.toml",
        "pages/../../settings/schema.py",
        "pages/..%5c..%5cpy.typed",
        "/etc/passwd",
        "%00.js",
        "pages/page.css%00.js",
        "x" * 5000 + ".js",
    ],
)
async def test_what_is_no_file_of_the_widget_is_not_served(path: str):
    async with open_door() as door:
        status, headers, body = await door.fetch(f"/web/{path}")
    assert status in (404, 308)
    assert len(body) < 1000
    assert "javascript" not in headers["content-type"]


def test_neither_links_nor_dots_nor_folders_lead_out_of_the_folder(tmp_path: Path):
    root = tmp_path / "web"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "secret.js").write_text("secret")
    (root / "link.js").symlink_to(tmp_path / "secret.js")
    (root / ".hidden.js").write_text("hidden")
    (root / "sub" / "inside.js").write_text("inside")
    os.mkfifo(root / "pipe.js")
    files = WebFiles(root)
    inside = files.read("sub/inside.js")
    assert inside is not None
    assert inside.content == b"inside"
    for path in (
        "../secret.js",
        "sub/../../secret.js",
        "link.js",
        ".hidden.js",
        "pipe.js",
        "sub",
        "",
        "/",
        "sub//x.js",
    ):
        assert files.read(path) is None, path
    assert files.read(str(tmp_path / "secret.js")) is None


def test_a_file_is_read_once_and_again_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "a.js"
    file.write_text("one")
    reads = []
    read_bytes = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: reads.append(path) or read_bytes(path))
    files = WebFiles(tmp_path)
    first = files.read("a.js")
    assert files.read("a.js") is first
    assert len(reads) == 1
    file.write_text("three")
    changed = files.read("a.js")
    assert first is not None
    assert changed is not None
    assert (changed.content, changed.etag == first.etag) == (b"three", False)
    file.unlink()
    assert files.read("a.js") is None


def test_a_file_that_is_too_large_is_not_kept(tmp_path: Path):
    file = tmp_path / "a.js"
    file.write_bytes(bytes(MAX_FILE_BYTES))
    assert WebFiles(tmp_path).read("a.js") is not None
    file.write_bytes(bytes(MAX_FILE_BYTES + 1))
    assert WebFiles(tmp_path).read("a.js") is None


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("path", sorted(WEB.glob("pages/*.html")), ids=lambda path: path.name)
def test_no_page_has_inline_script_or_style_or_asks_anybody_else(path: Path):
    parser = _Tags()
    parser.feed(path.read_text())
    tags = parser.found
    assert dict(tags)["html"]["lang"]
    for tag, attributes in tags:
        assert tag != "style"
        assert tag != "script" or attributes.get("src"), "an inline script"
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        for name in ("src", "href"):
            assert not re.match(r"(?i)([a-z]+:)?//", attributes.get(name) or ""), attributes
    for tag, attributes in tags:
        address = attributes.get("src") or (attributes.get("href") if tag == "link" else None)
        if address is not None and address.startswith("/web/"):
            assert (WEB / address.removeprefix("/web/")).is_file(), address


FILES = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file() and path.suffix != ".html")


async def test_every_file_of_the_widget_is_served():
    """One whose name `/web/` does not know would be missing in browsers only."""
    async with open_door() as door:
        answers = {path: await door.fetch(f"/web/{path}") for path in FILES}
    assert "pages/index.js" in answers
    assert [path for path, (status, _, _) in answers.items() if status != 200] == []
    wrong = [
        path
        for path, (_, headers, _) in answers.items()
        if path.endswith(("js", ".mjs")) and headers["content-type"] != "text/javascript; charset=utf-8"
    ]
    assert wrong == [], "browsers run no module of another type"


def test_every_file_of_the_widget_is_packaged():
    """What is not is missing in an installed server only."""
    tables = tomllib.loads((WEB.parents[1] / "pyproject.toml").read_text())
    patterns = tables["tool"]["setuptools"]["package-data"]["voicetrio"]
    packaged = {path for pattern in patterns for path in WEB.parent.glob(pattern)}
    assert {path for path in WEB.rglob("*") if path.is_file()} <= packaged
