"""What HTML in a text is to somebody who listens to it. Pure.

Tags go, if they are tags: only names that HTML has count, or that models and speech markup use, so that "a List<String>" and
"type <name>" stay text. Some end a line, some part cells, and what some enclose is for no ear.
"""

import html
import re

BREAK, CELL, SILENT, HIDING = "break", "cell", "silent", "hiding"
"""What a tag does: end a line; part cells of a table; nothing; hide what follows up to its end."""

_LINES = """
    address article aside blockquote br caption center dd details dialog div dl dt fieldset figcaption figure footer form h1
    h2 h3 h4 h5 h6 header hr legend li main nav ol optgroup option p search section summary table tbody tfoot thead tr ul
"""
_HIDING = "head math object pre script style svg template textarea title"
_INLINE = """
    a abbr acronym area audio b base bdi bdo big body button canvas cite code col colgroup data datalist del dfn em embed
    font html i iframe img input ins kbd label link map mark meta meter noscript output picture progress q rp rt ruby s samp
    select slot small source span strike strong sub sup time track tt u var video wbr
    speak prosody emphasis break voice phoneme think thinking thought reasoning reflection scratchpad answer response final
"""
_EFFECTS = {
    **dict.fromkeys(_INLINE.split(), SILENT),
    **dict.fromkeys(_LINES.split(), BREAK),
    **dict.fromkeys(_HIDING.split(), HIDING),
    **dict.fromkeys(("td", "th"), CELL),
}
_FLAGS = (
    "allowfullscreen|async|autofocus|autoplay|checked|controls|default|defer|disabled|formnovalidate|hidden|inert|ismap|loop|"
    "multiple|muted|nomodule|novalidate|open|playsinline|readonly|required|reversed|selected"
)
"""Attributes without a value. Any other word is none: "a <b and c>" is text."""
_ATTRIBUTE = rf"""(?:[\w:@.-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+)|(?:{_FLAGS}))"""
_TAG = re.compile(rf"/?([A-Za-z][\w:-]*)(?:\s+{_ATTRIBUTE})*\s*/?", re.IGNORECASE)
_OPEN_TAG = re.compile(r"/?([A-Za-z][\w:-]*)\s.*", re.DOTALL)
_DECLARATION = re.compile(r"!.*|\?.*", re.DOTALL)
_ALT = re.compile(r"""\balt\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)

ENTITY_MAX = 33
"""Characters of the longest name of a character, `CounterClockwiseContourIntegral`, with its `&` and `;`."""


def is_tag_name(name: str) -> bool:
    """Whether it is one that HTML has, or may have: own elements of a page have a hyphen in their names."""
    name = name.lower()
    return name in _EFFECTS or "-" in name or ":" in name


def tag_effect(inside: str) -> str | None:
    """What a tag does, of which this is between its < and >; None: it is no tag."""
    if _DECLARATION.fullmatch(inside):
        return SILENT
    tag = _TAG.fullmatch(inside)
    if tag is None or not is_tag_name(tag[1]):
        return None
    effect = _EFFECTS.get(tag[1].lower(), SILENT)
    closes_itself = inside.startswith("/") or inside.endswith("/")
    return SILENT if effect == HIDING and closes_itself else effect


def tag_name(inside: str) -> str:
    return inside.strip("/").split(None, 1)[0].lower()


def is_within_tag(inside: str) -> bool:
    """Whether this is surely the beginning of a tag, which may go on in the next line."""
    tag = _OPEN_TAG.fullmatch(inside)
    return (
        tag is not None and is_tag_name(tag[1]) and ("=" in inside or inside.startswith("/") or not inside.split()[1:])
    )


def picture_text(inside: str) -> str:
    """What a picture's tag says that it shows."""
    found = _ALT.search(inside)
    return html.unescape(found[1] or found[2] or found[3] or "") if found else ""


def entity_text(name: str) -> str:
    """The character that `&name;` stands for; empty: it is none."""
    whole = f"&{name};"
    text = html.unescape(whole)
    return "" if text == whole or (text.endswith(";") and name not in ("semi", "#59", "#x3b", "#x3B")) else text
