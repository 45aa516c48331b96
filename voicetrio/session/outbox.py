"""The only writer of a session's links, and its memory of what was written.

Everything that a client is told passes here, in order. Events never wait (whoever posts them is in the middle of a
decision); their number is bounded, and a client that reads too slowly for the bound loses its session, not single
events. Audio waits: whoever sends it asks for room first. A partial that was not yet written is replaced by the newer one
of the same segment. What an agent says waits, too: it may come by the thousand.

What was written to a socket may never have arrived. A client that comes back says how many text frames it has
received; those after that number which still matter (all but partials) are written again, from a bounded log. Audio is
kept and repeated by whoever has made it, who is told of each new connection, and of what has surely arrived: behind audio
goes a ping of the WebSocket protocol, which a client answers when it has read all before it.

A send is never given a timeout: a frame that was cut in the middle would silently corrupt every later one. Instead
`stalled_since` tells the session since when a send has been stuck, and the session then gives up the whole connection.
"""

import json
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import trio

from voicetrio.core.config import SessionLimits
from voicetrio.core.errors import VoicetrioError
from voicetrio.session.line import Attachment, Line
from voicetrio.session.ports import LinkLost

PASSED_MAX = 64
"""Events of an agent that wait, as many tokens as come in a second; the agent's stream waits beyond."""

PASSED_BYTES_MAX = 262_144
"""Of those; a longer one waits alone."""

PING_INTERVAL = 0.1
"""Seconds between two pings: audio is sent seconds ahead, so this is soon enough, and next to no traffic."""

PONGS_MAX = 8
"""Answers to `session.ping` that wait for the socket; of a client that asks more often the newest are answered."""

LOG_BYTES = 131_072
"""Of events that were written and may have to be written again: minutes of finals, 7 % of what a session's ring takes."""


class SlowClient(VoicetrioError):
    """More messages wait for the client than the limits allow."""


@dataclass(slots=True, eq=False)
class _Item:
    payload: str | bytes
    replace_key: int | None = None
    """A partial of this segment; a newer one takes its place."""
    on_written: Callable[[], None] | None = None
    passed: bool = False
    """An agent's event, which is not ours to look into."""
    uncounted: bool = False
    """`session.created` or `session.pong`, which belong to their connection."""
    pong: bool = False
    tag: str = ""
    """What it may be found by while it waits, or is to be repeated."""
    on_arrived: Callable[[], None] | None = None
    """Called when the client surely has it; only of audio."""


