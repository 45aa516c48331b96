"""A real browser with a recording for its microphone, before a real server. Skipped where there is no Chromium, unless
`VOICETRIO_REQUIRE_ALL` is set, as it is in CI.

Playwright's own loop of asyncio runs in the thread of the tests; it ends with each module, so no other test meets it.
"""

import asyncio
import os
import shutil
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.processes import ServerProcess, running_server
from tests.end_to_end.sound import RATE, RECORDINGS, silence

from .calling import Caller

CHROMIUM = shutil.which("chromium")

OPEN_THE_DOOR = next(recording for recording in RECORDINGS if recording.path.endswith("open-the-door-slt.wav"))

LOOP_S = 15.0
"""Seconds after which the default microphone says its sentence again: enough for an answer to the one before."""

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    # Pages that a test makes up have no address, and Chromium would take them for foreign ones that reach for this machine.
    "--disable-features=LocalNetworkAccessChecks",
]

OpenPage = Callable[..., Any]


@dataclass(frozen=True)
class Microphone:
    """What a browser's microphone hears, from the moment it is opened."""

    path: Path
    loop: bool = False

    @classmethod
    def of(cls, path: Path, pcm: bytes, *, loop: bool = False) -> "Microphone":
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(pcm)
        return cls(path, loop)

    @property
    def argument(self) -> str:
        return f"--use-file-for-fake-audio-capture={self.path}" + ("" if self.loop else "%noloop")


def _missing(what: str) -> None:
    if os.environ.get("VOICETRIO_REQUIRE_ALL"):
        pytest.fail(f"{what} is missing, and VOICETRIO_REQUIRE_ALL is set")
    pytest.skip(f"needs {what}")


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    if CHROMIUM is None:
        _missing("Debian's package chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("the Python package playwright")
    with pytest.MonkeyPatch.context() as patch:
        # trio-asyncio, once imported, makes loops of its own, in which Playwright's greenlets cannot run.
        patch.setattr(asyncio, "new_event_loop", asyncio.SelectorEventLoop)
        with sync_playwright() as running:
            yield running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """As `make run` starts it. Shared by all tests that leave it as it was."""
    with running_server(tmp_path_factory.mktemp("server"), "config/default.toml") as process:
        yield process


@pytest.fixture(scope="session")
def sentence(tmp_path_factory: pytest.TempPathFactory) -> Microphone:
    """One sentence, after a second of silence, over and over."""
    pcm = silence(1.0) + OPEN_THE_DOOR.pcm
    pcm += silence(LOOP_S - len(pcm) / 2 / RATE)
    return Microphone.of(tmp_path_factory.mktemp("microphone") / "sentence.wav", pcm, loop=True)


@pytest.fixture(scope="module")
def plain_page(playwright: Any, server: ServerProcess) -> Iterator[Any]:
    """A page for tests of modules: one for all, as they leave nothing in it."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/")
    yield page
    browser.close()


@pytest.fixture
def open_browser(playwright: Any) -> Iterator[Callable[..., Any]]:
    """Start a browser: `microphone` None is refused by the person. Closed in the end."""
    browsers: list[Any] = []

    def start(microphone: Microphone | None, *arguments: str) -> Any:
        wanted = [*ARGUMENTS, *arguments]
        if microphone is None:
            wanted.remove("--use-fake-ui-for-media-stream")
            wanted.append("--deny-permission-prompts")
        else:
            wanted.append(microphone.argument)
        browsers.append(playwright.chromium.launch(executable_path=CHROMIUM, args=wanted))
        return browsers[-1]

    yield start
    for browser in browsers:
        browser.close()


@pytest.fixture
def open_page(open_browser: Callable[..., Any], server: ServerProcess, sentence: Microphone) -> OpenPage:
    """`open_page("/")`: a page of the server, or any address; `options` are those of a context, such as `viewport`."""

    def start(path: str, microphone: Microphone | None = sentence, **options: Any) -> Any:
        context = open_browser(microphone).new_context(**options)
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.port}{path}" if path.startswith("/") else path)
        return page

    return start


@pytest.fixture
def open_widget(open_browser: Callable[..., Any], server: ServerProcess, sentence: Microphone) -> Callable[..., Any]:
    """`open_widget('label="Talk"')`: a page with one widget, with these attributes; a `Caller`."""

    def start(
        attributes: str = "", *, microphone: Microphone | None = sentence, port: int = 0, script="", **options: Any
    ):
        page = open_browser(microphone).new_context(**options).new_page()
        if script:
            page.add_init_script(script)
        return Caller(page, f"http://127.0.0.1:{port or server.port}", attributes)

    return start
