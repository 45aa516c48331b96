"""The operator's page in a real browser: sessions come, change and go in it by themselves, for who has the key."""

import base64
import json
import re
import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.end_to_end.processes import ServerProcess, running_server
from tests.end_to_end.sound import RECORDINGS

from .looking import CONTRAST, NAMELESS, watch

pytestmark = [pytest.mark.slow, pytest.mark.browser]

KEY = "correct-horse-battery"
CREDENTIALS = {"username": "operator", "password": KEY}
SOON_MS = 15_000
"""For the page to show what is so: it asks every 2 s, on a machine that may be busy."""
TEXT_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3 (AA)."""

OpenOffice = Callable[..., Any]


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with an admin key."""
    environment = {"VOICETRIO_SERVER__ADMIN_KEY": KEY}
    with running_server(tmp_path_factory.mktemp("office"), "config/default.toml", environment=environment) as process:
        yield process


@pytest.fixture
def open_sessions(open_browser: Callable[..., Any], office: ServerProcess) -> OpenOffice:
    """The page, for somebody with the key; `options` are those of a browser's context. `told`: instead of the server's."""

    def start(told: dict[str, Any] | None = None, **options: Any) -> Any:
        context = open_browser(None).new_context(http_credentials=CREDENTIALS, **options)
        page = context.new_page()
        page.set_default_timeout(SOON_MS)
        if told is not None:
            page.route("**/v1/sessions", lambda route: route.fulfill(json=told))
        page.goto(f"http://127.0.0.1:{office.port}/sessions")
        page.wait_for_selector("#contact[data-contact=live]")
        return page

    return start


@contextmanager
def session(office: ServerProcess, session_id: str) -> Iterator[ClientConnection]:
    """One that is closed in order, or has been."""
    with connect(f"{office.url}/ws/{session_id}") as client:
        assert json.loads(client.recv())["type"] == "session.created"
        yield client
        client.send('{"type": "session.close"}')
        for message in client:
            if isinstance(message, str) and json.loads(message)["type"] == "session.closed":
                break


def row(page: Any, session_id: str) -> Any:
    return page.locator("#sessions tbody tr").filter(has=page.get_by_text(session_id, exact=True))


def cell(page: Any, session_id: str, key: str) -> Any:
    return row(page, session_id).locator(f'td[data-key="{key}"]')


def wait_text(page: Any, session_id: str, key: str, text: str) -> None:
    cell(page, session_id, key).get_by_text(text, exact=True).wait_for()


def ids(page: Any) -> list[str]:
    found: list[str] = page.locator('#sessions tbody td[data-key="session_id"] .id').all_inner_texts()
    return found


def made_up(session_id: str, **fields: Any) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "temporary": False,
        "state": "silence",
        "state_text": "listening",
        "age_s": 60.0,
        "connected": True,
        "away_s": None,
        "worker": "10.0.0.7:50051",
        "model": "some engine",
        "backlog_s": 0.0,
        "last_error": "",
        "last_error_ago_s": None,
        "turns": 0,
        "answering": False,
        "speaking": False,
        "segments": 0,
        "duplex": "mute",
        **fields,
    }


def answer(*sessions: dict[str, Any], **totals: Any) -> dict[str, Any]:
    known = {
        "sessions": len(sessions),
        "max_sessions": 200,
        "connected": len(sessions),
        "away": 0,
        "workers": 1,
        "workers_ready": 1,
        "max_backlog_s": 10.0,
        "going_away": False,
    }
    worker = {
        "worker": "10.0.0.7:50051",
        "ready": True,
        "state": "ready",
        "hears_with": "some engine",
        "stt_slots": 16,
        "streams": 1,
        "speaks_with": "another",
        "tts_slots": 8,
    }
    return {"sessions": list(sessions), "more": 0, "totals": {**known, **totals}, "workers": [worker]}


EVERY_STATE = answer(
    made_up("one", speaking=True, answering=True, age_s=5_000.0, duplex="barge_in"),
    made_up("two", state="active", state_text="somebody speaks", backlog_s=6.25, age_s=3_500.0),
    made_up("new_three", temporary=True, state="init", state_text="no speech yet", worker="", model="", answering=True),
    made_up("four", state="hold", state_text="on hold", worker="", model="", age_s=400.0),
    made_up("five", connected=False, away_s=7.0, last_error="agent_event_too_large", last_error_ago_s=75.0),
    made_up("six", state="active", state_text="somebody speaks", worker="", model="", backlog_s=0.5),
    made_up("seven", state="closing", state_text="finishing", age_s=30.0),
    made_up("x" * 128, state="closed", state_text="over", connected=False, age_s=20.0),
    away=1,
)
"""The fields are those of the server: a test holds them together."""