class Outbox:
    def __init__(self, line: Line, limits: SessionLimits) -> None:
        self._line = line
        self._limits = limits
        self._queue: deque[_Item] = deque()
        self._audio_bytes = 0
        self._passed = 0
        self._passed_bytes = 0
        self._in_flight: _Item | None = None
        self._doubtful: _Item | None = None
        self._log: deque[tuple[int, str, str]] = deque()
        self._log_bytes = 0
        self._frames = 0
        self._forgotten = 0
        self._closing = False
        self._wake = trio.Event()
        self._room = trio.Event()
        self._sending_since: float | None = None
        self._unconfirmed: Callable[[], None] | None = None
        self._asked_at = -PING_INTERVAL
        self.on_attached: Callable[[Attachment], None] = lambda _attachment: None
        """Called when another connection is about to be written to; what it has missed is queued again by then."""
        self.confirms = False
        """Whether this client answers pings, so that what has arrived will be known."""

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
        owed: bool = False,
        tag: str = "",
    ) -> None:
        """Queue one event. `on_written` is called when the transport has taken it; `holds` and `withdraw` know it by `tag`.

        `owed`: it tells how something goes on that the client was told the beginning of, and is queued even if the queue
        is full. Beginnings are not, so that there is never more owed than what may be under way at once.

        Raises:
            SlowClient: the queue is full. The session must end.
        """
        if self._closing:
            return
        payload = _encode(message)
        if replace_key is not None:
            for item in reversed(self._queue):
                if item.replace_key == replace_key:
                    item.payload = payload
                    return
        if len(self._queue) >= self._limits.max_queued_events and not owed:
            raise SlowClient(f"{len(self._queue)} messages wait for the client")
        self._queue.append(_Item(payload, replace_key, on_written, tag=tag))
        self._wake.set()

    async def pass_on(self, payload: str) -> None:
        """Queue one event of an agent, as it is; waits for room. Safe to cancel: it is queued or not."""
        await trio.lowlevel.checkpoint()
        while self._passed >= PASSED_MAX or (self._passed > 0 and self._passed_bytes + len(payload) > PASSED_BYTES_MAX):
            await self._wait_room()
        if self._closing:
            return
        self._passed += 1
        self._passed_bytes += len(payload)
        self._queue.append(_Item(payload, passed=True))
        self._wake.set()

    def welcome(self, session_id: str) -> None:
        """Queue the welcome of a connection that it was held back from; the session may have got its id meanwhile."""
        attachment = self._line.current
        if attachment is not None and attachment.holds_welcome and not attachment.welcomed and not self._closing:
            attachment.welcomed = True
            welcome = {**attachment.welcome, "session_id": session_id}
            self._queue.append(_Item(_encode(welcome), uncounted=True))
            self._wake.set()

    def pong(self, ping_id: str | int | None) -> None:
        """Answer a `session.ping` before anything else that waits. Of many that wait, the last ones are answered."""
        if self._closing:
            return
        message: dict[str, object] = {"type": "session.pong"}
        if ping_id is not None:
            message["id"] = ping_id
        waiting = [item for item in self._queue if item.pong]
        if len(waiting) >= PONGS_MAX:
            self._queue.remove(waiting[-1])
        self._queue.appendleft(_Item(_encode(message), uncounted=True, pong=True))
        self._wake.set()

    async def _wait_room(self) -> None:
        if self._room.is_set():
            self._room = trio.Event()
        await self._room.wait()

    def holds(self, tag: str) -> bool:
        """Whether a message with this tag waits to be written, for the first time or again."""
        return any(item.tag == tag for item in self._queue)

    def withdraw(self, tag: str) -> None:
        """Forget messages with this tag that wait to be written."""
        self._queue = deque(item for item in self._queue if item.tag != tag)

    def has_audio_room(self, size: int) -> bool:
        """Whether so many bytes of audio may be queued; more than all of the room is taken alone."""
        return self._audio_bytes == 0 or self._audio_bytes + size <= self._limits.max_queued_audio_bytes

    async def wait_audio_room(self, size: int) -> None:
        """Until so many bytes of audio may be queued. Safe to cancel."""
        await trio.lowlevel.checkpoint()
        while not self.has_audio_room(size):
            await self._wait_room()

    def put_audio(self, pcm: bytes, *, on_written: Callable[[], None], on_arrived: Callable[[], None]) -> None:
        """Queue audio, after `wait_audio_room`. What is lost with a connection is not sent again; see `on_attached`."""
        if self._closing:
            return
        self._audio_bytes += len(pcm)
        self._queue.append(_Item(pcm, on_written=on_written, on_arrived=on_arrived))
        self._wake.set()

    def drop_audio(self) -> int:
        """Forget the audio that waits. Returns how many bytes of it were being sent when the last connection broke."""
        doubtful = self._doubtful if self._doubtful in self._queue else None
        self._queue = deque(item for item in self._queue if isinstance(item.payload, str))
        self._audio_bytes = 0
        if self._in_flight is not None and isinstance(self._in_flight.payload, bytes):
            self._in_flight = None  # not to be repeated on another connection
        self._room.set()
        return len(doubtful.payload) if doubtful is not None and isinstance(doubtful.payload, bytes) else 0

    def post_last(self, message: dict[str, object]) -> None:
        """Queue the last event, whatever the limits say; audio is dropped, and later posts are ignored."""
        self.drop_audio()
        self._queue.append(_Item(_encode(message)))
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Write to whatever connection there is, until all is written after `post_last`. Safe to cancel."""
        while True:
            attachment = await self._line.wait_attached()
            self._repeat_from(attachment.received)
            self.on_attached(attachment)
            self._unconfirmed = _nothing  # asked at once, so that it is known early whether the client answers
            with attachment.writing:
                try:
                    if not attachment.holds_welcome:
                        self._sending_since = trio.current_time()
                        await attachment.link.send(_encode(attachment.welcome))
                        self._sending_since = None
                    await self._write(attachment)
                    return
                except LinkLost:
                    self._line.lose(attachment)
                finally:
                    self._sending_since = None
                    self._take_back()

    async def _write(self, attachment: Attachment) -> None:
        """Returns when all is written after `post_last`."""
        while True:
            while self._queue:
                self._in_flight = item = self._queue.popleft()
                self._sending_since = trio.current_time()
                await attachment.link.send(item.payload)
                self._sending_since = None
                self._in_flight = None
                self._note_written(item)
                await self._ask(attachment)
            if self._closing:
                return
            self._wake = trio.Event()
            await self._ask(attachment)
            waits = self._unconfirmed is not None and attachment.on_pong is None
            with trio.move_on_at(self._asked_at + PING_INTERVAL if waits else math.inf):
                await self._wake.wait()

    async def _ask(self, attachment: Attachment) -> None:
        """Ask the client whether it has what was written last, unless it is being asked, or was a moment ago."""
        if self._unconfirmed is None or attachment.on_pong is not None or self._closing:
            return
        now = trio.current_time()
        if now < self._asked_at + PING_INTERVAL:
            return
        if self._unconfirmed is not _nothing:  # the first audio need not wait because of the welcome
            self._asked_at = now
        unconfirmed, self._unconfirmed = self._unconfirmed, None
        attachment.on_pong = partial(self._answered, unconfirmed)
        self._sending_since = now
        can = await attachment.link.ping()
        self._sending_since = None
        if not can:
            self._unconfirmed = attachment.on_pong = None

    def _answered(self, arrived: Callable[[], None]) -> None:
        self.confirms = True
        arrived()
        self._wake.set()

    def _note_written(self, item: _Item) -> None:
        if isinstance(item.payload, bytes):
            self._audio_bytes = max(0, self._audio_bytes - len(item.payload))
            self._unconfirmed = item.on_arrived
            self._room.set()
        elif not item.uncounted:
            self._note_frame(item.payload, item.tag, repeatable=item.replace_key is None)
        if item.passed:
            self._passed -= 1
            self._passed_bytes -= len(item.payload)
            self._room.set()
        if item.on_written is not None:
            item.on_written()

    def _note_frame(self, payload: str, tag: str, *, repeatable: bool) -> None:
        self._frames += 1
        if not repeatable:
            return
        self._log.append((self._frames, payload, tag))
        self._log_bytes += len(payload)
        while self._log_bytes > LOG_BYTES or len(self._log) > self._limits.max_queued_events:
            self._forgotten, forgotten, _ = self._log.popleft()
            self._log_bytes -= len(forgotten)

    def _take_back(self) -> None:
        """What was being sent when the connection ended is the next to be sent."""
        self._doubtful, self._in_flight = self._in_flight, None
        if self._doubtful is not None and self._doubtful.uncounted:
            self._doubtful = None  # the next connection has its own
        if self._doubtful is not None:
            self._queue.appendleft(self._doubtful)
        self._queue = deque(item for item in self._queue if not item.uncounted)

    def _repeat_from(self, received: int | None) -> None:
        """Queue again what a client that has `received` text frames has missed. None: it has all that was written."""
        if received is None:
            return
        if received > self._frames and self._queue and self._queue[0] is self._doubtful:
            self._note_written(self._queue.popleft())  # it has arrived, although we were not told
        missed = self._forgotten > received
        again = []
        while self._log and self._log[-1][0] > received:
            _, payload, tag = self._log.pop()
            self._log_bytes -= len(payload)
            again.append(_Item(payload, tag=tag))
        self._queue.extendleft(again)
        self._frames = min(received, self._frames)
        if missed:
            self._forgotten = received
            text = "some messages from before the connection was lost are too old to be repeated"
            error = {"type": "error", "code": "messages_lost", "message": text, "recoverable": True}
            self._queue.appendleft(_Item(_encode(error)))


def _nothing() -> None:
    """Of what nobody waits for."""


def _encode(message: dict[str, object]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
