"""Whole calls of `talk` in virtual time, over lines that are no sockets: for the tests of `talk_call`."""

import io
import math
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pytest
import trio

from voicetrio.cli import resuming
from voicetrio.cli.native_errors import ConnectionCut, ConnectionLost, ServerUnreachable
from voicetrio.cli.talk_call import Call
from voicetrio.cli.talk_view import new_view
from voicetrio.cli.ticket import ResumeTicket

RATE = 8000
"""Samples per second of what the server says."""
WAIT_S = 5.0
LIMITS = {"max_rate": 1.2, "max_backlog_ms": 10_000, "resume_grace_ms": 15_000}
"""Of a server that keeps its sessions."""


class FakeRecording:
    """Loud all the time, and no two samples near each other alike."""

    path = "/recordings/question.wav"

    def __init__(self, seconds: float) -> None:
        self.duration_s = seconds
        self.pcm = np.arange(1, round(16_000 * seconds) + 1, dtype="<i2").tobytes()
        self._left = self.pcm

    async def read(self, n_bytes: int) -> bytes:
        await trio.lowlevel.checkpoint()
        frame, self._left = self._left[:n_bytes], self._left[n_bytes:]
        return frame


class Line:
    """The client's `NativeSession`, and at its other end what a server's script uses. Nothing takes time."""

    def __init__(self, ticket: ResumeTicket) -> None:
        self._ticket = ticket
        self.query = dict(parse_qsl(ticket.query))
        self.created = False
        self._send, self._receive = trio.open_memory_channel[Any](math.inf)
        self._changed = trio.Event()
        self._limit_s = math.inf
        self._wait = trio.CancelScope()
        self.closed_message: dict[str, Any] | None = None
        self.close_code: int | None = None
        self.close_reason = ""
        self.messages: list[tuple[float, dict[str, Any]]] = []
        self.audio = bytearray()
        self.frame_times: list[float] = []
        self.gone = False

    # The client's end.

    async def send_json(self, message: dict[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        self._check()
        self.messages.append((trio.current_time(), message))
        self._wake()

    async def send_audio(self, pcm: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self._check()
        self.audio += pcm
        self.frame_times.append(trio.current_time())
        self._wake()

    def limit_silence(self, seconds: float) -> None:
        self._limit_s = seconds
        self._wait.deadline = trio.current_time() + seconds

    def __aiter__(self) -> "Line":
        return self

    async def __anext__(self) -> Any:
        with trio.CancelScope(deadline=trio.current_time() + self._limit_s) as self._wait:
            message = await self._receive.receive()
        if self._wait.cancelled_caught:
            raise ConnectionLost("the server has been silent")
        if isinstance(message, Exception):
            raise message
        if message is None:
            raise StopAsyncIteration
        if isinstance(message, bytes):
            self._ticket.note_audio(message)
            return message
        if message["type"] == "session.closed":
            self.closed_message = message
        self.created = self.created or message["type"] == "session.created"
        self._ticket.note(message)
        return message

    def _check(self) -> None:
        if self.gone:
            raise ConnectionLost("gone")

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # The server's end.

    def tell(self, kind: str, **fields: Any) -> None:
        self._send.send_nowait({"type": kind, **fields})

    def sound(self, seconds: float, value: int = 7) -> None:
        self._send.send_nowait(bytes((value, 0)) * round(RATE * seconds))

    def end(self, error: Exception | None = None) -> None:
        self.gone = True
        self._send.send_nowait(error)

    async def wait_for(self, kind: str, **fields: Any) -> dict[str, Any]:
        while True:
            for _, message in self.messages:
                if message["type"] == kind and message.items() >= fields.items():
                    return message
            await self._changed.wait()

    async def wait_heard(self, request_id: str, played_ms: int) -> None:
        while not any(m.get("request_id") == request_id and m["played_ms"] >= played_ms for _, m in self.messages):
            await self._changed.wait()

    async def begin(self, **created: Any) -> None:
        self.tell("session.created", session_id="s", resume_token="secret", **created)
        await self.wait_for("session.configure")
        self.tell("session.configured", config={})

    def back(self, next_audio_ms: int, **fields: Any) -> None:
        fields = {"resume_token": "secret", "resumed": True, "limits": LIMITS, "next_audio_ms": next_audio_ms, **fields}
        self.tell("session.created", **fields)

    def cut(self) -> None:
        self.end(ConnectionCut("the connection to the server was lost"))

    async def goodbye(self) -> None:
        await self.wait_for("session.close")
        self.tell("session.closed", reason="client_closed")
        self.close_code = 1000
        self.end()

    def hear(self, text: str, turn_id: str = "t", end_ms: int = 500) -> None:
        """The end of the ear's work on a question."""
        self.tell("vad.speech_end", timestamp_ms=end_ms)
        self.tell("transcript.final", text=text, start_ms=0, end_ms=end_ms)
        self.tell("turn.started", turn_id=turn_id, text=text, timestamp_ms=end_ms)

    def speak(self, text: str, *, request_id: str = "u", turn_id: str = "t") -> None:
        self.tell("tts.speaking_start", request_id=request_id, turn_id=turn_id, sample_rate=RATE, text=text)

    async def heard(self, played_ms: int, *, request_id: str = "u", turn_id: str = "t") -> None:
        """The end of a turn whose answer is heard to its end."""
        self.tell("tts.speaking_end", request_id=request_id, duration_ms=played_ms, cancelled=False)
        await self.wait_heard(request_id, played_ms)
        self.tell("playback.completed", request_id=request_id, heard_ms=played_ms)
        self.tell("turn.ended", turn_id=turn_id, outcome="completed")


@dataclass
class Result:
    call: Call
    connections: list[Line]
    recording: FakeRecording
    out: str
    told: list[str]
    error: Exception | None
    ended_at: float
    opened_at: float | None = field(init=False)

    def __post_init__(self) -> None:
        self.opened_at = self.call.opened_at

    @property
    def line(self) -> Line:
        """The first connection."""
        return self.connections[0]

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def sent(self, kind: str) -> list[tuple[float, dict[str, Any]]]:
        """When, since the microphone opened, and the fields; over all connections."""
        return [
            (round(at - self.opened_at, 3), {name: value for name, value in message.items() if name != "type"})
            for line in self.connections
            for at, message in line.messages
            if message["type"] == kind
        ]

    @property
    def heard(self) -> list[tuple[float, float]]:
        return [(round(s.at - self.opened_at, 3), round(s.end - s.at, 3)) for s in self.call.player.heard]


async def hold(
    *scripts, seconds: float = 0.5, output_format: str = "text", wait_s: float = WAIT_S, line_type: type[Line] = Line
) -> Result:
    """A call, each of whose connections follows its script; when there is none left, nobody answers any more."""
    out, told, connections, left = io.StringIO(), [], [], list(scripts)
    recording = FakeRecording(seconds)
    call = Call(recording, new_view(output_format, out), settings={"agent": "on"}, wait_s=wait_s, tell=told.append)
    error = None

    @asynccontextmanager
    async def connect(url, session_id, *, ticket, connect_s):
        assert (url, session_id) == ("ws://x", "s")
        await trio.lowlevel.checkpoint()
        if not left:
            raise ServerUnreachable("nobody is there")
        line = line_type(ticket)
        connections.append(line)
        nursery.start_soon(left.pop(0), line)
        yield line

    with trio.fail_after(10_000), pytest.MonkeyPatch.context() as patch:
        patch.setattr(resuming, "open_native_session", connect)
        async with trio.open_nursery() as nursery:
            try:
                await call.run("ws://x", "s")
            except Exception as caught:
                error = caught
            ended_at = trio.current_time()
            nursery.cancel_scope.cancel()
    return Result(call, connections, recording, out.getvalue(), told, error, ended_at)
