"""The page `/` in a real browser: what it shows of a call, that it fits, that it can be read, and that its policy holds."""

import itertools
from typing import Any

import pytest

from tests.end_to_end.conftest import StartServer, start_server  # noqa: F401 - a fixture

from .livekit_server import LIVEKIT_URL, livekit_process
from .looking import CONTRAST, NAMELESS, wait_until, watch

SENTENCE = "please open the door for me"
TURN_MS = 30_000
"""For a spoken question to be answered: about 6 s on an idle machine, 4 of which are the sentence."""
TEXT_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3 (AA)."""
PATHS = ("/", "/isolation")
LONG = "supercalifragilisticexpialidocious" * 4


def tell(page: Any, kind: str, **detail: Any) -> None:
    """An event of the page's first widget, as it would send it."""
    page.evaluate(
        """([kind, detail]) => document.querySelector("voicetrio-call").dispatchEvent(
            new CustomEvent(`voicetrio-${kind}`, { detail, bubbles: true, composed: true }))""",
        [kind, detail],
    )


def line(page: Any, number: int) -> dict[str, str]:
    item = page.locator("#transcript li").nth(number)
    return {name: item.locator(f".{name}").text_content() for name in ("who", "said", "tentative", "unheard", "note")}


TIMINGS = {
    "endpointing_ms": 460,
    "final_ms": 300,
    "turn_ms": 140,
    "agent_ms": 1,
    "piece_ms": 2,
    "audio_ms": 7,
    "total_ms": 910,
}


def column(page: Any, number: int) -> dict[str, str]:
    rows = page.locator("#timings tr").all()
    return {row.get_attribute("data-part"): row.locator("td").nth(number).text_content() for row in rows}


@pytest.mark.slow
def test_a_spoken_turn_is_shown_with_its_words_and_the_servers_timings(open_page):
    page = open_page("/")
    seen = watch(page)
    page.evaluate("document.querySelector('voicetrio-call').start()")
    wait_until(
        page, "window.seen.of('playback').some(({ detail }) => detail.event === 'completed')", timeout_ms=TURN_MS
    )
    you, agent = line(page, 0), line(page, 1)
    assert (you["who"], agent["who"]) == ("You", "Agent")
    assert SENTENCE in you["said"].lower()
    assert SENTENCE in agent["said"].lower()
    assert (agent["unheard"], agent["note"]) == ("", ""), "it was heard to its end"
    page.wait_for_timeout(2500)  # what was announced is gone again
    found = page.locator("body").aria_snapshot().lower()
    assert found.count(SENTENCE) == 2, "a screen reader finds what was said once, and its answer once"
    (timings,) = (event["detail"] for event in seen.of("timings"))
    shown = column(page, 0)
    assert shown == {name.removesuffix("_ms"): str(round(value)) for name, value in timings.items() if "_ms" in name}
    assert column(page, 1) == shown, "the median of one"
    assert int(shown["total"]) > 0
    (session,) = (event["detail"] for event in seen.of("session"))
    assert page.locator("#session").text_content() == session["sessionId"]
    assert page.locator("#room-fact").is_hidden(), "a call over a WebSocket has no room beside itself"
    assert not page.locator("#session").is_visible(), "callers need no ids"
    assert f"🆔 Unique session ID: {session['sessionId']}" in seen.infos
    assert f"🏠 Using room: {session['sessionId']}" in seen.infos
    page.evaluate("document.querySelector('voicetrio-call').hangUp()")
    wait_until(page, "document.querySelector('voicetrio-call').state === 'ended'")
    assert seen.troubles() == []
    assert {request for request in seen.hosts if request != seen.own_host} == set()


