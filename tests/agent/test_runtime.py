"""An agent runtime: what it is asked, and how its events pass through."""

import json

import pytest

from tests.agent.asking import HELLO, KEY, ask, ask_runtime, config, next_event, payloads, said
from tests.agent.http_server import Answer, open_server, stream
from voicetrio.agent import open_agent
from voicetrio.core.errors import AgentError
from voicetrio.session.ports import AgentEvent, AgentFault, AgentRequest, Interruption

SESSION_INFO = b'data: {"type":"session_info","session_id":"abc-123"}\n\n'
DONE = b"event: done\ndata: {}\n\n"


async def test_a_new_dialog_is_asked_for_without_a_session_id_and_gets_its_name():
    async with open_server(stream(SESSION_INFO, DONE)) as server, open_agent(config(server, kind="runtime")) as agent:
        assert (agent.kind, agent.keeps_dialogs) == ("runtime", True)
        events = await ask(agent)
    assert events == [AgentEvent('{"type":"session_info","session_id":"abc-123"}', dialog_id="abc-123")]
    (request,) = server.requests
    assert request.line == "POST /agent/message/stream HTTP/1.1"
    assert request.json == {"message": HELLO.message}
    assert request.headers["x-internal-auth"] == KEY
    assert request.headers["content-type"] == "application/json"
    assert "authorization" not in request.headers
    assert request.headers["accept-encoding"] == "identity"


async def test_an_existing_dialog_is_asked_for_by_its_session_id():
    request = AgentRequest("abc-123", {"content": "Привет"})
    async with open_server(stream(DONE)) as server, open_agent(config(server, kind="runtime")) as agent:
        assert await ask(agent, request) == []
    assert server.requests[0].json == {"session_id": "abc-123", "message": {"content": "Привет"}}


async def test_three_messages_in_a_row_go_to_the_dialog_that_the_first_one_began():
    answers = [stream(SESSION_INFO, DONE, then="keep"), stream(DONE, then="keep"), stream(DONE)]
    dialog = None
    async with open_server(*answers) as server, open_agent(config(server, kind="runtime")) as agent:
        for _ in range(3):
            for event in await ask(agent, AgentRequest(dialog, HELLO.message)):
                dialog = event.dialog_id or dialog
    assert [request.json.get("session_id") for request in server.requests] == [None, "abc-123", "abc-123"]


async def test_an_interruption_is_told_beside_the_message():
    request = AgentRequest("a", {"content": "stop"}, interruption=Interruption("One, two", 1500))
    async with open_server(stream(DONE)) as server, open_agent(config(server, kind="runtime", api_key="")) as agent:
        await ask(agent, request)
    told = {"heard_text": "One, two", "heard_ms": 1500}
    assert server.requests[0].json == {"session_id": "a", "message": {"content": "stop"}, "interruption": told}
    assert "x-internal-auth" not in server.requests[0].headers


async def test_a_message_is_sent_with_all_of_its_fields_even_half_a_character():
    message = {"type": "x", "content": "\ud83d", "n": [1, None, {"a": 0.5}]}
    async with open_server(stream(DONE)) as server, open_agent(config(server, kind="runtime")) as agent:
        await ask(agent, AgentRequest(None, message))
    assert server.requests[0].json == {"message": message}


async def test_every_event_passes_as_it_came_and_in_order():
    data = ['{"type": "tool_call",  "args":{}}', '{"type":"x","e":"\\ud83d"}', '{"no":"type"}', '{"type":["x"]}', "{}"]
    events = await ask_runtime(stream(*(f"event: message\ndata: {text}\n\n".encode() for text in data), DONE))
    assert [event.payload for event in events] == data
    assert said(events) == ""


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"token": "Hel"}, {"token": "lo"}, {"content": "Hello", "is_final": True}], "Hello"),
        ([{"token": " "}, {"token": "a"}, {"token": None, "content": "a"}], " a"),
        ([{"token": None, "content": "Hello."}], "Hello."),
        ([{"content": "Hello."}], "Hello."),
        ([{"token": "", "content": "Hello."}], "Hello."),
        ([{"token": 5}, {"token": ["x", {"type": "text", "text": "y"}]}, {"content": None}, {}], "5xy"),
        ([{"token": [], "content": [{"text": "Hello."}]}], "Hello."),
        ([{"token": "a", "content": "the whole"}, {"token": "b", "content": "the whole"}], "ab"),
        ([{"token": "a\ud83d\ude00\ud83d"}, {"token": "\udc00b"}], "a😀b"),
    ],
)
async def test_what_is_said_are_the_tokens_or_else_the_content(messages, expected):
    parts = [b"data: %b\n\n" % json.dumps({"type": "assistant_message", **each}).encode() for each in messages]
    events = await ask_runtime(stream(*parts, DONE))
    assert said(events) == expected
    assert len(events) == len(messages)
    said(events).encode()


