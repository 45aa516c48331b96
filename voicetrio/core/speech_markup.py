r"""What is to be read aloud of a text with markup, while the text streams in. Pure; knows nothing of sentences.

Markdown and HTML become plain text: runs of white space are one space, and "\n" ends something that stands on its own
(a paragraph, a list item, a row of a table). Every character passes the same stations alone, so that it does not matter
how the text was split:

    SpeechMarkup._clean: emoji, controls -> ._line: what a line is -> _Inline.feed: what a character means -> ._say

A station's state is the method that takes the next character. What only later characters can tell is held until they
come, for so many characters as are named below; then it counts as text.
"""

import re
import unicodedata
from collections.abc import Callable

LINK_TEXT_MAX = 120
"""Characters between [ and ]: more than people make a link of, and 0.6 s of a model that writes 200 a second."""
TAG_MAX = 200
"""Characters between < and >: a link's address fits, and a listener waits a second at most for a lone "<"."""
HEAD_MAX = 80
"""Characters at the start of a line that may be a rule or open a fence: as wide as people draw them."""
HOST_MAX = 253
"""Characters of a host name, RFC 1035; what is longer is none and is cut off."""
RUN_MAX = 2
"""The signs of "2 * 3" and "2 ** 3" may be text; a longer run is an ornament."""

_EMOJI = "\0"
"""Stands for an emoji between the stations: silent, but it parts words. Real control characters end at `_clean`."""
_NEWLINES = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
_EDGES = ("", " ", "\n")
_RUNS = frozenset("*_~#`")
_SPECIAL = _RUNS | frozenset("\\![]<|hHwW")
_HEADS = frozenset("#`~-+*_=|:[")
_OPEN_HEAD = re.compile(r"#{1,6}|[-+*_=|: ]+|`{1,2}|`{3,}[^`]*|~{1,2}|~{3,}.*|\[[ xX]?|\[[ xX]\]")
_BULLETS = re.compile(r"(?:[-*+] +)+")
_FENCE = re.compile(r"`{3,}|~{3,}")
_TAG = re.compile(r"""/?([A-Za-z][\w:-]*)(?:\s+[\w:@.-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+))*\s*/?|!.*""")
_AUTOLINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:\S+|\S+@\S+\.\S+")
_BREAKS = frozenset(["br", "p", "div", "li", "ul", "ol", "tr", "hr", *(f"h{level}" for level in range(1, 7))])
_SCHEMES = ("https://", "http://", "www.")

_State = Callable[[str], None]


class SpeechMarkup:
    """One text: `push` its parts, then `finish`. Each returns what is certain by then."""

    def __init__(self) -> None:
        self._inline = _Inline()
        self._surrogate = ""  # the first half of a pair
        self._before = ""
        self._line: _State = self._at_start
        self._head = ""
        self._fence = ""
        self._fence_run = 0
        """How much of a closing fence this line has; -1: it is code."""

    @property
    def held(self) -> int:
        """Characters held back now."""
        return len(self._surrogate) + len(self._head) + self._inline.held

    def push(self, delta: str) -> str:
        for c in delta:
            if " " <= c < "\x7f":
                self._surrogate, self._before = "", c
                self._line(c)
            else:
                self._clean(c)
        return self._inline.taken()

    def finish(self) -> str:
        """The rest. What is still open counts as text, except a fence."""
        self._surrogate = ""
        self._line("\n")
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
        kind = unicodedata.category(c)
        if c in _NEWLINES:
            c = "\n"
        elif c.isspace():
            c = " "
        elif kind in ("So", "Sk", "Cn") and ("\u2300" <= c < "\u3000" or c >= "\U0001f000"):
            c = _EMOJI
        elif c in "\u200c\u200d":  # Persian and the scripts of India need these joiners; between emoji they go
            if unicodedata.category(self._before or " ")[0] not in "LM":
                return
        elif kind[0] == "C" or c == "\u20e3" or "\ufe00" <= c <= "\ufe0f":  # keycaps, how to draw an emoji
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
            self._fence, self._fence_run, self._line = fence[0], 0, self._in_fence
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
        if c == "\n":
            self._line = self._at_start

    def _in_fence(self, c: str) -> None:
        if c == "\n":
            if self._fence_run >= len(self._fence):
                self._line = self._at_start
            self._fence_run = 0
        elif self._fence_run >= 0 and c != " " and not (c == ">" and self._fence_run == 0):
            self._fence_run = self._fence_run + 1 if c == self._fence[0] else -1


