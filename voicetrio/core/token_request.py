"""What a client asks for when it wants to enter a LiveKit room, and what it gets. Pure.

The fields are those of LiveKit's standard token endpoint, which is JSON of protobuf: names in snake case or camel case, and
an empty value is as good as none. Those of older clients mean the same. What a client may not set is refused, not ignored:
it would find out in the room that it was not heard.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voicetrio.core.errors import VoicetrioError

NAME_MAX = 128
"""Characters of a room, an identity or a name; a session id has no more."""
NAME_BYTES_MAX = 256
"""Of the same in UTF-8: LiveKit's own limit, which it counts in bytes."""
METADATA_MAX = 4096
"""Bytes of metadata, and of all attributes together."""
TOKEN_BYTES_MAX = 15_360
"""Of a whole token. It is sent in a URL, of which servers and proxies take 16 KiB, and the rest of that needs some, too.
Letters that are not ASCII, quotes and control characters take up to 8 times their bytes there: as escapes, in base64."""
ATTRIBUTES_MAX = 16

_FIELDS = {
    "room": ("room_name", "roomName", "room"),
    "identity": ("participant_identity", "participantIdentity", "identity"),
    "name": ("participant_name", "participantName", "name"),
    "metadata": ("participant_metadata", "participantMetadata", "metadata"),
    "attributes": ("participant_attributes", "participantAttributes"),
    "room_config": ("room_config", "roomConfig"),
}
_MEANINGS = {name: meaning for meaning, names in _FIELDS.items() for name in names}


class BadTokenRequest(VoicetrioError):
    """A request that cannot be served as it is. The text names the field, and never its value."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Empty: the client has not said."""

    room: str = ""
    identity: str = ""
    name: str = ""
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    agent_metadata: str = ""
    """For the agent that is sent to the room."""

    def sizes(self) -> dict[str, int]:
        """Bytes of the fields that can be long, by the names that a client has for them."""
        return {
            "participant_metadata": len(self.metadata.encode()),
            "participant_attributes": sum(len(text.encode()) for pair in self.attributes.items() for text in pair),
            "room_config.agents.metadata": len(self.agent_metadata.encode()),
        }


@dataclass(frozen=True, slots=True)
class IssuedToken:
    token: str = field(repr=False)
    room: str
    identity: str
    name: str


def parse_request(fields: Iterable[tuple[str, Any]], *, agent_name: str) -> TokenRequest:
    """`fields` are names and values as they came; `agent_name` is the only agent that may be asked for, empty: none.

    Raises:
        BadTokenRequest: a field is unknown, twice there, of a wrong type, or too large.
    """
    given: dict[str, Any] = {}
    for name, value in fields:
        meaning = _MEANINGS.get(name)
        if meaning is None:
            raise BadTokenRequest(f"{_shown(name)}: no field that a client may set. There are: {_known()}")
        if value in (None, "", [], {}, 0):
            continue
        if meaning in given:
            raise BadTokenRequest(f"{_shown(name)}: is given twice")
        given[meaning] = value
    return TokenRequest(
        room=_label(given, "room"),
        identity=_label(given, "identity"),
        name=_label(given, "name"),
        metadata=_text(given.get("metadata", ""), "participant_metadata", METADATA_MAX),
        attributes=_attributes(given.get("attributes", {})),
        agent_metadata=_agent_metadata(given.get("room_config", {}), agent_name),
    )


def check_token_size(token: str, request: TokenRequest) -> None:
    """Raises:
    BadTokenRequest: no server would take the token; the text names the fields that make it so large.
    """
    if len(token) <= TOKEN_BYTES_MAX:
        return
    sizes = {name: size for name, size in request.sizes().items() if size}
    largest_first = sorted(sizes, key=lambda name: -sizes[name])
    raise BadTokenRequest(
        f"{', '.join(largest_first)}: the token would have {len(token)} bytes, and {TOKEN_BYTES_MAX} are the most that "
        "fit into a URL; shorten them, or send a key by which the data can be looked up"
    )


def _label(given: Mapping[str, Any], meaning: str) -> str:
    field_name = _FIELDS[meaning][0]
    text = _text(given.get(meaning, ""), field_name, NAME_BYTES_MAX)
    if len(text) > NAME_MAX:
        raise BadTokenRequest(f"{field_name}: must have at most {NAME_MAX} characters")
    # A name is shown to people and may have what scripts and emoji are joined with; the others go into logs.
    sound = all(unicodedata.category(char) != "Cc" for char in text) if meaning == "name" else text.isprintable()
    if not sound or text != text.strip():
        raise BadTokenRequest(f"{field_name}: must be printable, on one line, without spaces around it")
    return text


def _text(value: Any, field_name: str, bytes_max: int) -> str:
    if not isinstance(value, str):
        raise BadTokenRequest(f"{field_name}: must be a string")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadTokenRequest(f"{field_name}: must not have half a character") from None
    if size > bytes_max:
        raise BadTokenRequest(f"{field_name}: must have at most {bytes_max} bytes")
    return value


def _attributes(value: Any) -> Mapping[str, str]:
    name = "participant_attributes"
    if not isinstance(value, dict):
        raise BadTokenRequest(f"{name}: must be an object of strings")
    if len(value) > ATTRIBUTES_MAX:
        raise BadTokenRequest(f"{name}: must have at most {ATTRIBUTES_MAX} entries")
    size = sum(len(_text(text, name, METADATA_MAX).encode()) for pair in value.items() for text in pair)
    if size > METADATA_MAX:
        raise BadTokenRequest(f"{name}: must have at most {METADATA_MAX} bytes together")
    for key in value:
        if key.startswith("lk."):
            raise BadTokenRequest(f"{name}: names that begin with lk. are LiveKit's own")
    return value


def _agent_metadata(config: Any, agent_name: str) -> str:
    """Of a room's configuration a client may give only the metadata of the configured agent."""
    agents = _only(config, "room_config", ("agents",)).get("agents", [])
    if not isinstance(agents, list) or len(agents) > 1:
        raise BadTokenRequest("room_config.agents: must be an array of at most one agent")
    if not agents:
        return ""
    agent = _only(agents[0], "room_config.agents", ("agent_name", "agentName", "metadata"))
    if not agent_name:
        raise BadTokenRequest(
            "room_config.agents: no agent can be asked for: the operator has not set livekit.agent_name"
        )
    if agent.get("agent_name", agent.get("agentName")) != agent_name:
        raise BadTokenRequest("room_config.agents: this agent cannot be asked for: only that of livekit.agent_name")
    return _text(agent.get("metadata", ""), "room_config.agents.metadata", METADATA_MAX)


def _only(value: Any, field_name: str, known: tuple[str, ...]) -> dict[str, Any]:
    """An object without its empty fields. Raises if there is one that is not known."""
    if not isinstance(value, dict):
        raise BadTokenRequest(f"{field_name}: must be an object")
    given = {key: one for key, one in value.items() if one not in (None, "", [], {}, 0)}
    for key in given:
        if key not in known:
            raise BadTokenRequest(f"{field_name}.{_shown(key)}: no field that a client may set")
    return given


def _known() -> str:
    return ", ".join(names[0] for names in _FIELDS.values())


def _shown(name: str) -> str:
    """The name of a field that somebody has made up."""
    return ascii(name[:64])[1:-1]
