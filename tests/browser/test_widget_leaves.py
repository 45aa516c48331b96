"""When a call is over, nothing of it is left: no microphone, no audio graph, no socket, no timer, no session."""

import pytest

from .calling import COUNT, NOTHING, alive, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.browser]


CALLS = 20


def test_twenty_calls_leave_nothing_behind(open_widget, server):
    one = open_widget(script=COUNT)
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
    one = open_widget(script=COUNT)
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
