"""Where a long text may be cut, so that it can be spoken piece by piece. Pure; positions are Unicode code points.

The pieces follow each other without a gap: together they are the text. A text that fits is not cut, since an engine
hears the melody of a sentence better than we do.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import regex

from voicetrio.core.sentence_marks import AMBIGUOUS_STOPS, ENDS_ALONE

PIECE_MAX = 200
"""Code points, about 15 s of speech: it bounds how long one text holds an engine and how much audio is buffered."""

_CLOSERS = "[\"'\u2019\u201d)\\]\u00bb]*"
_SENTENCE_END = regex.compile(rf"[{AMBIGUOUS_STOPS}\u2026]+{_CLOSERS}\s+|{ENDS_ALONE}+{_CLOSERS}\s*|\n\s*", regex.V1)
_CLAUSE_END = re.compile(rf"[,;:]{_CLOSERS}\s+|\s[\u2013\u2014-]\s+|[\u3001\uff0c\uff1b\uff1a]\s*")
_SPACE = re.compile(r"\s+")
_ABBREVIATION = re.compile(r"(?:^|\W)(?:[^\W\d_]|dr|mr|mrs|ms|st|prof|vs|no|etc|e\.g|i\.e)\.\s+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TextPiece:
    offset: int
    text: str
    pause_after: bool
    """Whether a speaker pauses here: the end of a sentence, a clause or the text."""


def text_pieces(text: str, piece_max: int = PIECE_MAX) -> Iterator[TextPiece]:
    """Cut at the last end of a sentence that fits, else of a clause, else at a space, else anywhere."""
    offset = 0
    while len(text) - offset > piece_max:
        end, pause = _cut(text, offset, piece_max)
        yield TextPiece(offset, text[offset:end], pause)
        offset = end
    if offset < len(text):
        yield TextPiece(offset, text[offset:], True)


def _cut(text: str, offset: int, piece_max: int) -> tuple[int, bool]:
    """Where the piece that begins at `offset` ends, and whether that is a place to pause."""
    window = text[offset : offset + piece_max]
    sentences = [m.end() for m in _SENTENCE_END.finditer(window) if not _ABBREVIATION.search(window[: m.end()])]
    if sentences:
        return offset + sentences[-1], True
    if clauses := [m.end() for m in _CLAUSE_END.finditer(window)]:
        return offset + clauses[-1], True
    if spaces := [m.end() for m in _SPACE.finditer(window)]:
        return offset + spaces[-1], False
    end = offset + piece_max
    # A mark that combines with the letter before it stays with that letter, unless somebody sends nothing but marks.
    while end > offset + 1 and unicodedata.combining(text[end]):
        end -= 1
    return (end if end > offset + 1 else offset + piece_max), False