def test_partial_words_are_lighter_and_grow_in_their_line(open_page):
    page = open_page("/")
    assert page.locator("#transcript-empty").is_visible()
    tell(page, "transcript", id="s1", who="you", text="please", tentative="open the", final=False)
    assert page.locator("#transcript-empty").is_hidden()
    assert line(page, 0) == {"who": "You", "said": "please", "tentative": " open the", "unheard": "", "note": ""}
    assert colour(page, ".tentative") != colour(page, ".said")
    tell(page, "transcript", id="s1", who="you", text="please open the door", tentative="", final=True)
    assert line(page, 0)["said"] == "please open the door"
    assert line(page, 0)["tentative"] == ""
    tell(page, "transcript", id="s1", who="you", text="", tentative="", final=True)
    assert page.locator("#transcript li").count() == 0, "it was no speech after all"
    assert page.locator("#transcript-empty").is_visible()


def colour(page: Any, selector: str) -> str:
    return page.locator(selector).first.evaluate("(element) => getComputedStyle(element).color")


@pytest.mark.parametrize(
    ("text", "heard", "said", "unheard"),
    [
        ("One two three.", "One two three.", "One two three.", ""),
        ("One two three.", "", "", "One two three."),
        ("One two.\n\nThree.", "One two.", "One two.", "\n\nThree."),
        ("One, two, three.", "One, two", "One, two,", " three."),
        ("Hello **there**, you.", "Hello there", "Hello **there**,", " you."),
        ("Привет, мир и все.", "Привет, мир", "Привет, мир", " и все."),
        ("See [the page](http://x). Good?", "See the page. Good?", "See the page. Good?", ""),
    ],
)
def test_of_an_interrupted_answer_the_page_tells_what_was_heard(open_page, text, heard, said, unheard):
    page = open_page("/")
    tell(page, "transcript", id="t1", who="agent", text=text, final=True, heard=heard)
    assert line(page, 0)["note"] == "", "it is still being heard"
    tell(page, "transcript", id="t1", who="agent", text=text, final=True, heard=heard, interrupted=True)
    shown = line(page, 0)
    assert (shown["said"], shown["unheard"]) == (said, unheard)
    assert ("not heard" in shown["note"]) == bool(unheard)
    if unheard:
        tell(page, "transcript", id="t1", who="agent", text=text, heard=heard, interrupted=True, reason="disconnected")
        assert line(page, 0)["note"].startswith("The connection was lost"), "and why"
    if unheard and said:
        assert colour(page, ".unheard") != colour(page, ".said")


def test_a_page_that_is_left_open_keeps_the_last_lines(open_page):
    page = open_page("/")
    for start in range(0, 250, 50):
        page.evaluate(
            """(start) => { for (let n = start; n < start + 50; n += 1)
                document.querySelector("voicetrio-call").dispatchEvent(new CustomEvent("voicetrio-transcript",
                    { detail: { id: `s${n}`, who: "you", text: `line ${n}`, final: true } })); }""",
            start,
        )
    lines = page.locator("#transcript li")
    assert lines.count() == 200
    assert line(page, 0)["said"] == "line 50"
    box = page.locator("#transcript")
    assert box.evaluate("(list) => list.scrollHeight - list.scrollTop - list.clientHeight") < 2, "it follows the talk"
    box.evaluate("(list) => { list.scrollTop = 0; }")
    tell(page, "transcript", id="new", who="you", text="new", final=True)
    assert box.evaluate("(list) => list.scrollTop") < 48, "but not from somebody who reads what was before"


def test_the_panel_shows_the_last_turn_and_the_median(open_page):
    page = open_page("/")
    for total in (910, 2000, 1000, 1090):
        tell(page, "timings", type="turn.timings", turn_id=f"turn-{total}", **{**TIMINGS, "total_ms": total})
    assert column(page, 0)["total"] == "1090"
    assert column(page, 1)["total"] == "1045", "between the two in the middle"
    assert "1.09 s" in page.locator("#timings-summary").text_content()
    page.locator("summary").click()
    widths = page.locator("#timings-bar span").evaluate_all("(all) => all.map((part) => part.clientWidth)")
    assert widths[0] > widths[1] > widths[2] > widths[5] >= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1280])
