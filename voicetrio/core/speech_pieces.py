"""Pieces of a reply that can be spoken, while the reply still streams in. Pure.

A listener waits for the first piece, so that may be a clause; later pieces are sentences, since an engine finds the
melody of a sentence when it sees the whole of it. Where to cut is decided by the text up to the first character after
the space, and by nothing else: neither by how the text was split nor by when it came.

    markup -> plain text -> "Well, let me see:" | "Dr. Smith comes at 10:30." | "Yes. He will bring it, e.g. today."

`worker/text_pieces.py` cuts a finished text for an engine that gets it at once, and keeps its offsets; here there are
none to keep. Each character is looked at once, and a piece again when it is cut: the time is linear in the text.
"""

import re
import unicodedata
from enum import IntEnum

from voicetrio.core.sentence_marks import AMBIGUOUS_STOPS, ends_sentence_alone
from voicetrio.core.speech_markup import SpeechMarkup

FIRST_MIN = 16
"""Characters, about 1 s of speech: a model and an engine need less than that to have the next piece ready, and most
openings ("Sure,", "Well,") are shorter, whose melody alone would be odd."""

PIECE_MAX = 200
"""Characters, 13 to 15 s of speech: bounds how long one text holds an engine, what an interruption wastes, and memory."""

SENTENCE_MIN = 12
"""Characters, 0.8 s: shorter sentences ("Yes.", "Of course.") sound chopped alone and cost a request each."""

WIDE_LETTERS = 3
"""How many Latin letters take as long to say as one Chinese character or one kana."""

_STOPS = AMBIGUOUS_STOPS + "\u2026"
_WIDE_CLAUSES = "\u3001\uff0c\uff1b\uff1a"
_CLOSERS = "\"'\u2019\u201d\u00bb\u203a)]}\u300d\u300f\u3011\uff09\u300b"
_OPENERS = "\"'\u2018\u201c\u201e\u00ab\u2039([{\u00bf\u00a1*-"
_DASHES = ("-", "--", "\u2013", "\u2014")
_NOT_AFTER_WIDE = _CLOSERS + _WIDE_CLAUSES + _STOPS + "\u2014"
_GREEK_QUESTION = ";\u037e"
"""Greek writes its question mark as a semicolon."""

_LETTERS_WITH_DOTS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]")
"""Initials, "U.S", "e.g", "z.B", "p.m", and the ends of "z. B." and of the Russian "t. d."."""
_ABBREVIATIONS = frozenset(
    """
    dr mr mrs ms st prof jr vs etc approx dept est gov gen col capt lt sgt rev hon sen rep pres inc ltd corp co mt ft
    ave blvd cf viz ph.d misc incl excl resp ca et al
    bzw usw evtl ggf vgl inkl exkl zzgl bspw sog usf hr fr nr str dipl ing mio mrd geb z.zt o.\u00e4 u.\u00e4
    mm mme mlle env p.ex sr sra srta dra ud uds p.ej ee.uu p\u00e1g n\u00fam sig dott
    \u0434\u0440 \u0438\u043c \u0443\u043b \u0442\u044b\u0441 \u043c\u043b\u043d \u043c\u043b\u0440\u0434 \u0440\u0443\u0431
    \u0441\u043c \u043d\u0430\u043f\u0440 \u0441\u0442\u0440
    Jan Feb Apr Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thur Thurs Fri
    """.split()  # noqa: SIM905 - a list of words
)
"""As they stand, or in lower case. They never end a piece: two sentences in one are less bad than half a one."""
_BEFORE_NUMBERS = frozenset("no nos vol fig figs ch sec art p pp abs kap bd pos mar jun jul sat sun".split())  # noqa: SIM905
"""Abbreviations before a digit, else words: "No. 5", and "No. I mean yes"."""
_BEFORE_ORDINALS = frozenset("am der die das den dem des vom zum zur im ab bis beim seit".split())  # noqa: SIM905
"""German, where "am 3. Mai" is one phrase; "in 1998." is not."""
_ABBREVIATION_LETTERS = 4
"""A stop after so few letters and before a small letter belongs to an abbreviation that we do not know."""
_LIST_NUMBER = re.compile(r"(?:\d{1,3}\.)*\d{1,3}")


