"""On which line of a TOML document each key is: the parser of the standard library does not tell.

Only for documents that the parser has taken, so that nothing has to be checked here.
"""

import re

Path = tuple[str, ...]

_KEY_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[\[{]|[\]}]|\n|[^\"'#\[\]{}\n]+",
    re.DOTALL,
)


def key_lines(text: str) -> dict[Path, int]:
    """The line, counted from 1, of each table's header and each key outside inline tables."""
    found: dict[Path, int] = {}
    table: Path = ()
    position = 0
    text = text.replace("\r\n", "\n")
    while position < len(text):
        position = _skip_blank(text, position)
        if position >= len(text):
            break
        line = text.count("\n", 0, position) + 1
        if text[position] == "[":
            begin = position + (2 if text.startswith("[[", position) else 1)
            table, position = _read_path(text, begin)
            found.setdefault(table, line)
            position = text.find("\n", position)
            if position < 0:
                break
        else:
            path, position = _read_path(text, position)
            found.setdefault(table + path, line)
            position = _skip_value(text, position + 1)  # the equals sign
    return found


def _skip_blank(text: str, position: int) -> int:
    while position < len(text) and (text[position].isspace() or text[position] == "#"):
        if text[position] == "#":
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        else:
            position += 1
    return position


def _read_path(text: str, position: int) -> tuple[Path, int]:
    """A dotted key, and where it ends."""
    parts: list[str] = []
    while match := _KEY_PART.match(text, position):
        parts.append(next(group for group in match.groups() if group is not None))
        position = match.end()
        if not text.startswith(".", position):
            break
        position += 1
    return tuple(parts), position


def _skip_value(text: str, position: int) -> int:
    """Where the value ends: at the first line end outside of strings, arrays and inline tables."""
    depth = 0
    while (match := _TOKEN.match(text, position)) is not None:
        token, position = match[0], match.end()
        depth += (token in ("[", "{")) - (token in ("]", "}"))
        if token == "\n" and depth == 0:
            break
    return position
