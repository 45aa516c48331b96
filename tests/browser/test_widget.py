"""The widget around its calls: plain words for what goes wrong, keyboard and screen reader, narrow pages, and no leaks."""

from typing import Any

import pytest

from tests.end_to_end.conftest import StartServer, start_server  # noqa: F401 - a fixture
from tests.end_to_end.processes import ServerProcess

from .calling import Caller, wait_until
from .conftest import Microphone
from .line import open_line
from .looking import CONTRAST, NAMELESS

pytestmark = [pytest.mark.slow, pytest.mark.browser]

CALLS = 20

_COUNT = """
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


@pytest.fixture
def open_widget(open_browser: Any, server: ServerProcess, sentence: Microphone):
    def start(
        attributes: str = "", *, microphone: Microphone | None = sentence, port: int = 0, script="", **options: Any
    ):
        page = open_browser(microphone).new_context(**options).new_page()
        if script:
            page.add_init_script(script)
        return Caller(page, f"http://127.0.0.1:{port or server.port}", attributes)

    return start


def alive(one: Caller) -> dict[str, int]:
    return one.page.evaluate("window.alive()")


NOTHING = {"contexts": 0, "tracks": 0, "sockets": 0, "intervals": 0}


# -- what can go wrong ------------------------------------------------------------------------------------------------------


def failed(one: Caller, code: str) -> str:
    """What the person is told."""
    one.wait_state("error")
    assert one.wait_for("error")["detail"]["code"] == code
    text: str = one.widget.get_by_role("alert").inner_text()
    assert one.wait_for("error")["detail"]["text"] == text
    assert one.widget.get_by_role("status").inner_text() == "Call failed"
    assert one.button("Call").is_visible(), "it can be tried again"
    return text


def test_without_permission_it_says_what_to_allow(open_widget):
    one = open_widget(microphone=None, script=_COUNT)
    one.call()
    assert "microphone is not allowed" in failed(one, "microphone_denied")
    assert alive(one) == NOTHING
    assert one.seen.troubles() == []


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("NotFoundError", "microphone_missing", "No microphone was found"),
        ("NotReadableError", "microphone_busy", "Another program"),
    ],
)
def test_without_a_microphone_it_says_so(open_widget, name, code, words):
    script = f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{name}'); }};"
    one = open_widget(script=_COUNT + script)
    one.call()
    assert words in failed(one, code)
    assert alive(one) == NOTHING


def test_a_page_without_https_is_told_to_use_it(open_browser, server, sentence):
    browser = open_browser(sentence, "--host-resolver-rules=MAP voice.example 127.0.0.1")
    one = Caller(browser.new_page(), f"http://voice.example:{server.port}")
    one.call()
    assert "https" in failed(one, "insecure_page")


def test_a_microphone_that_is_pulled_out_ends_the_call(open_widget):
    one = open_widget(script=_COUNT)
    one.call()
    one.wait_state("listening")
    one.page.evaluate("window.tracks[0].dispatchEvent(new Event('ended'))")
    assert "microphone is gone" in failed(one, "microphone_lost")
    assert alive(one) == NOTHING


def test_a_full_server_says_that_it_is_busy(open_widget, start_server: StartServer):  # noqa: F811
    server = start_server(environment={"VOICETRIO_SERVER__MAX_SESSIONS": "1"})
    first, second = open_widget(port=server.port), open_widget(port=server.port, script=_COUNT)
    first.call()
    first.wait_state("listening")
    second.call()
    assert "server is busy" in failed(second, "server_busy")
    assert alive(second) == NOTHING
    first.hang_up()
    wait_until(lambda: server.metric("stt_active_sessions") == 0)
    second.call()
    second.wait_state("listening")


def test_a_server_that_is_not_there_cannot_be_reached(open_widget, server):
    with open_line(server.port) as line:
        one = open_widget(port=line.port, script=_COUNT)
        line.cut()
        one.call()
        assert "cannot be reached" in failed(one, "unreachable")
        assert alive(one) == NOTHING
        line.mend()
        one.call()
        one.wait_state("listening")
        assert one.widget.get_by_role("alert").count() == 0, "the old trouble is over"


def test_another_server_that_is_not_there_cannot_be_reached_either(open_widget):
    one = open_widget('server="http://127.0.0.1:9"', script=_COUNT)  # nobody listens there
    one.call()
    assert "cannot be reached" in failed(one, "unreachable")
    assert alive(one) == NOTHING


def test_a_call_that_is_taken_over_says_so_and_leaves_it(open_widget):
    one = open_widget()
    one.call()
    one.wait_state("listening")
    (created,) = one.messages("session.created")
    one.page.evaluate(
        """([id, token]) => new Promise((resolve) => {
            window.other = new WebSocket(`ws://${location.host}/ws/${id}?resume=${token}`);
            window.other.onopen = resolve;
        })""",
        [created["session_id"], created["resume_token"]],
    )
    assert "another window" in failed(one, "taken_over")
    one.page.evaluate("window.other.send(JSON.stringify({ type: 'session.close' }))")


def test_settings_that_the_server_refuses_end_the_call(open_widget):
    one = open_widget('duplex="sometimes"')
    one.call()
    assert "settings" in failed(one, "bad_settings")


# -- on somebody's own page ------------------------------------------------------------------------------------------------

SITE = "http://localhost:9999"
"""A page that the test makes up. Nobody listens there."""


@pytest.mark.parametrize("allowed", [True, False])
def test_another_site_embeds_it_with_one_script_and_one_element(open_browser, sentence, start_server, allowed):  # noqa: F811
    server = start_server(environment={"VOICETRIO_SERVER__ALLOWED_ORIGINS": f'["{SITE}"]'} if allowed else {})
    host = f"127.0.0.1:{server.port}"
    policy = f"default-src 'none'; img-src data:; script-src http://{host}; connect-src ws://{host}"
    one = Caller(open_browser(sentence).new_page(), f"http://{host}", policy=policy, site=SITE)
    one.call()
    if allowed:
        one.wait_for("playback", event="completed")
        assert one.seen.troubles() == []
        assert one.seen.hosts == {"localhost:9999", host}
    else:
        assert "cannot be reached" in failed(one, "unreachable")
    assert one.seen.violations() == []


# -- buttons, keys, and what a screen reader says ---------------------------------------------------------------------------


def test_what_a_screen_reader_finds(open_widget):
    one = open_widget('label="Talk to us"')
    assert one.widget.locator("section").aria_snapshot() == (
        "- region \"Voice call\":\n"
        "  - status: Ready\n"
        "  - button \"Talk to us\"\n"
        "  - meter \"Your microphone\"\n"
        "  - meter \"The agent's voice\""
    )  # fmt: skip
    one.button("Talk to us").click()
    one.wait_state("hearing")
    one.wait_for("playback", event="completed")
    one.wait_state("listening")
    tree = one.widget.locator("section").aria_snapshot()
    for part in ("- status: Listening", '- button "Mute"', '- button "Hang up"', '- list "Conversation"'):
        assert part in tree
    assert 'button "Talk to us"' not in tree
    status, news = one.widget.get_by_role("status"), one.widget.locator(".unseen")
    assert status.evaluate("(element) => element.ariaLive ?? 'polite'") == "polite"  # what role=status means
    assert news.get_attribute("aria-live") == "polite"
    assert news.locator("p").all_inner_texts() == [
        "You: please open the door for me",
        "Agent: You said: please open the door for me.",
    ], "finals are read out, partials are not"
    meter = one.widget.get_by_role("meter").first
    assert (meter.get_attribute("aria-valuemin"), meter.get_attribute("aria-valuemax")) == ("0", "100")
    assert one.page.evaluate(NAMELESS) == []
    assert one.seen.troubles() == []


def test_the_meters_move_with_the_voices(open_widget):
    one = open_widget()
    one.call()
    one.page.evaluate(
        """() => {
            const values = (window.values = { microphone: [], speaker: [] });
            const root = document.querySelector("voicetrio-call").shadowRoot;
            const [microphone, speaker] = root.querySelectorAll("[role=meter]");
            setInterval(() => {
                values.microphone.push(Number(microphone.ariaValueNow));
                values.speaker.push(Number(speaker.ariaValueNow));
            }, 100);
        }"""
    )
    one.wait_for("playback", event="completed")
    values = one.page.evaluate("window.values")
    assert max(values["microphone"]) > 40
    assert max(values["speaker"]) > 40
    assert min(values["speaker"]) == 0


def test_it_can_be_used_with_the_keyboard_alone(open_widget):
    one = open_widget()
    focused = "document.querySelector('voicetrio-call').shadowRoot.activeElement?.textContent"
    one.page.keyboard.press("Tab")
    assert one.page.evaluate(focused) == "Call"
    outline = one.button("Call").evaluate("(button) => getComputedStyle(button).outlineStyle")
    assert outline != "none", "the focus can be seen"
    one.page.keyboard.press("m")  # there is nothing to mute
    one.page.keyboard.press("Escape")
    assert one.state == "idle"
    one.page.keyboard.press("Enter")
    one.wait_state("listening")
    assert one.page.evaluate(focused) == "Mute", "the focus stays in the widget"
    one.page.keyboard.press("m")
    assert one.button("Mute").get_attribute("aria-pressed") == "true"
    one.page.keyboard.press("Control+m")  # some other program's
    assert one.button("Mute").get_attribute("aria-pressed") == "true"
    one.page.keyboard.press("Space")
    assert one.button("Mute").get_attribute("aria-pressed") == "false"
    one.page.keyboard.press("Escape")
    one.wait_state("ended")
    assert one.page.evaluate(focused) == "Call"


def test_muted_it_hears_nothing_and_the_call_goes_on(open_widget):
    one = open_widget(script=_COUNT)
    one.page.evaluate("document.querySelector('voicetrio-call').muted = true")
    one.call()
    one.wait_state("listening")
    one.wait(4)
    assert one.page.evaluate("document.querySelector('voicetrio-call').levels.microphone") == 0
    assert one.messages("vad.speech_start") == [], "the sentence came after a second"
    assert one.state == "listening"
    one.button("Mute").click()
    one.wait_for("transcript", who="you", final=True)
    assert one.seen.of("transcript")[-1]["detail"]["text"] != ""
    one.hang_up()
    configured, closed = one.wait_message("session.configured"), one.wait_message("session.closed")
    lasted_ms = closed["at"] - configured["at"]
    assert closed["detail"]["total_duration_ms"] > lasted_ms - 1000, "silence was sent: the session's clock has gone on"


def test_a_typed_message_is_answered_too(open_widget):
    one = open_widget()
    assert one.page.evaluate("document.querySelector('voicetrio-call').send('say good morning')") is False
    one.call()
    one.wait_state("listening")
    assert one.page.evaluate("document.querySelector('voicetrio-call').send('say good morning')") is True
    one.wait_for("playback", event="completed")
    lines = {event["detail"]["id"]: event["detail"] for event in one.seen.of("transcript")}
    assert ("you", "say good morning") in [(line["who"], line["text"]) for line in lines.values()]
    assert ("agent", "good morning") in [(line["who"], line["text"]) for line in lines.values()]


# -- how it looks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_280_pixels_and_can_be_read(open_widget, scheme):
    one = open_widget(viewport={"width": 296, "height": 640}, color_scheme=scheme)
    one.call()
    one.wait_for("playback", event="completed")
    width = one.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], "nothing is wider than the page"
    for name in ("Mute", "Hang up"):
        box = one.button(name).bounding_box()
        assert box["height"] >= 44
        assert box["x"] + box["width"] <= width[1]
    inside = CONTRAST.replace("document.body", "document.querySelector('voicetrio-call').shadowRoot")
    found = one.page.evaluate(inside)
    assert len(found) > 5
    assert [each for each in found if each["ratio"] < 4.5] == []


def test_a_theme_is_the_sites_to_choose(open_widget):
    colour = "(card) => getComputedStyle(card).backgroundColor"
    dark = open_widget('theme="dark"', color_scheme="light").widget.locator(".card").evaluate(colour)
    light = open_widget('theme="light"', color_scheme="dark").widget.locator(".card").evaluate(colour)
    assert (dark, light) == ("rgb(22, 25, 31)", "rgb(255, 255, 255)")


def test_nothing_moves_for_those_who_want_it_still(open_widget):
    one = open_widget(reduced_motion="reduce")
    one.widget.locator(".card").evaluate("(card) => { card.dataset.state = 'thinking'; }")
    style = "(element) => [getComputedStyle(element).animationName, getComputedStyle(element).transitionDuration]"
    assert one.widget.locator(".dot").evaluate(style)[0] == "none"
    assert one.widget.locator(".bar").first.evaluate(style)[1] == "0s"


# -- nothing is left --------------------------------------------------------------------------------------------------------


def test_twenty_calls_leave_nothing_behind(open_widget, server):
    one = open_widget(script=_COUNT)
    ids = set()
    for number in range(CALLS):
        one.call()
        one.wait_state("listening")
        assert alive(one) == {"contexts": 1, "tracks": 1, "sockets": 1, "intervals": 1}
        ids.add(one.page.evaluate("document.querySelector('voicetrio-call').sessionId"))
        if number % 2:
            one.hang_up()
        else:
            one.button("Hang up").click()  # and the next call does not wait for the goodbye of this one
        assert one.state == "ended"
        assert alive(one)["tracks"] == 0, "the red light is out at once"
    wait_until(lambda: alive(one) == NOTHING)
    assert len(ids) == CALLS, "each call is a session of its own"
    assert len(one.page.evaluate("window.contexts.map(({ state }) => state)")) == CALLS
    wait_until(lambda: server.metric("stt_active_sessions") == 0)
    assert one.seen.troubles() == []


@pytest.mark.parametrize("when", ["connecting", "listening"])
def test_a_widget_that_is_taken_out_of_its_page_ends_its_call(open_widget, server, when):
    one = open_widget(script=_COUNT)
    one.page.evaluate("window.call = document.querySelector('voicetrio-call')")
    one.call()
    if when == "listening":
        one.wait_state("listening")
    one.page.evaluate("window.call.remove()")
    assert one.page.evaluate("window.call.state") == "ended"
    one.wait(0.5)
    assert alive(one) == NOTHING
    wait_until(lambda: server.metric("stt_active_sessions") == 0, within=5)


def test_a_page_that_is_left_ends_its_call(open_widget, server):
    one = open_widget()
    one.call()
    one.wait_state("listening")
    assert server.metric("stt_active_sessions") == 1
    one.page.goto("about:blank")
    wait_until(lambda: server.metric("stt_active_sessions") == 0, within=5)  # and not after 15 s of waiting for it
