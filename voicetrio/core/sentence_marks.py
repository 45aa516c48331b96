"""Which characters end a sentence, in any script: Unicode's own property, of the release that the `regex` library has. Pure.

`Sentence_Terminal` (UCD, PropList.txt) has the marks that hardly ever mean anything else, such as the Devanagari danda, the
Khmer khan or the Ethiopic full stop, and the three that do, "." above all, which are told apart by what stands around them.
"""

from functools import lru_cache

import regex

AMBIGUOUS_STOPS = ".!?\u2024\ufe52\uff0e"
"""Of the marks, those that are also within words, numbers and addresses: a space after them is needed. Full stops of other
widths are for numbers, too."""

ENDS_ALONE = rf"[\p{{Sentence_Terminal}}--[{AMBIGUOUS_STOPS}]]"
"""A pattern for `regex` (V1) of those that end a sentence without a space after them."""

_SENTENCE_TERMINAL = regex.compile(r"\p{Sentence_Terminal}")


@lru_cache(maxsize=1024)
def ends_sentence(c: str) -> bool:
    """Whether a character has Unicode's property of a mark that ends a sentence."""
    return _SENTENCE_TERMINAL.match(c) is not None


def ends_sentence_alone(c: str) -> bool:
    """Whether it does so without a space after it, as in scripts that put none between sentences."""
    return not c.isascii() and c not in AMBIGUOUS_STOPS and ends_sentence(c)