def test_a_session_comes_changes_and_goes_without_a_reload(open_sessions, office):
    page = open_sessions()
    page.evaluate("window.loadedOnce = true")
    assert page.locator("#empty").inner_text() == "There are no sessions now."
    with session(office, "new_live") as client:
        wait_text(page, "new_live", "state", "no speech yet")
        assert page.locator("#summary").inner_text() == "1 session of 200; 1 of 1 worker ready."
        assert cell(page, "new_live", "worker").inner_text() == "none"
        assert cell(page, "new_live", "session_id").inner_text().split() == ["new_live", "temporary"]
        client.send(json.dumps({"type": "tts.speak", "text": "Hello there, whoever looks at this now. " * 3}))
        client.send('{"type": "nonsense"}')
        wait_text(page, "new_live", "state", "speaking")
        wait_text(page, "new_live", "last_error", "unknown_type")
    row(page, "new_live").wait_for(state="detached")
    page.wait_for_function("document.getElementById('summary').textContent.startsWith('0 sessions of 200')")
    assert page.evaluate("window.loadedOnce"), "it was not loaded again"
    assert "Hello" not in page.content()


def test_somebody_speaks_and_the_page_says_which_worker_hears(open_sessions, office):
    page = open_sessions()
    done = Event()
    with session(office, "speaker") as client:

        def talk() -> None:
            while not done.is_set():
                for start in range(0, len(RECORDINGS[0].pcm), 640):
                    client.send(RECORDINGS[0].pcm[start : start + 640])
                    if done.wait(0.02):
                        return

        talking = Thread(target=talk)
        talking.start()
        try:
            wait_text(page, "speaker", "state", "somebody speaks")
            wait_text(page, "speaker", "worker", "unix:worker.sock")
            page.get_by_text("1 of 16 streams taken by this server", exact=False).wait_for()
        finally:
            done.set()
            talking.join()


def test_a_client_that_is_gone_is_away(open_sessions, office):
    page = open_sessions()
    with connect(f"{office.url}/ws/lost") as client:
        token = json.loads(client.recv())["resume_token"]
        client.send(json.dumps({"type": "session.configure"}))  # who has sent nothing is not waited for
        client.recv()
        client.socket.shutdown(socket.SHUT_RDWR)
        cell(page, "lost", "client").get_by_text(re.compile(r"^away for \d+ s$")).wait_for()
        assert "1 of them away" in page.locator("#summary").inner_text()
    with session(office, f"lost?resume={token}"):
        wait_text(page, "lost", "client", "connected")


def test_without_the_key_there_is_no_page(open_browser, office):
    from playwright.sync_api import Error as PlaywrightError  # may be missing: then the fixture skips this

    for options in ({}, {"http_credentials": {**CREDENTIALS, "password": KEY + "x"}}):
        context = open_browser(None).new_context(**options)
        for path in ("/sessions", "/v1/sessions"):
            response = context.request.get(f"http://127.0.0.1:{office.port}{path}")
            assert response.status == 401
            assert "Sessions" not in response.text()
        page = context.new_page()
        asked: set[str] = set()
        page.on("request", lambda request, asked=asked: asked.add(request.url))
        try:
            page.goto(f"http://127.0.0.1:{office.port}/sessions", timeout=SOON_MS)
        except PlaywrightError:
            pass  # of a browser with nobody to be asked for the key
        else:
            assert "server's admin key" in page.locator("body").inner_text()
        assert {url.rpartition("/")[2] for url in asked} == {"sessions"}, "nothing of the page was asked for"


def test_its_fetches_carry_the_key_and_those_of_other_sites_read_nothing(open_sessions, office, server):
    page = open_sessions()
    assert page.evaluate("fetch('/v1/sessions').then((response) => response.status)") == 200
    page.goto(f"http://127.0.0.1:{server.port}/healthz")  # another port is another origin
    url = f"http://127.0.0.1:{office.port}/v1/sessions"
    read = "(url) => fetch(url, { credentials: 'include' }).then(() => 'read', (error) => error.name)"
    assert page.evaluate(read, url) == "TypeError"


