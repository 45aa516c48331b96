"""The endpoints for LiveKit tokens: what they answer, whom, and what they refuse."""

import inspect
import re
import time
from collections import Counter

import pytest
import structlog.testing
import trio
from hypercorn.middleware import ProxyFixMiddleware
from livekit import api

from tests.tokens.asking import DOCUMENT, KEY, SANDBOX, SECRET, STANDARD, URL, Answer, TokenDoor, desk
from voicetrio.gateway import livekit
from voicetrio.metrics.prometheus import PrometheusTelemetry
from voicetrio.session.session_id import new_session_id

ENDPOINTS = (STANDARD, SANDBOX, DOCUMENT)
PAGE = "https://app.example"


def claims(answer: Answer) -> api.access_token.Claims:
    return api.TokenVerifier(KEY, SECRET).verify(answer.token)


def session(age_s: float = 0.0, random: str = "k3m9x7q2w") -> str:
    return f"session-{int((time.time() - age_s) * 1000)}-{random}"


# What is answered.


@pytest.mark.parametrize("path", [STANDARD, SANDBOX])
@pytest.mark.parametrize("body", [None, {}, b"{}", b" \n"])
async def test_whoever_asks_for_nothing_gets_a_room_and_an_identity_of_their_own(autojump_clock, path: str, body):
    answer = await TokenDoor(desk()).ask(body, path=path)
    assert answer.status == 201
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")
    assert list(answer.json)[:2] == ["server_url", "participant_token"], "LiveKit's two"
    assert answer.json["server_url"] == URL
    assert re.fullmatch("room-[0-9a-f]{12}", answer.room)
    assert re.fullmatch("user-[0-9a-f]{12}", answer.identity)
    assert claims(answer).video.room == answer.room
    assert claims(answer).identity == answer.identity


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_livekits_clients_get_what_they_ask_for(autojump_clock, path: str):
    # The body is that of livekit-client 2.23, as it was captured.
    room = new_session_id()
    body = {
        "room_name": room,
        "participant_name": "Ann",
        "participant_identity": "ann",
        "participant_metadata": "m",
        "participant_attributes": {"a": "b"},
        "room_config": {"agents": [{"agent_name": "voicetrio", "metadata": '{"x":1}'}]},
    }
    door = TokenDoor(desk(agent_name="voicetrio"))
    answer = await door.ask(body, path=path, content_type="application/json", x_sandbox_id="sandbox-1")
    assert answer.status == (200 if path == DOCUMENT else 201)
    found = claims(answer)
    assert (found.video.room, found.identity, found.name, found.metadata) == (room, "ann", "Ann", "m")
    assert found.attributes == {"a": "b"}
    (agent,) = found.room_config.agents
    assert (agent.agent_name, agent.metadata) == ("voicetrio", '{"x":1}')
    assert door.telemetry.counts["token_request:issued"] == 1


async def test_the_documents_endpoint_is_asked_with_get_and_answers_all_names(autojump_clock):
    room = new_session_id()
    path = f"{DOCUMENT}?roomName={room}&identity=user-1703123456791&name=%D0%90%D0%BD%D0%BD%D0%B0&metadata=%7B%7D"
    answer = await TokenDoor(desk()).ask(path=path, method="GET")
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    token = answer.token
    assert answer.json == {
        "token": token,
        "accessToken": token,
        "participantToken": token,
        "url": URL,
        "serverUrl": URL,
        "roomName": room,
        "identity": "user-1703123456791",
        "participantName": "Анна",
    }
    found = claims(answer)
    assert (found.video.room, found.identity) == (room, "user-1703123456791")
    assert (found.name, found.metadata) == ("Анна", "{}")


@pytest.mark.parametrize("room_field", ["roomName", "room_name"])
async def test_the_documents_endpoint_is_asked_with_post(autojump_clock, room_field: str):
    room = new_session_id()
    body = {room_field: room, "identity": "ann", "participantName": "Ann"}
    answer = await TokenDoor(desk()).ask(body, path=DOCUMENT)
    assert (answer.status, answer.room, answer.identity) == (200, room, "ann")
    assert (claims(answer).video.room, claims(answer).name) == (room, "Ann")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_documents_endpoint_makes_up_a_room_when_none_is_named(autojump_clock, method: str):
    door = TokenDoor(desk())
    answers = [await door.ask(path=DOCUMENT, method=method) for _ in range(2)]
    for answer in answers:
        assert re.fullmatch("room-[0-9a-f]{12}", answer.room)
        assert claims(answer).video.room == answer.room
    assert answers[0].room != answers[1].room
    assert answers[0].identity != answers[1].identity


