"""The widget in a LiveKit room. There is no SFU here: it is proven that the real client asks for a token and tries to join
exactly its own room with it; and, with a client of ours in its place, what the widget makes of what happens in a room.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.end_to_end.processes import ServerProcess, running_server

from .calling import AUDIBLE, Caller, wait_until
from .conftest import Microphone

pytestmark = [pytest.mark.slow, pytest.mark.browser]

KEY, SECRET = "a-key", "a secret of more than 32 bytes, for tests".replace(" ", "-")


class SignalServer:
    """Where a LiveKit server would be: it notes who wants to join, and refuses everybody."""

    def __init__(self) -> None:
        from websockets.sync.server import serve

        self.tokens: list[str] = []
        self.paths: list[str] = []
        self._server = serve(lambda connection: None, "127.0.0.1", 0, process_request=self._note)
        self.port: int = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _note(self, connection: Any, request: Any) -> Any:
        parts = urlsplit(request.path)
        self.paths.append(parts.path)
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.tokens.append(parse_qs(parts.query).get("access_token", [bearer])[0])
        answer = connection.respond(401, "nobody may join")
        answer.headers["Access-Control-Allow-Origin"] = "*"
        return answer

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()


@pytest.fixture(scope="module")
def signal_server() -> Iterator[SignalServer]:
    server = SignalServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def livekit(tmp_path_factory: pytest.TempPathFactory, signal_server: SignalServer) -> Iterator[ServerProcess]:
    """A server of ours that signs tokens."""
    with running_server(
        tmp_path_factory.mktemp("livekit"),
        "config/default.toml",
        environment={
            "VOICETRIO_LIVEKIT__URL": f"ws://127.0.0.1:{signal_server.port}",
            "VOICETRIO_LIVEKIT__API_KEY": KEY,
            "VOICETRIO_LIVEKIT__API_SECRET": SECRET,
            "VOICETRIO_LIVEKIT__SHARED_ROOMS": '["our-room-7"]',
        },
    ) as process:
        yield process


def policy(*ports: int) -> str:
    hosts = " ".join(f"ws://127.0.0.1:{port} http://127.0.0.1:{port}" for port in ports)
    return f"default-src 'none'; script-src 'self'; connect-src {hosts}; img-src data:; media-src 'self' blob:"


@pytest.fixture
def open_widget(open_browser: Any, livekit: ServerProcess, signal_server: SignalServer, sentence: Microphone):
    def start(attributes: str = "", *, client: str = "") -> Caller:
        page = open_browser(sentence).new_page()
        if client:
            page.route(
                "**/livekit-client.esm.mjs",
                lambda route: route.fulfill(body=client, content_type="text/javascript"),
            )
        origin = f"http://127.0.0.1:{livekit.port}"
        url = f'livekit-url="ws://127.0.0.1:{signal_server.port}"'
        return Caller(page, origin, f"{url} {attributes}", policy=policy(livekit.port, signal_server.port))

    return start


@pytest.mark.parametrize("room", ["", "our-room-7"])
def test_it_asks_for_a_token_and_tries_to_join_its_own_room_with_it(open_widget, signal_server, room):
    from livekit import api

    seen = len(signal_server.tokens)
    one = open_widget(f'room="{room}"' if room else "")
    own = one.page.evaluate("document.querySelector('voicetrio-call').sessionId")
    assert one.page.evaluate("document.querySelector('voicetrio-call').room") == (room or own)
    one.call()
    one.wait_state("error")
    assert "cannot be reached" in one.widget.get_by_role("alert").inner_text()
    assert one.seen.violations() == []
    tried = set(signal_server.tokens[seen:])
    assert len(tried) == 1, "one token, and every attempt with it"
    assert any(path.startswith("/rtc") for path in signal_server.paths[seen:])
    claims = api.TokenVerifier(KEY, SECRET).verify(tried.pop())
    assert claims.video.room == (room or own)
    assert claims.video.room_join
    assert not claims.video.room_admin
    assert one.seen.hosts == {one.seen.own_host, f"127.0.0.1:{signal_server.port}"}, "nobody else is asked for anything"


def test_without_livekit_its_client_is_not_even_loaded(open_browser, livekit, sentence):
    page = open_browser(sentence).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    one = Caller(page, f"http://127.0.0.1:{livekit.port}")
    one.call()
    one.wait_state("listening")
    assert [url for url in asked if "livekit-client" in url] == []
    assert one.page.evaluate("document.querySelector('voicetrio-call').room") is None


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(503, "token_refused", "no permission"), (403, "token_refused", "no permission"), (429, "server_busy", "busy")],
)
def test_a_refused_token_is_told_in_plain_words(open_widget, status, code, words):
    one = open_widget()
    one.page.route("**/v1/livekit/token", lambda route: route.fulfill(status=status, body="{}"))
    one.call()
    one.wait_state("error")
    assert one.wait_for("error")["detail"]["code"] == code
    assert words in one.widget.get_by_role("alert").inner_text()


CLIENT = (Path(__file__).parent / "pages" / "livekit_client.js").read_text()


def do(one: Caller, script: str) -> Any:
    return one.page.evaluate(f"async () => {{ {script} }}")


@pytest.fixture
def in_room(open_widget) -> Caller:
    one = open_widget(client=CLIENT)
    one.call()
    one.wait_for("session")
    wait_until(lambda: do(one, "return room.published !== undefined"))
    return one


def test_a_rooms_states_and_lines(in_room, signal_server):
    one = in_room
    (session,) = [event["detail"] for event in one.seen.of("session")]
    assert (session["transport"], session["room"]) == ("livekit", "a-room")
    assert do(one, "return room.connected[0]") == f"ws://127.0.0.1:{signal_server.port}"
    assert do(one, "return [room.published.kind, room.published.readyState]") == ["audio", "live"]
    assert one.state == "connecting", "nobody is there yet"
    do(one, """room.remoteParticipants.set("agent", window.agent = { attributes: {} });
               room.tell("ParticipantConnected", agent);""")  # fmt: skip
    one.wait_state("listening")
    do(one, "room.localParticipant.isSpeaking = true;")
    one.wait_state("hearing")
    do(one, "room.localParticipant.isSpeaking = false;")
    for state in ("thinking", "speaking", "listening"):
        do(
            one,
            f'agent.attributes["lk.agent.state"] = "{state}"; room.tell("ParticipantAttributesChanged", {{}}, agent);',
        )
        one.wait_state(state)
    do(one, 'room.tell("Reconnecting");')
    one.wait_state("reconnecting")
    do(one, 'room.tell("Reconnected");')
    one.wait_state("listening")

    assert do(one, "return room.topic") == "lk.transcription"
    do(one, 'room.read(["open the"], { "lk.segment_id": "s1", "lk.transcription_final": "false" }, "me");')
    do(one, 'room.read(["open the door"], { "lk.segment_id": "s1", "lk.transcription_final": "true" }, "me");')
    do(one, 'room.read(["It ", "is open."], { "lk.segment_id": "s2" }, "agent");')
    one.wait_for("transcript", id="s2", final=True)
    lines = [event["detail"] for event in one.seen.of("transcript")]
    assert [(line["who"], line["text"], line["tentative"], line["final"]) for line in lines] == [
        ("you", "", "open the", False),
        ("you", "open the door", "", False),
        ("you", "open the door", "", True),
        ("agent", "It ", "", False),
        ("agent", "It is open.", "", False),
        ("agent", "It is open.", "", True),
    ]
    assert do(one, "return document.querySelector('voicetrio-call').send('hello')") is True
    assert do(one, "return room.localParticipant.sent") == [["lk.chat", "hello"]]

    one.button("Mute").click()
    assert do(one, "return [room.muted, room.published.enabled]") == [True, False]
    one.wait_state("muted")
    assert one.button("Stop").count() == 0, "LiveKit's agents cannot be stopped"
    one.button("Unmute").click()
    assert do(one, "return [room.muted, room.published.enabled]") == [False, True]
    one.wait_state("listening")
    one.button("Hang up").click()
    one.wait_state("ended")
    assert do(one, "return [room.gone, room.published.readyState]") == [True, "ended"]
    assert one.seen.troubles() == []


def test_what_is_heard_in_a_room_goes_through_the_graph(in_room):
    one = in_room
    do(one, """
        const context = new AudioContext();
        const to = context.createMediaStreamDestination();
        const tone = new OscillatorNode(context);
        tone.connect(to);
        tone.start();
        const elements = [];
        window.track = {
            kind: "audio", mediaStreamTrack: to.stream.getAudioTracks()[0],
            attach() { elements.push(document.createElement("audio")); return elements[0]; },
            detach() { return elements.splice(0); },
        };
        room.tell("TrackSubscribed", track);
    """)  # fmt: skip
    one.page.wait_for_function("() => document.querySelector('voicetrio-call').levels.speaker > 0.3", timeout=5000)
    do(one, 'room.tell("TrackUnsubscribed", track);')
    one.page.wait_for_function(
        f"() => document.querySelector('voicetrio-call').levels.speaker < {AUDIBLE}", timeout=5000
    )


@pytest.mark.parametrize(
    ("reason", "state", "code"),
    [
        (2, "error", "taken_over"),
        (3, "error", "server_stopping"),
        (7, "error", "connection_lost"),
        (5, "ended", ""),
    ],
)
def test_why_a_room_was_left_is_told(in_room, reason, state, code):
    do(in_room, f'room.tell("Disconnected", {reason});')
    in_room.wait_state(state)
    errors = [event["detail"]["code"] for event in in_room.seen.of("error")]
    assert errors == ([code] if code else [])
    assert do(in_room, "return room.published.readyState") == "ended"


def test_our_copy_of_the_client_has_its_licence():
    folder = Path(__file__).parents[2] / "voicetrio" / "web" / "vendor" / "livekit-client"
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert "2.23.0" in (folder / "README.md").read_text()
    assert "sourceMappingURL" not in (folder / "livekit-client.esm.mjs").read_text()
