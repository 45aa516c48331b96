"""What all sections of the settings have in common, and how secrets are kept in them."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

COMBINATION = "combination"
"""The type of those errors that several keys make together."""


class Section(BaseModel):
    """Strict: TOML has types, so "8000" for 8000 is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


def is_printable(key: str) -> bool:
    return all("!" <= character <= "~" for character in key)


def read_key(file: str) -> str:
    """What a file of one secret holds. Raises: OSError, UnicodeDecodeError."""
    return Path(file).read_text(encoding="utf-8").strip()
