"""The names by which a client chooses what hears, and how freely they may be written. Pure matching."""

from collections.abc import Sequence


def find_model(wanted: str, known: Sequence[str]) -> str | None:
    """Which of `known` is meant; None: none of them.

    `known` has engine and model with a space between them, in the order of preference; an engine's name has no space.
    `wanted` is the whole of one, the same with a slash in the place of the space, an engine alone or a model alone.
    Letters' case does not matter. What could be an engine or a model is the engine.
    """
    sought = wanted.strip().casefold()
    for rule in (_is_whole, _is_engine, _is_model):
        found = next((name for name in known if rule(sought, name.casefold())), None)
        if found is not None:
            return found
    return None


def _is_whole(sought: str, name: str) -> bool:
    return sought in (name, name.replace(" ", "/", 1))


def _is_engine(sought: str, name: str) -> bool:
    return sought == name.partition(" ")[0]


def _is_model(sought: str, name: str) -> bool:
    return sought != "" and sought == name.partition(" ")[2]