async def test_a_thousand_at_once_get_a_thousand_rooms(autojump_clock):
    door = TokenDoor(desk(per_minute=1000))
    answers: list[Answer] = []

    async def ask(number: int) -> None:
        path = ENDPOINTS[number % 3]
        answers.append(await door.ask({}, path=path))

    async with trio.open_nursery() as nursery:
        for number in range(1000):
            nursery.start_soon(ask, number)
    assert Counter(answer.status for answer in answers) == {200: 333, 201: 667}
    assert len({claims(answer).video.room for answer in answers}) == 1000
    assert len({claims(answer).identity for answer in answers}) == 1000


async def test_the_log_names_room_and_identity_as_in_the_document_and_no_token(autojump_clock):
    room = new_session_id()
    with structlog.testing.capture_logs() as logs:
        answer = await TokenDoor(desk()).ask({"room_name": room, "participant_identity": "user-1703123456791"})
    (line,) = logs
    assert line["event"] == f"🏠 Room assignment: {room} for identity: user-1703123456791"
    assert (line["room"], line["identity"]) == (room, "user-1703123456791")
    assert answer.token not in repr(logs)
    assert SECRET not in repr(logs)


# Rooms.


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("room", ["test-room", "room-0123456789ab", "session-1703123456789-k3m9x7q2w"])
async def test_a_fixed_name_is_refused(autojump_clock, path: str, room: str):
    door = TokenDoor(desk(shared_rooms=("lobby",)))
    answer = await door.ask({"room_name": room}, path=path)
    assert answer.status == 403
    assert answer.headers["cache-control"] == "no-store"
    assert "livekit.shared_rooms" in answer.error
    assert door.telemetry.counts["token_request:room_refused"] == 1


async def test_a_shared_room_is_everybodys_by_its_name(autojump_clock):
    door = TokenDoor(desk(shared_rooms=("test-room",)))
    for identity in ("ann", "bob"):
        answer = await door.ask({"room_name": "test-room", "participant_identity": identity})
        assert answer.status == 201
        assert claims(answer).video.room == "test-room"


async def test_a_room_belongs_to_whoever_got_it_first(autojump_clock):
    door = TokenDoor(desk())
    first = await door.ask({"room_name": session()})
    made_up = await door.ask({})
    for answer in (first, made_up):
        for body in ({}, {"participant_identity": "eve"}):
            for path in ENDPOINTS:
                other = await door.ask({"room_name": answer.room, **body}, path=path)
                assert other.status == 409
                assert answer.identity not in other.error
        again = await door.ask({"room_name": answer.room, "participant_identity": answer.identity})
        assert again.status == 201
        assert claims(again).video.room == answer.room
    assert door.telemetry.counts["token_request:room_taken"] == 12


async def test_a_room_of_ours_is_forgotten_an_hour_after_its_token(autojump_clock):
    door = TokenDoor(desk())
    answer = await door.ask({})
    mine = {"room_name": answer.room, "participant_identity": answer.identity}
    await trio.sleep(900 + 3599)
    assert (await door.ask(mine)).status == 201
    await trio.sleep(900 + 3601)
    assert (await door.ask(mine)).status == 403


# What is refused.


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[" * 5000, "no JSON"),
        (b"[]", "must be a JSON object"),
        (b'"room"', "must be a JSON object"),
        ({"ttl": 86_400}, "ttl"),
        ({"video": {"roomAdmin": True}}, "video"),
        (b'{"room_name":"a","room_name":"b"}', "room_name: is given twice"),
        ({"room_config": {"agents": [{"agent_name": "x"}]}}, "livekit.agent_name"),
        ({"room_config": {"max_participants": 2}}, "room_config.max_participants"),
        (b'{"participant_identity":"\\ud83d"}', "participant_identity"),
        ({"participant_name": {"a": 1}}, "participant_name"),
    ],
)
async def test_what_cannot_be_served_is_named(autojump_clock, path: str, body, text: str):
    door = TokenDoor(desk())
    answer = await door.ask(body, path=path)
    assert answer.status == 400
    assert text in answer.error
    assert answer.headers["cache-control"] == "no-store"
    assert door.telemetry.counts["token_request:bad_request"] == 1


