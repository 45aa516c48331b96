"""One WebSocket, as Hypercorn has it, held to rules: what it may send, how much is done at once, how long it may be silent.

Hypercorn 0.18 and wsproto 1.3 take apart all that has come in one go, up to ten thousand frames of a byte, while nobody else
is served; they unpack a compressed message whatever it grows to; and they send pings without asking whether anybody answers,
from a task that outlives the connection by as much as the time between two of them.

Here a few frames are taken at a time, a client that sends too many is told so and dropped, nothing is compressed (audio
cannot be), and who gives no sign of life is gone. Pings come at fixed times, also to those who send: proxies want to see
something in each direction.
"""

from dataclasses import replace
from typing import Any

import trio
from hypercorn.protocol.events import Body, Data, EndBody, Event, Request, Response, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WSStream
from hypercorn.typing import ASGISendEvent, WebsocketAcceptEvent
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason

from voicetrio.core.errors import RemoteError
from voicetrio.core.flood import FloodGuard
from voicetrio.gateway.connection_rules import Wire

REFUSED = "voicetrio.refused"
"""Type of the event that tells the application what its client has done; its `error` is a `RemoteError`."""

PING = "voicetrio.ping"
"""Where a connection's state has what pings its client, behind all that was sent."""

PONG = "voicetrio.pong"
"""Type of the event that tells the application that its client has answered such a ping."""

_PING_PAYLOAD = b"voicetrio"
"""Of those pings: the ones that keep a connection alive have none."""

WIRE = "voicetrio.connection"
"""Where a connection's state has the connection itself."""

_FREE_FRAMES = 4
"""Of one read, taken apart at once: live clients have one or two in it."""

_TURN_FRAMES = 32
"""Of one turn: about 1 ms."""

_DROP_PAUSE = 0.05
"""Seconds between two reads from a client that was refused: it may hear why, and shall not keep us busy meanwhile."""

_LAST_LOOK = 1.0
"""Seconds more before a silent client is given up: if this process has stood still, what came meanwhile is read first."""

_HANDSHAKE_HEADERS = (b"connection", b"sec-websocket-protocol", b"sec-websocket-key", b"sec-websocket-version")


