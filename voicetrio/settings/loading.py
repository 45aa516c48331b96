"""Reads settings from files and the environment, and tells all that is wrong with them at once.

    defaults  <  files, in the order given  <  VOICETRIO_<SECTION>__<KEY>

A mistake is told with where it was made. The values themselves are never part of such a text, for one of them may be a
secret.
"""

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from voicetrio.core.errors import VoicetrioError
from voicetrio.settings.schema import Settings
from voicetrio.settings.section import COMBINATION, Section

ENVIRONMENT_PREFIX = "VOICETRIO_"
ENVIRONMENT_SEPARATOR = "__"
"""Between section and key. Keys have single underscores, and variables without a double one are not settings."""


class ConfigError(VoicetrioError):
    """The settings cannot be used. `faults` has all that is wrong with them, a line each."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class SettingsTrace:
    """Settings, and where they came from."""

    settings: Settings
    origins: Mapping[str, str]
    """For each key that is set (`server.port`), what set it last: a file, or an environment variable."""


def load_settings(files: Sequence[str | Path], environ: Mapping[str, str]) -> Settings:
    """The effective settings. Reads the files, so call it before the event loop starts.

    Raises:
        ConfigError: something is wrong; it tells of everything that is.
    """
    return trace_settings(files, environ).settings


def trace_settings(files: Sequence[str | Path], environ: Mapping[str, str]) -> SettingsTrace:
    """As `load_settings`, with the origin of each value."""
    sources = [*(_read_file(file) for file in files), _read_environment(environ)]
    owners = {key: source for source in sources for key in source.values}
    _check(owners, sources)
    faults = [fault for source in sources for fault in source.faults]
    if faults:
        raise ConfigError(faults)
    settings = Settings.model_validate(_nested(owners))
    return SettingsTrace(settings, {".".join(key): source.origin(key) for key, source in owners.items()})


_Key = tuple[str, str]
"""Section and key."""

_SECTIONS: dict[str, type[Section]] = {
    name: cast("type[Section]", info.annotation) for name, info in Settings.model_fields.items()
}


@dataclass(slots=True, eq=False)
class _Source:
    """A file, or the environment: what it sets, and what is wrong with it."""

    file: str | None
    """None: the environment."""
    values: dict[_Key, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def origin(self, key: _Key) -> str:
        return f"environment {_variable(key)}" if self.file is None else self.file

    def add_fault(self, key: _Key, text: str) -> None:
        place = self.origin(key) if self.file is None else f"{self.file}: {'.'.join(key)}"
        self.faults.append(f"{place}: {text}")


class _NotToml:
    """Stands for a variable's text that is no TOML value: whatever its setting wants, this is not it."""


def _variable(key: _Key) -> str:
    return ENVIRONMENT_PREFIX + ENVIRONMENT_SEPARATOR.join(key).upper()


def _read_file(file: str | Path) -> _Source:
    source = _Source(str(file))
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
    for section, table in document.items():
        if section not in _SECTIONS:
            source.faults.append(f"{file}: {section}: unknown section{_suggestion(section, _SECTIONS)}")
        elif not isinstance(table, dict):
            source.faults.append(f"{file}: {section}: must be a section, as [{section}] (is {_kind(table)})")
        else:
            for key, value in table.items():
                _add_value(source, (section, key), value)
    return source


def _read_environment(environ: Mapping[str, str]) -> _Source:
    source = _Source(None)
    for variable, text in sorted(environ.items()):
        if not variable.startswith(ENVIRONMENT_PREFIX) or ENVIRONMENT_SEPARATOR not in variable:
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX)
        section, _, key = name.lower().partition(ENVIRONMENT_SEPARATOR)
        if name != name.upper():
            source.faults.append(f"environment {variable}: must be in capitals: {_variable((section, key))}")
        elif section not in _SECTIONS:
            source.faults.append(f"environment {variable}: unknown section{_suggestion(section, _SECTIONS)}")
        else:
            _add_value(source, (section, key), text if _is_text((section, key)) else _toml_value(text))
    return source


def _add_value(source: _Source, key: _Key, value: Any) -> None:
    section, name = key
    known = _SECTIONS[section].model_fields
    if name in known:
        source.values[key] = value
    else:
        source.add_fault(key, f"unknown key{_suggestion(name, known)}")


def _is_text(key: _Key) -> bool:
    """Whether the setting is a string, which nobody wants to quote twice in a shell."""
    section, name = key
    info = _SECTIONS[section].model_fields.get(name)
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


def _check(owners: Mapping[_Key, _Source], sources: Sequence[_Source]) -> None:
    """Add what is wrong with the values to the sources that they come from."""
    wrong: set[_Key] = set()
    for error in _errors(owners):
        if error["type"] != COMBINATION:
            section, name, *place = error["loc"]
            key = (str(section), str(name))
            owners[key].add_fault(key, "".join(f"item {int(index) + 1}: " for index in place) + _text(error))
            wrong.add(key)
    # pydantic looks at combinations only in a section without other errors. A combination with a wrong value is none.
    sound = {key: source for key, source in owners.items() if key not in wrong}
    for error in _errors(sound):
        keys: list[_Key] = error["ctx"]["keys"]
        if wrong.isdisjoint(keys):
            # Defaults fit together, so at least one of the keys is set; the one that was set last is to blame.
            key = max((key for key in keys if key in owners), key=lambda key: sources.index(owners[key]))
            owners[key].add_fault(key, error["ctx"]["text"])


def _errors(owners: Mapping[_Key, _Source]) -> list[ErrorDetails]:
    try:
        Settings.model_validate(_nested(owners))
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _nested(owners: Mapping[_Key, _Source]) -> dict[str, dict[str, Any]]:
    document: dict[str, dict[str, Any]] = {}
    for (section, name), source in owners.items():
        document.setdefault(section, {})[name] = source.values[section, name]
    return document


_TEXTS = {
    "bool_type": "must be true or false",
    "int_type": "must be an integer",
    "float_type": "must be a number",
    "string_type": "must be a string",
    "tuple_type": "must be an array",
    "string_too_short": "must not be empty",
    "literal_error": "must be {expected}",
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
}
"""pydantic's errors in the words of somebody who writes a file. Never with the value: it may be a secret."""

_KINDS: dict[type, str] = {
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    str: "a string",
    list: "an array",
    dict: "a table",
    _NotToml: "not a TOML value",
}


def _text(error: ErrorDetails) -> str:
    text = _TEXTS[error["type"]].format_map(error.get("ctx", {})) if error["type"] in _TEXTS else error["msg"]
    wrong_type = error["type"].endswith("_type") or (
        error["type"] == "literal_error" and type(error["input"]) is not str
    )
    return f"{text} (is {_kind(error['input'])})" if wrong_type else text


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a date or time")
