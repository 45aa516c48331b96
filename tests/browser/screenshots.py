"""Makes docs/images/*.png anew (`make screenshots`): the pages in their states, of a real server, in a real browser.

What is said is a recording, played to the browser as its microphone. Sizes of the window are fixed; words and times are
those of the run.
"""

import shutil
import sys
import tempfile
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from tests.browser.looking import wait_until
from tests.browser.small_png import shrink
from tests.end_to_end.processes import ROOT, ServerProcess
from tests.end_to_end.sound import RATE, RECORDINGS, Recording

CHROMIUM = shutil.which("chromium")
IMAGES = ROOT / "docs" / "images"
ADMIN_KEY = "for-the-screenshots"
MAX_BYTES = 100_000
"""Of one picture: they stay in the repository for ever."""
WIDE = {"width": 1060, "height": 900}
NARROW = {"width": 360, "height": 900}
TURN_MS = 60_000
"""For a question to be answered, also on a machine that is busy."""
QUIET_S = 3.0
"""Before each question, for the picture of a page that listens."""
ANSWER_S = 11.0
"""For an answer, and the beginning of the story that the next question interrupts."""


def write_microphone(path: Path, recordings: list[Recording]) -> None:
    """Questions with the time for their answers, and then nothing for long."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for recording in recordings:
            file.writeframes(_silence(QUIET_S) + recording.pcm + _silence(ANSWER_S))
        file.writeframes(_silence(120))


def _silence(seconds: float) -> bytes:
    return bytes(2 * int(seconds * RATE))


@contextmanager
def browser(playwright: Playwright, microphone: Path | None) -> Iterator[Browser]:
    """Without a microphone the page is refused one. No sandbox: as root, in a container, Chromium does not start with it."""
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream", "--autoplay-policy=no-user-gesture-required"]
    if microphone is not None:
        arguments += ["--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
    try:
        yield chromium
    finally:
        chromium.close()


@contextmanager
def page_of(chromium: Browser, url: str) -> Iterator[Page]:
    context = chromium.new_context(
        viewport=WIDE,
        color_scheme="light",
        reduced_motion="reduce",
        http_credentials={"username": "operator", "password": ADMIN_KEY},
    )
    page = context.new_page()
    page.goto(url)
    try:
        yield page
    finally:
        context.close()


def shoot(page: Page, name: str) -> None:
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, animations="disabled", caret="hide")
    shrink(path)
    size = path.stat().st_size
    assert size < MAX_BYTES, f"{name}.png has {size} bytes"
    print(f"{path.relative_to(ROOT)}  {size // 1024} KB")


def call(page: Page, number: int = 0) -> None:
    page.evaluate(f"void document.querySelectorAll('voicetrio-call')[{number}].start()")


def wait_state(page: Page, state: str, number: int = 0) -> None:
    wait_until(
        page,
        "([number, state]) => document.querySelectorAll('voicetrio-call')[number].state === state",
        [number, state],
        timeout_ms=TURN_MS,
    )


def wait_lines(page: Page, count: int) -> None:
    lines = "(count) => document.querySelectorAll('#transcript li').length >= count"
    wait_until(page, lines, count, timeout_ms=TURN_MS)


def wait_part_heard(page: Page) -> None:
    """Until some of the last answer was heard, and some is still to come."""
    part = """() => { const last = document.querySelector("#transcript li.agent:last-child");
        return Boolean(last?.querySelector(".said").textContent && last.querySelector(".unheard").textContent); }"""
    wait_until(page, part, timeout_ms=TURN_MS)


def conversation(chromium: Browser, server: ServerProcess, url: str) -> None:
    """One call through its states. It ends with the end of the server."""
    with page_of(chromium, url) as page:
        shoot(page, "idle")
        call(page)
        wait_state(page, "listening")
        shoot(page, "listening")
        wait_state(page, "hearing")
        wait_lines(page, 1)
        page.wait_for_timeout(1200)  # more words
        shoot(page, "hearing")
        wait_lines(page, 2)
        wait_state(page, "listening")
        page.get_by_label("Message").fill("Tell me a story.")
        page.get_by_role("button", name="Send").click()
        page.locator("summary").click()
        wait_part_heard(page)
        shoot(page, "speaking")
        page.set_viewport_size(NARROW)
        shoot(page, "narrow")
        page.set_viewport_size(WIDE)
        wait_lines(page, 6)  # the second question has interrupted the story, and is answered
        wait_state(page, "speaking")
        page.emulate_media(color_scheme="dark")
        shoot(page, "dark")
        page.emulate_media(color_scheme="light")
        server.kill()
        wait_state(page, "reconnecting")
        shoot(page, "reconnecting")


def isolation(chromium: Browser, url: str) -> None:
    """Three calls, and what the operator sees of them."""
    with page_of(chromium, f"{url}isolation") as page:
        for number in range(3):
            call(page, number)
        for number in range(3):
            wait_state(page, "hearing", number)
        page.wait_for_timeout(1500)  # some words
        shoot(page, "isolation")
        with page_of(chromium, f"{url}sessions") as operator:
            operator.locator("#sessions tbody tr").nth(2).wait_for()
            shoot(operator, "sessions")


def refused(chromium: Browser, url: str) -> None:
    with page_of(chromium, url) as page:
        call(page)
        wait_state(page, "error")
        shoot(page, "error")


def main() -> None:
    if CHROMIUM is None:
        sys.exit("screenshots need a browser: apt-get install chromium")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        microphone = folder / "microphone.wav"
        write_microphone(microphone, [RECORDINGS[1], RECORDINGS[2]])
        server = ServerProcess(
            folder / "server", "config/default.toml", environment={"VOICETRIO_SERVER__ADMIN_KEY": ADMIN_KEY}
        )
        try:
            server.wait_listening()
            url = f"http://127.0.0.1:{server.port}/"
            with sync_playwright() as playwright:
                with browser(playwright, None) as chromium:
                    refused(chromium, url)
                with browser(playwright, microphone) as chromium:
                    isolation(chromium, url)
                    conversation(chromium, server, url)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
