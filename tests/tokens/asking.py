"""A desk for tokens, the app that it stands in, and clients that ask there: over ASGI, without a network."""

import json
from typing import Any, cast

import trio

from tests.fakes.telemetry import FakeTelemetry
from voicetrio.gateway.app import Gateway, make_gateway
from voicetrio.gateway.house import House
from voicetrio.tokens import TokenConfig, TokenDesk, make_desk

KEY, SECRET = "devkey", "a-secret-that-nobody-may-see-0123456789"
URL = "wss://livekit.example.org"
STANDARD, SANDBOX, DOCUMENT = "/v1/livekit/token", "/api/v2/sandbox/connection-details", "/api/token"


def config(**changes: Any) -> TokenConfig:
    return TokenConfig(**{"server_url": URL, "api_key": KEY, "api_secret": SECRET, **changes})


def desk(**changes: Any) -> TokenDesk:
    return make_desk(config(**changes))


class Answer:
    def __init__(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.status = status
        self.headers = headers
        """Names in lower case."""
        self.content = content

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def token(self) -> str:
        return cast("str", self.json.get("participant_token") or self.json["token"])

    @property
    def room(self) -> str:
        return cast("str", self.json.get("room_name") or self.json["roomName"])

    @property
    def identity(self) -> str:
        return cast("str", self.json.get("participant_identity") or self.json["identity"])

    @property
    def error(self) -> str:
        return cast("str", self.json["error"])


class TokenDoor:
    """The app with nothing in it but the desk; `tokens=None` is a server without keys."""

    def __init__(
        self, tokens: TokenDesk | None, *, allowed_origins: tuple[str, ...] = (), loopback_only: bool = True
    ) -> None:
        self.telemetry = FakeTelemetry()
        self.app: Gateway = make_gateway()
        self.asgi: Any = self.app
        """What is asked: the app, or something around it."""
        nothing = cast("Any", None)
        self.app.house = House(
            registry=nothing,
            workers=nothing,
            ports=nothing,
            telemetry=cast("Any", self.telemetry),
            session_config=nothing,
            session_limits=nothing,
            allowed_origins=allowed_origins,
            loopback_only=loopback_only,
            tokens=tokens,
        )

    async def ask(
        self,
        body: Any = None,
        *,
        path: str = STANDARD,
        method: str = "POST",
        address: str = "192.0.2.1",
        **headers: str,
    ) -> Answer:
        """`body` is sent as JSON, or as it is if it is bytes. Headers are named with `_` for `-`."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return await self.send([data], path=path, method=method, address=address, **headers)

    async def send(
        self,
        parts: list[bytes],
        *,
        path: str = STANDARD,
        method: str = "POST",
        address: str = "192.0.2.1",
        interval: float | None = 0.0,
        length: int | None = None,
        **headers: str,
    ) -> Answer:
        """The body in parts, `interval` seconds before each of them; None: they are there before anybody looks. `length` is
        what the client says of it."""
        target, _, query = path.partition("?")
        given = {"host": "localhost:8000", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if length is not None:
            given["content-length"] = str(length)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": target,
            "raw_path": target.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items()],
            "client": (address, 1),
            "server": ("127.0.0.1", 8000),
            "extensions": {},
        }
        waiting = iter(parts)
        left = len(parts)
        answer = Answer(0, {}, b"")

        async def receive() -> dict[str, Any]:
            nonlocal left
            if left == 0:
                await trio.sleep_forever()
            if interval is not None:
                await trio.sleep(interval)
            left -= 1
            return {"type": "http.request", "body": next(waiting), "more_body": left > 0}

        async def send(event: dict[str, Any]) -> None:
            await trio.lowlevel.checkpoint()
            if event["type"] == "http.response.start":
                answer.status = event["status"]
                answer.headers = {name.decode().lower(): value.decode() for name, value in event["headers"]}
            elif event["type"] == "http.response.body":
                answer.content += event["body"]

        await self.asgi(scope, receive, send)
        return answer