class GuardedWebSocket(WSStream):
    """In the place of Hypercorn's, see `connections.contain_connections`."""

    _wire: Wire
    _guard: FloodGuard

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._gone = trio.Event()
        self._shut = False
        """Whether what comes is dropped."""
        self._drop_pause = 0.0

    async def handle(self, event: Event) -> None:
        if isinstance(event, (Data, Body)):
            if self._shut or self.closed:
                await trio.sleep(self._drop_pause)
            elif self.handshake.accepted:
                self.connection.receive_data(event.data)
                await self._handle_events()
            else:
                await self._refuse_early()
        elif isinstance(event, Request):
            await self._begin(event)
        else:
            if isinstance(event, StreamClosed):
                self._gone.set()
            await super().handle(event)

    async def app_send(self, message: ASGISendEvent | None) -> None:
        if not self._gone.is_set():
            await super().app_send(message)

    async def _begin(self, request: Request) -> None:
        self._wire = request.state[WIRE]
        request.state[PING] = self._ping_client
        flood = self._wire.rules.flood
        limit = min(flood.max_message_bytes, self.config.websocket_max_message_size)
        self._guard = FloodGuard(replace(flood, max_message_bytes=limit))
        # Extensions are not asked for: compression is the only one, and audio does not get smaller.
        headers = [(name, value) for name, value in request.headers if name.lower() != b"sec-websocket-extensions"]
        if all(value.isascii() for name, value in headers if name.lower() in _HANDSHAKE_HEADERS):
            await super().handle(replace(request, headers=headers))
        else:
            answer = [(b"content-length", b"0"), (b"connection", b"close")]
            await self.send(Response(stream_id=self.stream_id, status_code=400, headers=answer))
            await self.send(EndBody(stream_id=self.stream_id))
            self.closed = True
        if self.closed:  # it was refused; Hypercorn leaves the rest to the client
            await self.send(StreamClosed(stream_id=self.stream_id))

    async def _accept(self, message: WebsocketAcceptEvent) -> None:
        await super()._accept(message)
        self.task_group.spawn(self._keep_alive)

    async def _refuse_early(self) -> None:
        """Nothing may come before the answer to the handshake."""
        self._gone.set()
        if self.state is ASGIWebsocketState.HANDSHAKE:
            await self._send_error_response(400)
        await self.send(StreamClosed(stream_id=self.stream_id))

    # -- what comes ---------------------------------------------------------------------------------------------------

    async def _handle_events(self) -> None:
        now = trio.current_time()
        turn_at = _FREE_FRAMES
        ping: Ping | None = None
        for number, event in enumerate(self.connection.events()):
            if number == turn_at:
                turn_at += _TURN_FRAMES
                if ping is not None:
                    await self._answer(ping)
                    ping = None
                await self._wire.rules.next_turn()
                if self._gone.is_set():
                    return
            try:
                if isinstance(event, (BytesMessage, TextMessage)):
                    await self._take(event, now)
                elif isinstance(event, (Ping, Pong)):
                    self._guard.control(now=now)
                    ping = event if isinstance(event, Ping) else ping
                    if isinstance(event, Pong) and event.payload == _PING_PAYLOAD and self.app_put is not None:
                        await self.app_put({"type": PONG})
            except RemoteError as error:
                await self._refuse(error)
                return
            if isinstance(event, CloseConnection):
                await self._end(event)
                return
        if ping is not None:
            await self._answer(ping)

    async def _take(self, event: "Message[Any]", now: float) -> None:
        text = isinstance(event, TextMessage)
        self._guard.data(
            len(event.data), text=text, frame_ends=event.frame_finished, message_ends=event.message_finished, now=now
        )
        if event.message_finished and self.buffer.value is None:
            data, put = event.data, self.app_put
            assert put is not None
            await put(
                {"type": "websocket.receive", "text": data if text else None, "bytes": None if text else bytes(data)}
            )
            return
        self.buffer.extend(event)
        if event.message_finished:
            message = self.buffer.to_message()
            self.buffer.clear()
            assert self.app_put is not None
            await self.app_put(message)

    async def _answer(self, ping: Ping) -> None:
        """Of several pings the last is answered, as RFC 6455 allows."""
        await self._send_wsproto_event(ping.response())

    async def _end(self, event: CloseConnection) -> None:
        if self.connection.state is ConnectionState.REMOTE_CLOSING:
            await self._send_wsproto_event(event.response())
        elif self.connection.state is ConnectionState.OPEN:  # no close frame: what came cannot be understood
            self._wire.rules.note_cut("protocol_error")
            await self._send_wsproto_event(CloseConnection(code=event.code))
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def _refuse(self, error: RemoteError) -> None:
        """Take nothing more. The session tells its client why, and ends."""
        self._shut = True
        if error.close_code != CloseReason.MESSAGE_TOO_BIG:
            self._drop_pause = _DROP_PAUSE  # else the rest of one message comes, whose sender reads nothing before
        self.buffer.clear()
        self._wire.rules.note_refusal(error)
        assert self.app_put is not None
        await self.app_put({"type": REFUSED, "error": error})

    # -- signs of life ------------------------------------------------------------------------------------------------

    async def _send_pings(self) -> None:
        """Hypercorn's own, where a ping interval is set: `_keep_alive` does it."""
        await trio.lowlevel.checkpoint()

    async def _keep_alive(self) -> None:
        """Ask for signs of life until the connection is over; end it if none come."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ping)
            if await self._falls_silent():
                self._wire.rules.note_cut("no_pong")
                self._wire.abort()  # also ends a ping that is stuck
            nursery.cancel_scope.cancel(reason="the connection is over")

    async def _ping_client(self) -> None:
        """For the application, which is told of the answer."""
        if self.state is ASGIWebsocketState.CONNECTED and not self._gone.is_set():
            await self._send_wsproto_event(Ping(payload=_PING_PAYLOAD))

    async def _ping(self) -> None:
        while True:
            await trio.sleep(self._wire.rules.ping_interval)
            await self._send_wsproto_event(Ping())

    async def _falls_silent(self) -> bool:
        """Whether nothing came for too long; False when the connection is over."""
        silence = self._wire.rules.silence
        while not self._gone.is_set():
            due = self._wire.heard_at + silence
            late = trio.current_time() >= due
            with trio.move_on_after(_LAST_LOOK) if late else trio.move_on_at(due):
                await self._gone.wait()
            if late and not self._gone.is_set() and self._wire.heard_at + silence <= due:
                return True
        return False
