"""`gateway-auto-session`, line by line: the app between a client and an agent runtime on a real socket of this machine.

Nothing sleeps: the clock stands still while anybody has something to do, and jumps when nobody has.
"""

import json
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing

import pytest
import structlog.testing
import trio
import trio.testing

from tests.agent.http_server import Answer, HttpServer, open_server, status, stream
from voicetrio.agent import AgentConfig, open_agent
from voicetrio.core.config import SessionConfig

from .caller import Caller, Door, open_door

TEMPORARY, REAL = "new_1234567890", "abc-123"
KEY = "a-key-that-nobody-may-see"
SILENCE_S = 60.0
"""The default of `agent.silence_timeout`."""

IDLE_S = 0.02
"""Seconds in which nobody does anything, until the clock jumps: what goes over the loopback is there in microseconds."""

BOUND_S = 1000.0
"""Seconds of that clock for any test."""

DONE = b"event: done\ndata: {}\n\n"
MAX_EVENT_BYTES = 1_048_576


def event(data: str | dict[str, object]) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data)
    return b"data: " + text.encode() + b"\n\n"


SESSION_INFO = event({"type": "session_info", "session_id": REAL})


def reply(*words: str, named: bool = False) -> Answer:
    """A runtime's answer to one message, in tokens; `named`: to the first one of a dialog."""
    tokens = [event({"type": "assistant_message", "token": text, "is_final": False}) for text in words]
    whole = event({"type": "assistant_message", "content": "".join(words), "is_final": True})
    return stream(*([SESSION_INFO] if named else []), *tokens, whole, DONE)


@asynccontextmanager
async def open_gateway(
    *answers: Answer, port: int | None = None, config: SessionConfig | None = None
) -> AsyncIterator[tuple[Door, HttpServer]]:
    """The app, and the runtime that it asks, which gives these answers one after the other.

    `port`: where it asks instead.
    """
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, trio.testing.MockClock)
    clock.autojump_threshold = IDLE_S
    with trio.fail_after(BOUND_S):
        async with open_server(*answers) as runtime:
            url = runtime.url if port is None else f"http://127.0.0.1:{port}"
            async with (
                open_agent(AgentConfig("runtime", url, KEY)) as agent,
                open_door(agent=agent, config=config) as door,
            ):
                yield door, runtime


async def ask(caller: Caller, content: str = "Привет!") -> list[str]:
    """The text frames that answer this message, up to the end of its turn."""
    before, turns = len(caller.texts), len(caller.got("turn.ended"))
    await caller.say("user_message", role="user", content=content)
    await caller.wait_for("turn.ended", turns + 1)
    return caller.texts[before:]


def contents(runtime: HttpServer) -> list[str]:
    return [request.json["message"]["content"] for request in runtime.requests]


def dialogs(runtime: HttpServer) -> list[str | None]:
    """Of each request, the session id; None: it had none."""
    return [request.json.get("session_id") for request in runtime.requests]


# -- the three tests of the document --------------------------------------------------------------------------------


async def test_1_a_new_session(mock_clock):
    async with open_gateway(reply("Hi.", named=True), reply("Fine.")) as (door, runtime):
        caller = door.call(TEMPORARY)
        await caller.say("user_message", role="user", content="Привет!")
        info = await caller.wait_for("session_info")
        assert info == {"type": "session_info", "session_id": REAL}
        assert caller.messages[0] is info, "a client takes the first that it gets for the answer"
        await caller.wait_for("turn.ended")
        await ask(caller, "Как дела?")
    first, second = runtime.requests
    message = {"type": "user_message", "role": "user"}
    assert first.json == {"message": {**message, "content": "Привет!"}}
    assert second.json == {"session_id": REAL, "message": {**message, "content": "Как дела?"}}
    for request in runtime.requests:
        assert request.line == "POST /agent/message/stream HTTP/1.1"
        assert request.headers["x-internal-auth"] == KEY
        assert request.headers["content-type"] == "application/json"


async def test_2_an_existing_session(mock_clock):
    async with open_gateway(reply("Hi.")) as (door, runtime):
        caller = await door.enter(REAL)
        await ask(caller)
        assert caller.got("session_info") == []
    (request,) = runtime.requests
    assert request.json["session_id"] == REAL


async def test_an_existing_session_that_the_runtime_names_anew_is_called_so(mock_clock):
    async with open_gateway(reply("Hi.", named=True), reply("Fine.")) as (door, runtime):
        caller = await door.enter("older")
        await ask(caller)
        await ask(caller)
        assert len(caller.got("session_info")) == 1
        session = door.house.registry.find(REAL)
        assert session is not None
        assert door.house.registry.find("older") is session
    assert dialogs(runtime) == ["older", REAL]


