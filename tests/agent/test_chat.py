"""A chat server: what it is told, and what its stream becomes, in every shape that servers give it."""

import json
import random
from itertools import pairwise

import pytest
import trio

from tests.agent.asking import HELLO, HELLO_AGAIN, KEY, ask, ask_chat, chunk, config, next_event, payloads, said
from tests.agent.http_server import Answer, open_server, stream
from voicetrio.agent import open_agent
from voicetrio.agent.chat import DOUBTFUL_GRACE, GRACE
from voicetrio.core.errors import AgentError
from voicetrio.session.ports import AgentAlive, AgentEvent, AgentFault, AgentRequest, Interruption, Said

IDLE_S = 0.05
"""Seconds in which nobody does anything, until a test's clock jumps: the loopback takes microseconds."""

DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"object":"chat.completion.chunk","choices":%b,"usage":{"total_tokens":3}}\n\n'
STOP = chunk(None, "stop")


def whole(text: str) -> dict[str, object]:
    return {"type": "assistant_message", "content": text, "is_final": True}


def token(text: str) -> dict[str, object]:
    return {"type": "assistant_message", "token": text, "is_final": False}


def event(payload: object, name: str = "message") -> bytes:
    return f"event: {name}\ndata: {json.dumps(payload)}\n\n".encode()


def message(content: object, finish: object = None) -> bytes:
    """A chunk with a whole message instead of a piece."""
    return event({"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": finish}]})


async def messages_for(request: AgentRequest, **settings: str) -> list[dict[str, str]]:
    async with (
        open_server(stream(chunk("Hi"), STOP, DONE)) as server,
        open_agent(config(server, kind="chat", **settings)) as agent,
    ):
        await ask(agent, request)
    return server.requests[0].json["messages"]


async def test_an_answer_as_openai_streams_it_becomes_tokens_and_the_whole():
    answer = stream(chunk("", role="assistant"), chunk("Hello"), chunk(" "), chunk("there."), STOP, DONE)
    async with open_server(answer) as server, open_agent(config(server, kind="chat")) as agent:
        assert (agent.kind, agent.keeps_dialogs) == ("chat", False)
        events = await ask(agent)
    assert payloads(events) == [token("Hello"), token(" "), token("there."), whole("Hello there.")]
    assert [event.text for event in events] == ["Hello", " ", "there.", ""]
    assert all(event.dialog_id is None for event in events)
    (request,) = server.requests
    assert request.line == "POST /chat/completions HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "x-internal-auth" not in request.headers
    assert request.json == {
        "model": "small-model",
        "messages": [{"role": "user", "content": "hello there"}],
        "stream": True,
    }


async def test_a_dialog_without_a_name_gets_one_first():
    events = await ask_chat(stream(chunk("Hello", "stop")), HELLO)
    name = events[0].dialog_id
    assert name.startswith("dialog-")
    assert payloads(events) == [{"type": "session_info", "session_id": name}, token("Hello"), whole("Hello")]


async def test_without_a_key_nothing_is_authorized():
    async with (
        open_server(stream(chunk("a", "stop"))) as server,
        open_agent(config(server, kind="chat", api_key="", url=server.url + "/v1/")) as agent,
    ):
        await ask(agent)
    assert "authorization" not in server.requests[0].headers
    assert server.requests[0].line == "POST /v1/chat/completions HTTP/1.1"


async def test_all_that_was_said_is_told_with_neighbours_of_one_role_as_one():
    history = (
        Said("user", "a"),
        Said("user", "b"),
        Said("assistant", "c"),
        Said("assistant", ""),
        Said("assistant", "d"),
        Said("user", "e"),
    )
    request = AgentRequest("x", {"content": "f"}, history, Interruption("d", 5))
    assert await messages_for(request, instructions="Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a\nb"},
        {"role": "assistant", "content": "c\nd"},
        {"role": "user", "content": "e\nf"},
    ]


async def test_a_reply_that_has_lost_its_question_is_left_out():
    history = (Said("assistant", "c"), Said("user", "a"), Said("assistant", "d"))
    assert [line["content"] for line in await messages_for(AgentRequest(None, {"content": "f"}, history))] == [
        "a",
        "d",
        "f",
    ]


