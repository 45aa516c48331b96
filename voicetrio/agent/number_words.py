"""Numbers as they are said: from "twenty five" and from "25", and back."""

from collections.abc import Sequence

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = dict(zip(_ONES, range(20), strict=True)) | dict(zip(_TENS, range(20, 100, 10), strict=True))

_DIGITS_MAX = 9
"""Digits in a number that is read. Nobody says more, and its square would be read out for half a minute."""


def number_words(number: int) -> str:
    """In words up to 100, in digits above: voices can read those."""
    if number < 0:
        return f"minus {number_words(-number)}"
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f" {_ONES[ones]}" if ones else "")
    return "one hundred" if number == 100 else str(number)


def take_number(words: Sequence[str]) -> tuple[int, Sequence[str]] | None:
    """The number that the words begin with, and the words after it. In words it is below a thousand."""
    match words:
        case [digits, *rest] if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS_MAX:
            return int(digits), rest
        case ["a" | "one", "hundred", *rest]:
            return _with_rest(100, rest)
        case [ones, "hundred", *rest] if _VALUES.get(ones, 10) < 10:
            return _with_rest(100 * _VALUES[ones], rest)
        case _:
            return _below_hundred(words)


def _with_rest(hundreds: int, words: Sequence[str]) -> tuple[int, Sequence[str]]:
    after = words[1:] if words[:1] == ["and"] else words
    taken = _below_hundred(after)
    return (hundreds + taken[0], taken[1]) if taken is not None else (hundreds, words)


def _below_hundred(words: Sequence[str]) -> tuple[int, Sequence[str]] | None:
    match words:
        case [tens, ones, *rest] if tens in _TENS and 0 < _VALUES.get(ones, 0) < 10:
            return _VALUES[tens] + _VALUES[ones], rest
        case [word, *rest] if word in _VALUES:
            return _VALUES[word], rest
        case _:
            return None