@pytest.mark.parametrize("path", PATHS)
def test_it_fits_and_can_be_read(open_page, path, width, scheme):
    page = open_page(path)
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    if path == "/":
        page.locator("summary").click()
        tell(page, "transcript", id="a", who="you", text=LONG, tentative=LONG, final=False)
        tell(page, "transcript", id="b", who="agent", text=f"Well {LONG}", heard="Well", final=True)
        tell(page, "timings", **{**TIMINGS, "total_ms": 1_234_567})
    tell(page, "session", sessionId=f"session-{LONG}", room=None, transport="websocket")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nobody has to scroll sideways"
    outside = page.evaluate(
        """(width) => [...document.querySelectorAll("body *")].filter((element) => {
            const box = element.getBoundingClientRect();
            return box.width > 1 && !element.closest("[hidden], .hidden") && (box.right > width + 1 || box.left < -1);
        }).map((element) => element.outerHTML.slice(0, 80))""",
        width,
    )
    assert outside == []
    ratios = page.evaluate(CONTRAST)
    assert ratios, "there is text"
    assert [entry for entry in ratios if entry["ratio"] < TEXT_CONTRAST] == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(int(part) for part in ground.removeprefix("rgb(").removesuffix(")").split(",")) > 3 * 128
    assert light == (scheme == "light")