async def test_only_assistant_messages_are_said():
    events = await ask_runtime(stream(b'data: {"type":"reasoning","token":"hm","content":"hm"}\n\n', DONE))
    assert said(events) == ""


async def test_text_of_a_type_that_cannot_be_read_is_told_and_passed():
    part = b'data: {"type":"assistant_message","token":true}\n\n'
    event, fault = await ask_runtime(stream(part, DONE))
    assert isinstance(event, AgentEvent)
    assert json.loads(event.payload)["token"] is True
    assert fault.code == "agent_malformed"


NAMES = [
    "123",
    "1.5",
    '""',
    "null",
    "{}",
    "[]",
    "true",
    "0",
    '"a/b"',
    '"сессия"',
    '"' + "n" * 129 + '"',
    '{"a":[null]}',
]


@pytest.mark.parametrize("name", NAMES)
async def test_a_dialog_is_asked_for_by_what_the_agent_calls_it_whatever_that_is(name):
    info = f'{{"type":"session_info","session_id":{name}}}'
    async with (
        open_server(stream(f"data: {info}\n\n".encode(), DONE), stream(DONE)) as server,
        open_agent(config(server, kind="runtime")) as agent,
    ):
        (event,) = await ask(agent)
        assert event.payload == info
        assert event.dialog_id is not None
        await ask(agent, AgentRequest(event.dialog_id, {}))
    first, second = server.requests
    assert "session_id" not in first.json
    assert json.dumps(second.json["session_id"], ensure_ascii=False, separators=(",", ":")) == name


@pytest.mark.parametrize("field", ["", ',"session_id":1e999', f',"session_id":"{"n" * 8191}"'])
async def test_a_name_that_cannot_be_given_back_is_told(field):
    event, fault = await ask_runtime(stream(f'data: {{"type":"session_info"{field}}}\n\n'.encode(), DONE))
    assert event.dialog_id is None
    assert fault.code == "agent_bad_session_id"


@pytest.mark.parametrize("kind", ["session.created", "session.closed", "turn.ended", "playback.x", "agent_event"])
async def test_an_event_that_looks_like_the_servers_own_comes_in_an_envelope(kind):
    data = f'{{"type": "{kind}", "resume_token": "x"}}'
    events = await ask_runtime(stream(f"data: {data}\n\n".encode(), DONE))
    assert [event.payload for event in events] == [f'{{"type":"agent_event","event":{data}}}']


@pytest.mark.parametrize(
    "end",
    [
        b"event: done\n\n",
        b"event: done\ndata: {}\n\n",
        b"event: done\ndata: [1\n\n",
        b"data: [DONE]\n\n",
        b"data:[DONE] \n\n",
        b"event: done\ndata: [DONE]\n\n",
    ],
)
@pytest.mark.parametrize("then", ["hold", "close"])
async def test_the_answer_ends_with_done_even_if_the_connection_stays_open(end, then):
    events = await ask_runtime(stream(b'data: {"a":1}\n\n' + end + b'data: {"b":2}\n\n', ended=False, then=then))
    assert payloads(events) == [{"a": 1}]


async def test_the_data_of_done_is_passed_on_if_it_has_a_type():
    data = b'event: done\ndata: {"type":"assistant_message","content":"Bye."}\n\n'
    events = await ask_runtime(stream(data, ended=False, then="hold"))
    assert payloads(events) == [{"type": "assistant_message", "content": "Bye."}]
    assert said(events) == "Bye."


@pytest.mark.parametrize("tail", [b"", b"\n", b"\n\n", b"\r\n\r\n"])
async def test_the_answer_ends_with_the_http_answer_even_without_a_blank_line(tail):
    events = await ask_runtime(stream(b'data: {"a":1}' + tail))
    assert payloads(events) == [{"a": 1}]


async def test_an_http_answer_without_a_length_ends_with_its_connection():
    head = b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    last = b'data: {"type":"assistant_message","content":"Hello","is_final":true}\n\n'
    for end in (last, last + b'data: {"a":1}\n\n', b'data: {"a":1}\n\n' + DONE, b"data: [DONE]"):
        events = await ask_runtime(Answer((head, end)))
        assert len(events) == end.count(b"data: {") - end.count(b"{}")


