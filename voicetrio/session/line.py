"""The client's end of a session: the connection it has now, if it has one.

    attach --> [Attachment: reading, writing] --lost--> nobody --attach--> [another Attachment] --> ... --> released

A session outlives its connections, and has at most one at a time. A client that comes back takes its session over from
the connection that it had: what is being received or sent there is given up. Whoever serves a connection waits for
`Attachment.over`, and then closes it as the `verdict` says.
"""

from dataclasses import dataclass, field

import trio

from voicetrio.session.endings import TAKEN_OVER, End
from voicetrio.session.ports import Link


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
    verdict: End | None = None
    """How the connection is to be closed; None while it is in use, and when it was lost."""

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
        self._current = attachment
        self._attached.set()

    def lose(self, attachment: Attachment) -> None:
        """The client is not there any more."""
        attachment.end(None)
        if attachment is self._current:
            self._current = None
            self._attached = trio.Event()

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
