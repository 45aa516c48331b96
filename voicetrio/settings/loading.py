"""Reads settings from files and the environment, and tells all that is wrong with them at once.

    defaults  <  files, in the order given  <  VOICETRIO_<SECTION>__<KEY>

A mistake is told with where it was made. The values themselves are never part of such a text, for one of them may be a
secret.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from voicetrio.core.errors import VoicetrioError
from voicetrio.settings.inspection import Inspector, Owners, inspect
from voicetrio.settings.schema import Settings
from voicetrio.settings.section import COMBINATION
from voicetrio.settings.sources import Key, Source, kind_of, read_environment, read_file


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


def trace_settings(
    files: Sequence[str | Path],
    environ: Mapping[str, str],
    *,
    inspector: Inspector | None = None,
    worker_only: bool = False,
) -> SettingsTrace:
    """As `load_settings`, with the origin of each value. `inspector` asks the engines, too; with `worker_only` those of
    [stt] and [tts] only, for the command `voicetrio worker`.
    """
    sources = [*(read_file(file) for file in files), read_environment(environ)]
    owners = {key: source for source in sources for key in source.values}
    _check(owners, sources)
    more = owners[_MORE].values[_MORE] if _MORE in owners else ()
    workers = _read_worker_files(more) if isinstance(more, list) else []
    if inspector is not None:
        alone = worker_only or _MORE not in owners
        local: list[Owners] = [owners] if worker_only or _value(owners, "local", default=True) else []
        others = [] if alone else [dict.fromkeys(worker.values, worker) for worker in dict.fromkeys(workers)]
        elsewhere = not worker_only and bool(_value(owners, "addresses", default=()))
        inspect(inspector, owners, [*local, *others], elsewhere=worker_only or elsewhere)
    faults = [fault for source in dict.fromkeys((*sources, *workers)) for fault in source.faults]
    if faults:
        raise ConfigError(faults)
    settings = Settings.model_validate(_nested(owners))
    return SettingsTrace(settings, {".".join(key): source.origin(key) for key, source in owners.items()})


def load_worker_files(files: Sequence[str]) -> tuple[Settings, ...]:
    """The settings of one more worker each, of which only `stt` and `tts` count: the files of `workers.more`.

    Reads the files, so call it in a thread once an event loop runs.

    Raises:
        ConfigError: something is wrong; it tells of everything that is.
    """
    sources = _read_worker_files(files)
    faults = [fault for source in dict.fromkeys(sources) for fault in source.faults]
    if faults:
        raise ConfigError(faults)
    return tuple(Settings.model_validate(_nested(dict.fromkeys(source.values, source))) for source in sources)


def _value(owners: Owners, name: str, *, default: object) -> object:
    """Of the section [workers]."""
    source = owners.get(("workers", name))
    return default if source is None else source.values["workers", name]


_MORE = ("workers", "more")
_WORKER_SECTIONS = ("stt", "tts")
_NOT_A_WORKERS = {("tts", "sample_rate"): "is the server's: workers speak at their engine's own rate"}


def _read_worker_files(files: Sequence[object]) -> list[Source]:
    sources = [read_file(file) for file in dict.fromkeys(files) if isinstance(file, str)]
    for source in sources:
        for key in list(source.values):
            why = _NOT_A_WORKERS.get(key)
            if key[0] not in _WORKER_SECTIONS:
                why = "only [stt] and [tts] describe a worker of workers.more"
            if why is not None:
                source.add_fault(key, why)
                del source.values[key]
        _check(dict.fromkeys(source.values, source), [source])
        if (
            not source.faults
            and [source.values.get((section, "engine")) for section in _WORKER_SECTIONS] == ["none"] * 2
        ):
            source.add_fault(("stt", "engine"), 'must not be "none" where tts.engine is: the worker could do nothing')
    by_file = {source.file: source for source in sources}
    return [by_file[file] for file in files if isinstance(file, str)]


def _check(owners: Mapping[Key, Source], sources: Sequence[Source]) -> None:
    """Add what is wrong with the values to the sources that they come from."""
    wrong: set[Key] = set()
    for error in _errors(owners):
        if error["type"] != COMBINATION:
            section, name, *place = error["loc"]
            key = (str(section), str(name))
            owners[key].add_fault(key, "".join(f"item {int(index) + 1}: " for index in place) + _text(error))
            wrong.add(key)
    # pydantic looks at combinations only in a section without other errors. A combination with a wrong value is none.
    sound = {key: source for key, source in owners.items() if key not in wrong}
    for error in _errors(sound):
        keys: list[Key] = error["ctx"]["keys"]
        if wrong.isdisjoint(keys):
            # Defaults fit together, so at least one of the keys is set; the one that was set last is to blame.
            key = max((key for key in keys if key in owners), key=lambda key: sources.index(owners[key]))
            owners[key].add_fault(key, error["ctx"]["text"])


def _errors(owners: Mapping[Key, Source]) -> list[ErrorDetails]:
    try:
        Settings.model_validate(_nested(owners))
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _nested(owners: Mapping[Key, Source]) -> dict[str, dict[str, Any]]:
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


def _text(error: ErrorDetails) -> str:
    text = _TEXTS[error["type"]].format_map(error.get("ctx", {})) if error["type"] in _TEXTS else error["msg"]
    wrong_type = error["type"].endswith("_type") or (
        error["type"] == "literal_error" and type(error["input"]) is not str
    )
    return f"{text} (is {kind_of(error['input'])})" if wrong_type else text
