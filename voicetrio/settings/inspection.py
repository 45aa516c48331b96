"""What only the engines themselves know of the settings: whether they exist, are installed, and have what they are told.

Settings know no engine. Whoever loads them may bring an `Inspector`, which does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from voicetrio.core.names import find_model
from voicetrio.settings.schema import SttSettings, TtsSettings
from voicetrio.settings.sources import Key, Source

_NONE = "none"


@dataclass(frozen=True, slots=True)
class EngineQuestion:
    section: Literal["stt", "tts"]
    values: Mapping[str, Any]
    """All keys of that section, of one worker."""


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    faults: tuple[str, ...] = ()
    """Each begins with its key, as in "stt.model: "."""
    model: str = ""
    """What hears, by the name that `session.model` has for it."""
    languages: tuple[str, ...] | None = None
    """Primary tags that are heard; None: nobody knows before the model is loaded."""


class Inspector(Protocol):
    def engines(self, questions: Sequence[EngineQuestion]) -> Sequence[EngineAnswer]:
        """An answer to each question, without loading a model in this process."""
        ...

    def detector(self, vad: str) -> str:
        """What the voice detector lacks here; empty: nothing."""
        ...


Owners = Mapping[Key, Source]
"""Of each key that is set, the source that sets it last."""


def inspect(inspector: Inspector, owners: Owners, workers: Sequence[Owners], *, elsewhere: bool) -> None:
    """Add what is wrong to the sources. `workers` are those of this machine, each with its own keys; with `elsewhere`
    there are others, of which nothing is known.
    """
    asked = [
        (worker, question)
        for worker in workers
        for section in ("stt", "tts")
        if (question := _question(worker, section)) is not None
    ]
    answers = inspector.engines([question for _, question in asked])
    for (worker, question), answer in zip(asked, answers, strict=True):
        for fault in answer.faults:
            _blame(worker, question.section, fault)
    vad = owners.get(("session", "vad"))
    if vad is not None and ("session", "vad") not in vad.wrong:
        fault = inspector.detector(vad.values["session", "vad"])
        if fault:
            vad.add_fault(("session", "vad"), fault)
    hearing = [answer for (_, question), answer in zip(asked, answers, strict=True) if question.section == "stt"]
    if not elsewhere and all(answer.model for answer in hearing):
        _check_hearing(owners, hearing)


def _question(worker: Owners, section: Literal["stt", "tts"]) -> EngineQuestion | None:
    """None: nothing to ask, or not while one of the values is no value at all."""
    given = {name: source.values[section, name] for (where, name), source in worker.items() if where == section}
    if any((section, name) in worker[section, name].wrong for name in given):
        return None
    values = (SttSettings if section == "stt" else TtsSettings).model_validate(given).model_dump()
    return None if values["engine"] == _NONE else EngineQuestion(section, values)


def _blame(worker: Owners, section: str, fault: str) -> None:
    """Tell of the key that the engine names, where it was set; of one that was not set, where the engine was chosen."""
    name, separator, text = fault.partition(": ")
    parts = name.split(".")
    if not separator or len(parts) < 2:
        name, parts, text = f"{section}.engine", [section, "engine"], fault
    for key in ((parts[0], parts[1]), (section, "engine")):
        if key in worker:
            worker[key].add_fault(key, text, name=name)
            return
    source = next(iter(worker.values()), None)
    (Source(None) if source is None else source).faults.append(f"{name}, which is not set: {text}")


def _check_hearing(owners: Owners, hearing: Sequence[EngineAnswer]) -> None:
    """What sessions are given to begin with must be something that a worker here has."""
    models = [answer.model for answer in hearing]
    wanted = _sound(owners, ("session", "model")) or ""
    found = find_model(wanted, models) if wanted else next(iter(models), None)
    if found is None and wanted:
        text = f"no worker hears with it; there are: {', '.join(models) or 'none'}"
        owners["session", "model"].add_fault(("session", "model"), text)
    language = _sound(owners, ("session", "language")) or ""
    known = next((answer.languages for answer in hearing if answer.model == found), None)
    if language and known is not None and language.replace("_", "-").partition("-")[0].lower() not in known:
        text = f"{found} does not know it; it knows: {', '.join(known)}"
        owners["session", "language"].add_fault(("session", "language"), text)


def _sound(owners: Owners, key: Key) -> Any:
    source = owners.get(key)
    return None if source is None or key in source.wrong else source.values[key]
