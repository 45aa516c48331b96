"""The client's end of the native WebSocket protocol: one session, opened, spoken to and closed.

    async with open_native_session("ws://127.0.0.1:8000", "transcribe-1f") as session:
        await session.send_json({"type": "session.close"})
        async for message in session:      # a dict for a JSON message, bytes for audio
            ...

It knows sockets and JSON; what messages mean is up to the commands, but for `session.closed`, the last of each session,
and for what a `ResumeTicket` keeps. With a ticket of an earlier connection, the session is not opened but returned to.
"""

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    open_websocket_url,
)
from wsproto.utilities import LocalProtocolError

from voicetrio.cli.native_errors import (
    ConnectionCut,
    ConnectionLost,
    ServerUnreachable,
    SessionFailed,
    SessionGone,
    SessionRefused,
    connection_ended,
)
from voicetrio.cli.ticket import ResumeTicket

__all__ = [
    "ConnectionCut",
    "ConnectionLost",
    "NativeSession",
    "ResumeTicket",
    "ServerUnreachable",
    "SessionFailed",
    "SessionGone",
    "SessionRefused",
    "open_native_session",
    "session_url",
]

CONNECT_S = 10.0
"""Seconds for the connection and the handshake: ten times what a slow line needs."""

CLOSE_S = 1.0
"""Seconds for the closing handshake, a courtesy between two that are done."""

LEAVE_S = 0.2
"""Seconds for leaving a session that goes on. After Ctrl-C nobody is left to read the answer: they are all spent."""

QUEUE_MESSAGES = 64
"""Messages read ahead. trio-websocket answers no ping while its queue (of 1 unless told) is full; beyond this, TCP
slows the server down."""

REFUSAL_CHARS_MAX = 200
"""How much of a refusal's body is shown: it is meant for people, but it may be some proxy's whole page."""

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


class NativeSession:
    """A session that is open. Made by `open_native_session`. One task iterates; any may send."""

    def __init__(self, connection: WebSocketConnection, ticket: ResumeTicket) -> None:
        self._connection = connection
        self._ticket = ticket
        self._returning = bool(ticket.query)
        self._silence_s = math.inf
        self._wait = trio.CancelScope()
        self.closed_message: dict[str, Any] | None = None
        """The server's `session.closed`, once it came."""
        self.created = False
        """Whether `session.created` came: until then, there is no session to speak to."""

    @property
    def close_code(self) -> int | None:
        """The code the connection was closed with; None while it is open."""
        return None if self._connection.closed is None else self._connection.closed.code

    @property
    def close_reason(self) -> str:
        return "" if self._connection.closed is None else self._connection.closed.reason or ""

    async def send_json(self, message: dict[str, Any]) -> None:
        """Raises: ConnectionLost. A cancelled send leaves a connection that is good for closing only."""
        await self._send(json.dumps(message, ensure_ascii=False))

    async def send_audio(self, pcm: bytes) -> None:
        """As `send_json`. Waits while the socket is full: how a slow network, and an older server, slow us down."""
        await self._send(pcm)

    async def _send(self, data: str | bytes) -> None:
        try:
            await self._connection.send_message(data)
        except (ConnectionClosed, LocalProtocolError):
            raise self._lost() from None

    def limit_silence(self, seconds: float) -> None:
        """From now on the iteration raises ConnectionLost if no message comes for `seconds`; `math.inf`: no limit."""
        self._silence_s = seconds
        self._wait.deadline = trio.current_time() + seconds

    def __aiter__(self) -> "NativeSession":
        return self

    async def __anext__(self) -> dict[str, Any] | bytes:
        """The next message. Ends when the connection closes after `session.closed`.

        Raises:
            ConnectionLost: the connection ended before that. ConnectionCut: in a way that leaves the session alive.
            SessionGone: we came back, and the server has made a new session.

        Safe to cancel: no message is lost.
        """
        # After its last message the server has only the close code to tell us: worth a moment, not more.
        silence_s = self._silence_s if self.closed_message is None else CLOSE_S
        with trio.CancelScope(deadline=trio.current_time() + silence_s) as self._wait:
            try:
                data = await self._connection.get_message()
            except ConnectionClosed:
                if self.closed_message is not None:
                    raise StopAsyncIteration from None
                raise self._lost() from None
            if isinstance(data, bytes):
                self._ticket.note_audio(data)
                return data
            return self._read_json(data)
        if self.closed_message is not None:
            raise StopAsyncIteration
        raise ConnectionLost(f"the server has been silent for {silence_s:.0f} s")

    def _read_json(self, text: str) -> dict[str, Any]:
        try:
            message = json.loads(text)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise ConnectionLost("the server sent a message that is no JSON object: is it a voicetrio server?")
        if message.get("type") == "session.closed":
            self.closed_message = message
        elif message.get("type") == "session.created":
            if self._returning and message.get("resumed") is not True:
                raise SessionGone("the server does not have the session any more")
            self.created = True
        self._ticket.note(message)
        return message

    def _lost(self) -> ConnectionLost:
        return connection_ended(self.close_code, self.close_reason)


