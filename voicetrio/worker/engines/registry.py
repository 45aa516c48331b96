"""Engines by name. Nothing of an engine is imported before it is asked for: its package may not be installed.

Engines of other people come by entry points: a package that is installed beside this one and has, in its pyproject.toml,

    [project.entry-points."voicetrio.stt_engines"]
    my-engine = "my_package.my_module:ENTRY"

where ENTRY is an `EngineEntry`. For engines that speak the group is "voicetrio.tts_engines".
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import cast

from voicetrio.worker.engines.contract import (
    HearingEngine,
    HearingFacts,
    HearingSetup,
    SpeakingEngine,
    SpeakingSetup,
)
from voicetrio.worker.errors import SetupError

NONE = "none"
HEARING_GROUP, SPEAKING_GROUP = "voicetrio.stt_engines", "voicetrio.tts_engines"


@dataclass(frozen=True, slots=True)
class EngineEntry:
    module: str
    factory: str
    """A callable in `module`: takes a `HearingSetup` or a `SpeakingSetup`, may raise `SetupError`."""
    package: str = ""
    """What pip installs it by; empty: nothing to install."""
    own_process: bool = True
    """Whether it runs in processes of its own, which may crash or hang alone. False is for engines without native code
    whose calls take less than a millisecond: a crash would be the worker's."""
    batched: bool = False
    """Whether one process of it serves all streams together, see `BatchedHearing`: then there is one, not one per core."""


HEARING: dict[str, EngineEntry] = {
    "pocketsphinx": EngineEntry("voicetrio.worker.engines.pocketsphinx", "open_pocketsphinx", "pocketsphinx"),
    "faster-whisper": EngineEntry(
        "voicetrio.worker.engines.whisper.engine", "open_whisper", "faster-whisper", batched=True
    ),
    "sherpa-onnx": EngineEntry(
        "voicetrio.worker.engines.sherpa", "open_sherpa", "sherpa-onnx onnxruntime", batched=True
    ),
    "instant": EngineEntry("voicetrio.worker.engines.instant", "open_instant_hearing", own_process=False),
}
SPEAKING: dict[str, EngineEntry] = {
    "espeak-ng": EngineEntry("voicetrio.worker.engines.espeak", "open_espeak", "espeakng-loader"),
    "piper": EngineEntry("voicetrio.worker.engines.piper", "open_piper", "'piper-tts[alignment]'"),
    "instant": EngineEntry("voicetrio.worker.engines.instant", "open_instant_speaking", own_process=False),
}


def hearing_entry(name: str) -> EngineEntry:
    """Raises `SetupError`, naming the setting and what there is."""
    return _find("stt.engine", HEARING, HEARING_GROUP, name)


def speaking_entry(name: str) -> EngineEntry:
    """As `hearing_entry`."""
    return _find("tts.engine", SPEAKING, SPEAKING_GROUP, name)


def are_ours(stt_engine: str, tts_engine: str) -> bool:
    """Whether neither is another package's."""
    return stt_engine in {*HEARING, NONE} and tts_engine in {*SPEAKING, NONE}


def load_hearing(name: str, setup: HearingSetup) -> HearingEngine:
    """Import and load an engine; takes as long as its model takes.

    Raises:
        SetupError: no such engine, its package is missing, or its model is. The text names the setting to change.
    """
    return cast("HearingEngine", _factory("stt.engine", name, hearing_entry(name))(setup))


def load_speaking(name: str, setup: SpeakingSetup) -> SpeakingEngine:
    """As `load_hearing`; the setting for the voice is `tts.voice`."""
    return cast("SpeakingEngine", _factory("tts.engine", name, speaking_entry(name))(setup))


def _find(setting: str, ours: dict[str, EngineEntry], group: str, name: str) -> EngineEntry:
    """Our own names come first: nobody can put something else in an engine's place by installing a package."""
    entry = ours.get(name)
    if entry is not None:
        return entry
    theirs = {point.name: point for point in entry_points(group=group)}
    if name not in theirs:
        raise SetupError(f"{setting}: there is no engine {name!r}; use one of: {', '.join([*ours, *theirs, NONE])}")
    return _load_entry(setting, theirs[name])


def _load_entry(setting: str, point: EntryPoint) -> EngineEntry:
    try:
        entry = point.load()
    except Exception as error:
        # Somebody else's module, of which anything can be expected.
        raise SetupError(
            f"{setting}: the engine {point.name!r}, entry point {point.value!r}, cannot be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(entry, EngineEntry):
        raise SetupError(f"{setting}: the entry point {point.value!r} of the engine {point.name!r} is no EngineEntry")
    return entry


def check_hearing(name: str, setup: HearingSetup) -> HearingFacts | None:
    """Whether an engine could be loaded, without loading its model. None: the engine cannot tell more.

    Its module may have a function `check_hearing`, or `check_speaking`, for that; else it is only imported.

    Raises:
        SetupError: as `load_hearing`.
    """
    check = _check_of("stt.engine", name, hearing_entry(name), "check_hearing")
    return cast("HearingFacts | None", check(setup))


def check_speaking(name: str, setup: SpeakingSetup) -> None:
    """As `check_hearing`; a voice that there is not is one of the faults."""
    _check_of("tts.engine", name, speaking_entry(name), "check_speaking")(setup)


def _check_of(setting: str, name: str, entry: EngineEntry, function: str) -> Callable[[object], object]:
    module = _import(setting, name, entry)
    if not callable(getattr(module, entry.factory, None)):
        raise SetupError(f"{setting}: the module of the engine {name!r} has no {entry.factory}")
    return cast("Callable[[object], object]", getattr(module, function, lambda setup: None))


def _factory(setting: str, name: str, entry: EngineEntry) -> Callable[[object], object]:
    return cast("Callable[[object], object]", getattr(_import(setting, name, entry), entry.factory))


def _import(setting: str, name: str, entry: EngineEntry) -> ModuleType:
    try:
        return importlib.import_module(entry.module)
    except ImportError as error:
        # A broken import inside our own house is a bug, and must not be reported as somebody's missing package.
        if not entry.package or (error.name or "").startswith("voicetrio"):
            raise
        raise SetupError(
            f"{setting}: the engine {name!r} needs a package that cannot be imported ({error.name}); "
            f"install it with: python -m pip install {entry.package}"
        ) from error