@pytest.mark.parametrize("message", [{}, {"content": None}, {"content": 5}, {"content": [{"type": "text"}]}])
async def test_a_message_without_text_is_refused_before_anybody_is_asked(message):
    async with open_server() as server, open_agent(config(server, kind="chat")) as agent:
        with pytest.raises(AgentError) as caught:
            await ask(agent, AgentRequest(None, message))
    assert caught.value.code == "agent_bad_message"
    assert server.connections == 0


ANSWERED = (chunk("Hel"), chunk("lo"))


@pytest.mark.parametrize(
    "parts",
    [
        (chunk(None), *ANSWERED, STOP, DONE),  # llama.cpp begins with null
        (chunk(""), *ANSWERED, STOP, USAGE % b"[]", DONE),
        (*ANSWERED, USAGE % b"[]", STOP),  # without [DONE]
        (*ANSWERED, USAGE % b"null", DONE),
        (*ANSWERED, b'data: {"usage":{}}\n\n', DONE),
        (*ANSWERED, b'data: {"choices":[null]}\n\ndata: {"choices":{}}\n\ndata: {"choices":["x"]}\n\n', DONE),
        (*ANSWERED, b'data: {"choices":[{}]}\n\ndata: {"choices":[{"delta":null}]}\n\n', DONE),
        (chunk("Hel"), chunk("lo", "stop")),  # the reason rides on the last token
        (chunk("Hel", ""), chunk("lo", "length"), DONE),
        (*ANSWERED, b"data: [DONE]"),  # without its blank line
        (*ANSWERED, b"data: [DONE]\n"),
        (b": ping\n\n", *ANSWERED, b": OPENROUTER PROCESSING\n\ndata:\n\ndata: \n\n", DONE),
        (b"retry: 1\nid: 5\n\n", *ANSWERED, DONE),
        (*ANSWERED, b'data: {"error":null,"choices":[]}\n\n', DONE),
        tuple(part.replace(b"\n", b"\r\n") for part in (*ANSWERED, DONE)),
        tuple(part.replace(b"\n", b"\r") for part in (*ANSWERED, DONE)),
        tuple(part.replace(b"data: ", b"data:") for part in (*ANSWERED, DONE)),
        (b"\xef\xbb\xbf" + ANSWERED[0], *ANSWERED[1:], DONE),
        (chunk("Hel", reasoning_content="hm"), chunk(None, reasoning="hm"), chunk("lo"), DONE),
        (chunk("<thi"), chunk("nk>I think"), chunk(" so</th"), chunk("ink>"), chunk("\n\n"), *ANSWERED, STOP),
        (
            chunk(None, tool_calls=[{"index": 0, "id": "1", "function": {"name": "f", "arguments": ""}}]),
            *ANSWERED,
            STOP,
        ),
        (chunk(None, tool_calls=[{"function": {"arguments": "{}"}}]), *ANSWERED, STOP),
        (chunk(["Hel"]), chunk([{"type": "text", "text": "lo"}]), STOP),
        (
            chunk({"text": "Hel"}),
            chunk([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, "lo"]),
            STOP,
        ),
        (chunk(None, refusal="Hello"), STOP),
        (chunk("", "stop", reasoning="hm"), *ANSWERED, STOP, DONE),
        (chunk("Hel", "stop"), chunk("lo", "stop"), DONE),  # a reason on every chunk
        (chunk("Hel", "stop"), chunk("lo", "stop")),
        (chunk("Hel", "null"), chunk("lo", "None"), STOP),
        (chunk("Hel", False), chunk("lo", 1)),
        (message("Hello"), STOP),  # whole, where a piece should be
        (message("Hel"), message("Hello"), STOP),  # growing
        (*ANSWERED, message("Hello", "stop"), DONE),  # once more at the end
        (event({"choices": [{"text": "Hel"}]}), event({"choices": [{"delta": "lo", "index": "0"}]}), STOP),
        (event({"choices": [], "prompt_filter_results": [{}]}), *ANSWERED, STOP),  # Azure
        (event({"prompt_progress": {"total": 5}}), *ANSWERED, STOP),  # llama.cpp
        (event({"error": "", "detail": None}), *ANSWERED, STOP),
    ],
)
async def test_the_shapes_of_many_servers_say_the_same(parts):
    everything = b"".join(parts)
    cuts = [sorted(random.Random(seed).sample(range(1, len(everything)), 6)) for seed in range(5)]
    pieces = [[everything[start:end] for start, end in pairwise([0, *each, len(everything)])] for each in cuts]
    answers = [stream(*each) for each in (parts, *pieces)]
    async with open_server(*answers) as server, open_agent(config(server, kind="chat")) as agent:
        whole_chunks, *cut_anywhere = [await ask(agent) for _ in answers]
    assert said(whole_chunks) == "Hello"
    assert payloads(whole_chunks)[-1] == whole("Hello")
    assert cut_anywhere == [whole_chunks] * 5


