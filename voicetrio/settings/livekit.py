"""The section [livekit]: tokens with which browsers join rooms of a LiveKit server."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from voicetrio.settings.section import Section, check_key_file, is_printable, refuse_combination, refuse_two_places

SECRET_BYTES_MIN = 32
"""As many as HMAC-SHA-256 puts out: a shorter one could be guessed from a token (RFC 7518, section 3.2)."""

_NAME_CHARS_MAX = 128


class LiveKitSettings(Section):
    """Tokens with which browsers join rooms of a LiveKit server. Without keys there are none."""

    url: str = ""
    """The address that clients are told, such as `wss://livekit.example.org`."""
    api_key: str = ""
    """The key's name, which the LiveKit server knows, too. Better from the environment or a file."""
    api_key_file: str = ""
    """A file that holds it."""
    api_secret: str = Field(default="", repr=False)
    """Signs the tokens: whoever knows it may do anything on the LiveKit server."""
    api_secret_file: str = ""
    """A file that holds it, as secrets are mounted in containers."""
    token_ttl: Annotated[float, Field(ge=60, le=86_400, allow_inf_nan=False)] = 900.0
    """Seconds in which a client must join with its token. Less than a minute is lost to clocks that differ, and more than
    a day is no limit. Whoever is in a room stays there: LiveKit renews its own."""
    agent_name: str = ""
    """The agent that LiveKit sends to each room, by the name it has registered with; empty: none is asked for."""
    # TOML knows arrays only; a tuple cannot be changed later. The strings in it stay strict.
    shared_rooms: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Rooms that several people may share, and hear each other in. Any other room is one person's."""
    tokens_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 60
    """Tokens that one address may ask for in a minute: an office behind one address, but nobody who fills a server."""

    @field_validator("url")
    @classmethod
    def _is_a_websocket(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            address = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
            plain = parts.username is None and not parts.query and not parts.fragment and is_printable(value)
            sound = not value or (address and plain)
        except ValueError:
            sound = False
        if not sound:
            raise PydanticCustomError(
                "url", "must be an address like wss://livekit.example.org, without a password in it"
            )
        return value.rstrip("/")

    @field_validator("api_key", "api_secret")
    @classmethod
    def _is_a_key(cls, value: str, info: ValidationInfo) -> str:
        if value:
            _check(value, info, "must be printable ASCII without spaces")
        return value

    @field_validator("api_key_file", "api_secret_file")
    @classmethod
    def _holds_a_key(cls, value: str, info: ValidationInfo) -> str:
        return check_key_file(
            value, lambda key: _check(key, info, "must hold one line of printable ASCII without spaces")
        )

    @field_validator("agent_name")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if value:
            _check_name(value)
        return value

    @field_validator("shared_rooms")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            _check_name(name)
        return value

    @model_validator(mode="after")
    def _all_or_none(self) -> "LiveKitSettings":
        refuse_two_places(self, "livekit", "api_key", "api_secret")
        places = {
            "url": ("url",),
            "api_key": ("api_key", "api_key_file"),
            "api_secret": ("api_secret", "api_secret_file"),
        }
        given = [name for names in places.values() for name in names if getattr(self, name)]
        missing = [wanted for wanted, names in places.items() if not any(getattr(self, name) for name in names)]
        if given and missing:
            refuse_combination(
                f"{' and '.join(given)} {'needs' if len(given) == 1 else 'need'} {' and '.join(missing)}, too: "
                "tokens need all three, and without tokens there is none of them",
                *(("livekit", name) for name in (*given, *(name for wanted in missing for name in places[wanted]))),
            )
        return self

    @property
    def configured(self) -> bool:
        """Whether tokens can be made."""
        return bool(self.url)


def _check(key: str, info: ValidationInfo, text: str) -> None:
    if not key or not is_printable(key):
        raise PydanticCustomError("key", text)
    if "secret" in (info.field_name or "") and len(key) < SECRET_BYTES_MIN:
        raise PydanticCustomError(
            "short_secret",
            "the secret must have at least {least} bytes: make one with `openssl rand -base64 32`",
            {"least": SECRET_BYTES_MIN},
        )


def _check_name(name: str) -> None:
    if not name or len(name) > _NAME_CHARS_MAX or not name.isprintable() or name != name.strip():
        raise PydanticCustomError("name", "must be 1 to 128 printable characters, without spaces around them")
