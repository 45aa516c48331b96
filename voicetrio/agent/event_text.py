"""Makes of an event stream's bytes the text that httpx2's `EventSource` reads right.

Its parser is a good one with five blind spots, which are covered here, without a wait for more bytes than needed:

- a byte order mark hides the first event: it is taken away;
- an event without its blank line is dropped at the end: the end brings one;
- a lone CR as the last character is kept back, as an LF may follow: every line end becomes one LF at once;
- a field `error:` is dropped, as the standard wants it: old llama.cpp tells of its failures that way and in no other, so
  such a line becomes an event of its own, `ERROR_FIELD`, without what it says;
- the charset of the content type is believed: event streams are UTF-8, always.
"""

import codecs
import re

ERROR_FIELD = "voicetrio:error-field"
"""The event that an `error:` line becomes. No server's own event has this name."""

_FIELD = "error:"
_FIELD_AT_LINE_START = re.compile(r"^error:", re.MULTILINE)


class EventText:
    """Feed it with the bytes as they come, however they are cut; `end` once, if the stream has ended in order."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
        self._after_cr = False
        self._line_begins = True
        self._held = ""
        """The first characters of a line, as long as they may become `error:`."""

    def feed(self, data: bytes) -> str:
        return self._marked(self._with_newlines(self._decoder.decode(data)))

    def end(self) -> str:
        rest = self._marked(self._with_newlines(self._decoder.decode(b"", final=True)))
        return rest + self._held + "\n\n"

    def _with_newlines(self, text: str) -> str:
        if not text:
            return text
        if self._after_cr and text[0] == "\n":
            text = text[1:]
            self._after_cr = False
            if not text:
                return text
        self._after_cr = text[-1] == "\r"
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def _marked(self, text: str) -> str:
        text = self._held + text
        self._held = ""
        if not text:
            return text
        before, newline = "", ""
        if not self._line_begins:
            before, newline, text = text.partition("\n")
            if not newline:
                return before
        complete, last_newline, last = text.rpartition("\n")
        if len(last) < len(_FIELD) and _FIELD.startswith(last):
            # Also an empty one: the next line has just begun.
            self._held, text = last, complete + last_newline
            self._line_begins = True
        else:
            self._line_begins = False
        # The event is over with its name; the rest of the line, which may hold anything, becomes a comment.
        return before + newline + _FIELD_AT_LINE_START.sub(f"event:{ERROR_FIELD}\n\n:", text)
