"""What all sections of the settings have in common, and how secrets are kept in them."""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

COMBINATION = "combination"
"""The type of those errors that several keys make together."""


class Section(BaseModel):
    """Strict: TOML has types, so "8000" for 8000 is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    def secret(self, name: str) -> str:
        """The secret `name`, or what the file `{name}_file` holds; empty: neither is set.

        Reads that file, so call it before the event loop starts, or in a thread. Raises: OSError, ValueError.
        """
        file: str = getattr(self, f"{name}_file")
        value: str = getattr(self, name)
        return read_key(file) if file else value


def refuse_combination(text: str, *keys: tuple[str, str]) -> NoReturn:
    """These keys, each with its section, do not go together. For validators of whole sections, or of all of them."""
    raise PydanticCustomError(COMBINATION, "impossible combination", {"text": text, "keys": list(keys)})


def refuse_two_places(settings: Section, section: str, *names: str) -> None:
    """Each of these secrets may be given in the settings or in a file, not both."""
    for name in names:
        if getattr(settings, name) and getattr(settings, f"{name}_file"):
            text = f"{name} and {name}_file are both set: give it in one place"
            refuse_combination(text, (section, name), (section, f"{name}_file"))


def check_key_file(file: str, check: Callable[[str], object]) -> str:
    """The path, if a key can be read from the file that `check` does not refuse. Empty is as good as none."""
    if file:
        try:
            key = read_key(file)
        except (OSError, ValueError):
            raise PydanticCustomError("key_file", "cannot be read as a text file") from None
        check(key)
    return file


def is_printable(key: str) -> bool:
    return all("!" <= character <= "~" for character in key)


def read_key(file: str) -> str:
    """What a file of one secret holds. Raises: OSError, or ValueError for what is no text or no path."""
    return Path(file).read_text(encoding="utf-8").strip()