class _Boundary(IntEnum):
    NONE = 0
    CLAUSE = 1
    SENTENCE = 2


class SpeechPieces:
    """One reply: `push` its parts, then `finish`. Together the pieces are all of it that can be said, in order."""

    def __init__(self, *, first_min: int = FIRST_MIN, piece_max: int = PIECE_MAX) -> None:
        """`first_min`: from so many characters on the first piece may end with a clause. No piece has more than
        `piece_max`. A wide character counts as `WIDE_LETTERS` for the former, as one for the latter.
        """
        assert first_min >= 1
        assert piece_max >= 20, "shorter than a word with its punctuation"
        self._first_min = first_min
        self._piece_max = piece_max
        self._markup = SpeechMarkup()
        self._finished = False
        self._first = True
        self._pieces: list[str] = []
        self._text = ""  # not handed out yet; never ends with a space
        self._spaced = False  # a space follows it
        self._wide = _Boundary.NONE  # what it ends with where a space is not needed
        # Places in the text, 0 when there is none: where the last clause ended, the last space is, the last word, the
        # last sentence and the last letter with its marks begin.
        self._clause = self._space = self._word = self._sentence = self._letter = 0

    @property
    def held(self) -> int:
        """Characters held back now: at most `piece_max` and what the markup holds, about 300."""
        return len(self._text) + self._spaced + self._markup.held

    def push(self, delta: str) -> list[str]:
        """The pieces that are complete now, in order; mostly none."""
        assert not self._finished, "a finished text has no more parts"
        return self._cut(self._markup.push(delta))

    def finish(self) -> list[str]:
        """The rest. Nothing may be pushed afterwards."""
        assert not self._finished
        self._finished = True
        pieces = self._cut(self._markup.finish() + "\n")
        self._text, self._spaced = "", False  # nothing but punctuation
        return pieces

    def _cut(self, plain: str) -> list[str]:
        for c in plain:
            if c == " ":
                self._spaced = True
            elif c == "\n":
                self._end_line()
            else:
                self._take(c)
        pieces, self._pieces = self._pieces, []
        return pieces

    def _end_line(self) -> None:
        """What stands on a line of its own is spoken on its own, however short; mere punctuation joins the next."""
        if _is_speakable(self._text):
            self._hand_out(len(self._text))
        self._spaced = bool(self._text)

    def _take(self, c: str) -> None:
        """One more visible character. It tells whether the text before it is complete."""
        if self._spaced or self._wide:
            self._consider(self._boundary(c))
        if len(self._text) + self._spaced >= self._piece_max:
            self._cut_long(c)
        if self._spaced and self._text:
            self._space = len(self._text)
            self._text += " "
            self._word = len(self._text)
        self._spaced = False
        if c.isascii() or not self._extends(c):
            self._letter = len(self._text)
        if ends_sentence_alone(c):
            self._wide = _Boundary.SENTENCE
        elif c in _WIDE_CLAUSES or c == "\u2014":
            self._wide = _Boundary.CLAUSE
        elif c not in _CLOSERS:
            self._wide = _Boundary.NONE
        self._text += c

    def _boundary(self, c: str) -> _Boundary:
        if self._spaced:
            return max(self._wide, _boundary(self._text, self._word, self._sentence, c))
        quoted = c == "\u3068" and self._text[-1] in _CLOSERS  # Japanese: "...", he said
        if quoted or c in _NOT_AFTER_WIDE or ends_sentence_alone(c):
            return _Boundary.NONE
        return self._wide

    def _consider(self, boundary: _Boundary) -> None:
        if boundary is _Boundary.NONE or not self._text:
            return
        if self._first:
            ready = boundary is _Boundary.SENTENCE or _letters(self._text) >= self._first_min
        else:
            ready = boundary is _Boundary.SENTENCE and _letters(self._text) >= SENTENCE_MIN
        if ready and _is_speakable(self._text):
            self._hand_out(len(self._text))
            return
        self._clause = len(self._text)
        if boundary is _Boundary.SENTENCE:
            self._sentence = len(self._text) + self._spaced

    def _cut_long(self, c: str) -> None:
        """At the last clause, unless that leaves a scrap; at the last space; before the last letter or after it."""
        if self._clause >= self._piece_max // 4:
            self._hand_out(self._clause)
        elif self._spaced:
            self._hand_out(len(self._text))
        elif self._space:
            self._hand_out(self._space)
        else:
            # Marks stay with their letter, unless somebody sends nothing but marks.
            self._hand_out(self._letter if self._letter and self._extends(c) else len(self._text))

    def _hand_out(self, end: int) -> None:
        """Everything before `end`; dropped when there is nothing in it to say."""
        if _is_speakable(self._text[:end]):
            self._pieces.append(self._text[:end])
            self._first = False
        rest = self._text[end:].lstrip(" ")
        gone = len(self._text) - len(rest)
        self._text = rest
        self._clause, self._space = max(0, self._clause - gone), max(0, self._space - gone)
        self._word, self._sentence = max(0, self._word - gone), max(0, self._sentence - gone)
        self._letter = max(0, self._letter - gone)
        if not rest:
            self._spaced, self._wide = False, _Boundary.NONE

    def _extends(self, c: str) -> bool:
        """Whether `c` belongs to the character before it."""
        return unicodedata.category(c)[0] == "M" or c in "\u200c\u200d" or self._text[-1:] == "\u200d"