async def test_fields_in_a_url_are_checked_too(autojump_clock):
    door = TokenDoor(desk())
    for query in ("ttl=9", "roomName=a&roomName=b", "participant_attributes=x", "room_config=x", "name=%0A"):
        assert (await door.ask(path=f"{DOCUMENT}?{query}", method="GET")).status == 400


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_body_that_is_too_large_is_refused_however_it_comes(autojump_clock, path: str):
    door = TokenDoor(desk())
    large = [b"x" * 1024] * 17
    told = await door.send([], path=path, length=16_385)
    assert told.status == 413
    assert "16384 bytes" in told.error
    assert (await door.send(large, path=path)).status == 413, "it did not say how much will come"
    assert (await door.send([b"x" * 20_000_000], path=path)).status == 413, "all in one go"
    assert (await door.send([b'{"name":"Ann"}' + b" " * 16_370], path=path)).status == (
        200 if path == DOCUMENT else 201
    )
    assert door.telemetry.counts["token_request:too_large"] == 3


async def test_a_body_beyond_quarts_own_limit_is_refused_in_our_words(autojump_clock):
    door = TokenDoor(desk())
    huge = b"x" * 16_777_217
    for _ in range(20):  # who looks first, Quart or we, is up to trio's dice
        answer = await door.send([huge], interval=None)
        assert (answer.status, answer.headers["cache-control"]) == (413, "no-store")
        assert "16384 bytes" in answer.error


async def test_a_body_that_does_not_come_is_not_waited_for(autojump_clock):
    door = TokenDoor(desk())
    began = trio.current_time()
    answer = await door.send([b"{"] + [b" "] * 100, interval=1.5)
    assert (answer.status, trio.current_time() - began) == (408, 10)
    answer = await door.send([b"{", b"}"], interval=4)
    assert answer.status == 201


async def test_without_keys_it_says_what_to_set(autojump_clock):
    door = TokenDoor(None)
    for path, method in ((STANDARD, "POST"), (SANDBOX, "POST"), (DOCUMENT, "POST"), (DOCUMENT, "GET")):
        answer = await door.ask(path=path, method=method)
        assert answer.status == 503
        assert answer.headers["cache-control"] == "no-store"
        for key in ("url", "api_key", "api_secret"):
            assert f"livekit.{key}" in answer.error
            assert f"VOICETRIO_LIVEKIT__{key.upper()}" in answer.error
    assert door.telemetry.counts["token_request:not_configured"] == 4


async def test_an_address_that_asks_too_often_is_told_when_to_come_back(autojump_clock):
    door = TokenDoor(desk(per_minute=6))
    for number in range(6):
        assert (await door.ask(path=ENDPOINTS[number % 3])).status in (200, 201)
    for path in ENDPOINTS:
        answer = await door.ask(path=path)
        assert (answer.status, answer.headers["retry-after"]) == (429, "10")
        assert "livekit.tokens_per_minute" in answer.error
    assert (await door.ask(path=DOCUMENT, method="GET")).status == 429
    assert (await door.ask(address="192.0.2.2")).status == 201, "somebody else"
    assert (await door.ask(address="192.0.2.1", x_forwarded_for="192.0.2.3")).status == 429, "only says so"
    await trio.sleep(10)
    assert [(await door.ask()).status for _ in range(2)] == [201, 429]
    assert door.telemetry.counts["token_request:rate_limited"] == 6


async def test_behind_a_proxy_addresses_are_those_that_it_tells(autojump_clock):
    door = TokenDoor(desk(per_minute=1))
    door.asgi = ProxyFixMiddleware(door.app, mode="legacy", trusted_hops=1)
    for address, status in (
        ("192.0.2.3", 201),
        ("192.0.2.4", 201),
        ("192.0.2.4", 429),
        ("198.51.100.1, 192.0.2.3", 429),
    ):
        assert (await door.ask(x_forwarded_for=address)).status == status