@asynccontextmanager
async def open_native_session(
    url: str, session_id: str, *, ticket: ResumeTicket | None = None, connect_s: float | None = None
) -> AsyncIterator[NativeSession]:
    """A session `session_id` with the server at `url`, for as long as the block runs.

    A `ticket` is filled in for a later return to the session; one that has been filled in returns to it.
    `connect_s`: seconds for the connection, if less than `CONNECT_S` are left.

    Left before `session.closed` came (an error, Ctrl-C), the session is cancelled, so that the server need not wait for
    us to come back. Leaving takes `LEAVE_S`, or `CLOSE_S` once closed, at most.

    Raises:
        ServerUnreachable, SessionRefused: there is no session, and the block is not entered.
    """
    ticket = ticket or ResumeTicket()
    connect_s = CONNECT_S if connect_s is None else min(CONNECT_S, connect_s)
    full_url = session_url(url, session_id, ticket.query)
    shown = urlunsplit(urlsplit(full_url)._replace(path="", query=""))  # a query may hold a token
    try:
        # Our own bound: trio-websocket's waits on, for ever, if the server accepts and then says nothing (0.12.2).
        with trio.move_on_after(connect_s) as connecting:
            async with open_websocket_url(
                full_url, message_queue_size=QUEUE_MESSAGES, connect_timeout=math.inf
            ) as connection:
                connecting.deadline = math.inf
                session = NativeSession(connection, ticket)
                try:
                    yield session
                finally:
                    # Closed here, and not by trio-websocket: its own bound would raise, in place of what went wrong.
                    with trio.move_on_after(LEAVE_S if session.closed_message is None else CLOSE_S, shield=True):
                        await _say_goodbye(session)
        if connecting.cancelled_caught:
            raise ServerUnreachable(f"no voicetrio server answers at {shown} ({connect_s:.0f} s waited)")
    except ConnectionRejected as error:
        raise SessionRefused(
            f"the server at {shown} refused the session: HTTP {error.status_code}{_refusal(error.body)}",
            error.status_code,
        ) from None
    except HandshakeError as error:
        raise ServerUnreachable(f"no server can be reached at {shown} ({error.__cause__ or error})") from None


async def _say_goodbye(session: NativeSession) -> None:
    """Cancelled, it still closes the socket."""
    try:
        if session.closed_message is None and session.close_code is None:
            await session.send_json({"type": "session.cancel"})
    except ConnectionLost:
        pass
    finally:
        await session._connection.aclose()
        # When the other side closed first, trio-websocket leaves its socket to the garbage collector.
        await trio.aclose_forcefully(session._connection._stream)


def _refusal(body: bytes | None) -> str:
    text = " ".join((body or b"").decode(errors="replace").split())[:REFUSAL_CHARS_MAX]
    return f" ({text})" if text else ""


def session_url(server: str, session_id: str, query: str = "") -> str:
    """The WebSocket address of a session at `server`, which may be written ws(s):// or http(s)://, and may have a query
    of its own.
    """
    try:
        parts = urlsplit(server)
        complete = parts.scheme in _SCHEMES and parts.hostname is not None and parts.port != 0
    except ValueError:
        complete = False
    if not complete:
        raise ServerUnreachable(f"{server!r} is not the address of a server; write it like ws://127.0.0.1:8000")
    path = f"{parts.path.rstrip('/')}/ws/{session_id}"
    whole_query = "&".join(part for part in (parts.query, query) if part)
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, whole_query, ""))
