"""Where a text may be cut so that both sides are whole: what "heard up to here" can mean, in words.

A token is what stands between white space, with its punctuation: "can't", "$1,250.00", "10:30", an address. Scripts that
are written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) have no such borders: there every character is
one, with the marks and the closing punctuation that belong to it. Pure.
"""

import re
import unicodedata

_UNSPACED = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff"  # Burmese
    "\u1780-\u17ff\u19e0-\u19ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf"  # Tai Le, New Tai Lue, Tai Tham
    "\u2e80-\u303f\u3040-\u30ff\u3100-\u312f\u31a0-\u31ff"  # CJK radicals and punctuation, kana, bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"  # Han, half-width kana
    "\U0001b000-\U0001b16f\U00020000-\U000323af"
    "]"
)

_LEADING = "\u0e40\u0e41\u0e42\u0e43\u0e44\u0ec0\u0ec1\u0ec2\u0ec3\u0ec4\u17d2\u1039"
"""Vowels that are written before their consonant, and signs that stack the next one below: nothing ends behind them."""


def whole_tokens(text: str, end: int) -> int:
    """The length of the longest beginning of `text`, of at most `end` characters, that ends where a token does; no white
    space behind it.
    """
    end = min(end, len(text))
    if end <= 0:
        return 0
    start = end
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    if start == end or end == len(text) or text[end].isspace():
        return len(text[:end].rstrip())
    for place in range(end, start, -1):
        if _is_border(text, place):
            return place
    return len(text[:start].rstrip())


def _is_border(text: str, place: int) -> bool:
    """Whether a token of an unspaced script ends there, in the middle of what stands between spaces."""
    before, after = text[place - 1], text[place]
    if not (_UNSPACED.match(before) or _UNSPACED.match(after)) or before in _LEADING:
        return False
    category = unicodedata.category(after)
    closes = category in ("Pe", "Pf", "Po") or category.startswith("M") or category == "Lm"
    opens = unicodedata.category(before) in ("Ps", "Pi")
    return not closes and not opens and after not in "\u200c\u200d\u17d2\u1039"