class _Inline:
    """The text of a line, after what says which kind of line it is. A mode gets "" where what it reads has ended."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._mode: _State | None = None
        self._last = "\n"  # the last character fed
        self._opening = self._hold = ""  # what a mode began with and what it has read
        self._run = ""
        self._left = "\n"  # before the run
        self._parens = 0
        self._titled = False
        self._tail = ""  # punctuation that may follow a URL
        self._said = "\n"
        self._space = self._gap = self._comma = False  # since the last character said
        self.heading = self.table = False
        self._starred = False
        self._code = 0
        """How many backticks opened the code that we are in."""

    @property
    def held(self) -> int:
        return len(self._opening) + len(self._hold) + len(self._run) + len(self._tail) + self._space

    def taken(self) -> str:
        text = "".join(self._out)
        self._out.clear()
        return text

    def feed(self, c: str) -> None:
        if self._mode is not None:
            self._mode(c)
        elif c in _SPECIAL:
            self._special(c)
        else:
            self._say(c)
        self._last = c

    def _special(self, c: str) -> None:
        if c in "hHwW":
            if self._last.isascii() and self._last.isalnum():
                self._say(c)
            else:
                self._hold, self._mode = c, self._in_scheme
        elif self._code and c != "`":
            self._say(c)
        elif c in _RUNS:
            self._run, self._left, self._mode = c, self._last, self._in_run
        elif c == "|" and self.table:
            self._comma = True
        elif c == "|":
            self._opening, self._mode = c, self._after_pipe
            self._left = self._last
        elif c == "\\":
            self._opening, self._mode = c, self._after_backslash
        elif c == "!":
            self._opening, self._mode = c, self._after_exclamation
        elif c == "]":
            self._mode = self._after_link_text
        else:
            self._opening, self._mode = c, self._in_link_text if c == "[" else self._in_tag

    def _go_on(self, said: str, text: str) -> None:
        """Out of the mode: `said` is text as it is, `text` is yet to be looked at."""
        if self._opening:
            self._last = self._opening[-1]
        self._mode, self._opening, self._hold = None, "", ""
        for c in said:
            self._say(c)
            self._last = c
        for c in text:
            self.feed(c)

    def _settle(self) -> None:
        while self._mode is not None:
            self._mode("")

    def _in_run(self, c: str) -> None:
        if c and c == self._run[0]:
            self._run += c if len(self._run) < HEAD_MAX else ""
            return
        run, self._run, self._mode = self._run, "", None
        if run[0] == "`":
            self._code = len(run) if not self._code else 0 if self._code == len(run) else self._code
        elif len(run) <= RUN_MAX and self._is_text(run, self._left, c):
            self._go_on(run, "")
        elif run[0] == "*" and len(run) % 2:
            self._starred = not self._starred and c not in _EDGES
        self.feed(c)

    def _is_text(self, run: str, left: str, right: str) -> bool:
        """Whether these signs are no markup: "2 * 3", "a*b", "snake_case", "~5", "C#"."""
        if run[0] == "#":
            return not (self.heading and left == " " and right in _EDGES)
        if left in _EDGES and right in _EDGES:
            return True
        if run[0] == "~":
            return len(run) == 1
        if run[0] == "_":
            return left.isalnum() and right.isalnum()
        if left.isdigit() and right.isdigit():
            return True
        factors = (left.isalnum() or left == ")") and (right.isalnum() or right == "(") and (left + right).isascii()
        return factors and len(run) == 1 and not self._starred

    def _after_pipe(self, c: str) -> None:
        """Between spaces it parts the cells of a table without borders; "a|b" and "||" are text."""
        if self._left == " " and c in _EDGES:
            self._comma = True
            self._go_on("", c)
        else:
            self._go_on("|", c)

    def _after_backslash(self, c: str) -> None:
        if c.isascii() and c.isprintable() and not c.isalnum() and c not in _EDGES:
            self._go_on(c, "")
        else:
            self._go_on("" if c == "\n" else "\\", c)

    def _after_exclamation(self, c: str) -> None:
        if c == "[":
            self._opening, self._mode = "![", self._in_link_text
        else:
            self._go_on("!", c)

    def _in_link_text(self, c: str) -> None:
        if c == "]":
            self._mode = self._after_link_text
        elif c == "[" and self._hold == "!":
            self._opening, self._hold = "![", ""  # a picture to click on; its link ends without a beginning
        elif c in ("", "\n", "[") or len(self._hold) >= LINK_TEXT_MAX:
            self._go_on(self._opening, self._hold + c)
        else:
            self._hold += c

    def _after_link_text(self, c: str) -> None:
        """Also of a link whose beginning was not seen: "[![a](b)](c)", or one that was too long to wait for."""
        if c == "(":
            self._go_on("", self._hold)
            self._settle()
            self._parens, self._titled, self._mode = 1, False, self._in_target
        elif self._opening and self._hold.startswith("^"):
            self._go_on("", c)  # a footnote's mark
        else:
            self._go_on(self._opening, self._hold)
            self._settle()
            self._go_on("]", c)

    def _in_target(self, c: str) -> None:
        """A link's address and title go as they come; when there is more, this was no link, and the rest is text."""
        self._parens += (c == "(") - (c == ")")
        if self._last == " " and c in ('"', "'", "("):
            self._titled = True
        if c in ("", "\n") or (self._last == " " and not self._titled and c not in (" ", ")")):
            self._go_on("", c)
        elif self._parens == 0:
            self._mode = None

    def _in_tag(self, c: str) -> None:
        hold = self._hold
        if not hold and not (c.isascii() and c.isalpha()) and c not in ("/", "!"):
            self._go_on("<", c)
        elif c == ">" and (not hold.startswith("!--") or hold.endswith("--")):
            if tag := _TAG.fullmatch(hold):
                self._go_on("", "")
                if (tag[1] or "").lower() in _BREAKS:
                    self._say("\n")
            elif _AUTOLINK.fullmatch(hold):
                self._go_on("", hold)
                self._settle()
            else:
                self._go_on("<", hold + ">")
        elif (
            c in ("", "\n", "<")
            or len(hold) >= TAG_MAX
            # A second word that is no attribute: "a <b and c". Comments have words.
            or (c == " " and " " in hold and "=" not in hold and hold[0] != "!")
        ):
            self._go_on("<", hold + c)
        else:
            self._hold += c

    def _in_scheme(self, c: str) -> None:
        known = (self._hold + c).lower()
        if known in _SCHEMES:
            self._opening, self._hold, self._tail, self._parens = self._hold + c, "", "", 0
            self._mode = self._in_host
        elif c and any(scheme.startswith(known) for scheme in _SCHEMES):
            self._hold += c
        else:
            self._go_on(self._hold, c)

    def _in_host(self, c: str) -> None:
        if c and (c.isalnum() or c in ".-_") and c < "\u2000" and len(self._hold) < HOST_MAX:
            self._hold += c
        elif not self._hold:
            self._go_on(self._opening, c)
        else:
            host = self._hold.rstrip(".-_")
            self._tail, self._hold = self._hold[len(host) :][:1], host
            self._mode = self._in_path
            self._in_path(c)

    def _in_path(self, c: str) -> None:
        """Everything after the host goes, but for punctuation that is the sentence's."""
        if c in _EDGES or c in '\0<>|]`"' or c >= "\u2000":
            host, tail, self._tail = self._hold, self._tail, ""
            self._go_on(host.removeprefix("www."), tail + c)
        elif c in ".,;:!?'" or (c == ")" and self._parens == 0):
            self._tail += c if len(self._tail) < RUN_MAX else ""
        elif c not in "*_~":
            self._parens += (c == "(") - (c == ")")
            self._tail = ""

    def _say(self, c: str) -> None:
        """White space and commas wait for what follows them."""
        if c == " ":
            self._space = True
        elif c == "\n":
            if self._said != "\n":
                self._out.append("\n")
            self._said = "\n"
            self._space = self._gap = self._comma = self._starred = self.heading = False
            self._code = 0
        elif c == _EMOJI:
            self._gap = True
        elif c:
            if self._space or self._gap or self._comma:
                self._part(c)
            self._out.append(c)
            self._said = c

    def _part(self, c: str) -> None:
        """What goes between the last character said and `c`."""
        if self._said != "\n":
            if self._comma:
                self._out.append(" " if self._said in ".,;:!?" else ", ")
            elif (self._space and not (self._gap and c in ".,;:!?")) or (self._gap and c.isalnum()):
                self._out.append(" ")
        self._space = self._gap = self._comma = False
