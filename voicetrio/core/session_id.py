"""Session ids that clients make up: `session-{milliseconds since 1970}-{random}`. Pure: the time and the dice are given.

They are room names, too, and whoever knows one could ask for it first. So the random part is what nobody guesses, and the
time says how old the id is: one that is old was written down somewhere, and would be shared by all who read it there.
"""

import re

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
RANDOM_CHARS = 12
"""Of our own ids: 62 bits. The 9 that others use have 46, and more than 32 are no id of a person."""

_SHAPE = re.compile(r"session-([0-9]{13})-[a-z0-9]{9,32}")


def session_id(now_ms: int, random: str) -> str:
    """The id of a session that begins at `now_ms`, milliseconds since 1970. `random` has `RANDOM_CHARS` of `ALPHABET`."""
    return f"session-{now_ms:013d}-{random}"


def began_ms(text: str) -> int | None:
    """When a session with this id says it began, in milliseconds since 1970; None for ids of another form."""
    found = _SHAPE.fullmatch(text)
    return None if found is None else int(found[1])
