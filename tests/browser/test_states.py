"""Every state of a call has one label, one colour and one set of buttons, and they say what is true."""

import pytest

from .calling import run

pytestmark = [pytest.mark.slow, pytest.mark.browser]

STATES = {
    # state: label, colour, buttons (of which Stop can be pressed or not), by the microphone's use
    "idle": ("Ready", "quiet", ["Call"]),
    "connecting": ("Connecting", "active", ["Stop (off)", "Mute", "Hang up"]),
    "listening": ("Listening", "good", ["Stop (off)", "Mute", "Hang up"]),
    "muted": ("Muted. You are not heard", "warning", ["Stop (off)", "Mute", "Hang up"]),
    "typing": ("Type your message", "quiet", ["Stop (off)", "Mute", "Hang up"]),
    "hearing": ("Hearing you", "active", ["Stop (off)", "Mute", "Hang up"]),
    "thinking": ("Thinking", "active", ["Stop", "Mute", "Hang up"]),
    "speaking": ("Speaking", "active", ["Stop", "Mute", "Hang up"]),
    "paused": ("Paused", "warning", ["Stop", "Mute", "Hang up"]),
    "hold": ("On hold. Speak to go on", "warning", ["Stop (off)", "Mute", "Hang up"]),
    "reconnecting": ("Reconnecting", "warning", ["Stop (off)", "Mute", "Hang up"]),
    "ended": ("Call ended", "quiet", ["Call"]),
    "error": ("Call failed", "bad", ["Call"]),
}

MICROPHONES = {
    "on": ("Mute", "You"),
    "muted": ("Unmute", "You (muted)"),
    "none": ("Use microphone", "You (no microphone)"),
}

_LOOK = """
const { STATES } = await import("/web/call/states.js");
const host = document.createElement("div");
document.body.append(host);
const root = host.attachShadow({ mode: "open" });
const nothing = () => {};
const view = new m.View(root, { onCall: nothing, onMute: nothing, onStop: nothing, onHangUp: nothing });
view.label = "Call";
const found = {};
for (const state of Object.keys(STATES)) {
    found[state] = {};
    for (const use of ["on", "muted", "none"]) {
        view.microphone = use;
        view.setState(state);
        const buttons = [...root.querySelectorAll("button")].filter((button) => !button.hidden);
        found[state][use] = {
            label: root.querySelector("[role=status]").textContent,
            colour: getComputedStyle(root.querySelector(".dot")).backgroundColor,
            buttons: buttons.map((button) => button.textContent + (button.ariaDisabled === "true" ? " (off)" : "")),
            meter: root.querySelector(".meter span").textContent,
        };
    }
}
host.remove();
return found;
"""


def test_every_state_is_shown_as_the_table_says_with_every_microphone(plain_page):
    found = run(plain_page, "call/view.js", _LOOK)
    assert set(found) == set(STATES), "no state is without a test"
    colours: dict[str, set[str]] = {}
    for state, (label, tone, buttons) in STATES.items():
        for use, (action, meter) in MICROPHONES.items():
            shown = found[state][use]
            assert shown["label"] == label, (state, use)
            assert shown["buttons"] == [action if name == "Mute" else name for name in buttons], (state, use)
            assert shown["meter"] == meter
            colours.setdefault(tone, set()).add(shown["colour"])
    assert all(len(ones) == 1 for ones in colours.values()), "one tone is one colour"
    assert len(set.union(*colours.values())) == len(colours), "and no two are the same"
    labels = [label for label, _, _ in STATES.values()]
    assert len(labels) == len(set(labels)), "each can be told from the others without colours"


def test_green_means_that_you_are_heard_and_nothing_else(plain_page):
    tones = run(
        plain_page, "call/states.js", "return Object.entries(m.STATES).map(([state, { tone }]) => [state, tone])"
    )
    assert [state for state, tone in tones if tone == "good"] == ["listening"]


def test_what_can_be_done_in_a_state_is_in_the_table(plain_page):
    table = run(plain_page, "call/states.js", "return m.STATES")
    calling = {state for state, look in table.items() if look["calling"]}
    assert calling == set(table) - {"idle", "ended", "error"}
    assert {state for state, look in table.items() if look["canType"]} == calling - {"connecting", "reconnecting"}
    assert {state for state, look in table.items() if look["canStop"]} == {"thinking", "speaking", "paused"}
