"""One widget in a real browser, before a real server: it hears, it speaks, it can be interrupted, and it comes back."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import StartServer, start_server  # noqa: F401 - a fixture
from tests.end_to_end.processes import ServerProcess
from tests.end_to_end.sound import GOOD_IDEA, RATE, THANK_YOU, silence
from tests.end_to_end.test_talking import voice

from .calling import AUDIBLE, Caller, wait_until
from .conftest import OPEN_THE_DOOR, Microphone
from .line import open_line

pytestmark = [pytest.mark.slow, pytest.mark.browser]

STOP_MS = 300
"""From the server's word to silence."""

LONG = "the quick brown fox jumps over the lazy dog and nobody knows why it does so"
"""Typed, several times, for an answer without a pause: whenever it begins, it is sounding when the microphone speaks."""

INTO_S = 6.0
"""Seconds of silence before somebody speaks into the answer."""


@pytest.fixture
def microphone(tmp_path: Path):
    return lambda pcm: Microphone.of(tmp_path / "microphone.wav", pcm)


@pytest.fixture
def caller(open_browser: Any, server: ServerProcess):
    """`caller(microphone)`: somebody before a page with one widget."""

    def start(microphone: Microphone | None, attributes: str = "", *, port: int = 0, arguments=(), **options: Any):
        page = open_browser(microphone, *arguments).new_context(**options).new_page()
        return Caller(page, f"http://127.0.0.1:{port or server.port}", attributes)

    return start


def test_what_is_said_becomes_words_and_the_answer_is_heard_to_its_end(caller, microphone, record_property):
    one = caller(microphone(silence(1.5) + OPEN_THE_DOOR.pcm + silence(20)))
    assert (one.state, one.sound()[-1][1]) == ("idle", 0)
    one.call()
    completed = one.wait_for("playback", event="completed")
    one.wait_state("listening")
    assert one.said() == [OPEN_THE_DOOR.text]
    assert OPEN_THE_DOOR.text in one.text()
    assert f"You said: {OPEN_THE_DOOR.text}." in one.text()

    begun = one.wait_for("playback", event="started")
    (end,) = one.messages("tts.speaking_end")
    assert end["duration_ms"] - 5 <= completed["detail"]["heardMs"] <= end["duration_ms"] + 1
    reports = [(at, sent["played_ms"]) for at, sent in one.sent if sent["type"] == "playback.progress"]
    assert reports[-1][1] == pytest.approx(end["duration_ms"], abs=1)
    assert max(later[0] - earlier[0] for earlier, later in pairwise(reports)) < 0.4, (
        "0.1 s, and what a busy machine adds"
    )
    assert len(reports) > end["duration_ms"] / 200
    assert all(later[1] >= earlier[1] for earlier, later in pairwise(reports))
    assert all(played - reports[0][1] <= 1000 * (at - reports[0][0]) + 200 for at, played in reports), "none is early"
    played_ms = completed["at"] - begun["at"]
    assert 0 <= played_ms - end["duration_ms"] < 400, "in real time, and reported when it was heard"
    loud = [at for at, level in one.sound() if level > AUDIBLE]
    assert begun["at"] - 100 <= loud[0], "nothing sounds but the answer"  # the event comes a moment after the sound
    assert loud[-1] < completed["at"] + 100
    assert (loud[-1] - loud[0]) > 0.8 * end["duration_ms"], "all of it sounded"
    lines = [event["detail"] for event in one.seen.of("transcript")]
    assert any(line["tentative"] for line in lines), "words are shown before they are sure"
    assert lines[-1]["heard"] == f"You said: {OPEN_THE_DOOR.text}."

    one.hang_up()
    assert one.states() == ["connecting", "listening", "hearing", "thinking", "speaking", "listening", "ended"]
    assert one.messages("session.closed")[0]["reason"] == "client_closed"
    assert one.seen.troubles() == []
    (timings,) = one.messages("turn.timings")
    first = one.wait_for("message", type="turn.timings")
    record_property("last voice to first sound, by the server (ms)", timings["total_ms"])
    record_property("first sound of the answer reaches the graph after turn.timings (ms)", round(loud[0] - first["at"]))
    record_property("heard / duration (ms)", f"{completed['detail']['heardMs']} / {end['duration_ms']}")


