"""The load of `voicetrio bench`: many sessions from one thread, so cheap that the server is what is measured.

    python -m voicetrio.cli.bench_client --port P --sessions N --seconds S --frame-ms 20 --speech FILE

It writes a JSON object per line to stdout: `{"at": "begin"}` and `{"at": "end"}` at the borders of the measured time,
`{"at": seconds}` in between, and the result as the last one. Streaming begins before and goes on after that time, so
that whoever measures at the borders finds every session at work.

The WebSocket frames are made once and shared by all sessions; each begins at another place of the speech, and frame k
of session i is due at t0 + (k + i / N) * frame, whatever happened to the ones before. Of what the server sends, only
the few messages that matter are looked into. It is no example of a WebSocket client: it trusts the server blindly.
"""

import argparse
import gc
import json
import select
import signal
import socket
import sys
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voicetrio.cli.bench_frames import (
    BINARY,
    CLOSE,
    LEAD_S,
    PING,
    PONG,
    TEXT,
    client_frame,
    deciding_frame,
    first_frame,
    frames_sent,
    split_server_frames,
)
from voicetrio.cli.bench_report import percentile

_CONNECT_S = 10.0
_CLOSE_S = 10.0
"""Seconds for the last finals and the farewells of all sessions: beyond the server's own limits for both."""


