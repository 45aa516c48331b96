"""Reads server-sent events out of bytes, as they come and however they are cut. Pure.

Our own, because a comment is a sign of life here: httpx2's reader gives whole events, and nothing while none is complete.
The format is that of the HTML standard (section 9.2.6), with what servers make of it:

- an event without its blank line at the end of the stream counts, and so does a lone CR as the end of a line;
- `data: [DONE]`, the last line of a chat completion, counts at once: some servers forget the blank line after it;
- a field `error:` is an event of its own, `ERROR_FIELD`, without what it says: old llama.cpp tells its failures that way;
- `id:` and `retry:` are about coming back to a stream, which nobody does with an answer.
"""

from dataclasses import dataclass

ERROR_FIELD = "voicetrio:error-field"
"""The name of the event that an `error:` line becomes. No server's own event has this name."""

DONE = "[DONE]"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    event: str = "message"
    data: str = ""


class EventTooLarge(ValueError):
    """An event has reached the limit. The parser is not to be used any more."""

    def __init__(self, before: list[ServerSentEvent]) -> None:
        super().__init__()
        self.before = before
        """What the same bytes completed before it."""


class EventParser:
    """`feed` it the bytes; `end` once, if the stream has ended in order. Its time is linear in the bytes."""

    def __init__(self, max_event_bytes: int) -> None:
        """An event of `max_event_bytes` or more, without line ends and comments, raises `EventTooLarge`."""
        self._max_event_bytes = max_event_bytes
        self._after_cr = False
        self._first_line = True
        self._pending: list[bytes] = []  # of a line
        self._pending_bytes = 0
        self._event_bytes = 0
        self._name = ""
        self._data: list[str] = []
        self._found: list[ServerSentEvent] = []

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events that these bytes complete, in order."""
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if not data:
            return []
        self._after_cr = data.endswith(b"\r")
        lines = data.splitlines()  # of bytes: at CR, LF and CR LF, and nowhere else
        rest = b"" if data.endswith((b"\r", b"\n")) else lines.pop()
        for line in lines:
            if self._pending:
                line = self._taken_pending() + line
            self._take_line(line)
        if rest:
            self._pending.append(rest)
            self._pending_bytes += len(rest)
        self._check_size()
        return self._taken()

    def end(self) -> list[ServerSentEvent]:
        if self._pending:
            self._take_line(self._taken_pending())
        self._dispatch()
        return self._taken()

    def _take_line(self, line: bytes) -> None:
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            self._dispatch()
        elif not line.startswith(b":"):
            self._event_bytes += len(line)
            self._check_size()
            self._take_field(line.decode("utf-8", errors="replace"))

    def _take_field(self, line: str) -> None:
        name, colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            if len(self._data) == 1 and value.strip() == DONE:
                self._dispatch()
        elif name == "event":
            self._name = value
        elif name == "error" and colon:
            self._dispatch()
            self._found.append(ServerSentEvent(ERROR_FIELD))

    def _dispatch(self) -> None:
        if self._name or self._data:
            self._found.append(ServerSentEvent(self._name or "message", "\n".join(self._data)))
            self._name = ""
            self._data.clear()
        self._event_bytes = 0

    def _taken_pending(self) -> bytes:
        line = b"".join(self._pending)
        self._pending.clear()
        self._pending_bytes = 0
        return line

    def _taken(self) -> list[ServerSentEvent]:
        found, self._found = self._found, []
        return found

    def _check_size(self) -> None:
        if self._event_bytes + self._pending_bytes >= self._max_event_bytes:
            raise EventTooLarge(self._taken())
