"""The example of an agent runtime does what a runtime has to do, and voicetrio understands it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import trio

from examples import agent_runtime
from tests.agent.asking import KEY, ask, payloads, said
from voicetrio.agent import AgentConfig, open_agent
from voicetrio.session.ports import AgentRequest, Interruption

PATH = "/agent/message/stream"
SCRIPT = Path(__file__).parents[2] / "examples" / "agent_runtime.py"


class Caller:
    def __init__(self, key: str = "") -> None:
        self._client = agent_runtime.make_app(key).test_client()

    async def post(self, body: object, **headers: str) -> tuple[int, str]:
        data = body if isinstance(body, str) else json.dumps(body)
        text = b""
        # Not the client's own `post`: it reads nothing before the end, and its queue takes ten pieces.
        async with self._client.request(PATH, method="POST", headers=headers) as connection:
            await connection.send(data.encode())
            await connection.send_complete()
            with contextlib.suppress(trio.EndOfChannel):
                while True:
                    text += await connection.receive()
        return connection.status_code, text.decode()

    async def tell(self, content: str, session_id: str | None = None, **more: object) -> list[dict[str, object]]:
        body = {"message": {"content": content}, **more, **({"session_id": session_id} if session_id else {})}
        status, text = await self.post(body)
        assert status == 200
        *events, done, rest = text.split("\n\n")
        assert (done, rest) == ("event: done\ndata: {}", "")
        return [json.loads(event.removeprefix("data: ")) for event in events]


async def test_a_new_dialog_is_named_and_the_next_message_goes_on_with_it(autojump_clock):
    caller = Caller()
    first, *tokens, whole = await caller.tell("hello")
    assert first["type"] == "session_info"
    assert "".join(str(event["token"]) for event in tokens) == whole["content"]
    assert whole["content"] == "This is answer number 1. You said: hello."
    first, *_, whole = await caller.tell("and now", str(first["session_id"]))
    assert first["type"] == "assistant_message"
    assert "answer number 2" in str(whole["content"])


async def test_only_what_was_heard_is_remembered(autojump_clock):
    caller = Caller()
    await caller.tell("hello", "mine")
    interruption = {"heard_text": "This is", "heard_ms": 500}
    *_, whole = await caller.tell("wait", "mine", interruption=interruption)
    assert str(whole["content"]).endswith("Before that, you heard me say: This is")


async def test_an_id_that_is_not_known_begins_a_dialog(autojump_clock):
    first, *_, whole = await Caller().tell("hello", "unknown", interruption={"heard_text": "x"})
    assert first["type"] == "assistant_message"
    assert "answer number 1" in str(whole["content"])


@pytest.mark.parametrize("given", [{}, {"X-Internal-Auth": ""}, {"X-Internal-Auth": "wrong"}, {"X-Internal-Auth": "é"}])
async def test_the_key_is_asked_for(given):
    assert (await Caller(KEY).post({"message": {"content": "a"}}, **given))[0] == 401


async def test_who_has_the_key_is_answered(autojump_clock):
    assert (await Caller(KEY).post({"message": {"content": "a"}}, **{"X-Internal-Auth": KEY}))[0] == 200


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "5", {}, {"message": "a"}, {"message": {}}, {"message": {"content": 5}}]
    + [{"message": {"content": "a"}, "session_id": bad} for bad in (5, None, "x" * 129)],
)
async def test_a_bad_body_is_refused(body):
    assert (await Caller().post(body))[0] == 400


async def test_dialogs_and_their_lines_are_bounded(autojump_clock, monkeypatch):
    monkeypatch.setattr(agent_runtime, "DIALOGS_MAX", 2)
    monkeypatch.setattr(agent_runtime, "LINES_MAX", 4)
    caller = Caller()
    for _ in range(5):
        *_, whole = await caller.tell("hello", "a")
    assert "answer number 2" in str(whole["content"])  # of four lines, two are the user's
    await caller.tell("hello", "b")
    await caller.tell("hello", "c")
    *_, whole = await caller.tell("hello", "a")
    assert "answer number 1" in str(whole["content"])


@pytest.mark.slow
async def test_the_script_is_asked_by_voicetrio_and_interrupted():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "always::ResourceWarning", str(SCRIPT), "--port", str(port)]
    async with trio.open_nursery() as nursery:
        options = {"env": os.environ | {"AGENT_KEY": KEY}, "stderr": subprocess.PIPE}
        process = await nursery.start(partial(trio.run_process, command, **options))
        with trio.fail_after(20):
            await _wait_for(port)
        async with open_agent(AgentConfig("runtime", f"http://127.0.0.1:{port}", KEY)) as agent:
            events = await ask(agent)
            assert said(events) == "This is answer number 1. You said: hello there."
            name = events[0].dialog_id
            assert name
            async with agent.open_turn(AgentRequest(name, {"content": "tell me more"})) as turn:
                await turn.receive()
            request = AgentRequest(name, {"content": "stop"}, interruption=Interruption("This", 300))
            events = await ask(agent, request)
            assert said(events).endswith("You said: stop. Before that, you heard me say: This")
            assert payloads(events)[-1]["is_final"] is True
        process.send_signal(signal.SIGINT)
        complaints = b"".join([part async for part in process.stderr])
    assert process.returncode == 0
    assert complaints == f"agent runtime on http://127.0.0.1:{port}; requests need the key\n".encode()


async def _wait_for(port: int) -> None:
    while True:
        try:
            await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
        except OSError:
            await trio.sleep(0.02)
        else:
            return
