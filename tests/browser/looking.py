"""What a test sees of a page: the widget's events, the console, violations of the policy, and how its text can be read."""

import time
from typing import Any
from urllib.parse import urlsplit

_POLL_MS = 50

_RECORD = """
window.seen = { events: [], violations: [], of(kind) { return this.events.filter((event) => event.kind === kind); } };
for (const kind of ["session", "state", "transcript", "timings", "playback", "message", "error"]) {
  document.addEventListener(`voicetrio-${kind}`, ({ target, detail }) => {
    const caller = [...document.querySelectorAll("voicetrio-call")].indexOf(target);
    window.seen.events.push({ kind, caller, detail, at: performance.now() });
  });
}
document.addEventListener("securitypolicyviolation", (event) => {
  window.seen.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""


def wait_until(page: Any, expression: str, arg: Any = None, *, timeout_ms: float = 10_000) -> None:
    """Until the expression (or function of `arg`) is true on the page. Playwright's own would need `eval` there."""
    deadline = time.monotonic() + timeout_ms / 1000
    while not page.evaluate(expression, arg):
        assert time.monotonic() < deadline, f"after {timeout_ms / 1000:g} s this is still not so: {expression} {arg}"
        page.wait_for_timeout(_POLL_MS)


class Seen:
    """What happened on a page since `watch`."""

    def __init__(self, page: Any) -> None:
        self._page = page
        self.infos: list[str] = []
        self.hosts: set[str] = set()
        """Whoever the page asked for anything."""
        self.own_host = urlsplit(page.url).netloc
        self._console: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._console.append(f"exception: {error}"))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("websocket", lambda socket: self.hosts.add(urlsplit(socket.url).netloc))

    def _hear(self, message: Any) -> None:
        if message.type == "info":
            self.infos.append(message.text)
        elif message.type in ("error", "warning"):
            self._console.append(f"{message.type}: {message.text}")

    def of(self, kind: str, caller: int | None = None) -> list[dict[str, Any]]:
        """The widget's events `voicetrio-{kind}`: `caller` (which widget of the page), `detail` and `at`."""
        events: list[dict[str, Any]] = self._page.evaluate("(kind) => window.seen.of(kind)", kind)
        return [event for event in events if caller is None or event["caller"] == caller]

    def violations(self) -> list[str]:
        found: list[str] = self._page.evaluate("window.seen.violations")
        return found

    def troubles(self) -> list[str]:
        """Errors and warnings of the console, exceptions, and violations of the policy."""
        return self._console + self.violations()


def watch(page: Any) -> Seen:
    """Load the page again, and look at all of it."""
    seen = Seen(page)
    page.add_init_script(_RECORD)
    page.reload()
    return seen


CONTRAST = """
() => {
  const parse = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, below) => ({
    r: top.r * top.a + below.r * (1 - top.a),
    g: top.g * top.a + below.g * (1 - top.a),
    b: top.b * top.a + below.b * (1 - top.a),
    a: 1,
  });
  const luminance = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const groundOf = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.a > 0) layers.push(colour);
      if (colour.a === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), { r: 255, g: 255, b: 255, a: 1 });
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest("[hidden], .hidden, noscript, template")) continue;
    const ground = groundOf(element);
    const [a, b] = [luminance(over(parse(getComputedStyle(element).color), ground)), luminance(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push({ text: texts.currentNode.data.trim().slice(0, 40), ratio });
  }
  return found;
}
"""
"""JavaScript: each text of the page (not of widgets) with the contrast to its ground, from 1 to 21 (WCAG 2.2)."""

NAMELESS = """
() => {
  const found = [];
  const look = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) look(element.shadowRoot);
      const labelled = element.getAttribute("aria-label") || element.getAttribute("aria-labelledby");
      const named = {
        BUTTON: () => labelled || element.textContent.trim(),
        A: () => labelled || element.textContent.trim(),
        INPUT: () => labelled || [...(element.labels ?? [])].some((label) => label.textContent.trim()),
        IMG: () => element.hasAttribute("alt"),
        TABLE: () => labelled || element.caption?.textContent.trim(),
        SECTION: () => labelled,
        FIELDSET: () => element.querySelector("legend")?.textContent.trim(),
      }[element.tagName];
      if (named && !named()) found.push(element.outerHTML.slice(0, 120));
    }
  };
  look(document);
  return found;
}
"""
"""JavaScript: elements, also within widgets, that a screen reader has no name for."""
