"""An HTTP server that sends exactly the bytes it is told, in exactly these pieces, and notes what it was asked."""

import json
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import trio
import trio.testing

END = b"0\r\n\r\n"
"""Of a chunked body."""


@dataclass(frozen=True)
class Received:
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What the server does with one request. Between two pieces, the client has time to read."""

    pieces: tuple[bytes, ...]
    then: Literal["close", "reset", "hold", "keep"] = "close"
    patient: bool = True
    """Whether the server waits between two pieces until nobody else has anything to do."""
    """hold: wait until the client goes. keep: wait for its next request. reset: as a machine that dies."""


def stream(*parts: bytes, content_type: str = "text/event-stream", ended: bool = True, then="close") -> Answer:
    """An answer in chunks, one for each part."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts]
    return Answer((head, *chunks, *([END] if ended else [])), then)


def status(code: int, body: bytes = b"the body of an error", *headers: str, then="close") -> Answer:
    lines = [f"HTTP/1.1 {code} Some Reason", f"Content-Length: {len(body)}", *headers]
    return Answer(("\r\n".join(lines).encode() + b"\r\n\r\n" + body,), then)


@dataclass
class HttpServer:
    """Use `open_server`."""

    port: int
    answers: deque[Answer]
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    open_connections: int = 0
    gone: trio.Event = field(default_factory=trio.Event)
    """A client has left in the middle of an answer."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, connection: trio.SocketStream) -> None:
        self.connections += 1
        self.open_connections += 1
        try:
            while (request := await _read(connection)) is not None:
                self.requests.append(request)
                answer = self.answers.popleft()
                for piece in answer.pieces:
                    await connection.send_all(piece)
                    if answer.patient:
                        await trio.testing.wait_all_tasks_blocked()
                    else:
                        await trio.lowlevel.checkpoint()
                match answer.then:
                    case "close":
                        break
                    case "reset":
                        connection.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
                        break
                    case "hold":
                        assert not await connection.receive_some()
                        self.gone.set()
                        break
        except trio.BrokenResourceError:
            self.gone.set()
        finally:
            self.open_connections -= 1


@asynccontextmanager
async def open_server(*answers: Answer) -> AsyncIterator[HttpServer]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = HttpServer(listeners[0].socket.getsockname()[1], deque(answers))
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, server.serve, listeners)
        yield server
        nursery.cancel_scope.cancel(reason="the test has ended")


async def _read(connection: trio.SocketStream) -> Received | None:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := await connection.receive_some()):
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += await connection.receive_some()
    return Received(line, headers, body)