def _boundary(text: str, word_start: int, sentence_start: int, follows: str) -> _Boundary:
    """What ends at the end of `text`, whose last word begins at `word_start`, with a space and `follows` after it."""
    if text[-1] not in _STOPS and text[-1] not in _CLOSERS and text[-1] not in ",;:-\u2013\u2014\u037e":
        return _Boundary.NONE
    word = text[word_start:]
    core = word.rstrip(_CLOSERS)
    closed = len(core) < len(word)
    body = core.rstrip(_STOPS)
    stops = core[len(body) :]
    if core[-1:] and core[-1] in _GREEK_QUESTION and _is_greek(core[-2:-1]):
        return _Boundary.SENTENCE
    if not stops:
        return _Boundary.CLAUSE if core.endswith((",", ";", ":", "\u2014")) or word in _DASHES else _Boundary.NONE
    if closed and follows.islower():
        return _Boundary.NONE  # "Stop!" he said
    if stops.strip("."):
        return _Boundary.CLAUSE if stops.strip(".") == "\u2026" and follows.islower() else _Boundary.SENTENCE
    if len(stops) > 1:
        return _Boundary.CLAUSE  # "Well... perhaps"
    body = body.lstrip(_OPENERS)
    if body.isdigit() or _LIST_NUMBER.fullmatch(body):
        before = text[max(0, word_start - 6) : word_start].split()
        ordinal = bool(before) and (before[-1].lower() in _BEFORE_ORDINALS or before[-1].endswith(":"))
        return _Boundary.NONE if word_start <= sentence_start or ordinal or follows.islower() else _Boundary.SENTENCE
    return _Boundary.NONE if _is_abbreviation(body.rpartition("-")[2], follows) else _Boundary.SENTENCE


def _is_abbreviation(body: str, follows: str) -> bool:
    """Whether the full stop after `body` makes an abbreviation of it."""
    small = body.lower()
    if small in _ABBREVIATIONS or body in _ABBREVIATIONS:
        return True
    if follows.isdigit() and small in _BEFORE_NUMBERS:
        return True
    if follows.islower() and 0 < len(body) <= _ABBREVIATION_LETTERS:
        return True
    return small != body.upper() and _LETTERS_WITH_DOTS.fullmatch(body) is not None


def _is_greek(c: str) -> bool:
    return "\u0370" <= c <= "\u03ff" or "\u1f00" <= c <= "\u1fff"


def _is_speakable(text: str) -> bool:
    return any(c.isalnum() for c in text)


def _letters(text: str) -> int:
    """How long it takes to say, in Latin letters."""
    if text.isascii():
        return len(text)
    return sum(WIDE_LETTERS if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
