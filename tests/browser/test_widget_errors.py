"""What can go wrong around a call, told in plain words; and the widget on somebody else's page."""

import pytest

from tests.end_to_end.conftest import StartServer, start_server  # noqa: F401 - a fixture

from .calling import COUNT, NOTHING, Caller, alive, wait_until
from .line import open_line

pytestmark = [pytest.mark.slow, pytest.mark.browser]


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
    one = open_widget(microphone=None, script=COUNT)
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
    one = open_widget(script=COUNT + script)
    one.call()
    assert words in failed(one, code)
    assert alive(one) == NOTHING


def test_a_page_without_https_is_told_to_use_it(open_browser, server, sentence):
    browser = open_browser(sentence, "--host-resolver-rules=MAP voice.example 127.0.0.1")
    one = Caller(browser.new_page(), f"http://voice.example:{server.port}")
    one.call()
    assert "https" in failed(one, "insecure_page")


def test_a_microphone_that_is_pulled_out_is_told_and_the_call_goes_on(open_widget):
    one = open_widget(script=COUNT)
    one.call()
    one.wait_state("listening")
    one.page.evaluate("window.tracks[0].dispatchEvent(new Event('ended'))")
    one.wait_state("typing")
    assert "microphone is gone" in one.widget.get_by_role("alert").inner_text()
    assert alive(one)["tracks"] == 0
    one.say("say good morning")
    one.wait_for("playback", event="completed")
    one.button("Use microphone").click()
    one.wait_state("listening", "hearing")
    assert alive(one) == {"contexts": 1, "tracks": 1, "sockets": 1, "intervals": 1}


def test_a_full_server_says_that_it_is_busy(open_widget, start_server: StartServer):  # noqa: F811
    server = start_server(environment={"VOICETRIO_SERVER__MAX_SESSIONS": "1"})
    first, second = open_widget(port=server.port), open_widget(port=server.port, script=COUNT)
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
        one = open_widget(port=line.port, script=COUNT)
        line.cut()
        one.call()
        assert "cannot be reached" in failed(one, "unreachable")
        assert alive(one) == NOTHING
        line.mend()
        one.call()
        one.wait_state("listening")
        assert one.widget.get_by_role("alert").count() == 0, "the old trouble is over"


def test_another_server_that_is_not_there_cannot_be_reached_either(open_widget):
    one = open_widget('server="http://127.0.0.1:9"', script=COUNT)  # nobody listens there
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
