"""What piper is given in place of a text: of the same length, so that positions stay what they are. Pure."""

import re

_ORDERS = re.compile(r"\[(?=\[)")
"""Text in double brackets would be taken for phonemes. Nobody hears a bracket."""
_UNREADABLE = re.compile("[\0\ud800-\udfff]")
"""A zero ends the string of a C library, and half a surrogate pair is no character."""
_NO_END = re.compile(
    r"\b((?:dr|mr|mrs|ms|prof|st|vs)\.(?=\s+\w)|(?:no|nr)\.(?=\s+\d)|(?!i\.)[^\W\d_]\.(?=\s+\w))", re.I
)
"""Piper ends a sentence at every full stop before a space: "Doctor. Smith." We take it from what surely has more to come.
A sentence that ends with one letter ("plan B") is run on into the next: better that than a name in two."""


def literal(text: str) -> str:
    text = _UNREADABLE.sub(" ", _ORDERS.sub(" ", text))
    return _NO_END.sub(lambda match: match[0][:-1] + " ", text)