def test_whoever_speaks_into_the_answer_stops_it_at_once(caller, microphone, record_property):
    one = caller(microphone(silence(INTO_S) + OPEN_THE_DOOR.pcm + silence(30)))
    one.call()
    one.wait_state("listening")
    one.say(f"say {' '.join([LONG] * 6)}")  # 25 s
    interrupted = one.wait_message("playback.interrupted")
    one.wait_for("playback", event="completed")
    one.wait_state("listening")
    speech, paused = one.wait_message("vad.speech_start"), one.wait_message("playback.paused")
    next_answer = one.wait_message("tts.speaking_start", 2)
    assert speech["at"] <= paused["at"] < interrupted["at"] < next_answer["at"]

    sounding = [level for at, level in one.sound() if speech["at"] - 300 < at < speech["at"]]
    assert max(sounding) > AUDIBLE, "the answer was sounding when it was interrupted"
    after_speech = one.quiet_after(speech["at"], next_answer["at"])
    assert max(level for at, level in one.sound() if at > next_answer["at"]) > AUDIBLE, "and it can speak again"
    after_word = one.quiet_after(interrupted["at"], next_answer["at"])
    assert after_speech < STOP_MS
    assert after_word < STOP_MS
    record_property("vad.speech_start reaches the page -> silence (ms)", round(after_speech))
    record_property("playback.interrupted reaches the page -> silence (ms)", round(after_word))

    assert one.said()[1:] == [OPEN_THE_DOOR.text], "the first was typed"
    assert "hearing" in one.states()[one.states().index("speaking") :], "it is seen that it listens"
    shown = [event["detail"] for event in one.seen.of("transcript") if event["detail"]["interrupted"]]
    assert shown[0]["text"].startswith(LONG)
    assert shown[0]["text"].startswith(shown[0]["heard"])
    assert len(shown[0]["heard"]) > 20
    assert one.widget.locator(".unheard").inner_text() == shown[0]["text"][len(shown[0]["heard"]) :]
    assert one.seen.troubles() == []


