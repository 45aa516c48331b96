"""`GET /v1/sessions` and `/sessions`: what goes on here, for who has the admin key, and for nobody else."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import trio

from tests.fakes.agent import FakeAgent
from voicetrio.cli.compose import admin_key
from voicetrio.gateway import operator
from voicetrio.gateway.operator import FAILURES_PER_MINUTE
from voicetrio.settings import ConfigError, ServerSettings, Settings, load_settings

from .caller import Door, open_door

KEY = "correct-horse:battery"
PATHS = ["/v1/sessions", "/sessions"]


def basic(password: str, user: str = "operator") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


BEARER = {"Authorization": f"Bearer {KEY}"}


@asynccontextmanager
async def open_office(key: str = KEY, **options) -> AsyncIterator[Door]:
    async with open_door(**options) as door:
        door.give(replace(door.house, admin_key=key))
        yield door


async def read(door: Door) -> dict:
    status, headers, body = await door.get("/v1/sessions", **BEARER)
    assert status == 200
    assert headers["content-type"] == "application/json"
    return body


# Who may look.


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("headers", [{}, BEARER, basic(KEY), basic(""), {"Authorization": "Bearer "}])
async def test_without_a_key_configured_nobody_may_look_and_the_answer_says_what_to_set(
    autojump_clock, path: str, headers: dict[str, str]
):
    async with open_office("") as door:
        status, found, body = await door.fetch(path, **headers)
        assert status == 403
        assert "www-authenticate" not in found
        for name in (b"server.admin_key", b"VOICETRIO_SERVER__ADMIN_KEY"):
            assert name in body


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        BEARER,
        {"Authorization": f"bearer {KEY}"},
        basic(KEY),
        basic(KEY, user=""),
        basic(KEY, user="Zoë"),
    ],
)
async def test_with_the_key_anybody_may(autojump_clock, path: str, headers: dict[str, str]):
    async with open_office() as door:
        status, found, _ = await door.fetch(path, **headers)
        assert status == 200
        assert found["cache-control"] == "no-store"
        assert found["x-content-type-options"] == "nosniff"
        assert found["cross-origin-resource-policy"] == "same-origin"
        assert "etag" not in found
        assert not [name for name in found if name.startswith("access-control")], "for no other site"
        assert not door.telemetry.counts


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic(""),
        basic(KEY[:-1]),
        basic(KEY + "x"),
        basic(KEY.upper()),
        basic("someone", user=KEY),
        {"Authorization": ""},
        {"Authorization": KEY},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Bearer {KEY}, Bearer {KEY}"},
        {"Authorization": f"Token {KEY}x"},
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic //8="},
        {"Authorization": "Bearer \xe9\xff"},
        {"Authorization": 'Digest username="a", realm="b"'},
        {"Authorization": "x" * 5_000},
    ],
)
async def test_without_it_nobody_may(autojump_clock, path: str, headers: dict[str, str]):
    async with open_office() as door:
        caller = await door.enter("somebody")
        status, found, body = await door.fetch(path, **headers)
        assert status == 401
        assert found["www-authenticate"] == 'Basic realm="voicetrio", charset="UTF-8"'
        assert found["cache-control"] == "no-store"
        assert b"somebody" not in body
        assert KEY.encode() not in body
        await caller.leave()


async def test_the_key_in_the_address_opens_nothing(autojump_clock):
    async with open_office() as door:
        for query in (f"?key={KEY}", f"?admin_key={KEY}", f"?token={KEY}"):
            assert (await door.fetch("/v1/sessions" + query))[0] == 401, "addresses end up in logs"


async def test_a_sessions_own_token_opens_nothing(autojump_clock):
    async with open_office() as door:
        caller = await door.enter()
        token = caller.messages[0]["resume_token"]
        assert (await door.fetch("/v1/sessions", Authorization=f"Bearer {token}"))[0] == 401
        assert (await door.fetch("/v1/sessions/one/history", **BEARER))[0] == 401, "nor the key what was said"


async def test_keys_are_compared_in_constant_time(autojump_clock, monkeypatch):
    compared = []

    def compare_digest(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr(operator.secrets, "compare_digest", compare_digest)
    async with open_office() as door:
        for headers in (BEARER, basic(KEY), basic("x"), {"Authorization": "Bearer é"}):
            assert (await door.fetch("/v1/sessions", **headers))[0] == 401, "by nothing else"
    assert [other for _, other in compared] == [KEY.encode()] * 4


@pytest.mark.parametrize("path", PATHS)
async def test_it_can_only_be_looked_at(autojump_clock, path: str):
    async with open_office() as door:
        for method in ("post", "put", "delete", "patch"):
            response = await getattr(door._app.test_client(), method)(path, headers=BEARER)
            assert response.status_code == 405


# Wrong keys.


async def test_after_ten_wrong_keys_one_is_looked_at_every_six_seconds(autojump_clock):
    async with open_office() as door:
        for _ in range(FAILURES_PER_MINUTE):
            assert (await door.fetch("/v1/sessions", **basic("wrong")))[0] == 401
        for path in PATHS:
            status, found, body = await door.fetch(path, **BEARER)
            assert status == 429, "not even the right one: else it could be found by trying on"
            assert found["retry-after"] == "6"
            assert found["cache-control"] == "no-store"
            assert b"6 s" in body
        assert door.telemetry.counts == {"admin_refused:wrong_key": FAILURES_PER_MINUTE, "admin_refused:too_many": 2}
        await trio.sleep(5.5)
        assert (await door.fetch("/v1/sessions", **BEARER))[1]["retry-after"] == "1"
        await trio.sleep(0.6)
        for _ in range(3):
            assert (await door.fetch("/v1/sessions", **BEARER))[0] == 200, "the right one costs nothing"
        assert (await door.fetch("/v1/sessions", **basic("wrong")))[0] == 401
        assert (await door.fetch("/v1/sessions", **basic("wrong")))[0] == 429


async def test_those_that_send_no_key_are_not_counted(autojump_clock):
    async with open_office() as door:
        for _ in range(FAILURES_PER_MINUTE + 1):
            assert (await door.fetch("/sessions"))[0] == 401
        assert not door.telemetry.counts
        assert (await door.fetch("/sessions", **BEARER))[0] == 200


@pytest.mark.parametrize("authorization", ["Basic !!!", "Bearer", "nonsense", ""])
async def test_a_header_that_cannot_be_read_is_a_wrong_key(autojump_clock, authorization: str):
    async with open_office() as door:
        assert (await door.fetch("/v1/sessions", Authorization=authorization))[0] == 401
        assert door.telemetry.counts == {"admin_refused:wrong_key": 1}


async def test_wrong_keys_that_come_slowly_are_all_looked_at(autojump_clock):
    async with open_office() as door:
        for _ in range(3 * FAILURES_PER_MINUTE):
            assert (await door.fetch("/v1/sessions", **basic("wrong")))[0] == 401
            await trio.sleep(60 / FAILURES_PER_MINUTE + 0.01)


async def test_other_addresses_are_not_concerned(autojump_clock):
    async with open_office() as door:

        async def ask(address: str, headers: dict[str, str]) -> int:
            client = door._app.test_client()
            response = await client.get("/v1/sessions", headers=headers, scope_base={"client": (address, 1)})
            return response.status_code

        for number in range(FAILURES_PER_MINUTE):
            assert await ask("192.0.2.1", basic("wrong")) == 401
            assert await ask(f"2001:db8:0:1::{number + 1:x}", basic("wrong")) == 401
        for blocked in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8:0:1:ffff::1"):
            assert await ask(blocked, BEARER) == 429, blocked
        for other in ("192.0.2.2", "2001:db8:0:2::1", "::1", "127.0.0.1"):
            assert await ask(other, BEARER) == 200, other


# What there is to see.


async def test_an_empty_house(autojump_clock):
    async with open_office(max_sessions=7) as door:
        assert await read(door) == {
            "sessions": [],
            "more": 0,
            "totals": {
                "sessions": 0,
                "max_sessions": 7,
                "connected": 0,
                "away": 0,
                "workers": 1,
                "workers_ready": 1,
                "max_backlog_s": 10.0,
                "going_away": False,
            },
            "workers": [
                {
                    "worker": "fake:1",
                    "ready": True,
                    "state": "ready",
                    "hears_with": "fake",
                    "stt_slots": 8,
                    "streams": 0,
                    "speaks_with": "",
                    "tts_slots": 0,
                }
            ],
        }


async def test_its_sessions_the_oldest_first_with_those_that_wait_for_their_clients(autojump_clock):
    async with open_office(agent=FakeAgent([["A secret."]])) as door:
        one = await door.enter("one")
        await trio.sleep(2)
        await door.enter("two")
        await one.say("user_message", content="Another secret?")
        await one.wait_for("turn.ended")
        await one.leave()
        await one.over.wait()
        await trio.sleep(3)
        seen = await read(door)
        first, second = seen["sessions"]
        assert (first["session_id"], first["age_s"], first["away_s"], first["turns"]) == ("one", 5.0, 3.0, 1)
        assert (second["session_id"], second["age_s"], second["connected"]) == ("two", 3.0, True)
        assert {key: seen["totals"][key] for key in ("sessions", "connected", "away")} == {
            "sessions": 2,
            "connected": 1,
            "away": 1,
        }
        assert "secret" not in json.dumps(seen)
        assert one.messages[0]["resume_token"] not in json.dumps(seen)
        await trio.sleep(15)
        assert [session["session_id"] for session in (await read(door))["sessions"]] == ["two"]


async def test_one_that_was_renamed_is_there_once(autojump_clock):
    async with open_office() as door:
        await door.enter("one")
        (session,) = door.house.registry.sessions()
        session._identity.adopt("other")
        assert [session["session_id"] for session in (await read(door))["sessions"]] == ["other"]


async def test_an_answer_is_bounded_and_counts_the_rest(autojump_clock, monkeypatch):
    monkeypatch.setattr(operator, "MAX_SHOWN", 3)
    async with open_office(max_sessions=5) as door:
        for number in range(5):
            await door.enter(str(number))
            await trio.sleep(1)
        seen = await read(door)
        assert [session["session_id"] for session in seen["sessions"]] == ["0", "1", "2"]
        assert (seen["more"], seen["totals"]["sessions"]) == (2, 5)


async def test_a_server_that_stops_says_so(autojump_clock):
    async with open_office() as door:
        door.house.registry.going_away = True
        assert (await read(door))["totals"]["going_away"] is True


# The page.


async def test_the_page_has_the_policy_of_pages_without_what_it_does_not_need(autojump_clock):
    async with open_office() as door:
        door.give(replace(door.house, livekit_url="wss://livekit.example.org"))
        status, found, body = await door.fetch("/sessions", **basic(KEY))
        assert status == 200
        assert found["content-type"] == "text/html; charset=utf-8"
        policy = dict(part.strip().partition(" ")[::2] for part in found["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert found["referrer-policy"] == "no-referrer"
        assert found["cross-origin-opener-policy"] == "same-origin"
        page = body.decode()
        assert "<script>" not in page
        assert "style=" not in page
        assert " on" not in page.split("<body>")[0]
        for path in ("/web/pages/sessions.js", "/web/pages/sessions-table.js", "/web/pages/sessions.css"):
            assert (await door.fetch(path))[0] == 200
        for path in ("/web/pages/sessions.js", "/web/pages/sessions.css"):
            assert path in page


# The settings.


@pytest.mark.parametrize("key", ["~", "~" * 15, "with a space in it", "schlüsselschlüssel", "line\nline\nline\nline"])
def test_a_key_that_is_too_short_or_no_header_is_refused_at_start(tmp_path, key: str):
    file = tmp_path / "key"
    file.write_text(key, encoding="utf-8")
    for name, value in (("admin_key", key), ("admin_key_file", str(file))):
        with pytest.raises(ConfigError) as caught:
            load_settings([], {f"VOICETRIO_SERVER__{name.upper()}": value})
        (fault,) = caught.value.faults
        assert fault.startswith(f"environment VOICETRIO_SERVER__{name.upper()}: ")
        assert "16 or more characters" in fault
        assert key not in fault


def test_a_key_comes_from_the_environment_or_a_file(tmp_path):
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    assert admin_key(load_settings([], {"VOICETRIO_SERVER__ADMIN_KEY": KEY})) == KEY
    settings = load_settings([], {"VOICETRIO_SERVER__ADMIN_KEY_FILE": str(file)})
    assert admin_key(settings) == KEY
    file.unlink()
    with pytest.raises(ConfigError, match=r"server\.admin_key_file: cannot be read any more"):
        admin_key(settings)
    assert admin_key(Settings()) == ""


def test_a_file_that_cannot_be_read_and_a_key_in_two_places_are_mistakes(tmp_path):
    with pytest.raises(ConfigError, match=r"ADMIN_KEY_FILE: cannot be read as a text file"):
        load_settings([], {"VOICETRIO_SERVER__ADMIN_KEY_FILE": str(tmp_path / "none")})
    file = tmp_path / "key"
    file.write_text(KEY)
    environment = {"VOICETRIO_SERVER__ADMIN_KEY": KEY, "VOICETRIO_SERVER__ADMIN_KEY_FILE": str(file)}
    with pytest.raises(ConfigError, match="in one place") as caught:
        load_settings([], environment)
    assert KEY not in str(caught.value)


async def test_the_key_is_in_no_text_about_the_house(autojump_clock):
    async with open_office() as door:
        assert KEY not in repr(door.house)
        with pytest.raises(ValueError, match="must be 16") as caught:
            ServerSettings(admin_key="hunter2")
        assert "hunter2" not in str(caught.value)