@pytest.mark.parametrize("path", PATHS)
def test_a_screen_reader_finds_its_way(open_page, path):
    page = open_page(path)
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.title().startswith("voicetrio")
    for landmark in ("main", "header", "footer", "nav[aria-label]", "h1"):
        assert page.locator(f"body {landmark}").count() == 1, landmark
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((heading) => Number(heading.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), levels
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert len(ids) == len(set(ids))
    assert page.evaluate(NAMELESS) == [], "buttons, fields and images without a name"
    assert page.locator("nav a[aria-current=page]").count() == 1


def test_the_policy_holds_in_the_browser(open_page, server):
    page = open_page("/")
    seen = watch(page)
    page.evaluate(
        """async () => {
            const script = document.createElement("script");
            script.textContent = "window.broken = 'inline script'";
            document.body.append(script);
            const style = document.createElement("style");
            style.textContent = "body { display: none }";
            document.body.append(style);
            document.body.setAttribute("onclick", "window.broken = 'handler'");
            document.body.click();
            const image = new Image();
            image.src = "http://127.0.0.2:1/x.png";
            await fetch("http://127.0.0.2:1/").catch(() => {});
            setTimeout(() => new Function("window.broken = 'eval'")()); // not from here, where a tester may do so
        }"""
    )
    wait_until(page, "window.seen.violations.length >= 6")
    assert page.evaluate("window.broken") is None
    assert page.locator("main").is_visible()
    found = {entry.split()[0] for entry in seen.violations()}
    assert found == {"script-src-elem", "style-src-elem", "script-src-attr", "img-src", "connect-src", "script-src"}


@pytest.mark.slow
def test_livekit_is_offered_where_it_is_configured(open_page, tmp_path):
    page = open_page("/")
    assert page.locator("#transport").is_hidden()
    with livekit_process(tmp_path) as server:
        page.goto(f"http://127.0.0.1:{server.port}/")
        check_choice(page)


def check_choice(page: Any) -> None:
    call = page.locator("voicetrio-call")
    page.locator("summary").click()
    assert call.get_attribute("livekit-url") is None, "nobody is sent there who has not chosen it"
    page.get_by_label("LiveKit").check()
    assert call.get_attribute("livekit-url") == LIVEKIT_URL
    page.get_by_label("WebSocket").check()
    assert call.get_attribute("livekit-url") is None
    tell(page, "state", state="connecting", text="Connecting")
    assert page.get_by_label("LiveKit").is_disabled(), "a call keeps the way it was joined"
    tell(page, "state", state="ended", text="Call ended")
    assert page.get_by_label("LiveKit").is_enabled()


def type_message(page: Any, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.get_by_label("Message").press("Enter")


def wait_heard(page: Any, count: int = 1) -> None:
    heard = "(count) => window.seen.of('playback').filter(({ detail }) => detail.event === 'completed').length >= count"
    wait_until(page, heard, count, timeout_ms=TURN_MS)


@pytest.mark.slow
def test_what_is_typed_during_a_call_is_answered(open_page):
    page = open_page("/")
    seen = watch(page)
    page.evaluate("document.querySelector('voicetrio-call').muted = true")
    page.evaluate("document.querySelector('voicetrio-call').start()")
    type_message(page, "Say good morning.")  # also while it connects
    wait_heard(page)
    assert page.get_by_label("Message").input_value() == ""
    assert [line(page, number)["who"] for number in (0, 1)] == ["You", "Agent"]
    assert line(page, 0)["said"] == "Say good morning."
    assert "good morning" in line(page, 1)["said"].lower()
    page.evaluate("document.querySelector('voicetrio-call').hangUp()")
    wait_until(page, "document.querySelector('voicetrio-call').state === 'ended'")
    assert seen.troubles() == []


@pytest.mark.slow
def test_who_only_types_needs_no_microphone(open_page):
    page = open_page("/", microphone=None)
    seen = watch(page)
    page.get_by_role("button", name="Call", exact=True).click()
    wait_until(page, "document.querySelector('voicetrio-call').state === 'error'")
    assert page.locator("#hint").inner_text() == "You can type instead."
    type_message(page, "Say good morning.")
    wait_heard(page)
    wait_until(page, "document.querySelector('voicetrio-call').state === 'typing'")
    assert "good morning" in line(page, 1)["said"].lower()
    assert page.locator("#hint").inner_text() == ""
    type_message(page, "Say good night.")
    wait_heard(page, 2)
    assert seen.troubles() == []


@pytest.mark.slow
def test_what_is_typed_while_the_microphone_is_refused_is_not_lost(open_page):
    page = open_page("/", microphone=None)
    watch(page)
    page.evaluate("document.querySelector('voicetrio-call').start()")
    type_message(page, "Say good morning.")
    wait_heard(page)
    assert line(page, 0)["said"] == "Say good morning."


@pytest.mark.slow
def test_a_page_without_https_can_be_typed_into_and_read(open_browser, start_server: StartServer, sentence):  # noqa: F811
    server = start_server(environment={"VOICETRIO_SERVER__ALLOWED_ORIGINS": '["*"]'})
    browser = open_browser(sentence, "--host-resolver-rules=MAP voice.example 127.0.0.1")
    page = browser.new_page()
    page.goto(f"http://voice.example:{server.port}/")
    watch(page)
    assert page.evaluate("isSecureContext") is False
    type_message(page, "Say good morning.")
    wait_until(page, "document.querySelectorAll('#transcript li.agent').length === 1", timeout_ms=TURN_MS)
    assert "good morning" in line(page, 1)["said"].lower()
    wait_until(page, "document.querySelector('voicetrio-call').state === 'typing'")
    page.get_by_role("button", name="Use microphone").click()
    wait_until(page, "window.seen.of('error').some(({ detail }) => detail.code === 'insecure_page')")
    type_message(page, "Say good night.")
    wait_until(page, "document.querySelectorAll('#transcript li.agent').length === 2", timeout_ms=TURN_MS)


def test_what_cannot_be_sent_goes_back_into_the_field(open_page):
    page = open_page("/")
    page.route_web_socket("**/ws/**", lambda socket: socket.close(code=1013, reason="overloaded"))
    type_message(page, "Hello?")
    wait_until(page, "document.querySelector('voicetrio-call').state === 'error'")
    assert page.get_by_label("Message").input_value() == "Hello?"


def test_the_lines_of_another_call_are_others(open_page):
    page = open_page("/")
    for number in (1, 2):
        tell(page, "state", state="connecting", text="Connecting")
        tell(page, "transcript", id="speech-0", who="you", text=f"call {number}", final=True)
    assert [line(page, number)["said"] for number in (0, 1)] == ["call 1", "call 2"]
