"""The widget for people: its buttons and keys, what a screen reader says, and how it looks."""

import pytest

from .calling import COUNT, alive
from .looking import CONTRAST, NAMELESS

pytestmark = [pytest.mark.slow, pytest.mark.browser]


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
    one.widget.locator(".unseen").evaluate(
        """(live) => { window.announced = [];
            new MutationObserver((all) => window.announced.push(...all.flatMap(({ addedNodes }) =>
                [...addedNodes].map((node) => node.textContent)))).observe(live, { childList: true }); }"""
    )
    one.button("Talk to us").click()
    one.wait_state("hearing")
    one.wait_for("playback", event="completed")
    one.wait_state("listening")
    tree = one.widget.locator("section").aria_snapshot()
    for part in ("- status: Listening", '- button "Mute"', '- button "Stop" [disabled]', '- button "Hang up"'):
        assert part in tree
    assert 'button "Talk to us"' not in tree
    status, news = one.widget.get_by_role("status"), one.widget.locator(".unseen")
    assert status.evaluate("(element) => element.ariaLive ?? 'polite'") == "polite"  # what role=status means
    assert news.get_attribute("aria-live") == "polite"
    assert one.page.evaluate("window.announced") == ["You: please open the door for me"], (
        "finals are read out, partials are not, and what is spoken is heard"
    )
    one.wait(2.5)
    assert news.inner_text() == ""
    tree = one.widget.locator("section").aria_snapshot()
    assert '- list "Conversation"' in tree
    assert tree.count("please open the door for me") == 2, "each line is found once: what was said, and its answer"
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
    one.wait_state("muted")
    assert one.page.evaluate(focused) == "Unmute", "the button says what it does"
    one.page.keyboard.press("Control+m")  # some other program's
    assert one.page.evaluate(focused) == "Unmute"
    one.page.keyboard.press("Space")
    one.wait_state("listening", "hearing")
    assert one.page.evaluate(focused) == "Mute"
    one.page.keyboard.press("Escape")
    one.wait_state("ended")
    assert one.page.evaluate(focused) == "Call"


def test_muted_it_hears_nothing_and_the_call_goes_on(open_widget):
    one = open_widget(script=COUNT)
    one.page.evaluate("document.querySelector('voicetrio-call').muted = true")
    one.call()
    one.wait_state("muted")
    assert one.widget.get_by_role("status").inner_text() == "Muted. You are not heard"
    one.wait(4)
    assert one.page.evaluate("document.querySelector('voicetrio-call').levels.microphone") == 0
    assert one.messages("vad.speech_start") == [], "the sentence came after a second"
    assert one.state == "muted"
    one.button("Unmute").click()
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


def test_a_typed_message_interrupts_an_answer_and_is_answered_at_once(open_widget):
    one = open_widget()
    one.page.evaluate("document.querySelector('voicetrio-call').muted = true")
    one.call()
    one.wait_state("muted")
    one.say("tell me a story")
    one.wait_state("speaking")
    one.wait(1.0)
    one.say("say good morning")
    sent_at = one.page.evaluate("performance.now()")
    interrupted = one.wait_message("playback.interrupted")
    started = one.wait_for("playback", 2, event="started")
    assert interrupted["detail"]["reason"] == "cancelled"
    assert started["at"] - sent_at < 5000, "and not after the rest of the story"
    assert one.quiet_after(sent_at, started["at"]) < 300
    one.wait_for("playback", event="completed")
    assert [message["outcome"] for message in one.messages("turn.ended")][:1] == ["interrupted"]
    assert one.messages("error") == []


def test_the_stop_button_stops_the_answer_and_the_agent(open_widget):
    one = open_widget()
    one.page.evaluate("document.querySelector('voicetrio-call').muted = true")
    one.call()
    one.wait_state("muted")
    assert one.button("Stop").get_attribute("aria-disabled") == "true", "there is nothing to stop"
    one.button("Stop").click(force=True)
    one.say("tell me a story")
    one.wait_state("speaking")
    one.wait(1.0)
    assert one.button("Stop").get_attribute("aria-disabled") == "false"
    one.button("Stop").click()
    stopped_at = one.page.evaluate("performance.now()")
    one.wait_message("turn.ended")
    one.wait_state("muted")
    assert one.quiet_after(stopped_at) < 300
    (ended,) = one.messages("turn.ended")
    assert ended["outcome"] == "interrupted"
    line = [event["detail"] for event in one.seen.of("transcript") if event["detail"]["interrupted"]][-1]
    assert line["reason"] == "cancelled"
    assert line["text"].startswith(line["heard"])
    assert [sent["type"] for _, sent in one.sent].count("turn.cancel") == 1, "not when there was nothing"
    one.page.evaluate("document.querySelector('voicetrio-call').shadowRoot.querySelector('.stop').focus()")
    one.say("tell me a story")
    one.wait_state("speaking")
    one.page.keyboard.press("s")
    one.wait_message("turn.ended", 2)


# -- without a microphone ---------------------------------------------------------------------------------------------------


def test_a_call_without_a_microphone_is_typed_and_heard_and_can_get_one(open_widget):
    one = open_widget(script=COUNT)
    one.page.evaluate("document.querySelector('voicetrio-call').start({ microphone: false })")
    one.wait_state("typing")
    assert one.widget.get_by_role("status").inner_text() == "Type your message"
    assert alive(one)["tracks"] == 0
    one.say("say good morning")
    one.wait_state("thinking", "speaking")
    one.wait_for("playback", event="completed")
    one.wait_state("typing")
    one.button("Use microphone").click()
    one.wait_state("hearing")
    one.wait_for("transcript", who="you", final=True, text="please open the door for me")
    assert one.messages("error") == []


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
    one.widget.locator(".card").evaluate("(card) => card.toggleAttribute('data-waits', true)")
    style = "(element) => [getComputedStyle(element).animationName, getComputedStyle(element).transitionDuration]"
    assert one.widget.locator(".dot").evaluate(style)[0] == "none"
    assert one.widget.locator(".bar").first.evaluate(style)[1] == "0s"
