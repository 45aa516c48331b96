"""A page that is loaded again: its conversation is there, and its call goes on."""

from typing import Any

import pytest

from .calling import COUNT, Caller, alive, wait_until
from .looking import wait_until as wait_on

pytestmark = [pytest.mark.slow, pytest.mark.browser]

KEPT = 'id="call" keep-on-reload'


def session_of(one: Caller) -> str:
    session: str = one.messages("session.created")[-1]["session_id"]
    return session


def test_a_call_goes_on_after_a_reload_and_so_does_its_answer(open_widget, server):
    one = open_widget(KEPT)
    one.page.evaluate("document.querySelector('voicetrio-call').muted = true")
    one.call()
    one.wait_state("muted")
    one.say("tell me a story")
    one.wait_state("speaking")
    one.wait(3.0)
    session = session_of(one)
    one.page.reload()
    resumed = one.wait_message("session.created")
    progress = [sent["played_ms"] for _, sent in one.sent if sent["type"] == "playback.progress"]
    assert resumed["detail"]["resumed"] is True
    assert resumed["detail"]["session_id"] == session
    one.wait_state("speaking")
    assert one.page.evaluate("document.querySelector('voicetrio-call').muted") is True, "as it was left"
    goes_on = one.wait_message("tts.speaking_resumed")["detail"]
    start_ms = 1000 * goes_on["start_sample"] / goes_on["sample_rate"]
    assert any(abs(start_ms - played_ms) < 300 for played_ms in progress), "from where the page before was heard"
    assert start_ms > 1000, "and not from its beginning"
    completed = one.wait_for("playback", event="completed", within_ms=60_000)
    (end,) = {message["duration_ms"] for message in one.messages("tts.speaking_end")}
    assert completed["detail"]["heardMs"] >= end - 5
    lines = {event["detail"]["id"]: event["detail"] for event in one.seen.of("transcript")}
    assert [line["text"][:14] for line in lines.values()] == ["tell me a stor", "Once there was"]
    assert "tell me a story" in one.text()
    one.say("say good morning")
    one.wait_for("playback", 2, event="completed")
    one.hang_up()
    wait_until(lambda: server.metric("stt_active_sessions") == 0)
    assert one.seen.troubles() == []


def test_after_a_reload_it_hears_again(open_widget):
    one = open_widget(f'{KEPT} agent="off"')
    one.call()
    one.wait_for("transcript", who="you", final=True)
    one.page.reload()
    one.wait_message("session.created")
    one.wait_state("hearing", within_ms=40_000)
    one.wait_for("transcript", 2, who="you", final=True)  # the first is what was said before
    finals = [event["detail"] for event in one.seen.of("transcript") if event["detail"]["final"]]
    assert len({line["id"] for line in finals}) == len(finals)


def test_a_call_that_was_hung_up_does_not_come_back(open_widget):
    one = open_widget(KEPT, script=COUNT)
    one.call()
    one.wait_state("listening", "hearing")
    one.hang_up()
    one.page.reload()
    one.wait(1.0)
    assert one.state == "idle"
    assert alive(one)["sockets"] == 0


def test_a_tab_that_is_duplicated_does_not_take_the_call(open_widget):
    one = open_widget(KEPT)
    one.call()
    one.wait_state("listening", "hearing")
    kept = one.page.evaluate("JSON.stringify({ ...sessionStorage })")
    assert "resumption" not in kept, "there is nothing that a copy of the tab's storage could take"
    one.page.reload()
    one.wait_message("session.created")
    assert "resumption" not in one.page.evaluate("JSON.stringify({ ...sessionStorage })"), "it was given once"


def test_a_call_that_the_server_has_given_up_is_not_tried(open_widget):
    one = open_widget(KEPT)
    one.call()
    one.wait_state("listening", "hearing")
    one.page.goto("about:blank")
    one.page.go_back()
    one.wait_state("listening", "hearing", "reconnecting")
    one.page.evaluate(
        """addEventListener("pagehide", () => {
            for (const [key, value] of Object.entries(sessionStorage)) {
                sessionStorage[key] = JSON.stringify({ ...JSON.parse(value), until: Date.now() - 1 });
            }
        })"""
    )
    one.page.reload()
    one.wait(1.0)
    assert one.state == "idle"


# -- the page `/` -----------------------------------------------------------------------------------------------------------


def texts(page: Any) -> list[str]:
    return page.locator("#transcript li .said").all_inner_texts()


def test_the_pages_conversation_is_there_after_a_reload_and_is_forgotten_after_an_hour(open_page):
    page = open_page("/")
    page.evaluate(
        """document.querySelector("voicetrio-call").dispatchEvent(new CustomEvent("voicetrio-transcript",
            { detail: { id: "s", who: "you", text: "hello", tentative: "", final: true } }))"""
    )
    page.reload()
    assert texts(page) == ["hello"]
    page.reload()
    assert texts(page) == ["hello"], "and again"
    page.get_by_role("button", name="Clear").click()
    page.reload()
    assert texts(page) == []
    page.evaluate(
        """sessionStorage.setItem("voicetrio-transcript", JSON.stringify({ until: Date.now() - 1, saved: {
            call: 1, lines: [{ key: "1 s", line: { id: "s", who: "you", text: "old", tentative: "", final: true } }] } }))"""
    )
    page.reload()
    assert texts(page) == []


def test_the_page_goes_on_with_its_call(open_page):
    page = open_page("/")
    page.get_by_label("Message").fill("say good morning")
    page.get_by_role("button", name="Send").click()
    wait_on(page, "document.querySelectorAll('#transcript li.agent').length === 1", timeout_ms=20_000)
    page.reload()
    wait_on(page, "document.querySelector('voicetrio-call').state === 'typing'", timeout_ms=20_000)
    assert len(texts(page)) == 2, "no line is there twice"
    page.get_by_label("Message").fill("say good night")
    page.get_by_role("button", name="Send").click()
    wait_on(page, "document.querySelectorAll('#transcript li.agent').length === 2", timeout_ms=20_000)
    assert texts(page)[2] == "say good night"
