"""Three widgets on one page are three people: a session and a room each, and nothing of one reaches another."""

import base64
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from .calling import wait_until as wait_for
from .livekit_server import livekit_process
from .looking import wait_until, watch

SENTENCE = "please open the door for me"
TURN_MS = 60_000
"""For one of them to be answered: the sentence comes round every 15 s, and the machine may have others to serve."""
OF_A_TURN = {
    "turn.started",
    "turn.timings",
    "turn.ended",
    "tts.speaking_start",
    "tts.speaking_text",
    "tts.speaking_end",
}
OF_SPEECH = {"vad.speech_start", "vad.speech_end", "transcript.partial", "transcript.final", "assistant_message"}
OF_SOUND = {"playback.paused", "playback.resumed", "playback.completed", "playback.interrupted"}
THREE = range(3)


class Callers:
    """The widgets of the page."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.seen = watch(page)

    def do(self, caller: int, what: str) -> Any:
        return self.page.evaluate(f"document.querySelectorAll('voicetrio-call')[{caller}].{what}")

    def wait_state(self, caller: int, *states: str) -> None:
        wait_until(
            self.page,
            "([caller, states]) => states.includes(document.querySelectorAll('voicetrio-call')[caller].state)",
            [caller, list(states)],
            timeout_ms=TURN_MS,
        )

    def wait_answered(self, caller: int) -> None:
        """Until an answer was heard to its end."""
        wait_until(
            self.page,
            """(caller) => window.seen.of("message").some(
                (event) => event.caller === caller && event.detail.type === "playback.completed")""",
            caller,
            timeout_ms=TURN_MS,
        )

    def messages(self, caller: int) -> list[dict[str, Any]]:
        return [event["detail"] for event in self.seen.of("message", caller)]

    def kinds(self, caller: int) -> set[str]:
        return {message["type"] for message in self.messages(caller)}

    def ids(self, caller: int) -> set[str]:
        """What the server calls this caller's session, turns and utterances."""
        return {
            message[key]
            for message in self.messages(caller)
            for key in ("session_id", "turn_id", "request_id", "resume_token")
            if isinstance(message.get(key), str)
        }


