"""By which names a client may ask for a voice: the voice's own, or a language tag as browsers and engines write them.

A tag is looked up as RFC 4647 (3.4, "Lookup") has it: as it is, then without its last part, and so on. At last any voice
of the same language will do: Austrian German is better spoken by a German voice than not at all. What looks like a voice's
name and not like a tag is never taken for a language.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

NEAR_MAX = 6
"""Names in the answer to somebody who asks for a voice that there is not."""

_COMPARED_MAX = 200
"""Names that are compared letter by letter for that, 20 us each: some voices have hundreds of speakers."""

_TAG = re.compile(r"([a-z]{2,3})(-[a-z]{4})?(-[a-z]{2}|-[0-9]{3})?(-u(-[a-z0-9]{2,8})+)?")
"""A language, perhaps a script, perhaps a region (RFC 5646), and extensions for calendars and such."""

_SAME = {
    # One language under two tags, by IANA's registry: macrolanguages with their usual member, and deprecated tags.
    "zh": "cmn",
    "no": "nb",
    "zh-hk": "yue",
    "zh-mo": "yue",
    "zh-yue": "yue",
    "zh-cmn": "cmn",
    "iw": "he",
    "in": "id",
    "ji": "yi",
    "fil": "tl",
    "mo": "ro",
}


@dataclass(frozen=True, slots=True)
class KnownVoice:
    name: str
    languages: tuple[str, ...] = ()
    """BCP 47 tags of what it speaks, its own first; empty: its name has to tell."""


@lru_cache(maxsize=4096)
def _tags(voice: KnownVoice) -> tuple[str, ...]:
    found = _TAG.match(normal(voice.name))
    return tuple(map(normal, voice.languages)) or ((found[0],) if found else ())


def normal(name: str) -> str:
    """A name or tag for comparing: "en_US" is "en-us"."""
    return name.strip().casefold().replace("_", "-")


@lru_cache(maxsize=256)
def languages_meant(wanted: str) -> tuple[str, ...]:
    """The tags to look for, best first; empty: `wanted` is no tag. The last one is the bare language."""
    tag = normal(wanted)
    found = _TAG.fullmatch(tag)
    if found is None and tag not in _SAME:
        return ()
    if found is not None and found[4]:
        tag = tag.removesuffix(found[4])
    meant: list[str] = []
    while tag:
        meant.append(tag)
        meant += [other for one, two in _SAME.items() for other in ({one: two, two: one}.get(tag),) if other]
        tag = tag.rpartition("-")[0]
    return tuple(dict.fromkeys(meant))


def speaks(language: str, tag: str) -> bool:
    """Whether a voice with this tag speaks the bare `language`, wherever it is from."""
    return tag.partition("-")[0] == language


def distance(wanted: str, voice: KnownVoice) -> int | None:
    """How far the voice is from what is asked for: 0 is its own name, and the least is best. None: it is another one.

    A variant of the engine's ("en-us+f3") is the engine's business.
    """
    base = wanted.partition("+")[0]
    if base == voice.name:
        return 0
    if normal(base) == normal(voice.name):
        return 1
    meant = languages_meant(base)
    for place, tag in enumerate(meant, start=2):
        if tag in _tags(voice):
            return place
    if any(speaks(language, tag) for language in meant for tag in _tags(voice)):
        return 2 + len(meant)
    return None


def knows_voice(wanted: str, known: Sequence[KnownVoice]) -> bool:
    return least_distance(wanted, known) is not None


def least_distance(wanted: str, known: Sequence[KnownVoice]) -> int | None:
    """That of the voice that fits best. None: none of them fits."""
    if any(voice.name == wanted for voice in known):
        return 0
    return min((one for one in (distance(wanted, voice) for voice in known) if one is not None), default=None)


def near(wanted: str, names: Sequence[str]) -> str:
    """Some names that could have been meant, for people: those written alike first, then those of the same language.

    The rest is filled with English ones, which most people can at least try.
    """
    sought = normal(wanted[:64].partition("+")[0])
    language = re.split(r"[-#]", sought)[0]
    by_language = sorted(
        names, key=lambda name: (not speaks(language, normal(name)), not speaks("en", normal(name)), name)
    )
    alike = get_close_matches(sought, [normal(name) for name in by_language[:_COMPARED_MAX]], NEAR_MAX, 0.5)
    ranked = sorted(by_language, key=lambda name: alike.index(normal(name)) if normal(name) in alike else NEAR_MAX)
    more = len(names) - NEAR_MAX
    return ", ".join(ranked[:NEAR_MAX]) + (f", and {more} more" if more > 0 else "")
