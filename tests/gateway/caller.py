"""A caller at the app's door, without a network: what a WebSocket server would hand to the app, in virtual time."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from tests.fakes.agent import FakeAgent, FakeTurnDetector
from tests.fakes.audio import FakeDetector
from tests.fakes.recognizer import FakeRecognizer
from tests.fakes.synthesizer import FakeSynthesizer
from tests.fakes.telemetry import FakeTelemetry
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.gateway.app import Gateway, make_gateway
from voicetrio.gateway.house import House
from voicetrio.gateway.registry import open_registry
from voicetrio.session.ports import Agent, Ports


class Caller:
    """One connection. `status` is 101 once it is accepted, and else that of the refusal."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.messages: list[dict[str, Any]] = []
        self.texts: list[str] = []
        """The same, as they came over the connection."""
        self.closed: int | None = None
        """The code that the server closed with."""
        self.over = trio.Event()
        """Set when the app is done with the connection."""
        self._gone = False
        self._to_app, self._for_app = trio.open_memory_channel[dict[str, Any]](100)
        self._news = trio.Event()

    async def run(self, app: Gateway, session_id: str, query: str, headers: dict[str, str], address: str) -> None:
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": f"/ws/{session_id}",
            "raw_path": f"/ws/{session_id}".encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": (address, 1),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        await self._to_app.send({"type": "websocket.connect"})
        await app(scope, self._receive, self._send)
        self.over.set()

    async def _receive(self) -> dict[str, Any]:
        return await self._for_app.receive()

    async def _send(self, event: dict[str, Any] | None) -> None:
        await trio.lowlevel.checkpoint()
        if self._gone:
            return  # as Hypercorn does it
        match event:
            case None:
                pass  # how Hypercorn is told that a handler has returned
            case {"type": "websocket.accept"}:
                self.status = 101
            case {"type": "websocket.http.response.start", "status": status}:
                self.status = status
            case {"type": "websocket.http.response.body", "body": body}:
                self.body += body
            case {"type": "websocket.send", "text": str(text)}:
                self.messages.append(json.loads(text))
                self.texts.append(text)
            case {"type": "websocket.close", "code": code}:
                self.closed = code
                await self.leave()  # it answers the close frame
        self._news.set()
        self._news = trio.Event()

    def got(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message.get("type") == kind]

    async def wait_for(self, kind: str, count: int = 1) -> dict[str, Any]:
        """Wait until so many messages of this kind have come; the last of them."""
        while len(found := self.got(kind)) < count:
            await self._news.wait()
        return found[count - 1]

    async def leave(self) -> None:
        """The connection is gone."""
        self._gone = True
        await self._to_app.send({"type": "websocket.disconnect", "code": 1006})

    async def say(self, kind: str, **fields: Any) -> None:
        text = json.dumps({"type": kind, **fields})
        await self._to_app.send({"type": "websocket.receive", "text": text, "bytes": None})

    async def hear(self, pcm: bytes) -> None:
        """Send audio, at once."""
        await self._to_app.send({"type": "websocket.receive", "text": None, "bytes": pcm})


class Door:
    """Use `open_door`."""

    def __init__(self, app: Gateway, house: House, telemetry: FakeTelemetry, nursery: trio.Nursery) -> None:
        self.house = house
        self.telemetry = telemetry
        self._app = app
        self._nursery = nursery

    @property
    def app(self) -> Gateway:
        return self._app

    def give(self, house: House) -> None:
        """Another house for the same app."""
        self.house = self._app.house = house

    def call(self, session_id: str = "one", query: str = "", *, address: str = "127.0.0.1", **headers: str) -> Caller:
        """A new connection, which is under way."""
        caller = Caller()
        head = {"host": "127.0.0.1:8000", **headers}
        self._nursery.start_soon(caller.run, self._app, session_id, query, head, address)
        return caller

    async def enter(self, session_id: str = "one", query: str = "") -> Caller:
        """A new connection, which has been welcomed."""
        caller = self.call(session_id, query)
        await caller.wait_for("session.created")
        return caller

    async def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], Any]:
        """What an HTTP client gets: status, headers (their names in lower case), and the body's JSON."""
        status, found, body = await self.fetch(path, **headers)
        return status, found, json.loads(body)

    async def fetch(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """The same of anything that is no JSON."""
        response = await self._app.test_client().get(path, headers=headers)
        found = {name.lower(): value for name, value in response.headers.items()}
        return response.status_code, found, bytes(await response.get_data(as_text=False))


@asynccontextmanager
async def open_door(
    *,
    max_sessions: int = 2,
    max_per_address: int | None = None,
    limits: SessionLimits | None = None,
    config: SessionConfig | None = None,
    agent: Agent | None = None,
) -> AsyncIterator[Door]:
    """The app with fake workers, and a fake agent unless there is a real one, for as long as the block runs."""
    telemetry = FakeTelemetry()
    app = make_gateway()
    async with open_registry(max_sessions, max_per_address) as registry, trio.open_nursery() as nursery:
        house = House(
            registry=registry,
            workers=FakeRecognizer(),  # only asked whether it is ready, which nobody does here
            ports=Ports(
                FakeRecognizer(), FakeSynthesizer(), FakeDetector, telemetry, agent or FakeAgent(), FakeTurnDetector()
            ),
            telemetry=telemetry,
            session_config=config or SessionConfig(),
            session_limits=limits or SessionLimits(),
            allowed_origins=(),
            loopback_only=True,
        )
        app.house = house
        yield Door(app, house, telemetry, nursery)
        nursery.cancel_scope.cancel(reason="the test has ended")
