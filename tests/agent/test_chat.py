"""A chat server: what it is told, and what its stream becomes, in every shape that servers give it."""

import json
import random

import pytest

from tests.agent.asking import HELLO, HELLO_AGAIN, KEY, ask, ask_chat, chunk, config, payloads, said
from tests.agent.http_server import Answer, open_server, stream
from voicetrio.agent import open_agent
from voicetrio.core.errors import AgentError
from voicetrio.session.ports import AgentEvent, AgentFault, AgentRequest, Interruption, Said

DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"object":"chat.completion.chunk","choices":%b,"usage":{"total_tokens":3}}\n\n'
STOP = chunk(None, "stop")


def whole(text: str) -> dict[str, object]:
    return {"type": "assistant_message", "content": text, "is_final": True}


def token(text: str) -> dict[str, object]:
    return {"type": "assistant_message", "token": text, "is_final": False}


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
        (*ANSWERED, USAGE % b"[]", STOP),  # [DONE] is not waited for
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
        (chunk(5), chunk(["Hello"]), chunk({"text": "Hello"}), *ANSWERED, STOP),
    ],
)
async def test_the_shapes_of_many_servers_say_the_same(parts):
    events = await ask_chat(stream(*parts))
    assert said(events) == "Hello"
    assert payloads(events)[-1] == whole("Hello")
    everything = b"".join(parts)
    for seed in range(5):
        dice = random.Random(seed)
        cuts = sorted(dice.sample(range(1, len(everything)), 6))
        cut = [everything[start:end] for start, end in zip([0, *cuts], [*cuts, len(everything)], strict=True)]
        assert await ask_chat(stream(*cut)) == events, f"seed {seed}"


@pytest.mark.parametrize("end", [STOP, DONE, b"data: [DONE]\r\r", chunk(None, "stop").rstrip() + b"\r\r"])
async def test_the_answer_ends_at_its_last_chunk_even_if_the_connection_stays_open(end):
    events = await ask_chat(stream(chunk("Hello"), end, ended=False, then="hold"))
    assert said(events) == "Hello"


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
        assert (await turn.receive()).text == "Hel"
        with pytest.raises(AgentError, match="broke off"):
            await turn.receive()
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
