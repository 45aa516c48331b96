"""`gateway-auto-session` with everything real: its clients, the server, and the runtime of `examples/`."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from .processes import START_S, STOP_S, Run, ServerProcess
from .test_hypercorn import free_port
from .waiting import until

pytestmark = pytest.mark.slow

KEY = "a-key-that-nobody-may-see"
BOUND_S = 60.0

PYTHON_CLIENT = """\
import asyncio
import websockets
import json

async def main():
    # Создание новой сессии
    async with websockets.connect("ws://gateway/ws/new_1234567890") as ws:
        # Отправляем первое сообщение
        await ws.send(json.dumps({
            "type": "user_message",
            "role": "user",
            "content": "Привет!"
        }))

        # Получаем session_info
        response = await ws.recv()
        data = json.loads(response)
        if data["type"] == "session_info":
            real_session_id = data["session_id"]
            print(f"Получен реальный session_id: {real_session_id}")

        # Отправляем второе сообщение (Gateway автоматически использует реальный ID)
        await ws.send(json.dumps({
            "type": "user_message",
            "role": "user",
            "content": "Как дела?"
        }))

asyncio.run(main())
"""
"""The document's, as it is written there: only its host is replaced, and it has been given a `main`."""


class Runtime:
    """`examples/agent_runtime.py`, which can be killed and started again at its place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: list[Run] = []
        self.port = free_port()

    def start(self) -> None:
        command = [sys.executable, "examples/agent_runtime.py", "--port", str(self.port)]
        run = Run(command, self._folder / f"runtime-{len(self._runs)}", {"AGENT_KEY": KEY})
        self._runs.append(run)
        deadline = time.monotonic() + START_S
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert run.process.poll() is None, run.stderr
            assert time.monotonic() < deadline, run.stderr
            time.sleep(0.02)

    def kill(self) -> None:
        self._runs[-1].kill()

    def stop(self) -> None:
        run = self._runs[-1]
        run.send(signal.SIGINT)
        assert run.wait(STOP_S) == 0, run.stderr
        run.check_end()

    def kill_all(self) -> None:
        for run in self._runs:
            run.kill()


class Gateway:
    """A server that asks a runtime."""

    def __init__(self, server: ServerProcess, runtime: Runtime, log: Path) -> None:
        self.server = server
        self.runtime = runtime
        self.log = log
        """What it writes to stderr."""

    def turns(self, session_id: str) -> int:
        """So many turns of this session have ended."""
        return sum("turn_ended" in line and session_id in line for line in self.log.read_text("utf-8").splitlines())


def serve(folder: Path, log_format: str, config: str = "config/bench.toml") -> Iterator[Gateway]:
    runtime = Runtime(folder)
    environment = {
        "VOICETRIO_AGENT__KIND": "runtime",
        "VOICETRIO_AGENT__URL": f"http://127.0.0.1:{runtime.port}",
        "VOICETRIO_AGENT__API_KEY": KEY,
        "VOICETRIO_LOG__LEVEL": "debug",
        "VOICETRIO_LOG__FORMAT": log_format,
    }
    server = ServerProcess(folder / "server", config, environment=environment)
    try:
        runtime.start()
        server.wait_listening()
        yield Gateway(server, runtime, folder / "server" / "stderr")
        server.stop()
        runtime.stop()
    finally:
        runtime.kill_all()
        server.kill()


@pytest.fixture(scope="module", params=["json", "console"])
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    yield from serve(tmp_path_factory.mktemp("gateway"), request.param)


class Listener:
    """As the Dart client: all messages are listened to, whenever they come; binary ones are left out."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self._connection = connection
        self.messages: list[dict[str, Any]] = []
        self._news = trio.Event()

    async def listen(self) -> None:
        try:
            while True:
                message = await self._connection.get_message()
                if isinstance(message, str):
                    self.messages.append(json.loads(message))
                    self._news.set()
                    self._news = trio.Event()
        except ConnectionClosed:
            return

    async def add(self, message: dict[str, Any]) -> None:
        await self._connection.send_message(json.dumps(message))

    def got(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    async def wait_for(self, kind: str, count: int = 1) -> dict[str, Any]:
        while len(found := self.got(kind)) < count:
            await self._news.wait()
        return found[count - 1]

    async def ask(self, content: str) -> str:
        """The whole answer; empty if there is none."""
        turns, answers = len(self.got("turn.ended")), len(self.answers)
        await self.add({"type": "user_message", "role": "user", "content": content})
        await self.wait_for("turn.ended", turns + 1)
        return "".join(self.answers[answers:])

    @property
    def answers(self) -> list[str]:
        return [message["content"] for message in self.got("assistant_message") if message["is_final"]]


@asynccontextmanager
async def open_channel(server: ServerProcess, session_id: str) -> AsyncIterator[Listener]:
    with trio.fail_after(BOUND_S):
        async with open_websocket_url(f"{server.url}/ws/{session_id}") as connection, trio.open_nursery() as nursery:
            listener = Listener(connection)
            nursery.start_soon(listener.listen)
            yield listener
            nursery.cancel_scope.cancel(reason="the test has seen enough")


def run_python_client(server: ServerProcess, folder: Path) -> str:
    """The real session id that it has printed."""
    script = folder / "client.py"
    script.write_text(PYTHON_CLIENT.replace("ws://gateway", server.url), "utf-8")
    run = Run([sys.executable, str(script)], folder / "client", {"PYTHONUTF8": "1"})
    try:
        assert run.wait() == 0, run.stderr
        assert run.stderr == ""
        printed = re.fullmatch(
            r"Получен реальный session_id: (\S+)\n", (folder / "client" / "stdout").read_text("utf-8")
        )
        assert printed is not None
        return printed[1]
    finally:
        run.kill()


async def test_the_documents_python_client_is_answered_and_its_second_message_goes_on(gateway: Gateway, tmp_path: Path):
    name = await trio.to_thread.run_sync(run_python_client, gateway.server, tmp_path)
    assert not name.startswith("new_")
    # It does not wait for the second answer, so the log has to tell when that one is over.
    await until(lambda: gateway.turns(name) >= 2)
    async with open_channel(gateway.server, name) as channel:  # and this is test 2 of the document
        answer = await channel.ask("И?")
        assert channel.got("session_info") == []
        assert channel.messages[0]["type"] == "session.created"
    assert answer.startswith("This is answer number 3. You said: И?.")
    assert "This is answer number 2. You said: Как дела?." in answer

    log = gateway.log.read_text("utf-8")
    events = [json.loads(line)["event"] if line.startswith("{") else line for line in log.splitlines()]
    wanted = [
        "[new_1234567890] Temporary session ID detected, will create new session",
        "[new_1234567890] WebSocket connected (temp=True)",
        "[new_1234567890] Temporary session - NOT sending session_id to Agent Runtime",
        f"[new_1234567890] 🆔 Received session_info chunk: session_id={name}",
        f"[new_1234567890] Session ID updated: new_1234567890 -> {name}",
        f"[{name}] Sending session_id to Agent Runtime",
        f"[{name}] WebSocket connected (temp=False)",
        f"[{name}] Sending session_id to Agent Runtime",
    ]
    found = [line for line in events if any(text in line for text in wanted)]
    assert len(found) == len(wanted)
    for line, text in zip(found, wanted, strict=True):
        assert text in line, "in their order"
    for pattern, session_id in (
        ("session_info", name),
        ("Session ID updated", name),
        ("sending session_id", "new_12345"),
    ):
        command = ["grep", pattern, str(gateway.log)]  # as its chapter on diagnostics has it
        grep = await trio.run_process(command, capture_stdout=True)
        assert session_id in grep.stdout.decode()


async def test_the_documents_dart_client_gets_session_info_first_and_all_of_the_answers(gateway: Gateway):
    async with open_channel(gateway.server, f"new_{time.time_ns() // 1_000_000}") as channel:
        assert await channel.ask("Привет!") == "This is answer number 1. You said: Привет!."
        info = channel.messages[0]
        assert (info["type"], list(info)) == ("session_info", ["type", "session_id"])
        assert "This is answer number 2. You said: Как дела?." in await channel.ask("Как дела?")
        assert "answer number 3" in await channel.ask("three")
        assert channel.got("session_info") == [info]
        assert channel.got("error") == []
        tokens = "".join(message["token"] for message in channel.got("assistant_message") if not message["is_final"])
        assert tokens == "".join(channel.answers)


async def test_a_runtime_that_is_killed_in_the_middle_of_an_answer_is_asked_again_when_it_is_back(gateway: Gateway):
    async with open_channel(gateway.server, "new_killed") as channel:
        await channel.ask("Hello.")
        first = len(channel.got("assistant_message"))
        await channel.add({"type": "user_message", "content": "word " * 3000})  # takes it a minute to repeat
        await channel.wait_for("assistant_message", first + 5)
        await trio.to_thread.run_sync(gateway.runtime.kill)
        ended = await channel.wait_for("turn.ended", 2)
        assert ended["outcome"] == "failed"
        (error,) = channel.got("error")
        assert (error["code"], error["turn_id"]) == ("agent_broken", ended["turn_id"])
        await channel.ask("Is anybody there?")
        assert [error["code"] for error in channel.got("error")] == ["agent_broken", "agent_unreachable"]
        await trio.to_thread.run_sync(gateway.runtime.start)
        assert await channel.ask("And now?") == "This is answer number 1. You said: And now?."
        assert len(channel.got("session_info")) == 1, "it is asked by the name that the dialog has"
        assert len(channel.got("error")) == 2


async def test_neither_the_key_nor_anybodys_words_are_in_the_log_at_its_most_talkative(gateway: Gateway):
    async with open_channel(gateway.server, "new_secrets") as channel:
        await channel.add({"type": "session.configure", "speak_replies": True})
        await channel.add({"type": "user_message", "content": "users-own-words", "token": "a-field-of-its-own"})
        await channel.wait_for("tts.speaking_end")
        await channel.add({"type": "tts.cancel"})
        await channel.wait_for("turn.ended")
        token = channel.got("session.created")[0]["resume_token"]
        name = channel.got("session_info")[0]["session_id"]
        await until(lambda: gateway.turns(name) == 1)
    log = gateway.log.read_text("utf-8")
    for secret in (KEY, "users-own-words", "a-field-of-its-own", "This is answer", "You said", token, "Traceback"):
        assert secret not in log


async def test_the_agent_that_comes_with_the_server_serves_the_documents_clients_too(
    server: ServerProcess, tmp_path: Path
):
    name = await trio.to_thread.run_sync(run_python_client, server, tmp_path)
    assert not name.startswith("new_")
    async with open_channel(server, "new_embedded") as channel:
        assert await channel.ask("My cat is called Tom.") == "You said: My cat is called Tom."
        assert channel.messages[0]["type"] == "session_info"
        assert "My cat is called Tom." in await channel.ask("What did I say?")
        assert len(channel.got("session_info")) == 1


def test_the_runtime_answers_nobody_who_has_not_its_key(gateway: Gateway):
    url = f"http://127.0.0.1:{gateway.runtime.port}/agent/message/stream"
    command = [sys.executable, "-c", f"import urllib.request as u; u.urlopen('{url}', data=b'{{}}')"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S, check=False)
    assert "HTTP Error 401" in refused.stderr