def history(port: int, session_id: str, token: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/sessions/{session_id}/history", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {}


@pytest.mark.slow
def test_three_widgets_are_three_people(open_page, server):
    # A page of a test before, closed without a word, may have left a session waiting for its return.
    wait_for(lambda: server.metric("stt_active_sessions") == 0, within=20)
    callers = Callers(open_page("/isolation"))
    for caller in THREE:
        callers.do(caller, f"muted = {'false' if caller == 0 else 'true'}")
        callers.do(caller, "start()")
    callers.wait_state(0, "listening", "hearing")
    for caller in (1, 2):
        callers.wait_state(caller, "muted")

    # Each has a session, a room, and a place at the server, and the page says which.
    joined = [callers.seen.of("session", caller)[-1]["detail"] for caller in THREE]
    sessions = [detail["sessionId"] for detail in joined]
    assert len(set(sessions)) == 3
    assert all(session.startswith("session-") for session in sessions)
    for what, expected in (("session", sessions), ("room", sessions)):
        assert [element.text_content() for element in callers.page.locator(f"dd.{what}").all()] == expected
    assert server.metric("stt_active_sessions") == 3
    for session in sessions:
        assert f"🆔 Unique session ID: {session}" in callers.seen.infos
        assert f"🏠 Using room: {session}" in callers.seen.infos

    # One talks and is answered. The others hear and are told nothing of it.
    callers.wait_answered(0)
    assert callers.kinds(0) >= {"transcript.final", "turn.started", "tts.speaking_start", "playback.completed"}
    for silent in (1, 2):
        assert callers.kinds(silent) & (OF_A_TURN | OF_SPEECH | OF_SOUND) == set()
        assert callers.seen.of("transcript", silent) == []
        assert callers.seen.of("playback", silent) == []

    # It hangs up. The others have not noticed, and talk now, both at once.
    callers.do(0, "hangUp()")
    callers.wait_state(0, "ended")
    count = len(callers.messages(0))
    for caller in (1, 2):
        assert callers.do(caller, "state") == "muted"
        callers.do(caller, "muted = false")
    for caller in (1, 2):
        callers.wait_answered(caller)
    assert server.metric("stt_active_sessions") == 2
    assert {message["type"] for message in callers.messages(0)[count:]} <= {"session.closed"}

    # What is whose: by the ids of the server, by the page's own count, and by what the server keeps.
    ids = [callers.ids(caller) for caller in THREE]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert ids[one] & ids[other] == set()
    assert [element.text_content() for element in callers.page.locator("dd.foreign").all()] == ["0", "0", "0"]
    assert "3 sessions in 3 different rooms" in callers.page.locator("#verdict").text_content()
    tokens = [callers.messages(caller)[0]["resume_token"] for caller in THREE]
    for caller in (1, 2):
        status, kept = history(server.port, sessions[caller], tokens[caller])
        assert status == 200
        spoken = [turn for turn in kept["turns"] if turn["role"] == "user"]
        assert SENTENCE in spoken[0]["text"].lower()
        assert {turn["turn_id"] for turn in kept["turns"]} <= ids[caller]
        assert history(server.port, sessions[caller], tokens[3 - caller])[0] == 401
    for caller in (1, 2):
        callers.do(caller, "hangUp()")
        callers.wait_state(caller, "ended")
    assert callers.seen.troubles() == []


def test_the_page_would_notice_a_leak(open_page):
    callers = Callers(open_page("/isolation"))
    tell = """([caller, kind, detail]) => document.querySelectorAll("voicetrio-call")[caller].dispatchEvent(
        new CustomEvent(`voicetrio-${kind}`, { detail, bubbles: true, composed: true }))"""
    verdict = callers.page.locator("#verdict")
    for caller, session in enumerate(("session-1-a", "session-2-b", "session-3-c")):
        callers.page.evaluate(tell, [caller, "session", {"sessionId": session, "room": None, "transport": "websocket"}])
        callers.page.evaluate(tell, [caller, "message", {"type": "turn.started", "turn_id": f"turn-{caller}"}])
    assert "3 different rooms" in verdict.text_content()
    callers.page.evaluate(tell, [2, "message", {"type": "turn.ended", "turn_id": "turn-0"}])
    assert "not meant for" in verdict.text_content()
    assert [element.text_content() for element in callers.page.locator("dd.foreign").all()] == ["0", "0", "1"]

    callers.page.reload()
    for caller in (0, 1):
        detail = {"sessionId": f"session-{caller}", "room": "test-room", "transport": "livekit"}
        callers.page.evaluate(tell, [caller, "session", detail])
    assert "in one room" in verdict.text_content()


@pytest.mark.slow
def test_with_livekit_three_tokens_are_for_three_rooms(open_page, tmp_path):
    page = open_page("/isolation")
    assert page.get_by_role("link", name="LiveKit").count() == 0, "it is not configured there"
    with livekit_process(tmp_path) as server:
        page.goto(f"http://127.0.0.1:{server.port}/isolation")
        check_tokens(page)


def check_tokens(page: Any) -> None:
    page.get_by_role("link", name="LiveKit").click()
    callers = Callers(page)
    answers: list[Any] = []
    page.on("response", lambda response: answers.append(response) if "/v1/livekit/token" in response.url else None)
    for caller in THREE:
        callers.do(caller, "start()")
    for caller in THREE:
        callers.wait_state(caller, "error")  # nobody listens at that address; the tokens are what this is about
    assert [answer.status for answer in answers] == [200, 200, 200] or [answer.status for answer in answers] == [
        201
    ] * 3
    claims = [claims_of(answer.json()["participant_token"]) for answer in answers]
    rooms = {claim["video"]["room"] for claim in claims}
    assert len(rooms) == 3
    assert len({claim["sub"] for claim in claims}) == 3
    assert rooms == {callers.do(caller, "sessionId") for caller in THREE}
    assert callers.seen.violations() == [], "the policy allows the LiveKit server's address"


def claims_of(token: str) -> dict[str, Any]:
    """What a token says. Whether it is signed is held by the tests of tokens."""
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims
