"""Short ways to ask an agent, for the tests."""

import json
from dataclasses import replace
from typing import Any

from tests.agent.http_server import Answer, HttpServer, open_server
from voicetrio.agent import AgentConfig, open_agent
from voicetrio.core.errors import AgentError
from voicetrio.session.ports import Agent, AgentAlive, AgentEvent, AgentFault, AgentRequest, AgentStream

KEY = "sk-secret-key-of-the-test"

HELLO = AgentRequest(None, {"type": "user_message", "role": "user", "content": "hello there"})

HELLO_AGAIN = replace(HELLO, dialog_id="dialog-1")
"""In a dialog that has its name already."""


async def ask(agent: Agent, request: AgentRequest | None = None) -> list[AgentEvent | AgentFault]:
    """All of the answer, without signs of life."""
    request = request or (HELLO_AGAIN if agent.kind == "chat" else HELLO)
    async with agent.open_turn(request) as answer:
        events = []
        while (event := await answer.receive()) is not None:
            if not isinstance(event, AgentAlive):
                events.append(event)
        assert await answer.receive() is None
        return events


async def next_event(turn: AgentStream) -> AgentEvent | AgentFault | None:
    """The next that is more than a sign of life."""
    while isinstance(event := await turn.receive(), AgentAlive):
        pass
    return event


async def ask_runtime(answer: Answer, request: AgentRequest = HELLO, **settings: Any) -> list[AgentEvent | AgentFault]:
    """All of the answer of a server that answers once; it must have been asked exactly once."""
    return await _ask_server(answer, request, kind="runtime", **settings)


async def ask_chat(
    answer: Answer, request: AgentRequest = HELLO_AGAIN, **settings: Any
) -> list[AgentEvent | AgentFault]:
    return await _ask_server(answer, request, kind="chat", **settings)


async def _ask_server(answer: Answer, request: AgentRequest, **settings: Any) -> list[AgentEvent | AgentFault]:
    async with open_server(answer) as server, open_agent(config(server, **settings)) as agent:
        try:
            result = await ask(agent, request)
        except AgentError as error:
            result = error  # not through the server's nursery, which would wrap it
    assert len(server.requests) == 1
    if isinstance(result, AgentError):
        raise result
    return result


def config(server: HttpServer, **settings: Any) -> AgentConfig:
    return AgentConfig(**{"url": server.url, "api_key": KEY, "model": "small-model", **settings})


def said(events: list[AgentEvent | AgentFault]) -> str:
    return "".join(event.text for event in events if isinstance(event, AgentEvent))


def payloads(events: list[AgentEvent | AgentFault]) -> list[Any]:
    return [json.loads(event.payload) for event in events if isinstance(event, AgentEvent)]


def chunk(content: object, finish: object = None, **delta: object) -> bytes:
    """One chunk of a chat completion, as an event."""
    choice = {"index": 0, "delta": {"content": content, **delta}, "finish_reason": finish}
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"
