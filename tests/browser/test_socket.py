"""The widget's connection before a server that is none: what it asks, what it tells, and when it gives a connection up.

Time is the page's own, and stands still unless a test moves it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import ARGUMENTS, CHROMIUM

pytestmark = [pytest.mark.slow, pytest.mark.browser]

_FAKE = """
window.sockets = [];
window.WebSocket = class {
    static OPEN = 1;
    readyState = 1;
    bufferedAmount = 0;
    sent = [];
    constructor(url) { this.url = url; window.sockets.push(this); }
    send(data) { if (typeof data === "string") this.sent.push(JSON.parse(data)); }
    close() { this.readyState = 3; }
};
window.told = [];
window.position = null;
window.open_socket = async (resumption = null) => {
    const m = await import("/web/call/resumable_socket.js");
    const tell = (kind) => (value) => window.told.push([kind, value?.type ?? value?.code ?? value ?? null]);
    window.socket = new m.ResumableSocket("ws://server/ws/s", {
        onCreated: tell("created"), onMessage: tell("message"), onAudio: () => tell("audio")(),
        onPong: tell("pong"), onCut: tell("cut"), onEnd: tell("end"), position: () => window.position,
    }, resumption);
};
window.say = (message, number = -1) => {
    const data = typeof message === "string" ? new ArrayBuffer(4) : JSON.stringify(message);
    window.sockets.at(number).onmessage?.({ data });
};
window.created = (fields = {}) => window.say({
    type: "session.created", resume_token: "t", resumed: false, limits: { resume_grace_ms: 15000 }, ...fields });
"""


@pytest.fixture(scope="module")
def browser(playwright: Any) -> Iterator[Any]:
    running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield running
    running.close()


@pytest.fixture
def page(browser: Any, server: Any) -> Iterator[Any]:
    context = browser.new_context()
    page = context.new_page()
    page.clock.install()
    page.add_init_script(_FAKE)
    page.goto(f"http://127.0.0.1:{server.port}/isolation")
    page.evaluate("window.open_socket()")
    yield page
    context.close()


def told(page: Any) -> list[list[Any]]:
    return page.evaluate("window.told")


def pings(page: Any) -> int:
    return page.evaluate("window.sockets.at(-1).sent.filter(({ type }) => type === 'session.ping').length")


def wait(page: Any) -> Callable[[int], None]:
    return page.clock.run_for


def test_silence_is_asked_about_and_then_taken_for_a_cut(page):
    page.evaluate("window.created()")
    wait(page)(1400)
    assert pings(page) == 0, "nothing is owed"
    wait(page)(1000)
    assert pings(page) == 1
    wait(page)(2500)
    assert told(page) == [["created", "session.created"]]
    wait(page)(1600)
    assert told(page)[-1] == ["cut", None], "within 6.5 s of the last word"
    assert page.evaluate("window.sockets[0].readyState") == 3
    wait(page)(1000)
    assert page.evaluate("window.sockets.length") == 2, "and it comes back at once"


@pytest.mark.parametrize("sign", ['{ type: "session.pong" }', '"audio"', '{ type: "vad.speech_start" }'])
def test_whatever_comes_is_a_sign_of_life(page, sign):
    page.evaluate("window.created()")
    for _ in range(30):
        wait(page)(2000)
        page.evaluate(f"window.say({sign})")
    assert ["cut", None] not in told(page)


def test_a_server_that_answers_is_not_asked_more_than_it_must(page):
    page.evaluate("window.created()")
    for _ in range(60):
        wait(page)(1000)
        page.evaluate('window.say({ type: "transcript.partial" })')
    assert pings(page) == 0


def test_it_comes_back_with_what_it_has_received(page):
    page.evaluate("window.created()")
    for message in ("session.configured", "session.pong", "tts.speaking_start", "session.pong"):
        page.evaluate("(type) => window.say({ type, id: 'typed-1' })", message)
    page.evaluate("window.say('audio'); window.position = { requestId: 'tts-1', samples: 4801 }")
    assert ["pong", "typed-1"] in told(page)
    page.evaluate("window.sockets[0].onclose({ code: 1006 })")
    wait(page)(1000)
    assert page.evaluate("window.sockets[1].url") == "ws://server/ws/s?resume=t&received=2&utterance=tts-1&samples=4801"
    page.evaluate("window.position = null; window.created({ resumed: true })")
    page.evaluate("window.sockets[1].onclose({ code: 1006 })")
    wait(page)(1000)
    assert page.evaluate("window.sockets[2].url") == "ws://server/ws/s?resume=t&received=2"


def test_another_page_goes_on_with_the_session(page):
    page.evaluate("window.created(); window.say({ type: 'session.configured' })")
    resumption = page.evaluate("window.socket.resumption")
    page.evaluate("window.socket.leave()")
    assert page.evaluate("window.sockets[0].sent.filter(({ type }) => type === 'session.cancel')") == []
    assert page.evaluate("window.socket.resumption") is None, "it is not this page's any more"
    page.evaluate("(resumption) => window.open_socket(resumption)", resumption)
    assert page.evaluate("window.sockets.at(-1).url") == "ws://server/ws/s?resume=t&received=1"
    page.evaluate("window.created({ resumed: true })")
    assert told(page)[-1] == ["created", "session.created"]


def test_another_page_that_comes_too_late_says_that_the_call_is_lost(page):
    page.evaluate("window.open_socket({ token: 't', received: 1, graceMs: 15000 })")
    page.evaluate("window.created({ resumed: false })")
    assert told(page)[-1] == ["end", "call_lost"]
    assert page.evaluate("window.sockets.at(-1).sent.map(({ type }) => type)") == ["session.cancel"]