@dataclass(slots=True, eq=False)
class _Session:
    sock: socket.socket
    rest: bytes
    """Received, and not yet a whole frame."""
    unsent: bytes = b""
    """What the socket did not take: the server, or its host, reads too slowly."""
    sent_at: "array[float]" = field(default_factory=lambda: array("d"))
    finals: list[tuple[int, float | None, float]] = field(default_factory=list)
    """`end_ms`, the delay in ms (None: its frame was never sent), and when it came."""
    farewell: bool = False
    over: bool = False
    failure: str = ""

    def send(self, data: bytes) -> None:
        try:
            taken = self.sock.send(self.unsent + data if self.unsent else data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            self.end(f"sending failed ({type(error).__name__})")
            return
        if self.unsent or taken < len(data):
            self.unsent = (self.unsent + data)[taken:]

    def receive(self, now: float, frame_ms: int) -> None:
        try:
            data = self.sock.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            self.end(f"receiving failed ({type(error).__name__})")
            return
        frames, self.rest = split_server_frames(self.rest + data)
        for opcode, payload in frames:
            if opcode == TEXT:
                self._read(payload, now, frame_ms)
            elif opcode == PING:
                self.send(client_frame(PONG, payload))
            elif opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big")
                self.send(client_frame(CLOSE, payload[:2]))
                self.end("" if code == 1000 and self.farewell else f"closed with code {code}")
        if not data:
            self.end("the connection was lost")

    def _read(self, payload: bytes, now: float, frame_ms: int) -> None:
        if b'"type":"transcript.final"' in payload:
            end_ms = json.loads(payload)["end_ms"]
            index = deciding_frame(end_ms, frame_ms)
            delay = 1000 * (now - self.sent_at[index]) if index < len(self.sent_at) else None
            self.finals.append((end_ms, delay, now))
        elif b'"type":"session.closed"' in payload:
            self.farewell = json.loads(payload)["reason"] == "client_closed"
        elif b'"type":"error"' in payload:
            self.failure = self.failure or f"error {json.loads(payload)['code']}"

    def end(self, failure: str) -> None:
        if not self.over:
            self.over = True
            self.failure = self.failure or failure
            self.sock.close()  # which takes it out of the epoll as well


def _connect(port: int, session_id: str) -> _Session:
    """Raises OSError when there is no session to be had."""
    sock = socket.create_connection(("127.0.0.1", port), _CONNECT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(
        f"GET /ws/{session_id} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dm9pY2V0cmlvIGJlbmNoLg==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = sock.recv(4096)
        if not data:
            raise ConnectionError("the server hung up during the handshake")
        answer += data
    head, _, rest = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(f"the server refused a session: {head.splitlines()[0].decode(errors='replace')}")
    sock.setblocking(False)
    return _Session(sock, rest)


class Load:
    """N sessions, connected; `stream` once, then `close`, then `result`."""

    def __init__(self, port: int, sessions: int, *, frame_ms: int, pcm: bytes) -> None:
        size = frame_ms * 32  # bytes: 16 samples of two bytes in a millisecond
        self._frames = [client_frame(BINARY, pcm[at : at + size]) for at in range(0, len(pcm), size)]
        self._frame_ms = frame_ms
        self._sessions = [_connect(port, f"bench-{index}") for index in range(sessions)]
        self._epoll = select.epoll()
        self._by_fd = {session.sock.fileno(): session for session in self._sessions}
        for fd in self._by_fd:
            self._epoll.register(fd, select.EPOLLIN)
        self._lags = array("d")
        """Seconds after its due time that each frame was sent, while measured."""
        self._window = (0.0, 0.0)

    def _wait(self, seconds: float) -> None:
        """Take in what comes until something came or the time is over; epoll's clock ticks in whole ms."""
        for fd, _ in self._epoll.poll(seconds):
            session = self._by_fd[fd]
            if not session.over:
                session.receive(time.monotonic(), self._frame_ms)

    def stream(self, seconds: float) -> None:
        frame_s = self._frame_ms / 1000
        count = len(self._sessions)
        places = [first_frame(index, count, len(self._frames)) for index in range(count)]
        begin, end = round(LEAD_S / frame_s), round((LEAD_S + seconds) / frame_s)
        rounds_per_second = max(1, round(1 / frame_s))
        t0 = time.monotonic() + frame_s
        for k in range(frames_sent(seconds, self._frame_ms)):
            if k == begin:
                self._window = (time.monotonic(), 0.0)
                _tell({"at": "begin"})
            elif k == end:
                self._window = (self._window[0], time.monotonic())
                _tell({"at": "end"})
            elif begin < k < end and (k - begin) % rounds_per_second == 0:
                _tell({"at": (k - begin) * frame_s})
            self._wait(0)  # also when we are late all the time
            for index, session in enumerate(self._sessions):
                due = t0 + (k + index / count) * frame_s
                while (now := time.monotonic()) < due:
                    self._wait(due - now)
                if session.over:
                    continue
                session.sent_at.append(now)
                session.send(self._frames[(places[index] + k) % len(self._frames)])
                if begin <= k < end:
                    self._lags.append(now - due)

    def close(self) -> None:
        """Ask every session for its end, and wait for it."""
        deadline = time.monotonic() + _CLOSE_S
        for session in self._sessions:
            if not session.over:
                session.send(client_frame(TEXT, b'{"type":"session.close"}'))
        while any(not session.over for session in self._sessions) and time.monotonic() < deadline:
            self._wait(0.05)
            for session in self._sessions:
                if session.unsent and not session.over:
                    session.send(b"")
        for session in self._sessions:
            session.end(f"it did not end within {_CLOSE_S:.0f} s")

    def result(self) -> dict[str, Any]:
        """`delays_ms` are of finals that came while measured; the others only have to come."""
        begin, end = self._window
        lags = sorted(self._lags)
        return {
            "at": "result",
            "finals": [[end_ms for end_ms, _, _ in session.finals] for session in self._sessions],
            "delays_ms": [
                [[end_ms, delay] for end_ms, delay, at in session.finals if delay is not None and begin <= at < end]
                for session in self._sessions
            ],
            "failures": [f"bench-{index}: {s.failure}" for index, s in enumerate(self._sessions) if s.failure],
            "late_ms_p99": 1000 * percentile(lags, 99),
            "late_ms_max": 1000 * percentile(lags, 100),
        }


def _tell(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m voicetrio.cli.bench_client")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--frame-ms", type=int, required=True)
    parser.add_argument("--speech", type=Path, required=True, help="raw 16 kHz 16-bit mono PCM, whole frames")
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us, and will end us
    try:
        load = Load(args.port, args.sessions, frame_ms=args.frame_ms, pcm=args.speech.read_bytes())
    except OSError as error:
        print(f"voicetrio bench: {error}", file=sys.stderr)
        return 1
    gc.disable()  # nothing here makes cycles, and a collection would make a frame late
    load.stream(args.seconds)
    load.close()
    _tell(load.result())
    return 0


if __name__ == "__main__":
    sys.exit(main())
