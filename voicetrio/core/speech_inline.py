"""What the characters of a line mean, when it is to be read aloud. The second half of `speech_markup`; pure."""

import re
import unicodedata
from collections.abc import Callable

from voicetrio.core.speech_html import (
    BREAK,
    CELL,
    ENTITY_MAX,
    HIDING,
    entity_text,
    is_tag_name,
    is_within_tag,
    picture_text,
    tag_effect,
    tag_name,
)

LINK_TEXT_MAX = 120
"""Characters between [ and ]: more than people make a link of, and 0.6 s of a model that writes 200 a second."""
HEAD_MAX = 80
"""Characters at the start of a line that may be a rule or open a fence: as wide as people draw them."""
TAG_MAX = 200
"""Characters between < and >: a link's address fits, and a listener waits a second at most for a lone "<"."""
HOST_MAX = 253
"""Characters of a host name, RFC 1035; what is longer is none and is cut off."""
HIDDEN_MAX = 1000
"""Characters of a comment, a script or the like that are kept, to be read aloud when they turn out to have no end."""
HIDDEN_END = 8000
"""Characters after which it is believed to have none: what follows is read aloud."""
INFO_MAX = 40
"""Characters behind backticks in a line, up to its end, that may name a language: then a block of code begins."""
RUN_MAX = 2
"""The signs of "2 * 3" and "2 ** 3" may be text; a longer run is an ornament."""

EMOJI = "\0"
"""Stands for an emoji between the stations: silent, but it parts words. Real control characters end before."""

_EDGES = ("", " ", "\n")
_RUNS = frozenset("*_~#`")
_SPECIAL = _RUNS | frozenset("\\![]<&|hHwW")
_AUTOLINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:\S+|\S+@\S+\.\S+")
_INFO = re.compile(r"[\w+#.-]*[ ]*")
_NAME = re.compile(r"/?([A-Za-z][\w:-]*)")
_SCHEMES = ("https://", "http://", "www.")

State = Callable[[str], None]


class SpeechInline:
    """The text of a line, after what says which kind of line it is. A mode gets "" where what it reads has ended."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._mode: State | None = None
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
        self._hidden = 0
        """Characters of what is hidden now."""
        self._hidden_end = ""
        self.fence = ""
        """What has opened a block of code at the end of a line; whoever sees it empties it."""

    @property
    def held(self) -> int:
        return len(self._opening) + len(self._hold) + len(self._run) + len(self._tail) + self._space

    @property
    def busy(self) -> bool:
        """Whether something is open, after the end of a line: it goes on in the next one."""
        return self._mode is not None

    def finish(self) -> None:
        """The text ends: what is open counts as text."""
        self._settle()
        self.feed("\n")
        self._settle()

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
        elif c == "&":
            self._opening, self._mode = c, self._in_entity
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
        if run[0] == "`" and len(run) > RUN_MAX and not self._code:
            self._opening, self._mode = run, self._in_info
            self._in_info(c)
            return
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

    def _in_info(self, c: str) -> None:
        """Behind three backticks or more in a line: a language and the end of the line begin a block, all else is code."""
        if c == "\n" and _INFO.fullmatch(self._hold):
            self.fence = self._opening
            self._go_on("", c)
        elif c and len(self._hold) < INFO_MAX and _INFO.fullmatch(self._hold + c):
            self._hold += c
        else:
            self._code = len(self._opening)
            self._go_on("", self._hold + c)

    def _in_entity(self, c: str) -> None:
        if c == ";" and (text := entity_text(self._hold)):
            self._go_on("".join(map(spoken, text)), "")
        elif c and c.isascii() and (c.isalnum() or c == "#") and len(self._hold) < ENTITY_MAX:
            self._hold += c
        else:
            self._go_on("&", self._hold + c)

    def _in_tag(self, c: str) -> None:
        hold = self._hold
        if not hold and not (c.isascii() and c.isalpha()) and c not in ("/", "!", "?"):
            self._go_on("<", c)
        elif hold == "!-" and c == "-":
            self._hide("-->")
        elif c == ">":
            self._end_tag(hold)
        elif c == "\n" and is_within_tag(hold + " "):
            self._hold += " "
        elif c in ("", "\n", "<") or len(hold) >= TAG_MAX or (c == " " and not self._may_go_on(hold)):
            self._go_on("<", hold + c)
        else:
            self._hold += c

    def _may_go_on(self, hold: str) -> bool:
        """Whether a space may follow this in a tag: behind a name, or an attribute. "a <b and c" is text."""
        if hold[0] in "!?":
            return True
        name = _NAME.match(hold)
        if name is None or not is_tag_name(name[1]):
            return False
        return " " not in hold or "=" in hold or tag_effect(hold) is not None

    def _end_tag(self, hold: str) -> None:
        effect = tag_effect(hold)
        if effect is None:
            if _AUTOLINK.fullmatch(hold):
                self._go_on("", hold)
                self._settle()
            else:
                self._go_on("<", hold + ">")
        elif effect == HIDING:
            self._hide(f"</{tag_name(hold)}>")
        else:
            self._go_on("".join(map(spoken, picture_text(hold))) if tag_name(hold) == "img" else "", "")
            if effect == BREAK:
                self._say("\n")
            elif effect == CELL:
                self._comma |= self._said != "\n" and not hold.startswith("/")

    def _hide(self, end: str) -> None:
        self._opening, self._hold, self._mode = "", "", self._in_hidden
        self._hidden, self._hidden_end = 0, end

    def _in_hidden(self, c: str) -> None:
        """A comment, a script: nothing of it is said, unless it has no end, and was no such thing."""
        if not c:
            text = self._hold if self._hidden <= HIDDEN_MAX else ""
            self._go_on("", text)
            return
        self._hidden += 1
        self._hold = (self._hold + c)[-HIDDEN_MAX:]
        if (c == ">" and self._hold.lower().endswith(self._hidden_end)) or self._hidden >= HIDDEN_END:
            self._go_on("", "")

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
        elif c == EMOJI:
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


def spoken(c: str) -> str:
    """A character that is no ASCII, as it goes on: itself, a space, a sign for an emoji, or nothing."""
    if " " <= c < "\x7f":
        return c
    kind = unicodedata.category(c)
    if c.isspace():
        return " "
    if kind in ("So", "Sk", "Cn") and ("\u2300" <= c < "\u3000" or c >= "\U0001f000"):
        return EMOJI
    if kind[0] == "C" or c == "\u20e3" or "\ufe00" <= c <= "\ufe0f":  # keycaps, how to draw an emoji
        return ""
    return c
