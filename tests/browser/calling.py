"""One widget on a page of its own: `Caller` presses its buttons, and sees and hears what comes of it."""

import json
import time
from typing import Any

from .looking import Seen, watch

ANSWER_MS = 30_000
"""For a spoken question to be answered: about 6 s on an idle machine."""

AUDIBLE = 0.002
"""RMS of full scale, -54 dB. The quietest syllable is ten times louder, and nothing else makes a sound at all."""

POLICY = "default-src 'none'; script-src 'self'; connect-src 'self' ws://127.0.0.1:*; img-src data:; base-uri 'none'"
"""Of a strict site: neither inline scripts nor styles, and no eval."""

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>One call</title><link rel="icon" href="data:,">
<script type="module" src="{source}"></script></head><body><voicetrio-call {attributes}></voicetrio-call></body></html>"""

_LISTEN = """
window.sound = [];
window.addEventListener("DOMContentLoaded", () => {
  const call = document.querySelector("voicetrio-call");
  setInterval(() => window.sound.push([performance.now(), call.levels?.speaker ?? 0, call.state]), 10);
});
"""


class Caller:
    """Opens the page. `origin` is where the widget comes from, such as "http://127.0.0.1:8000"; `site` where the page does,
    if not from there."""

    def __init__(
        self, page: Any, origin: str, attributes: str = "", *, policy: str = POLICY, site: str | None = None
    ) -> None:
        self.page = page
        content = _PAGE.format(source=f"{origin}/web/voicetrio-call.js", attributes=attributes)
        headers = {"Content-Security-Policy": policy}
        page.route("**/one-call", lambda route: route.fulfill(body=content, content_type="text/html", headers=headers))
        page.add_init_script(_LISTEN)
        self.sent: list[tuple[float, dict[str, Any]]] = []
        """When (seconds) which messages were sent, without audio."""
        page.on("websocket", lambda socket: socket.on("framesent", self._note_sent))
        page.goto(f"{site or origin}/one-call")
        self.seen: Seen = watch(page)
        self.widget = page.locator("voicetrio-call")

    def _note_sent(self, frame: str | bytes) -> None:
        if isinstance(frame, str):
            self.sent.append((time.monotonic(), json.loads(frame)))

    # -- what is done ---------------------------------------------------------------------------------------------------

    def call(self) -> None:
        self.button("Call").click()

    def button(self, name: str) -> Any:
        return self.widget.get_by_role("button", name=name, exact=True)

    def say(self, text: str) -> None:
        """By keyboard."""
        assert self.page.evaluate("(text) => document.querySelector('voicetrio-call').send(text)", text)

    def hang_up(self) -> None:
        """And wait for the server's goodbye."""
        self.page.evaluate("document.querySelector('voicetrio-call').hangUp()")

    # -- what comes of it -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        return self.page.evaluate("document.querySelector('voicetrio-call').state")

    def wait_state(self, *states: str, within_ms: float = ANSWER_MS) -> None:
        self._wait(
            "(states) => states.includes(document.querySelector('voicetrio-call').state)", list(states), within_ms
        )

    def wait_for(self, kind: str, count: int = 1, within_ms: float = ANSWER_MS, **fields: Any) -> dict[str, Any]:
        """Until the `count`th event of the kind, with these fields, was seen; it."""
        found = """([kind, fields]) => window.seen.of(kind).filter(
            ({ detail }) => Object.entries(fields).every(([name, value]) => detail[name] === value))"""
        enough = f"([kind, fields, count]) => ({found})([kind, fields]).length >= count"
        self._wait(enough, [kind, fields, count], within_ms)
        return self.page.evaluate(found, [kind, fields])[count - 1]

    def _wait(self, condition: str, argument: Any, within_ms: float) -> None:
        try:
            self.page.wait_for_function(condition, arg=argument, timeout=within_ms)
        except Exception as error:
            events = self.page.evaluate("window.seen.events.slice(-12).map((event) => JSON.stringify(event))")
            told = "\n".join(event[:200] for event in events)
            raise AssertionError(
                f"waited in vain for {argument}; what came:\n{told}\n{self.seen.troubles()}"
            ) from error

    def wait_message(self, kind: str, count: int = 1, within_ms: float = ANSWER_MS) -> dict[str, Any]:
        return self.wait_for("message", count, within_ms, type=kind)

    def messages(self, kind: str) -> list[dict[str, Any]]:
        return [event["detail"] for event in self.seen.of("message") if event["detail"]["type"] == kind]

    def states(self) -> list[str]:
        return [event["detail"]["state"] for event in self.seen.of("state")]

    def said(self) -> list[str]:
        """What the caller has said, in finals."""
        lines = [event["detail"] for event in self.seen.of("transcript")]
        return [line["text"] for line in lines if line["who"] == "you" and line["final"]]

    def text(self) -> str:
        """What the widget shows, as it can be selected."""
        return self.widget.evaluate("(call) => call.shadowRoot.querySelector('.card').innerText")

    def sound(self) -> list[tuple[float, float]]:
        """When (milliseconds) how loud (RMS of the last 85 ms, 0..1) it was behind the last node of the graph."""
        return [(at, level) for at, level, _ in self.page.evaluate("window.sound")]

    def quiet_after(self, at: float, until: float = float("inf")) -> float:
        """Milliseconds from `at` to the last sound before `until`; the measurement adds up to 95."""
        return max((time - at for time, level in self.sound() if at <= time <= until and level > AUDIBLE), default=0.0)

    def wait(self, seconds: float) -> None:
        """Time in which something may happen that must not."""
        self.page.wait_for_timeout(1000 * seconds)


def wait_until(condition: Any, within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def run(page: Any, module: str, body: str, argument: Any = None) -> Any:
    """The value of `body`, where the exports of `/web/{module}` are in `m`."""
    return page.evaluate(f"async (argument) => {{ const m = await import('/web/{module}'); {body} }}", argument)


COUNT = """
window.contexts = []; window.tracks = []; window.sockets = []; window.intervals = new Set();
window.AudioContext = class extends AudioContext { constructor(...a) { super(...a); window.contexts.push(this); } };
window.WebSocket = class extends WebSocket { constructor(...a) { super(...a); window.sockets.push(this); } };
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await ask(wanted);
  window.tracks.push(...stream.getTracks());
  return stream;
};
const [set, clear] = [window.setInterval.bind(window), window.clearInterval.bind(window)];
window.setInterval = (...a) => { const id = set(...a); window.intervals.add(id); return id; };
window.clearInterval = (id) => { window.intervals.delete(id); clear(id); };
window.alive = () => ({
  contexts: window.contexts.filter(({ state }) => state !== "closed").length,
  tracks: window.tracks.filter(({ readyState }) => readyState === "live").length,
  sockets: window.sockets.filter(({ readyState }) => readyState < 2).length,
  intervals: window.intervals.size - 1,  // one is the test's own
});
"""
"""A script that counts what a widget has open, for `alive`."""


def alive(one: Caller) -> dict[str, int]:
    return one.page.evaluate("window.alive()")


NOTHING = {"contexts": 0, "tracks": 0, "sockets": 0, "intervals": 0}