async def test_requests_that_are_refused_count_too(autojump_clock):
    door = TokenDoor(desk(per_minute=3))
    statuses = [(await door.ask({"room_name": "test-room"})).status for _ in range(4)]
    assert statuses == [403, 403, 403, 429]


async def test_other_methods_are_not_served(autojump_clock):
    door = TokenDoor(desk())
    for path, method in ((STANDARD, "GET"), (SANDBOX, "GET"), (STANDARD, "PUT"), (DOCUMENT, "DELETE")):
        assert (await door.ask(path=path, method=method)).status == 405


def test_everything_that_can_become_of_a_request_is_counted_from_the_start():
    metrics = PrometheusTelemetry().render().decode()
    used = re.findall(r'_refuse\(house, \d+, "(\w+)"', inspect.getsource(livekit))
    assert len(used) == 8
    assert set(re.findall(r'voicetrio_tokens_total\{outcome="(\w+)"\} 0', metrics)) == {"issued", *used}


# Whose pages may ask.


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_page_that_is_allowed_is_told_so(autojump_clock, path: str):
    door = TokenDoor(desk(), allowed_origins=(PAGE,))
    asked = {"access_control_request_method": "POST", "access_control_request_headers": "content-type,x-sandbox-id"}
    answer = await door.ask(path=path, method="OPTIONS", origin=PAGE, **asked)
    assert (answer.status, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert ("GET" in answer.headers["access-control-allow-methods"]) == (path == DOCUMENT)
    for header in ("Content-Type", "Authorization", "X-Sandbox-ID"):
        assert header in answer.headers["access-control-allow-headers"]
    assert int(answer.headers["access-control-max-age"]) > 0
    assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Origin", "no-store")
    assert "access-control-allow-credentials" not in answer.headers
    answer = await door.ask(path=path, origin=PAGE)
    assert answer.status in (200, 201)
    assert (answer.headers["access-control-allow-origin"], answer.headers["vary"]) == (PAGE, "Origin")
    answer = await door.ask({"room_name": "x"}, path=path, origin=PAGE)
    assert answer.status == 403
    assert answer.headers["access-control-allow-origin"] == PAGE, "it shall be able to read what is wrong"


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_foreign_page_is_refused_before_anything_else(autojump_clock, path: str):
    door = TokenDoor(desk(), allowed_origins=(PAGE,))
    for origin in ("https://evil.example", "null", "http://localhost:3000"):
        for method in ("POST", "GET", "OPTIONS"):
            if method == "GET" and path != DOCUMENT:
                continue
            answer = await door.ask(path=path, method=method, origin=origin)
            assert answer.status == 403
            assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Origin", "no-store")
            assert "access-control-allow-origin" not in answer.headers
            assert b"token" not in answer.content
    assert door.telemetry.counts["token_request:issued"] == 0
    assert "server.allowed_origins" in (await door.ask(path=path, origin="null")).error


async def test_own_pages_and_with_a_star_all_pages_are_served(autojump_clock):
    own = await TokenDoor(desk()).ask(origin="http://localhost:8000")
    assert (own.status, own.headers["access-control-allow-origin"]) == (201, "http://localhost:8000")
    any_page = await TokenDoor(desk(), allowed_origins=("*",)).ask(origin="https://evil.example", host="x:1")
    assert (any_page.status, any_page.headers["access-control-allow-origin"]) == (201, "https://evil.example")


async def test_a_foreign_name_for_this_machine_is_not_served(autojump_clock):
    """DNS rebinding: to its own host a page sends no Origin with a GET."""
    door = TokenDoor(desk(), allowed_origins=(PAGE,))
    get = {"path": DOCUMENT, "method": "GET"}
    for host in ("evil.example:8000", "localhost.evil.example", "", "["):
        assert (await door.ask(**get, host=host)).status == 403
    for host in ("127.0.0.1:8000", "localhost", "[::1]:8000", "app.example", "APP.example"):
        assert (await door.ask(**get, host=host)).status == 200
    open_door = TokenDoor(desk(), loopback_only=False)
    assert (await open_door.ask(**get, host="voice.example")).status == 200