def test_it_sorts_by_click_and_by_keyboard(open_sessions):
    page = open_sessions(EVERY_STATE)

    def sort_of(name: str) -> str | None:
        sort: str | None = page.get_by_role("columnheader", name=name).get_attribute("aria-sort")
        return sort

    by_age = ["one", "two", "four", "five", "new_three", "six", "seven", "x" * 128]
    assert (ids(page), sort_of("Age")) == (by_age, "descending")
    page.get_by_role("button", name="Age").click()
    assert ids(page)[0] == "x" * 128
    assert sort_of("Age") == "ascending"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert (sort_of("Client"), sort_of("Age")) == ("descending", None)
    assert ids(page)[0] == "five", "who is away comes first"
    page.get_by_role("button", name="Session").focus()
    page.keyboard.press("Space")
    assert sort_of("Session") == "ascending"
    assert ids(page) == sorted(by_age)
    page.get_by_role("button", name="Backlog").click()
    assert ids(page)[:2] == ["two", "six"]


def test_it_filters_by_what_is_shown(open_sessions):
    page = open_sessions(EVERY_STATE)
    for text, expected in {
        "speaks": {"two", "six"},
        "SPEAKS behind": {"two"},
        "agent_event": {"five"},
        "temporary": {"new_three"},
        "waiting for one": {"six"},
    }.items():
        page.get_by_role("searchbox", name="Show only").fill(text)
        assert set(ids(page)) == expected, text
        assert page.locator("#matches").inner_text() == f"{len(expected)} of 8 sessions"
    page.get_by_role("searchbox").fill("nothing like this")
    assert page.locator("#empty").inner_text() == "No session has this in it."
    page.get_by_role("searchbox").fill("")
    assert len(ids(page)) == 8


def test_a_server_that_does_not_answer_is_told_with_what_was_known_last(open_sessions, office):
    page = open_sessions()
    with session(office, "known"):
        row(page, "known").wait_for()
        page.context.set_offline(True)
        page.wait_for_selector("#contact[data-contact=lost]")
        assert page.locator("#contact").inner_text().startswith("not reachable; trying again in ")
        assert (
            page.locator("#summary").inner_text().startswith("The server does not answer. Last known: 1 session of 200")
        )
        assert ids(page) == ["known"]
        page.get_by_text(re.compile(r"last updated .*, \d+ s ago")).wait_for()
        page.context.set_offline(False)
        page.wait_for_selector("#contact[data-contact=live]")
        assert page.locator("#summary").inner_text().startswith("1 session of 200")


def test_it_asks_a_lost_server_less_and_less(open_sessions):
    page = open_sessions(EVERY_STATE)
    page.clock.install()
    page.reload()
    page.wait_for_selector("#contact[data-contact=live]")
    asked: list[str] = []
    page.unroute("**/v1/sessions")
    page.route("**/v1/sessions", lambda route: (asked.append(route.request.url), route.fulfill(status=503))[1])
    page.clock.pause_at(page.evaluate("Date.now()") / 1_000 + 0.1)  # it runs on by itself until then
    with page.expect_response("**/v1/sessions"):
        page.clock.run_for(2_000)
    waits: list[int] = []
    for wait in (2, 4, 8, 16, 30, 30):
        page.get_by_text(f"the server answers with HTTP 503; trying again in {wait} s", exact=True).wait_for()
        waits.append(wait)
        page.clock.run_for(1_000 * wait - 100)
        assert len(asked) == len(waits), "not yet"
        with page.expect_response("**/v1/sessions"):
            page.clock.run_for(100)
    assert len(asked) == len(waits) + 1


def test_it_rests_while_it_is_hidden(open_sessions):
    page = open_sessions(EVERY_STATE)
    page.clock.install()
    page.reload()
    page.wait_for_selector("#contact[data-contact=live]")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    assert page.locator("#contact").inner_text() == "paused while the page is hidden"
    page.clock.run_for(60_000)
    page.wait_for_timeout(200)
    assert asked == []
    page.evaluate(hide, False)
    page.wait_for_selector("#contact[data-contact=live]")
    assert len(asked) == 1