async def test_3_three_messages_in_a_row(mock_clock):
    async with open_gateway(reply("1", named=True), reply("2"), reply("3")) as (door, runtime):
        caller = door.call(TEMPORARY)
        for content in ("one", "two", "three"):
            await caller.say("user_message", role="user", content=content)
        await caller.wait_for("turn.ended", 3)
        assert len(caller.got("session_info")) == 1
        assert [message["content"] for message in caller.got("assistant_message") if message["is_final"]] == [*"123"]
    assert contents(runtime) == ["one", "two", "three"]
    assert dialogs(runtime) == [None, REAL, REAL]


# -- its log --------------------------------------------------------------------------------------------------------


def told(logs: Iterable[dict[str, object]]) -> list[str]:
    """The lines in the document's own form."""
    return [str(entry["event"]) for entry in logs if str(entry["event"]).startswith("[")]


async def test_the_log_of_a_new_session_is_that_of_the_document(mock_clock):
    with structlog.testing.capture_logs() as logs:
        async with open_gateway(reply("Hi.", named=True), reply("Fine.")) as (door, _):
            caller = door.call(TEMPORARY)
            await ask(caller)
            await ask(caller)
    assert told(logs) == [
        "[new_1234567890] Temporary session ID detected, will create new session",
        "[new_1234567890] WebSocket connected (temp=True)",
        "[new_1234567890] Temporary session - NOT sending session_id to Agent Runtime",
        "[new_1234567890] 🆔 Received session_info chunk: session_id=abc-123",
        "[new_1234567890] Session ID updated: new_1234567890 -> abc-123",
        "[abc-123] Sending session_id to Agent Runtime",
    ]
    assert {entry["log_level"] for entry in logs if str(entry["event"]).startswith("[")} == {"info"}
    assert logs[-1]["session_id"] == REAL, "all later lines have the real id"


async def test_the_log_of_an_existing_session_is_that_of_the_document(mock_clock):
    with structlog.testing.capture_logs() as logs:
        async with open_gateway(reply("Hi.")) as (door, _):
            await ask(await door.enter(REAL))
    assert told(logs) == ["[abc-123] WebSocket connected (temp=False)", "[abc-123] Sending session_id to Agent Runtime"]


async def test_neither_the_key_nor_anybodys_words_are_logged(mock_clock):
    with structlog.testing.capture_logs() as logs:
        async with open_gateway(reply("agents-own-words", named=True), status(401), stream(event("no-json"))) as (
            door,
            _,
        ):
            caller = door.call(TEMPORARY)
            for _ in range(3):
                await ask(caller, "users-own-words")
            token = caller.got("session.created")[0]["resume_token"]
    assert len(logs) > 5
    for secret in (KEY, "users-own-words", "agents-own-words", "no-json", token):
        assert secret not in repr(logs)


# -- who is who -----------------------------------------------------------------------------------------------------


async def test_the_session_is_known_by_its_real_id_and_found_by_both(mock_clock):
    async with open_gateway(reply("Hi.", named=True), reply("Fine.")) as (door, runtime):
        caller = door.call(TEMPORARY)
        await ask(caller)
        registry = door.house.registry
        assert len(registry) == 1
        session = registry.find(REAL)
        assert session is not None
        assert session.session_id == REAL
        assert registry.find(TEMPORARY) is session, "its client may not have read the news yet"
        created = await caller.wait_for("session.created")
        assert created["session_id"] == REAL
        for session_id in (REAL, TEMPORARY):
            refused = door.call(session_id)
            await refused.over.wait()
            assert refused.status == 409, "while it lives, for whoever has no token"
        for session_id in (REAL, TEMPORARY):
            await caller.leave()
            await caller.over.wait()
            caller = await door.enter(session_id, f"resume={created['resume_token']}&received=0")
            assert caller.messages[0]["resumed"]
            assert caller.messages[0]["session_id"] == REAL
            await caller.wait_for("turn.ended")  # told again
        await ask(caller, "goes on")
        assert dialogs(runtime) == [None, REAL]


async def test_when_the_session_is_over_both_ids_are_free(mock_clock):
    async with open_gateway(reply("Hi.", named=True)) as (door, _):
        caller = door.call(TEMPORARY)
        await ask(caller)
        await caller.say("session.close")
        await caller.over.wait()
        assert len(door.house.registry) == 0
        for session_id in (REAL, TEMPORARY):
            assert door.house.registry.find(session_id) is None
            assert not (await door.enter(session_id)).messages[0]["resumed"]


