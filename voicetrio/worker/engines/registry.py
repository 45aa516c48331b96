"""Engines by name. Nothing of an engine is imported before it is asked for: its package may not be installed."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from voicetrio.worker.engines.contract import HearingEngine, SpeakingEngine
from voicetrio.worker.errors import SetupError

NONE = "none"


@dataclass(frozen=True, slots=True)
class EngineEntry:
    module: str
    factory: str
    """A callable in `module`: takes the model (hearing) or the default voice (speaking), may raise `SetupError`."""
    package: str = ""
    """What pip installs it by; empty: nothing to install."""
    own_process: bool = False
    """Whether its calls are heavy or hold the GIL, and so must not run where the server's event loop runs."""


HEARING: dict[str, EngineEntry] = {
    "pocketsphinx": EngineEntry(
        "voicetrio.worker.engines.pocketsphinx", "open_pocketsphinx", "pocketsphinx", own_process=True
    ),
    "instant": EngineEntry("voicetrio.worker.engines.instant", "open_instant_hearing"),
}
SPEAKING: dict[str, EngineEntry] = {
    "espeak-ng": EngineEntry("voicetrio.worker.engines.espeak", "open_espeak", "espeakng-loader", own_process=False),
    "instant": EngineEntry("voicetrio.worker.engines.instant", "open_instant_speaking"),
}


def hearing_entry(name: str) -> EngineEntry:
    """Raises `SetupError`, naming the setting and what there is."""
    return _find("stt.engine", HEARING, name)


def load_hearing(name: str, model: str) -> HearingEngine:
    """Import and load an engine; takes as long as its model takes.

    Raises:
        SetupError: no such engine, its package is missing, or its model is. The text names the setting to change.
    """
    return cast("HearingEngine", _factory("stt.engine", HEARING, name)(model))


def load_speaking(name: str, default_voice: str) -> SpeakingEngine:
    """As `load_hearing`; the setting for the voice is `tts.voice`."""
    return cast("SpeakingEngine", _factory("tts.engine", SPEAKING, name)(default_voice))


def _find(setting: str, entries: dict[str, EngineEntry], name: str) -> EngineEntry:
    entry = entries.get(name)
    if entry is None:
        raise SetupError(f"{setting}: there is no engine {name!r}; use one of: {', '.join([*entries, NONE])}")
    return entry


def _factory(setting: str, entries: dict[str, EngineEntry], name: str) -> Callable[[str], object]:
    entry = _find(setting, entries, name)
    try:
        module = importlib.import_module(entry.module)
    except ImportError as error:
        # A broken import inside our own house is a bug, and must not be reported as somebody's missing package.
        if not entry.package or (error.name or "").startswith("voicetrio"):
            raise
        raise SetupError(
            f"{setting}: the engine {name!r} needs a package that cannot be imported ({error.name}); "
            f"install it with: python -m pip install {entry.package}"
        ) from error
    return cast("Callable[[str], object]", getattr(module, entry.factory))
