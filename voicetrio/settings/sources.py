"""Where settings come from: TOML files and the environment, each read into a `Source` with what is wrong with it.

Whether values are of the right kind is not known here; see `loading`.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

from voicetrio.settings.schema import Settings
from voicetrio.settings.section import Section
from voicetrio.settings.toml_lines import key_lines

ENVIRONMENT_PREFIX = "VOICETRIO_"
ENVIRONMENT_SEPARATOR = "__"
"""Between section and key. Keys have single underscores, and variables without a double one are not settings."""

Key = tuple[str, str]
"""Section and key."""

_OF_KUBERNETES = re.compile(r"_PORT(_\d+_(TCP|UDP|SCTP))?$")
_NEARLY_THE_SAME = 0.95
"""Of `difflib`'s ratio: a letter is wrong. Sections and keys are much alike, and other programs have variables, too."""

SECTIONS: dict[str, type[Section]] = {
    name: cast("type[Section]", info.annotation) for name, info in Settings.model_fields.items()
}


@dataclass(slots=True, eq=False)
class Source:
    """A file, or the environment: what it sets, and what is wrong with it."""

    file: str | None
    """None: the environment."""
    values: dict[Key, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    wrong: set[Key] = field(default_factory=set)
    """Keys of which there are faults."""
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)

    def origin(self, key: Key) -> str:
        """Where a key is set: the variable, or file and line."""
        if self.file is None:
            return f"environment {_variable(key)}"
        line = self.lines.get(key) or self.lines.get(key[:1])
        return f"{self.file}:{line}" if line else self.file

    def add_fault(self, key: Key, text: str, *, name: str = "") -> None:
        """`name`: of what, where that is more or something else than the key itself."""
        name = name or ".".join(key)
        shown = self.file is not None or name != ".".join(key)
        self.wrong.add(key)
        self.faults.append(f"{self.origin(key)}: {name}: {text}" if shown else f"{self.origin(key)}: {text}")


class _NotToml:
    """Stands for a variable's text that is no TOML value: whatever its setting wants, this is not it."""


def _variable(key: Key) -> str:
    return ENVIRONMENT_PREFIX + ENVIRONMENT_SEPARATOR.join(key).upper()


def read_file(file: str | Path) -> Source:
    source = Source(str(file))
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        source.faults.append(f"{file}: cannot be read ({error.strerror})")
        return source
    try:
        document = tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        source.faults.append(f"{file}: is not UTF-8 text (at line {line})")
        return source
    except (ValueError, RecursionError) as error:
        # TOML that is wrong, or has a number or a nesting beyond what the parser can hold.
        # What is not finished at the end has no line in the parser's message.
        line = content.rstrip().count(b"\n") + 1
        reason = str(error).replace("at end of document", f"at line {line}, the end of the file")
        source.faults.append(f"{file}: is not TOML: {reason}")
        return source
    source.lines = key_lines(content.decode())
    for section, table in document.items():
        place = f"{file}:{source.lines[section,]}" if (section,) in source.lines else str(file)
        if section not in SECTIONS:
            source.faults.append(f"{place}: {section}: unknown section{_suggestion(section, SECTIONS)}")
        elif not isinstance(table, dict):
            source.faults.append(f"{place}: {section}: must be a section, as [{section}] (is {kind_of(table)})")
        else:
            for key, value in table.items():
                _add_value(source, (section, key), value)
    return source


def read_environment(environ: Mapping[str, str]) -> Source:
    source = Source(None)
    for variable, text in sorted(environ.items()):
        if not variable.upper().startswith(ENVIRONMENT_PREFIX):
            continue
        if ENVIRONMENT_SEPARATOR not in variable:
            meant = _meant_variable(variable, text)
            if meant is not None:
                source.faults.append(f"environment {variable}: is no setting, did you mean {meant}?")
            continue
        if not variable.startswith(ENVIRONMENT_PREFIX):
            source.faults.append(f"environment {variable}: must be in capitals: {variable.upper()}")
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX)
        section, _, key = name.lower().partition(ENVIRONMENT_SEPARATOR)
        if name != name.upper():
            source.faults.append(f"environment {variable}: must be in capitals: {_variable((section, key))}")
        elif section not in SECTIONS:
            source.faults.append(f"environment {variable}: unknown section{_suggestion(section, SECTIONS)}")
        else:
            _add_value(source, (section, key), text if _is_text((section, key)) else _toml_value(text))
    return source


def _meant_variable(variable: str, text: str) -> str | None:
    """The setting that a variable with single underscores only was probably meant for; None: it is something else.

    For a service that is called voicetrio, Kubernetes makes variables such as VOICETRIO_PORT=tcp://10.0.0.1:8000 and
    VOICETRIO_SERVICE_HOST; for one called voicetrio-server VOICETRIO_SERVER_PORT.
    """
    if "://" in text and _OF_KUBERNETES.search(variable):
        return None
    known = {
        f"{ENVIRONMENT_PREFIX}{section}_{name}".upper(): _variable((section, name))
        for section, kind in SECTIONS.items()
        for name in kind.model_fields
    }
    matches = difflib.get_close_matches(variable.upper(), known, n=1, cutoff=_NEARLY_THE_SAME)
    return known[matches[0]] if matches else None


def _add_value(source: Source, key: Key, value: Any) -> None:
    section, name = key
    known = SECTIONS[section].model_fields
    if name in known:
        source.values[key] = value
    else:
        source.add_fault(key, f"unknown key{_suggestion(name, known)}")


def _is_text(key: Key) -> bool:
    """Whether the setting is a string, which nobody wants to quote twice in a shell."""
    section, name = key
    info = SECTIONS[section].model_fields.get(name)
    if info is None:
        return False
    choices = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
    return info.annotation is str or any(isinstance(choice, str) for choice in choices)


def _toml_value(text: str) -> Any:
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return _NotToml()
    # More keys: the text goes on after the value, on a line of its own.
    return document["value"] if len(document) == 1 else _NotToml()


def _suggestion(name: str, known: Mapping[str, object]) -> str:
    matches = difflib.get_close_matches(name.lower(), known, n=1)
    return f", did you mean {matches[0]}?" if matches else ""


_KINDS: dict[type, str] = {
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    str: "a string",
    list: "an array",
    dict: "a table",
    _NotToml: "not a TOML value",
}


def kind_of(value: object) -> str:
    return _KINDS.get(type(value), "a date or time")