def test_a_key_that_is_not_accepted_any_more_ends_it(open_sessions):
    page = open_sessions(EVERY_STATE)
    page.clock.install()
    page.reload()
    page.wait_for_selector("#contact[data-contact=live]")
    asked: list[str] = []
    page.unroute("**/v1/sessions")
    page.route("**/v1/sessions", lambda route: (asked.append(route.request.url), route.fulfill(status=401))[1])
    page.clock.run_for(2_000)
    page.get_by_text("The admin key is not accepted any more. Reload this page to enter it again.").wait_for()
    page.clock.run_for(60_000)
    page.wait_for_timeout(200)
    assert len(asked) == 1, "it would try, and the browser ask, again and again"


def test_what_comes_from_clients_is_text_and_nothing_else(open_sessions):
    evil = "<img src=x onerror='window.harmed = true'><script>window.harmed = true</script>"
    told = answer(made_up(evil, state_text=evil, worker=evil, model=evil, last_error=evil, last_error_ago_s=1.0))
    told["sessions"].append(made_up("__proto__"))
    told["workers"][0]["worker"] = evil
    page = open_sessions(told)
    seen = watch(page)
    row(page, "__proto__").wait_for()
    assert cell(page, evil, "worker").locator("span").first.inner_text() == evil
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("window.harmed") is None
    assert seen.troubles() == []


def test_a_row_stays_the_same_while_it_is_updated(open_sessions):
    page = open_sessions(EVERY_STATE)
    page.evaluate("window.before = [...document.querySelectorAll('#sessions tbody span')]")
    with page.expect_response("**/v1/sessions"):
        pass
    page.wait_for_timeout(200)
    assert page.evaluate(
        """window.before.length > 80 && window.before.every(
            (span, place) => span === document.querySelectorAll('#sessions tbody span')[place])"""
    ), "a selection would be lost"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1_280, 800, 320])
def test_it_fits_can_be_read_and_keeps_to_its_policy(open_sessions, scheme: str, width: int):
    page = open_sessions(EVERY_STATE, color_scheme=scheme, viewport={"width": width, "height": 800})
    seen = watch(page)
    page.wait_for_selector("#contact[data-contact=live]")
    assert len(ids(page)) == 8
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    pale = [one for one in page.evaluate(CONTRAST) if one["ratio"] < TEXT_CONTRAST]
    assert pale == []
    assert page.evaluate(NAMELESS) == []
    assert page.get_by_role("table", name="Live sessions").get_by_role("row").count() == 9
    assert seen.troubles() == []
    assert seen.hosts == {seen.own_host}


_LOOK = """
() => [
    "body", ".top", ".brand", "nav a:not([aria-current])", "nav a[aria-current]", "h1", "input:not([type=radio])",
].map((selector) => {
    const style = getComputedStyle(document.querySelector(selector));
    const { fontFamily, fontSize, color, backgroundColor, padding, borderRadius } = style;
    return [selector, fontFamily, fontSize, color, backgroundColor, padding, borderRadius];
})
"""
"""JavaScript: how a page's common parts look."""


def test_it_looks_like_the_other_pages(open_sessions, office):
    page = open_sessions()
    sessions = page.evaluate(_LOOK)
    page.goto(f"http://127.0.0.1:{office.port}/")
    talk = page.evaluate(_LOOK)
    field, its_field = sessions.pop(), talk.pop()
    assert sessions == talk
    assert (field[1:4], field[5:]) == (its_field[1:4], its_field[5:])


def test_screen_readers_hear_of_the_summary_only(open_sessions):
    page = open_sessions(EVERY_STATE)
    live = page.evaluate(
        "[...document.querySelectorAll('[aria-live], [role=status], [role=alert]')].map((one) => one.id)"
    )
    assert live == ["summary"]
    page.evaluate(
        """window.changes = 0;
        new MutationObserver(() => { window.changes += 1; })
            .observe(document.getElementById('summary'), { childList: true, characterData: true, subtree: true });"""
    )
    for _ in range(2):
        with page.expect_response("**/v1/sessions"):
            pass
    assert page.evaluate("window.changes") == 0, "nothing has changed"


def test_what_is_made_up_here_has_the_servers_fields(office):
    credentials = base64.b64encode(f":{KEY}".encode()).decode()
    url = f"http://127.0.0.1:{office.port}/v1/sessions"
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {credentials}"})
    with session(office, "fields"), urllib.request.urlopen(request) as response:
        told = json.load(response)
    assert set(told) == set(EVERY_STATE)
    assert set(told["totals"]) == set(EVERY_STATE["totals"])
    assert set(told["workers"][0]) == set(EVERY_STATE["workers"][0])
    assert set(told["sessions"][0]) == set(made_up("x"))
