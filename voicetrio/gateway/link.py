"""A WebSocket of Quart as a session's `Link`, and the connection class that feeds it.

Quart cancels a handler when its client is gone. Here the handler is told instead, by the end of its channel, so that
the session ends (or waits for its client) by its own rules, and a cancel means one thing only: the server stops.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart import Websocket
from quart_trio.asgi import TrioASGIWebsocketConnection

from voicetrio.core.errors import RemoteError
from voicetrio.gateway.websocket_stream import PING, PONG, REFUSED
from voicetrio.session.ports import LinkLost

_CLOSE_PATIENCE = 1.0
"""Seconds for the client to answer a close frame. A socket that is closed while data comes in is reset instead, and the
client may lose the last messages that it was sent."""


class Connection(TrioASGIWebsocketConnection):
    """Its channel holds ten messages: then the server stops reading the socket, and TCP tells the client."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._gone = trio.Event()

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        try:
            await super().__call__(receive, send)
        finally:
            self.send_channel.close()
            # Bounded by more than its own patience: what is left is one hand-over to Hypercorn.
            with trio.move_on_after(2 * _CLOSE_PATIENCE, shield=True):
                await self._part(receive, send)

    async def _part(self, receive: ASGIReceiveCallable, send: Any) -> None:
        """Drop what still comes while Hypercorn closes the connection.

        Hypercorn waits for room in the queue of a handler, also when that has returned: a client that sends on would
        keep the connection open for ever.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._drain, receive)
            if self._accepted:
                with trio.move_on_after(_CLOSE_PATIENCE):
                    await self._gone.wait()
            await send(None)  # how Hypercorn is told that a handler has returned
            nursery.cancel_scope.cancel(reason="the connection is closed")

    async def _drain(self, receive: ASGIReceiveCallable) -> None:
        while not self._gone.is_set():
            if (await receive())["type"] == "websocket.disconnect":
                self._gone.set()

    async def handle_messages(  # type: ignore[override]
        self, nursery: trio.Nursery, receive: ASGIReceiveCallable
    ) -> None:
        """Pass messages on until the client is gone; ends the channel then, and nothing else.

        Cancelled, it leaves the channel open: the client is there, and has to be told that the server stops.
        """
        while True:
            event: Any = await receive()
            if event["type"] == "websocket.receive":
                data = event.get("bytes")
                await self.send_channel.send(event["text"] or "" if data is None else data)
            elif event["type"] == PONG:
                pong: Any = _Pong()
                await self.send_channel.send(pong)
            elif event["type"] == REFUSED:
                await self.send_channel.send(event["error"])
            elif event["type"] == "websocket.disconnect":
                self._gone.set()
                self.send_channel.close()
                return


class _Pong:
    """In the place of a message: the client has answered a ping."""


class WebSocketLink:
    def __init__(self, websocket: Websocket) -> None:
        self._websocket = websocket
        self._gone = False
        self._ping: Callable[[], Awaitable[None]] | None = websocket.scope.get("state", {}).get(PING)
        self.on_pong: Callable[[], None] = lambda: None
        """Called when the client has answered `ping`."""

    async def receive(self) -> str | bytes | None:
        while True:
            try:
                message: str | bytes | RemoteError | _Pong = await self._websocket.receive()
            except trio.EndOfChannel:
                self._gone = True
                return None
            if isinstance(message, RemoteError):
                raise message
            if not isinstance(message, _Pong):
                return message
            self.on_pong()

    async def send(self, message: str | bytes) -> None:
        # Hypercorn takes what is sent to a client that is gone, and drops it.
        if not self._gone:
            await self._websocket.send(message)
        if self._gone:
            raise LinkLost("the client is gone")

    async def ping(self) -> bool:
        await trio.lowlevel.checkpoint()
        if self._ping is None:  # another server than ours
            return False
        if not self._gone:
            await self._ping()
        return True

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame. Harmless when the client is gone."""
        if not self._gone:
            self._gone = True
            await self._websocket.close(code, reason)
