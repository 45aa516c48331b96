"""The client's end of a session: the connection it has now, if it has one.

    attach --> [Attachment: reading, writing] --lost--> nobody --attach--> [another Attachment] --> ... --> released

A session outlives its connections, and has at most one at a time. A client that comes back takes its session over from
the connection that it had: what is being received or sent there is given up. Whoever serves a connection waits for
`Attachment.over`, and then closes it as the `verdict` says.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from voicetrio.session.endings import TAKEN_OVER, End
from voicetrio.session.ports import Link


@dataclass(frozen=True, slots=True)
class SpeechReceived:
    """What a client that comes back has of the server's speech."""

    request_id: str
    """Of the last utterance whose audio it got."""
    samples: int
    """Of that audio, over all connections."""


@dataclass(slots=True, eq=False)
class Attachment:
    """One connection of a session."""

    link: Link
    welcome: dict[str, object]
    """The first message on this connection."""
    received: int | None
    """How many text frames the client has, of all that it was sent before. None: it did not say."""
    holds_welcome: bool = False
    """Whether that is not the first message, but waits until the session says so: see `session.identity`."""
    welcomed: bool = False
    """Whether it has said so."""
    reading: trio.CancelScope = field(default_factory=trio.CancelScope)
    writing: trio.CancelScope = field(default_factory=trio.CancelScope)
    over: trio.Event = field(default_factory=trio.Event)
    """Set when the session does not use the connection any more."""
    speech: SpeechReceived | None = None
    """What the client says that it has of what is being spoken. None: it did not say."""
    alive_at: float = field(default_factory=trio.current_time)
    """When the client last gave a sign of life, on trio's clock."""
    on_pong: Callable[[], None] | None = None
    """Called when the client has answered the ping that is on its way; None: none is."""
    verdict: End | None = None
    """How the connection is to be closed; None while it is in use, and when it was lost."""

    def pong(self) -> None:
        """The client has answered `Link.ping`: it has all that was sent before that."""
        self.alive_at = trio.current_time()
        answered, self.on_pong = self.on_pong, None
        if answered is not None and not self.over.is_set():
            answered()

    def end(self, verdict: End | None) -> None:
        self.verdict = verdict
        self.reading.cancel(reason="the connection is given up")
        self.writing.cancel(reason="the connection is given up")
        self.over.set()


class Line:
    def __init__(self) -> None:
        self._current: Attachment | None = None
        self._attached = trio.Event()
        self._released = False
        self.on_lost: Callable[[float], None] = lambda _alive_at: None
        """Called when a connection is not used any more, with its client's last sign of life."""

    @property
    def current(self) -> Attachment | None:
        """The connection that is in use."""
        return self._current

    @property
    def released(self) -> bool:
        """Whether the session has said its last word."""
        return self._released

    def attach(self, attachment: Attachment) -> None:
        """Use this connection from now on; the client has left another one that it may have had."""
        assert not self._released, "the session is over"
        if self._current is not None:
            self._current.end(TAKEN_OVER)
            self.on_lost(self._current.alive_at)
        self._current = attachment
        self._attached.set()

    def lose(self, attachment: Attachment) -> None:
        """The client is not there any more."""
        attachment.end(None)
        if attachment is self._current:
            self._current = None
            self._attached = trio.Event()
            self.on_lost(attachment.alive_at)

    def release(self, end: End) -> None:
        """The session needs no connection any more."""
        self._released = True
        if self._current is not None:
            self._current.end(end)
            self._current = None
            self._attached = trio.Event()

    async def wait_attached(self) -> Attachment:
        """The connection in use, as soon as there is one. Safe to cancel."""
        await trio.lowlevel.checkpoint()
        while self._current is None:
            await self._attached.wait()
        return self._current
