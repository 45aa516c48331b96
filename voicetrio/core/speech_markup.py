r"""What is to be read aloud of a text with markup, while the text streams in. Pure; knows nothing of sentences.

Why not with a library: CommonMark is for whole texts. What a sign means may depend on the end of its paragraph, and speech
has begun by then; the parsers that are well kept (markdown-it-py) have to be given the open block anew with every token,
which takes 30 times as long, and would take back what is spoken. The tests compare with what they make of whole documents.

Markdown and HTML become plain text: runs of white space are one space, and "\n" ends something that stands on its own
(a paragraph, a list item, a row of a table). Every character passes the same stations alone, so that it does not matter
how the text was split:

    SpeechMarkup._clean: emoji, controls -> ._line: what a line is -> SpeechInline.feed: what a character means -> ._say

A station's state is the method that takes the next character. What only later characters can tell is held until they
come, for so many characters as are named in `speech_inline`; then it counts as text.
"""

import re
import unicodedata

from voicetrio.core.speech_fence import Fence
from voicetrio.core.speech_inline import HEAD_MAX, SpeechInline, State, spoken

_NEWLINES = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
_HEADS = frozenset("#`~-+*_=|:[")
_OPEN_HEAD = re.compile(r"#{1,6}|[-+*_=|: ]+|`{1,2}|`{3,}[^`]*|~{1,2}|~{3,}.*|\[[ xX]?|\[[ xX]\]")
_BULLETS = re.compile(r"(?:[-*+] +)+")
_FENCE = re.compile(r"`{3,}|~{3,}")


class SpeechMarkup:
    """One text: `push` its parts, then `finish`. Each returns what is certain by then."""

    def __init__(self) -> None:
        self._inline = SpeechInline()
        self._surrogate = ""  # the first half of a pair
        self._before = ""
        self._line: State = self._at_start
        self._head = ""
        self._fence: Fence | None = None

    @property
    def held(self) -> int:
        """Characters held back now."""
        return len(self._surrogate) + len(self._head) + self._inline.held + (self._fence.held if self._fence else 0)

    def push(self, delta: str) -> str:
        for c in delta:
            if " " <= c < "\x7f":
                self._surrogate, self._before = "", c
                self._line(c)
            else:
                self._clean(c)
        return self._inline.taken()

    def finish(self) -> str:
        """The rest. What is still open counts as text; of a block of code, the sentences at its end."""
        self._surrogate = ""
        if self._fence is not None:
            rest, self._fence = self._fence.rest(), None
            self._line = self._at_start
            for c in rest:
                self._line(c)
        if self._line == self._at_start:
            self._line("\n")
        self._inline.finish()
        self._fence, self._line = None, self._at_start
        return self._inline.taken()

    def _clean(self, c: str) -> None:
        """Let through what can be spoken or written."""
        first, self._surrogate = self._surrogate, ""
        if "\ud800" <= c <= "\udbff":
            self._surrogate = c
            return
        if "\udc00" <= c <= "\udfff":
            if not first:
                return
            c = (first + c).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        if c in _NEWLINES:
            c = "\n"
        elif c in "\u200c\u200d":  # Persian and the scripts of India need these joiners; between emoji they go
            if unicodedata.category(self._before or " ")[0] not in "LM":
                return
        else:
            c = spoken(c)
            if not c:
                return
        self._before = c
        self._line(c)

    def _at_start(self, c: str) -> None:
        if not self._head:
            if c in " \n>\u2022":  # indents, empty lines, quotes, the bullet that people type
                return
            if c not in _HEADS:
                self._open_line("", c)
                return
        if c != "\n" and _OPEN_HEAD.fullmatch(self._head + c):
            if len(self._head) < HEAD_MAX:
                self._head += c
                return
            if self._head[0] not in "`~":
                return  # a rule as long as it likes
        head, self._head = self._head, ""
        fence = _FENCE.match(head)
        if fence and c == "\n":
            self._fence, self._line = Fence(fence[0], in_line=False), self._in_fence
        elif head[0] in "-+*_=|:" and c == "\n":
            return  # a rule, the line under a heading, the row under a table's header
        elif head[0] == "[" and len(head) == 3 and c == " ":
            return  # the box of a task
        elif head[0] == "#" and c in " \n":
            self._inline.heading = True
            self._open_line("", c)
        else:
            bullets = _BULLETS.match(head)
            head = head[bullets.end() :] if bullets else head
            if head:
                self._open_line(head, c)
            else:
                self._at_start(c)

    def _open_line(self, head: str, c: str) -> None:
        self._inline.table = head.startswith("|")
        for sign in head:
            self._inline.feed(sign)
        self._line = self._in_line
        self._in_line(c)

    def _in_line(self, c: str) -> None:
        self._inline.feed(c)
        if self._inline.fence:
            self._fence, self._line = Fence(self._inline.fence, in_line=True), self._in_fence
            self._inline.fence = ""
        elif c == "\n" and not self._inline.busy:
            self._line = self._at_start

    def _in_fence(self, c: str) -> None:
        assert self._fence is not None
        in_line = self._fence.in_line
        self._fence.feed(c)
        if not self._fence.closed:
            return
        self._fence = None
        self._line = self._at_start
        if in_line and c != "\n":
            self._open_line("", c)
