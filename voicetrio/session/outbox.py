"""The only writer of a session's link.

Everything that a client is told passes here, in order. Events never wait (whoever posts them is in the middle of a
decision); their number is bounded, and a client that reads too slowly for the bound loses its session, not single
events. Audio waits: a synthesis is stopped by a full queue until the socket takes more. A partial that was not yet
written is replaced by the newer one of the same segment.

A send is never given a timeout: a frame that was cut in the middle would silently corrupt every later one. Instead
`stalled_since` tells the session since when a send has been stuck, and the session then gives up the whole connection.
"""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import trio

from voicetrio.core.config import SessionLimits
from voicetrio.core.errors import VoicetrioError
from voicetrio.session.ports import Link


class SlowClient(VoicetrioError):
    """More messages wait for the client than the limits allow."""


@dataclass(slots=True)
class _Item:
    payload: str | bytes
    replace_key: int | None = None
    """A partial of this segment; a newer one takes its place."""
    on_written: Callable[[], None] | None = None


class Outbox:
    def __init__(self, link: Link, limits: SessionLimits) -> None:
        self._link = link
        self._limits = limits
        self._queue: deque[_Item] = deque()
        self._audio_bytes = 0
        self._closing = False
        self._wake = trio.Event()
        self._room = trio.Event()
        self._written = trio.Event()
        self._sending_since: float | None = None

    @property
    def stalled_since(self) -> float | None:
        """Since when the current send has been under way, on trio's clock; None between sends."""
        return self._sending_since

    @property
    def queued(self) -> int:
        """Messages that wait."""
        return len(self._queue)

    def post(
        self,
        message: dict[str, object],
        *,
        replace_key: int | None = None,
        on_written: Callable[[], None] | None = None,
    ) -> None:
        """Queue one event. `on_written` is called when the transport has taken it.

        Raises:
            SlowClient: the queue is full. The session must end.
        """
        if self._closing:
            return
        payload = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        if replace_key is not None:
            for item in reversed(self._queue):
                if item.replace_key == replace_key:
                    item.payload = payload
                    return
        if len(self._queue) >= self._limits.max_queued_events:
            raise SlowClient(f"{len(self._queue)} messages wait for the client")
        self._queue.append(_Item(payload, replace_key, on_written))
        self._wake.set()

    async def send_audio(self, pcm: bytes) -> None:
        """Queue audio; waits for room. Safe to cancel: the piece is queued whole or not at all."""
        await trio.lowlevel.checkpoint()
        while self._audio_bytes > 0 and self._audio_bytes + len(pcm) > self._limits.max_queued_audio_bytes:
            self._room = trio.Event()
            await self._room.wait()
        if self._closing:
            return
        self._audio_bytes += len(pcm)
        self._queue.append(_Item(pcm))
        self._wake.set()

    def drop_audio(self) -> None:
        """Forget the audio that no send has begun with: whoever it belonged to was cancelled."""
        self._queue = deque(item for item in self._queue if isinstance(item.payload, str))
        self._audio_bytes = 0
        self._room.set()

    def post_last(self, message: dict[str, object]) -> None:
        """Queue the last event, whatever the limits say; audio is dropped, and later posts are ignored."""
        self.drop_audio()
        self._queue.append(_Item(json.dumps(message, separators=(",", ":"))))
        self._closing = True
        self._wake.set()

    async def wait_written(self) -> None:
        """Wait until all is written after `post_last`."""
        await self._written.wait()

    async def run(self) -> None:
        """Write until closed and empty. Cancelling it may cut a message: after that only the link's `close` is left."""
        while True:
            while self._queue:
                item = self._queue.popleft()
                if isinstance(item.payload, bytes):
                    self._audio_bytes -= len(item.payload)
                    self._room.set()
                self._sending_since = trio.current_time()
                await self._link.send(item.payload)
                self._sending_since = None
                if item.on_written is not None:
                    item.on_written()
            if self._closing:
                self._written.set()
                return
            self._wake = trio.Event()
            await self._wake.wait()