@pytest.mark.parametrize("more", [b"", b'data: {"type":"assistant_message","token":"and","is_final":false}\n\n'])
async def test_a_connection_that_ends_without_any_end_of_the_answer_has_broken(more):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    last = b'data: {"type":"assistant_message","token":"Well","is_final":%b}\n\n' % (b"true" if more else b"false")
    with pytest.raises(AgentError) as caught:
        await ask_runtime(Answer((head, last + more)))
    assert caught.value.code == "agent_broken"


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_a_connection_that_breaks_is_told_after_what_came_before(then):
    answer = stream(b'data: {"a":1}\n\n', b'data: {"cut":', ended=False, then=then)
    async with open_server(answer) as server, open_agent(config(server, kind="runtime")) as agent:
        async with agent.open_turn(HELLO) as turn:
            assert await next_event(turn) == AgentEvent('{"a":1}')
            with pytest.raises(AgentError) as caught:
                await next_event(turn)
        assert caught.value.code == "agent_broken"
    assert len(server.requests) == 1


async def test_broken_chunks_break_the_answer_without_a_word_of_theirs():
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    with pytest.raises(AgentError) as caught:
        await ask_runtime(Answer((head, b"some secret, not a size\r\n")))
    assert caught.value.code == "agent_broken"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    ["[1]", '"text"', "5", "null", "{", '{"a":NaN}', '{"a":-Infinity}', "[" * 100_000, '{"a":' * 50_000, "9" * 5000],
)
async def test_an_event_that_is_no_object_is_left_out_and_the_next_one_is_not(data):
    events = await ask_runtime(stream(f"data: {data}\n\n".encode(), b'data: {"a":1}\n\n', DONE))
    match events:
        case [AgentFault(code, message), AgentEvent('{"a":1}')]:
            assert code == "agent_malformed"
            assert data not in message
        case _:
            pytest.fail(f"{len(events)} events")


async def test_an_event_in_several_data_lines_is_one_payload():
    (event,) = await ask_runtime(stream(b'data: {"a":\ndata: 1}\n\n', DONE))
    assert json.loads(event.payload) == {"a": 1}


ERROR = b'data: {"type":"error","code":"x"}\n\n'
TOKEN = b'data: {"type":"assistant_message","token":"Well."}\n\n'


@pytest.mark.parametrize(
    "parts", [(ERROR,), (TOKEN, ERROR, b'data: {"type":"bill"}\n\n'), (b"event: error\ndata: {}\n\n",)]
)
@pytest.mark.parametrize("end", [DONE, b""])
async def test_an_answer_that_ends_with_an_error_has_failed_and_the_error_passes(parts, end):
    async with (
        open_server(stream(*parts, end or b"\n")) as server,
        open_agent(config(server, kind="runtime")) as agent,
        agent.open_turn(HELLO) as turn,
    ):
        passed = [await next_event(turn) for _ in parts]
        with pytest.raises(AgentError) as caught:
            await next_event(turn)
    assert [event.payload.encode() for event in passed] == [part[part.index(b"{") : -2] for part in parts]
    assert caught.value.code == "agent_failed"


async def test_an_agent_that_goes_on_after_an_error_has_not_failed():
    assert said(await ask_runtime(stream(ERROR, TOKEN, DONE))) == "Well."


async def test_an_error_field_ends_the_answer():
    with pytest.raises(AgentError) as caught:
        await ask_runtime(stream(b'error: {"message":"x"}\n\n', DONE))
    assert caught.value.code == "agent_failed"


async def test_one_mebibyte_is_refused_and_a_bit_less_passes():
    data = b'{"type":"x","a":"%b"}'
    size = 1_048_576 - len(b"data: " + data % b"")
    events = await ask_runtime(stream(b"data: " + data % (b"x" * (size - 1)) + b"\n\n", DONE))
    assert len(events[0].payload) == 1_048_576 - 1 - len("data: ")
    with pytest.raises(AgentError) as caught:
        await ask_runtime(stream(b"data: " + data % (b"x" * size) + b"\n\n", DONE))
    assert caught.value.code == "agent_event_too_large"


async def test_bytes_are_put_together_across_packets_and_chunks():
    text = 'data: {"type":"assistant_message","token":"žluťoučký 🐎\u2028"}\r\n\r\n'.encode()
    events = await ask_runtime(stream(*(bytes([byte]) for byte in text), DONE))
    assert said(events) == "žluťoučký 🐎\u2028"
    whole = b"".join(stream(text).pieces)
    events = await ask_runtime(Answer(tuple(whole[at : at + 7] for at in range(0, len(whole), 7))))
    assert said(events) == "žluťoučký 🐎\u2028"


async def test_a_url_with_a_slash_a_query_and_a_password_is_asked_rightly():
    async with open_server(stream(DONE)) as server:
        url = f"http://user:p%40ss@127.0.0.1:{server.port}/base/?version=1#part"
        async with open_agent(config(server, kind="runtime", url=url)) as agent:
            await ask(agent)
    assert server.requests[0].line == "POST /base/agent/message/stream?version=1 HTTP/1.1"
    assert server.requests[0].headers["authorization"] == "Basic dXNlcjpwQHNz"
    assert server.requests[0].headers["x-internal-auth"] == KEY