def test_an_aside_pauses_the_answer_and_it_goes_on_where_it_stopped(caller, microphone):
    cough = voice(THANK_YOU)[: RATE // 2]  # 0.25 s
    one = caller(microphone(silence(INTO_S) + cough + silence(30)))
    one.call()
    one.wait_state("listening")
    one.say(f"say {' '.join([LONG] * 3)}")  # 12 s
    paused, resumed = one.wait_message("playback.paused"), one.wait_message("playback.resumed")
    completed = one.wait_for("playback", event="completed")
    (end,) = one.messages("tts.speaking_end")
    assert completed["detail"]["heardMs"] >= end["duration_ms"] - 5, "not a word is left out"
    still = [level for at, level in one.sound() if paused["at"] + STOP_MS < at < resumed["at"]]
    assert still
    assert max(still) < AUDIBLE
    begun = one.wait_for("playback", event="started")
    stood_still = resumed["at"] - paused["at"]
    assert completed["at"] - begun["at"] >= end["duration_ms"] + stood_still - 150
    assert max(level for at, level in one.sound() if resumed["at"] < at < resumed["at"] + 1000) > AUDIBLE


@pytest.mark.parametrize("away_s", [0.0, 2.5])
def test_a_cut_connection_comes_back_and_no_word_is_lost(caller, microphone, server, record_property, away_s):
    with open_line(server.port) as line:
        one = caller(microphone(silence(1.0) + GOOD_IDEA.pcm + silence(20)), 'agent="off"', port=line.port)
        one.call()
        one.wait_message("vad.speech_start")
        line.swallow()  # it was sent, and never arrives
        one.wait(0.6)
        line.cut()
        assert line.cuts >= 1
        one.wait_state("reconnecting", within_ms=2000)
        one.wait(away_s)
        line.mend()
        one.wait_state("hearing", "thinking", "listening")
        one.wait_for("transcript", who="you", final=True)
        one.wait_state("listening")
        assert one.said() == [GOOD_IDEA.text]
        first, second = one.messages("session.created")
        assert (first["resumed"], second["resumed"]) == (False, True)
        assert second["next_audio_ms"] > 1000
        assert len(one.messages("session.configured")) == len(one.messages("vad.speech_start")) == 1, (
            "none is told twice"
        )
        assert one.messages("session.frames_dropped") == one.messages("messages_lost") == one.messages("error") == []
        cut, back = one.wait_for("state", state="reconnecting"), one.wait_message("session.created", 2)
        record_property(f"back after, the line being away for {away_s} s (ms)", round(back["at"] - cut["at"]))
        one.hang_up()
        assert one.state == "ended"


def test_an_answer_goes_on_while_the_connection_is_away(caller, microphone, server):
    with open_line(server.port) as line:
        one = caller(microphone(silence(1.0) + OPEN_THE_DOOR.pcm + silence(20)), port=line.port)
        one.call()
        one.wait_message("tts.speaking_end")
        one.wait_state("speaking")
        cut_at = one.page.evaluate("performance.now()")
        line.cut()
        one.wait_state("reconnecting", within_ms=2000)
        one.wait(0.5)
        line.mend()
        completed = one.wait_for("playback", event="completed")
        (end,) = one.messages("tts.speaking_end")
        assert completed["detail"]["heardMs"] >= end["duration_ms"] - 5
        assert max(level for at, level in one.sound() if cut_at + 200 < at < cut_at + 600) > AUDIBLE


def test_a_network_that_dies_without_a_word_is_noticed_and_no_word_of_the_answer_is_lost(caller, microphone, server):
    with open_line(server.port) as line:
        one = caller(microphone(silence(60)), port=line.port)
        one.call()
        one.wait_state("listening")
        one.say(f"say {' '.join([LONG] * 6)}")  # 25 s
        one.wait_state("speaking")
        one.wait(2.0)
        line.stall()
        stalled_at = one.page.evaluate("performance.now()")
        one.wait_state("reconnecting", within_ms=9000)
        noticed = one.wait_for("state", state="reconnecting")
        assert noticed["at"] - stalled_at < 8000, "it does not say Speaking for as long as the network is dead"
        line.mend()
        one.wait_message("session.created", 2)
        completed = one.wait_for("playback", event="completed", within_ms=60_000)
        ends = {message["duration_ms"] for message in one.messages("tts.speaking_end")}
        assert len(ends) == 1
        assert completed["detail"]["heardMs"] >= ends.pop() - 5
        assert one.messages("playback.interrupted") == []
        started = one.wait_for("playback", event="started")
        sounded = [at for at, level in one.sound() if level > AUDIBLE]
        assert sounded[-1] - started["at"] < completed["detail"]["heardMs"] + 12_000, "nothing is played twice"


def test_a_name_that_the_server_has_refused_is_not_taken(caller, microphone):
    one = caller(microphone(silence(60)))
    one.page.evaluate(
        """() => {
            const send = WebSocket.prototype.send;
            WebSocket.prototype.send = function (data) { window.socket = this; return send.call(this, data); };
        }"""
    )
    one.call()
    one.wait_state("listening")
    own = one.page.evaluate("document.querySelector('voicetrio-call').sessionId")
    tell = """(messages) => { for (const message of messages) {
        window.socket.onmessage({ data: JSON.stringify(message) }); } }"""
    refusal = {"type": "error", "code": "agent_bad_session_id", "message": "it is taken", "recoverable": True}
    for messages in (
        [refusal, {"type": "session_info", "session_id": "of-somebody-else"}],
        [{"type": "session_info", "session_id": "a/b"}],
        [{"type": "session_info", "session_id": 123}],
        [{"type": "session_info"}],
    ):
        one.page.evaluate(tell, messages)
        assert one.page.evaluate("document.querySelector('voicetrio-call').sessionId") == own
    one.page.evaluate(tell, [{"type": "session_info", "session_id": "its-new-name"}])
    assert one.page.evaluate("document.querySelector('voicetrio-call').sessionId") == "its-new-name"


def test_a_connection_that_stays_away_ends_the_call_in_plain_words(caller, microphone, start_server: StartServer):  # noqa: F811
    server = start_server(environment={"VOICETRIO_SESSION__RESUME_GRACE": "2"})
    with open_line(server.port) as line:
        one = caller(microphone(silence(60)), port=line.port)
        one.call()
        one.wait_state("listening")
        line.cut()
        one.wait_state("error", within_ms=6000)
        assert one.wait_for("error")["detail"]["code"] == "connection_lost"
        assert one.widget.get_by_role("alert").inner_text().startswith("The connection was lost")
        line.mend()
        wait_until(lambda: server.metric("stt_active_sessions") == 0)
        one.call()  # and again
        one.wait_state("listening")
        assert one.widget.get_by_role("alert").count() == 0


def test_a_server_that_ends_says_so(caller, microphone, start_server: StartServer):  # noqa: F811
    server = start_server()
    one = caller(microphone(silence(60)), port=server.port)
    one.call()
    one.wait_state("listening")
    server.stop()
    one.wait_state("error")
    assert "restarted" in one.widget.get_by_role("alert").inner_text()
