"""Text into lines of subtitles: as wide as they may be, in columns of a terminal and not in characters. Pure.

A Chinese character or an emoji takes two columns, an accent none; rich knows, by Unicode's tables.
"""

import re
import unicodedata
from collections.abc import Iterator

from rich.cells import cell_len, chop_cells

LINE_COLUMNS_MAX = 42
"""What broadcasters agree on: a longer line is read twice or not at all. 21 Chinese characters."""

_SPACES = re.compile(r"[^\S\u00a0\u202f]+")
"""Where a line may end. Not at the two spaces that are there to keep things together."""

_HYPHEN = re.compile(r"(?<=[^\W\d_]-)(?=[^\W\d_])")
"""Behind a hyphen between letters, a line may end, too."""

_OPENS = frozenset({"Ps", "Pi"})
"""Unicode's categories of what must not be the last of a line; it matters in scripts without spaces only."""

_CLINGS = frozenset("ー々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ")
"""Letters that must not be the first of a line."""


def wrap(text: str, columns: int = LINE_COLUMNS_MAX) -> list[str]:
    """Lines that are not wider than `columns`; a line ends at a space, at a hyphen, or between wide characters."""
    lines: list[str] = []
    line = ""
    for token in _tokens(text, columns):
        if line and cell_len(line + token.rstrip()) > columns:
            lines.append(line.rstrip())
            line = token.lstrip()
        else:
            line += token
    return [line for line in [*lines, line.rstrip()] if line]


def split_word(text: str, columns: int = LINE_COLUMNS_MAX) -> list[str]:
    """A word with the space behind it, in parts that fit into a line each: one, unless it is very long."""
    parts = _chop(text.strip(), columns)
    return [*parts[:-1], parts[-1] + (" " if text[-1].isspace() else "")] if parts else []


def _tokens(text: str, columns: int) -> Iterator[str]:
    """What a line is made of: words, the spaces between them, and in scripts without spaces single characters."""
    for number, word in enumerate(_SPACES.split(text.strip())):
        if number:
            yield " "
        for part in _HYPHEN.split(word):
            for token in _between_wide(part):
                yield from _chop(token, columns)


def _chop(text: str, columns: int) -> list[str]:
    """In parts of so many columns. What has no width at all, such as a joiner without a letter before it, is a part, too."""
    return chop_cells(text, columns) or ([text] if text else [])


def _between_wide(text: str) -> Iterator[str]:
    """Cut beside each wide letter, but not where a line must not end, and never within a character."""
    token = ""
    for char in text:
        last = token[-1:]
        before = _is_wide_letter(char) and not _opens(last) and char not in _CLINGS
        behind = _is_wide_letter(last) and (_opens(char) or char.isalnum()) and char not in _CLINGS
        if token and (before or behind):
            yield token
            token = ""
        token += char
    if token:
        yield token


def _opens(char: str) -> bool:
    return char != "" and unicodedata.category(char) in _OPENS


def _is_wide_letter(char: str) -> bool:
    return char.isalpha() and cell_len(char) == 2