async def test_an_id_of_somebody_who_is_connected_is_not_taken_from_them(mock_clock):
    async with open_gateway(reply("Hi.", named=True), reply("Fine.")) as (door, runtime):
        owner = await door.enter(REAL)
        caller = door.call(TEMPORARY)
        await ask(caller)
        (error,) = caller.got("error")
        assert (error["code"], error["recoverable"]) == ("agent_bad_session_id", True)
        assert caller.got("turn.ended")[0]["outcome"] == "completed"
        assert (await caller.wait_for("session.created"))["session_id"] == TEMPORARY
        await ask(caller)
        assert dialogs(runtime) == [None, REAL], "the dialog is the agent's to name all the same"
        assert not owner.over.is_set()
        assert len(door.house.registry) == 2


# -- what passes ----------------------------------------------------------------------------------------------------

ODD = [
    '{"type":"tool_call","call_id":"7","arguments":{"path":"/tmp","n":1.50,"n":2}}',
    '{"type":"error","code":"agents-own","message":"passes as it is"}',
    '{ "type" :\t"assistant_message" , "token" : "Прив\\u0435т 🆔" , "is_final":false }',
    '{"type":"never-heard-of","deep":[[[{}]]],"emoji":"👋🏽","half":"\\ud83d"}',
    '{"no":"type"}',
    "{}",
    '{"type":"session_closed","reason":"it only looks so"}',
    json.dumps({"type": "file", "content": "ё" * 450_000}, ensure_ascii=False),
    '{"type":"agent_switched","after":"the large one"}',
]


@pytest.mark.parametrize("parts", ["an event at a time", "all at once", "cut anywhere"])
async def test_every_event_passes_byte_for_byte_and_in_order(mock_clock, parts: str):
    assert len(ODD[7].encode()) > 900_000
    data = SESSION_INFO + b"".join(event(text) for text in ODD) + DONE
    match parts:
        case "all at once":
            answer = stream(data)
        case "cut anywhere":  # also within a character
            answer = stream(*(data[start : start + 9973] for start in range(0, len(data), 9973)))
        case _:
            answer = stream(SESSION_INFO, *(event(text) for text in ODD), DONE)
    async with open_gateway(answer) as (door, _):
        caller = door.call(TEMPORARY)
        texts = await ask(caller)
        info, welcome, *passed, ended = texts
        assert json.loads(info)["type"] == "session_info"
        assert json.loads(welcome)["type"] == "session.created"
        assert passed == ODD
        assert json.loads(ended)["outcome"] == "completed"


@pytest.mark.parametrize("kind", ["session.created", "session.closed", "turn.ended", "tts.speaking_start"])
async def test_an_event_that_looks_like_ours_is_not_taken_for_it(mock_clock, kind: str):
    """Nor does it break the count by which a client that comes back is told what it has missed."""
    spoofed = {"type": kind, "resume_token": "x", "turn_id": "x"}
    async with open_gateway(stream(TOKEN, event(spoofed), DONE), reply("Fine.")) as (door, _):
        caller = await door.enter(REAL)
        await ask(caller, "one")
        token = caller.got("session.created")[0]["resume_token"]
        assert caller.got("agent_event") == [{"type": "agent_event", "event": spoofed}]
        assert len(caller.got("turn.ended")) == 1
        await caller.leave()
        await caller.over.wait()
        received = len([message for message in caller.messages if message["type"] != "session.created"])
        back = await door.enter(REAL, f"resume={token}&received={received}")
        texts = await ask(back, "two")
        assert back.messages[0]["resumed"]
        assert back.got("messages_lost") == []
        assert [json.loads(text)["type"] for text in texts] == ["assistant_message", "assistant_message", "turn.ended"]


NAMES = [123, "", None, {}, [], 1.5, True, "a/b", "сессия", "n" * 129]