@pytest.mark.parametrize("end", [DONE, b"data: [DONE]\r\r", b"data: [DONE]\n"])
async def test_the_answer_ends_with_done_even_if_the_connection_stays_open(end, mock_clock):
    mock_clock.autojump_threshold = IDLE_S
    events = await ask_chat(stream(chunk("Hello"), end, ended=False, then="hold"))
    assert said(events) == "Hello"
    assert trio.current_time() == 0


@pytest.mark.parametrize(
    ("parts", "grace"),
    [
        ((chunk("Hello"), STOP), GRACE),
        ((chunk("Hello"), chunk(None, "stop").rstrip() + b"\r\r"), GRACE),
        ((chunk("Hello", "stop"), USAGE % b"[]"), GRACE),
        ((chunk("Hel", "stop"), chunk("lo", "stop")), DOUBTFUL_GRACE),
        ((chunk(None, "stop", reasoning="hm"), chunk("Hello"), STOP), DOUBTFUL_GRACE),
    ],
)
async def test_a_finish_reason_counts_after_some_time_even_if_the_connection_stays_open(parts, grace, mock_clock):
    mock_clock.autojump_threshold = IDLE_S
    events = await ask_chat(stream(*parts, ended=False, then="hold"))
    assert said(events) == "Hello"
    assert payloads(events)[-1] == whole("Hello")
    assert trio.current_time() == pytest.approx(grace)


async def test_an_end_is_not_waited_for_while_the_client_is_slow(mock_clock):
    """The rest of the answer is there, and is read, however long its first part has waited."""
    mock_clock.autojump_threshold = IDLE_S
    answer = stream(chunk("Hel", "stop"), chunk("lo"), STOP, ended=False, then="hold")
    async with (
        open_server(answer) as server,
        open_agent(config(server, kind="chat")) as agent,
        agent.open_turn(HELLO_AGAIN) as turn,
    ):
        assert (await next_event(turn)).text == "Hel"
        await trio.sleep(10 * DOUBTFUL_GRACE)
        assert (await next_event(turn)).text == "lo"


@pytest.mark.parametrize("part", [b": ping\n\n", b": PROCESSING\n", chunk(None, reasoning="hm"), chunk("<think>hm")])
async def test_what_says_nothing_is_a_sign_of_life(part):
    async with (
        open_server(stream(part, ended=False, then="hold")) as server,
        open_agent(config(server, kind="chat")) as agent,
        agent.open_turn(HELLO_AGAIN) as turn,
    ):
        assert await turn.receive() == AgentAlive()
        if not part.startswith(b":"):
            return
    async with (
        open_server(stream(part, ended=False, then="hold")) as server,
        open_agent(config(server, kind="runtime")) as agent,
        agent.open_turn(HELLO_AGAIN) as turn,
    ):
        assert await turn.receive() == AgentAlive()


