"""A block of code, which is not read aloud, in a text that streams in: where it ends, and what to do if it never does. Pure.

CommonMark has a fence at the start of a line, which ends at another one that stands alone. Models also open a block behind
their sentence, which CommonMark takes for code in a line ("code span"): it ends where as many backticks follow, anywhere.

A block that is never closed would swallow the rest of an answer, and often it was no block: what opened it was the end of
another one, within which there was a block, too. So the sentences at its end are kept, and read aloud when the text ends.
"""

import re

from voicetrio.core.sentence_marks import ends_sentence

TAIL_MAX = 4000
"""Characters of sentences that are kept: 5 minutes of speech."""
LINE_MAX = 1000
"""Characters of a line that are looked at; a longer one is code or data."""

_INFO = re.compile(r"[\w+#.-]+")
"""What the inner opening of a block within a block has behind its fence."""
_CLOSERS = "\"'\u2019\u201d\u00bb)*_"
_CODE_BEGINS = ("#", "//", "/*", "--", "<", "$", "%", ";", "@", ">>>", "\t", "    ")
_CALL = re.compile(r"\w[(\[{]|[{};]\s*$|=[=>]|\w=\w|\s=\s")
_WORDS_MIN = 4
_WIDE_LETTERS_MIN = 6
"""A sentence has so many words, or, where words have no spaces between them, letters beyond ASCII."""


class Fence:
    """Feed it what comes behind the opening, without its line; after `closed`, what comes next is not code."""

    def __init__(self, fence: str, *, in_line: bool) -> None:
        self._fence = fence
        self.in_line = in_line
        """Whether it was opened behind other text in its line."""
        self._depth = 0
        self._run = 0
        self._line = ""
        self._tail: list[str] = []
        self._tail_chars = 0
        self.closed = False

    @property
    def held(self) -> int:
        return len(self._line) + self._tail_chars

    def feed(self, c: str) -> None:
        """The character that closes it is its own, but for one behind the backticks that end code in a line."""
        if self.in_line:
            if c == self._fence[0]:
                self._run += 1
            elif self._run == len(self._fence):
                self.closed = True
                return
            else:
                self._run = 0
        if c == "\n":
            self._end_line()
        elif len(self._line) <= LINE_MAX:
            self._line += c

    def rest(self) -> str:
        """What is to be read aloud when the text ends and this is open: the sentences at its end, a line each."""
        self._end_line()
        return "" if self.closed or self._run == len(self._fence) else "".join(self._tail)

    def _end_line(self) -> None:
        line, self._line = self._line, ""
        inner = line.lstrip(" >")
        sign = self._fence[0]
        run = len(inner) - len(inner.lstrip(sign))
        if run >= len(self._fence) and not self.in_line:
            behind = inner[run:]
            if not behind.strip():
                self.closed = self._depth == 0
                self._depth -= 1
            elif _INFO.fullmatch(behind):
                self._depth += 1
            self._forget()
        elif _is_sentence(line) or (self._tail and _may_be_text(line)):
            self._tail.append(line + "\n")
            self._tail_chars += len(line) + 1
            while self._tail_chars > TAIL_MAX:
                self._tail_chars -= len(self._tail.pop(0))
        elif line.strip():
            self._forget()

    def _forget(self) -> None:
        self._tail.clear()
        self._tail_chars = 0


def _may_be_text(line: str) -> bool:
    """Whether a line between sentences belongs to them: an item of a list, a heading, half a sentence."""
    if len(line) > LINE_MAX or line.startswith(_CODE_BEGINS[-2:]) or _CALL.search(line):
        return False
    words = line.split()
    letters = sum(c.isalpha() or c.isdigit() for c in line)
    return not words or ((len(words) > 1 or not line.isascii()) and 4 * letters >= 3 * sum(map(len, words)))


def _is_sentence(line: str) -> bool:
    """Whether a line of a block is none of code: it has the words and the end of a sentence, and no sign of code."""
    words = line.split()
    if not words or line.startswith(_CODE_BEGINS) or not _may_be_text(line):
        return False
    if not ends_sentence(line.rstrip().rstrip(_CLOSERS)[-1:] or " "):
        return False
    return len(words) >= _WORDS_MIN or sum(c.isalpha() and not c.isascii() for c in line) >= _WIDE_LETTERS_MIN