@pytest.mark.parametrize("name", NAMES, ids=[repr(name)[:10] for name in NAMES])
async def test_a_dialog_may_be_called_anything_by_its_agent(mock_clock, name: object):
    info = event({"type": "session_info", "session_id": name})
    with structlog.testing.capture_logs() as logs:
        async with open_gateway(stream(info, TOKEN, DONE), stream(info, TOKEN, DONE), reply("x")) as (door, runtime):
            caller = door.call(TEMPORARY)
            await ask(caller)
            assert caller.messages[0] == {"type": "session_info", "session_id": name}
            assert (await caller.wait_for("session.created"))["session_id"] == TEMPORARY
            await ask(caller)
            await ask(caller)
            assert door.house.registry.find(TEMPORARY) is not None
            assert [error["code"] for error in caller.got("error")] == ["agent_bad_session_id"]
            assert {ended["outcome"] for ended in caller.got("turn.ended")} == {"completed"}
    first, *later = runtime.requests
    assert "session_id" not in first.json
    assert [request.json["session_id"] for request in later] == [name, name]
    assert [entry["log_level"] for entry in logs if entry["event"] == "dialog_named_apart"] == ["warning"]
    assert "сессия" not in repr(logs)


async def test_an_agent_that_names_its_dialog_without_end_is_stopped(mock_clock):
    infos = [event({"type": "session_info", "session_id": f"name-{number}"}) for number in range(1000)]
    async with open_gateway(stream(b"".join(infos), DONE)) as (door, _):
        caller = await door.enter(REAL)
        await ask(caller)
        assert len(caller.got("session_info")) < 50
        assert [error["code"] for error in caller.got("error")] == ["agent_bad_session_id"]
        assert caller.got("turn.ended")[0]["outcome"] == "failed"


async def test_the_operator_learns_why_an_agent_has_failed(mock_clock):
    with structlog.testing.capture_logs() as logs:
        async with open_gateway(status(401), stream(event("no json"), DONE)) as (door, _):
            caller = await door.enter(REAL)
            await ask(caller)
            await ask(caller)
    trouble = [entry for entry in logs if entry["event"] == "agent_trouble"]
    assert [(entry["code"], entry["log_level"]) for entry in trouble] == [
        ("agent_unauthorized", "warning"),
        ("agent_malformed", "warning"),
    ]
    assert "check agent.api_key" in trouble[0]["reason"]
    assert KEY not in repr(logs)


async def test_a_message_reaches_the_runtime_with_all_of_its_fields(mock_clock):
    fields = {"role": "user", "content": "Привет 👋", "mode": ["x", None, 1.5], "deep": {"a": {"b": True}}}
    async with open_gateway(reply("Hi.")) as (door, runtime):
        caller = await door.enter(REAL)
        await caller.say("user_message", **fields)
        await caller.wait_for("turn.ended")
    assert runtime.requests[0].json["message"] == {"type": "user_message", **fields}


async def test_what_was_heard_of_an_interrupted_reply_is_told_with_the_next_message_and_once(mock_clock):
    aloud = SessionConfig(speak_replies=True)
    answers = reply("One two three four five six seven.", named=True), reply("Yes."), reply("No.")
    async with open_gateway(*answers, config=aloud) as (door, runtime):
        caller = door.call(TEMPORARY)
        await caller.say("user_message", role="user", content="count")
        end = await caller.wait_for("tts.speaking_end")
        await caller.say("playback.progress", request_id=end["request_id"], played_ms=850)  # 100 ms a character
        await caller.say("tts.cancel")
        await caller.wait_for("turn.ended")
        await ask(caller, "again")
        await ask(caller, "and again")
    told = [request.json.get("interruption") for request in runtime.requests]
    assert told == [None, {"heard_text": "One two", "heard_ms": 850}, None]
    assert dialogs(runtime) == [None, REAL, REAL]


# -- what goes wrong ------------------------------------------------------------------------------------------------

TOKEN = event({"type": "assistant_message", "token": "Well, ", "is_final": False})

