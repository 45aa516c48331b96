"""`stt.options` and `tts.options`: settings that only one engine has. They are checked by the engine that is told them."""

from collections.abc import Callable, Mapping
from typing import Literal

from voicetrio.worker.engines.contract import EngineOptions
from voicetrio.worker.errors import SetupError

_KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}


def check_all(*checks: Callable[[], object]) -> None:
    """Make all of them, also when one fails. Raises `SetupError` with the texts of all that did."""
    faults = []
    for check in checks:
        try:
            check()
        except SetupError as error:
            faults.append(str(error))
    if faults:
        raise SetupError("\n".join(faults))


def read_options(
    section: Literal["stt", "tts"],
    engine: str,
    given: EngineOptions,
    defaults: Mapping[str, str | int | float | bool],
) -> dict[str, str | int | float | bool]:
    """All of the engine's options: as given, else by default. The default says what type a value must have.

    Raises:
        SetupError: an option that the engine does not know, or a value of another type. It tells of all of them.
    """
    faults = []
    for name, value in given.items():
        if name not in defaults:
            known = f"it has {', '.join(defaults)}" if defaults else "it has none"
            faults.append(f"{section}.options.{name}: the engine {engine!r} has no such option; {known}")
            continue
        kind = type(defaults[name])
        if not (type(value) is kind or (kind is float and type(value) is int)):
            faults.append(f"{section}.options.{name}: must be {_KINDS[kind]}")
    if faults:
        raise SetupError("\n".join(faults))
    return {**defaults, **given}