@pytest.mark.parametrize(
    "parts",
    [
        (
            event({"type": "message_start", "message": {"content": []}}),
            event({"type": "content_block_start", "content_block": {"type": "thinking", "thinking": ""}}),
            event({"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "hm"}}),
            event({"type": "ping"}),
            event({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}),
            event({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hel"}}),
            event({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "lo"}}),
            event({"type": "content_block_stop"}),
            event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
            event({"type": "message_stop"}),
        ),
        (
            event({"type": "response.created"}),
            event({"type": "response.reasoning_summary_text.delta", "delta": "hm"}),
            event({"type": "response.output_text.delta", "delta": "Hello"}),
            event({"type": "response.completed", "response": {}}),
        ),
        (
            event({"message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": False}),
            event({"message": {"role": "assistant", "content": "Hello"}, "done": False}),
            event({"message": {"content": ""}, "done": True, "done_reason": "stop"}),
        ),
        (event({"response": "Hello", "done": False}), event({"response": "", "done": True})),
        (event({"content": "Hello", "stop": False}), event({"content": "", "stop": True})),
    ],
)
async def test_streams_of_other_shapes_are_read(parts):
    events = await ask_chat(stream(*parts))
    assert said(events) == "Hello"
    assert not [event for event in events if isinstance(event, AgentFault)]


@pytest.mark.parametrize(
    ("content", "text"), [(5, "5"), (2.5, "2.5"), ([1, "a", {"text": {"value": "b"}}], "1ab"), ([None, [], {}], "")]
)
async def test_numbers_and_parts_are_read_as_text(content, text):
    events = await ask_chat(stream(chunk(content), chunk("."), STOP))
    assert said(events) == text + "."
    assert not [event for event in events if isinstance(event, AgentFault)]


@pytest.mark.parametrize(
    "part",
    [
        chunk(True),
        chunk([True]),
        chunk({"image": "x"}),
        chunk([[[[[["deep"]]]]]]),
        event({"choices": "x"}),
        event({"x": 1}),
    ],
)
async def test_what_cannot_be_read_is_told(part):
    events = await ask_chat(stream(part, chunk("Hello"), STOP))
    assert said(events) == "Hello"
    assert [event.code for event in events if isinstance(event, AgentFault)] == ["agent_malformed"]


@pytest.mark.parametrize(
    "calls",
    [
        chunk(None, "tool_calls", tool_calls=[{"id": "1", "function": {"name": "secret", "arguments": "{}"}}]),
        chunk(None, function_call={"name": "secret"}),
        chunk([{"type": "tool_use", "name": "secret"}]),
        message([{"type": "tool_call", "name": "secret"}]),
    ],
)
async def test_a_tool_that_is_called_is_told_beside_the_text(calls):
    events = await ask_chat(stream(chunk("Let me see."), calls, STOP))
    assert said(events) == "Let me see."
    (fault,) = [event for event in events if isinstance(event, AgentFault)]
    assert fault.code == "agent_tool_call"
    assert "secret" not in fault.message


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        *((reason, "agent_failed") for reason in ("error", "abort", "insufficient_system_resource", "network_error")),
        *((reason, "agent_filtered") for reason in ("content_filter", "SAFETY", "sensitive", "refusal")),
    ],
)
async def test_an_error_as_a_finish_reason_ends_the_answer_behind_what_came_before(reason, code):
    async with (
        open_server(stream(chunk("Hel"), chunk("lo", reason), DONE)) as server,
        open_agent(config(server, kind="chat")) as agent,
        agent.open_turn(HELLO_AGAIN) as turn,
    ):
        heard = ""
        with pytest.raises(AgentError) as caught:
            while True:
                heard += (await next_event(turn)).text
    assert caught.value.code == code
    assert heard == "Hello"


@pytest.mark.parametrize("bound", ["max_answer_bytes", "max_answer_events"])
async def test_an_answer_has_an_end(bound):
    limit = {"max_answer_bytes": 5000, "max_answer_events": 20}[bound]
    for part in (chunk("a"), chunk(None, reasoning="hm"), b"data:\n\n" * 50, b": ping\n" * 200):
        if bound == "max_answer_events" and part.startswith(b":"):
            continue
        with pytest.raises(AgentError, match=str(limit)) as caught:
            await ask_chat(stream(*[part] * 200, ended=False, then="hold"), **{bound: limit})
        assert caught.value.code == "agent_answer_too_long"


async def test_a_stream_that_stops_without_a_reason_is_broken():
    with pytest.raises(AgentError) as caught:
        await ask_chat(stream(chunk("Hello"), chunk(" the")))
    assert caught.value.code == "agent_broken"
    assert "Hello" not in str(caught.value)


async def test_what_came_before_a_break_is_given_first():
    async with (
        open_server(stream(chunk("Hel"), ended=False, then="reset")) as server,
        open_agent(config(server, kind="chat")) as agent,
        agent.open_turn(HELLO_AGAIN) as turn,
    ):
        assert (await next_event(turn)).text == "Hel"
        with pytest.raises(AgentError, match="broke off"):
            await next_event(turn)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "part",
    [
        b'data: {"error":{"message":"secret","code":500}}\n\n',
        b'data: {"error":"secret"}\n\n',
        b'event: error\ndata: {"message":"secret"}\n\n',
        b"event: error\n\n",
        b'error: {"code":500,"message":"secret"}\n\n',
        b'error: {"code":500,"message":"secret"}',
        b'data: {"object":"error","message":"secret"}\n\n',
        b'data: {"type":"error","error":{"message":"secret"}}\n\n',
        b'data: {"detail":"secret"}\n\n',
        b'data: {"error_code":336,"error_msg":"secret"}\n\n',
        b'data: {"choices":[{"error":{"message":"secret"},"delta":{}}]}\n\n',
        b'data: {"type":"response.failed","response":{}}\n\n',
    ],
)
async def test_an_error_in_the_stream_ends_the_answer_without_its_words(part):
    with pytest.raises(AgentError) as caught:
        await ask_chat(stream(chunk("Hello"), part))
    assert caught.value.code == "agent_failed"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ((chunk(""), STOP), "log"),
        ((DONE,), "log"),
        ((chunk(" "), chunk("\n"), STOP), "log"),
        ((chunk(None, reasoning_content="secret"), STOP), "only reasoning"),
        ((chunk(None, reasoning="secret"), STOP), "only reasoning"),
        ((chunk("<think>secret"), STOP), "only reasoning"),
        ((chunk("<think>secret</think>\n"), STOP), "only reasoning"),
        ((chunk(None, tool_calls=[{"function": {"name": "secret"}}]), STOP), "tool"),
    ],
)
async def test_an_empty_answer_is_told_with_what_was_there_instead(parts, reason):
    with pytest.raises(AgentError, match=reason) as caught:
        await ask_chat(stream(*parts, DONE))
    assert caught.value.code == "agent_empty"
    assert "secret" not in str(caught.value)


