"""The network between one caller and the server: latency, a bounded buffer, and an end without a goodbye.

    caller --up--> WireLink.receive        WireLink.send --down--> caller

When a wire is lost, whatever is under way in both directions is lost with it. The caller knows at once; the server's
side may notice only later: until then its sends fill the buffer, and then wait.
"""

import json
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import trio

from voicetrio.session.ports import LinkLost

UPLINK_MESSAGES = 16
"""What the network and the server's transport take before the caller has to wait."""


CLOSE_PATIENCE = 1.0
"""Seconds for a close frame to find room; then the connection is cut, as the gateway does it."""


@dataclass(frozen=True, slots=True, eq=False)
class Ping:
    """Of the WebSocket protocol: whoever reads it answers, without being asked."""


PONG = Ping()

CUT = (1006, "cut")
"""What a caller sees of a connection that ended without a close frame."""


Message = str | bytes | tuple[int, str] | Ping
"""A text frame, a binary frame, a close frame (code and reason), or a ping."""

_SPEAKING_START = '{"type":"tts.speaking_start"'


class Gone(Exception):
    """The other side, or the wire, is no more."""


class Pipe:
    """One direction. What was put comes out after the latency, in order."""

    def __init__(self, latency: float, limit: int) -> None:
        self._latency = latency
        self._limit = limit
        self._items: deque[tuple[float, Message]] = deque()
        self._changed = trio.Event()
        self._still_until = 0.0
        self.broken = False
        """For the side that takes out."""
        self.closed = False
        """For the side that puts in."""
        self.swallows = False
        """Whether what is put is taken, and never comes out, as a network does that has died behind its last router."""

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def put(self, item: Message) -> None:
        """Wait for room. Raises `Gone` when nobody takes any more. Safe to cancel: put whole or not at all."""
        await trio.lowlevel.checkpoint()
        while not self.closed and len(self._items) >= self._limit:
            await self._changed.wait()
        if self.closed:
            raise Gone
        if self.swallows:
            return
        self._items.append((trio.current_time() + self._latency, item))
        self._change()

    async def get(self) -> Message:
        """The next item. Raises `Gone`. Safe to cancel: nothing is lost."""
        await trio.lowlevel.checkpoint()
        while not self.broken:
            if not self._items:
                await self._changed.wait()
            elif (due := max(self._items[0][0], self._still_until)) > trio.current_time():
                with trio.move_on_at(due):
                    await self._changed.wait()
            else:
                item = self._items.popleft()[1]
                self._change()
                return item
        raise Gone

    def push(self, item: Message) -> None:
        """As `put`, for what needs no room and is lost when nobody takes any more."""
        if not self.closed and not self.swallows:
            self._items.append((trio.current_time() + self._latency, item))
            self._change()

    def stall(self, until: float) -> None:
        """Nothing comes out until then, and then everything at once."""
        self._still_until = max(self._still_until, until)
        self._change()

    def cut(self) -> None:
        """Nothing follows what is in the buffer, which may still be read."""
        self._items.append((trio.current_time() + self._latency, CUT))
        self.closed = True
        self._change()

    def lose(self) -> None:
        """What is under way is lost; the side that takes out has nothing more to expect."""
        self._items.clear()
        self._change()

    def shut(self) -> None:
        self.closed = self.broken = True
        self._change()


class Wire:
    """One connection. The caller uses `up` and `down`, the server `link`."""

    def __init__(self, number: int, latency: float, buffer: int, note: Callable[[str, object], None]) -> None:
        """`note` is told what of the server's speech the network has taken."""
        self.number = number
        self.note = note
        self.latency = latency
        self.up = Pipe(latency, UPLINK_MESSAGES)
        self.down = Pipe(latency, buffer)
        self.link = WireLink(self)
        self.lost = False

    def stall(self, seconds: float) -> None:
        """The network stands still, in both directions, and loses nothing."""
        for pipe in (self.up, self.down):
            pipe.stall(trio.current_time() + seconds)

    def lose(self) -> None:
        """The caller's end is gone, and what was under way. The server does not know yet; see `notice`."""
        self.lost = True
        self.up.lose()
        self.up.closed = True
        self.down.lose()
        self.down.broken = True

    def notice(self) -> None:
        """The server's transport has found out."""
        self.up.shut()
        self.down.shut()


class WireLink:
    """The server's end: the session's `Link`, and the close frame that the connection's handler sends."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.close_sent: tuple[int, str] | None = None
        self.on_pong: Callable[[], None] = lambda: None

    async def receive(self) -> str | bytes | None:
        while True:
            try:
                message = await self._wire.up.get()
            except Gone:
                return None
            if not isinstance(message, Ping):
                break
            self.on_pong()
        assert not isinstance(message, tuple)
        return message

    async def ping(self) -> bool:
        try:
            await self._wire.down.put(Ping())
        except Gone:
            raise LinkLost("the client is gone") from None
        return True

    async def send(self, message: str | bytes) -> None:
        assert self.close_sent is None, "nothing follows a close frame"
        try:
            await self._wire.down.put(message)
        except Gone:
            raise LinkLost("the client is gone") from None
        if isinstance(message, bytes):
            self._wire.note("sent", len(message))
        elif message.startswith(_SPEAKING_START):
            self._wire.note("sent_start", json.loads(message)["request_id"])

    async def close(self, code: int, reason: str) -> None:
        """Harmless when the client is gone."""
        await trio.lowlevel.checkpoint()
        if self.close_sent is not None:
            return
        self.close_sent = (code, reason)
        with trio.move_on_after(CLOSE_PATIENCE) as patience, suppress(Gone):
            await self._wire.down.put((code, reason))
        if patience.cancelled_caught:
            self._wire.down.cut()
        self._wire.up.shut()