FAILURES = {
    "401": (status(401), "agent_unauthorized", "failed"),
    "403": (status(403), "agent_unauthorized", "failed"),
    "404": (status(404), "agent_not_found", "failed"),
    "429": (status(429), "agent_busy", "failed"),
    "500": (status(500), "agent_failed", "failed"),
    "503": (status(503), "agent_busy", "failed"),
    "redirect": (status(307, b"", "Location: http://127.0.0.1:9/"), "agent_failed", "failed"),
    "no stream": (stream(b"{}", content_type="application/json"), "agent_malformed", "failed"),
    "stops": (stream(TOKEN, ended=False), "agent_broken", "failed"),
    "stops in an event": (stream(TOKEN, b'data: {"typ', ended=False), "agent_broken", "failed"),
    "reset": (stream(TOKEN, ended=False, then="reset"), "agent_broken", "failed"),
    "dies at once": (Answer((), "close"), "agent_broken", "failed"),
    "malformed event": (stream(TOKEN, event('{"type": oops'), TOKEN, DONE), "agent_malformed", "completed"),
    "no object": (stream(event("[1]"), TOKEN, DONE), "agent_malformed", "completed"),
    "nothing but a malformed event": (stream(event("[1]"), DONE), "agent_malformed", "failed"),
    "malformed without end": (stream(TOKEN, event("nope") * 3000), "agent_malformed", "failed"),
    "its own error": (
        stream(TOKEN, event({"type": "fails", "error": 1}), b"event: error\ndata: {}\n\n"),
        "agent_failed",
        "failed",
    ),
    "1 MiB": (stream(TOKEN, event('{"a":"' + "x" * (MAX_EVENT_BYTES - 8) + '"}')), "agent_event_too_large", "failed"),
    "silence": (stream(TOKEN, ended=False, then="hold"), "agent_silent", "failed"),
    "silence from the start": (Answer((), "hold"), "agent_silent", "failed"),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_failure_is_one_error_and_the_next_message_is_answered(mock_clock, failure: str):
    answer, code, outcome = FAILURES[failure]
    async with open_gateway(answer, reply("Here I am.", named=True), reply("Still.")) as (door, runtime):
        caller = door.call(TEMPORARY)
        began = trio.current_time()
        await ask(caller, "fails")
        if failure.startswith("silence"):
            assert trio.current_time() - began == pytest.approx(SILENCE_S, abs=1)
        else:
            assert trio.current_time() - began < 1, "nothing waits for a timeout"
        (error,) = caller.got("error")
        assert (error["code"], error["recoverable"]) == (code, True)
        (ended,) = caller.got("turn.ended")
        assert (ended["outcome"], ended["turn_id"]) == (outcome, error["turn_id"])
        assert KEY not in repr(caller.messages)
        assert (await caller.wait_for("session.created"))["session_id"] == TEMPORARY

        texts = await ask(caller, "works")
        assert json.loads(texts[-1])["outcome"] == "completed"
        await ask(caller, "goes on")
        assert len(caller.got("error")) == 1
        assert not caller.over.is_set()
    assert contents(runtime) == ["fails", "works", "goes on"], "each was sent once"
    assert dialogs(runtime) == [None, None, REAL], "it stays temporary until it has a name"
    assert runtime.open_connections == 0


async def test_a_runtime_that_is_down_is_one_error_and_asked_again_with_the_next_message(mock_clock):
    with closing(socket.socket()) as place:
        place.bind(("127.0.0.1", 0))  # and not listened on: it is ours, and refuses
        async with open_gateway(reply("Back.", named=True), port=place.getsockname()[1]) as (door, runtime):
            caller = door.call(TEMPORARY)
            await ask(caller, "fails")
            (error,) = caller.got("error")
            assert (error["code"], error["recoverable"]) == ("agent_unreachable", True)
            assert caller.got("turn.ended")[0]["outcome"] == "failed"
            place.listen()
            listener = trio.SocketListener(trio.socket.from_stdlib_socket(place.dup()))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.serve_listeners, runtime.serve, [listener])
                await ask(caller, "works")
                nursery.cancel_scope.cancel(reason="the test has seen enough")
            assert caller.got("turn.ended")[1]["outcome"] == "completed"
    assert contents(runtime) == ["works"]


async def test_a_failure_after_the_name_keeps_the_name(mock_clock):
    answers = stream(SESSION_INFO, TOKEN, ended=False), reply("Here I am.")
    async with open_gateway(*answers) as (door, runtime):
        caller = door.call(TEMPORARY)
        await ask(caller)
        assert [error["code"] for error in caller.got("error")] == ["agent_broken"]
        await ask(caller)
    assert dialogs(runtime) == [None, REAL]


async def test_a_client_that_leaves_has_its_waiting_message_asked_and_comes_back_to_the_answer(mock_clock):
    async with open_gateway(reply("Hi.", named=True), reply("Fine.")) as (door, runtime):
        caller = door.call(TEMPORARY)
        await ask(caller, "one")
        token = (await caller.wait_for("session.created"))["resume_token"]
        received = len(caller.messages) - 1
        await caller.say("user_message", role="user", content="two")
        await caller.leave()
        await caller.over.wait()
        back = await door.enter(REAL, f"resume={token}&received={received}")
        await back.wait_for("turn.ended")
        assert back.got("assistant_message")[-1]["content"] == "Fine."
    assert dialogs(runtime) == [None, REAL]