async def test_a_chunk_that_is_not_json_is_left_out_and_the_next_one_is_not():
    events = await ask_chat(stream(chunk("Hel"), b"data: {not json\n\n", chunk("lo"), STOP))
    assert said(events) == "Hello"
    assert [event.code for event in events if isinstance(event, AgentFault)] == ["agent_malformed"]


async def test_a_held_end_that_becomes_no_tag_is_said():
    assert said(await ask_chat(stream(chunk("a <"), chunk("think", "stop")))) == "a <think"


async def test_half_a_character_is_left_out_and_the_payload_can_be_encoded():
    events = await ask_chat(stream(chunk("a\ud83d"), chunk("b\u2028😀"), STOP))
    assert said(events) == "ab\u2028😀"
    for event in events:
        assert isinstance(event, AgentEvent)
        event.payload.encode()


async def test_an_answer_without_end_is_ended_where_its_whole_would_be_too_large():
    limit = 2000
    pieces = ["é\n" * 10] * 64
    with pytest.raises(AgentError) as caught:
        await ask_chat(stream(*(chunk(piece) for piece in pieces), ended=False, then="hold"), max_event_bytes=limit)
    assert caught.value.code == "agent_event_too_large"
    fitting = await ask_chat(stream(*(chunk(piece) for piece in pieces[:48]), STOP), max_event_bytes=limit)
    last = fitting[-1].payload
    assert len(last.encode()) < limit < len(last.encode()) + 2 * len(json.dumps(pieces[0]))


async def test_an_answer_that_is_no_stream_is_refused_without_its_words():
    body = b'{"error":{"message":"secret"}}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    with pytest.raises(AgentError) as caught:
        await ask_chat(Answer((head + body,)))
    assert caught.value.code == "agent_malformed"
    assert "secret" not in str(caught.value)
