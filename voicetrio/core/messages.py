"""The native protocol's messages from a client: from text to checked values.

A message that cannot be used raises `RemoteError`; nothing of it has any effect. Fields that are not known are ignored,
as the protocol promises. Error texts name the field and the rule, never the value: it may be somebody's words.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr
from pydantic import ValidationError as _ValidationError

from voicetrio.core.config import Duplex, Encoding, OnOff, Sensitivity
from voicetrio.core.errors import RemoteError

REQUEST_ID_CHARS = 128
"""Ours are 16; a client's own id may be a UUID or a path of its own. It comes back in every event of the utterance."""

HOT_WORDS = 200
HOT_WORD_CHARS = 100
"""Recognisers bias towards tens of words; hundreds only slow them down."""

MODEL_CHARS = 300
"""An engine, and a model's folder or hub name."""

PING_ID_CHARS = 64
"""A number or a UUID: it is sent back as it is."""

TIMEOUT_MS_MAX = 86_400_000
"""A day: longer is no timeout."""

CLOSING_TIMEOUT_MS_MAX = 30_000
"""30 s without a sign of life: a worker that is alive gives one twice a second."""


TURN_DELAY_MS_MAX = 10_000
"""10 s: nobody waits longer for an answer to begin."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _whole_characters(text: str) -> str:
    """JSON can write half of a surrogate pair as an escape: no text that could be sent on, to a worker or back."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is not text") from None
    return text


def _some_text(text: str) -> str:
    if not text.strip():
        raise ValueError("there is nothing in it")
    return text


_TimeoutMs = Annotated[StrictInt, Field(ge=100, le=TIMEOUT_MS_MAX)]
_DelayMs = Annotated[StrictInt, Field(ge=0, le=TURN_DELAY_MS_MAX)]


class Configure(_Message):
    """Any subset of the session's settings; None is a field that was not sent."""

    type: Literal["session.configure"]
    language: Annotated[StrictStr, Field(max_length=35, pattern=r"^[A-Za-z0-9-]*$")] | None = None
    model: Annotated[StrictStr, Field(max_length=MODEL_CHARS), AfterValidator(_whole_characters)] | None = None
    input_sample_rate: Annotated[StrictInt, Field(ge=8000, le=48_000)] | None = None
    input_encoding: Encoding | None = None
    output_sample_rate: Annotated[StrictInt, Field(ge=8000, le=48_000)] | None = None
    output_encoding: Encoding | None = None
    vad_sensitivity: Sensitivity | None = None
    init_timeout_ms: _TimeoutMs | None = None
    silence_timeout_ms: _TimeoutMs | None = None
    hold_timeout_ms: _TimeoutMs | None = None
    closing_timeout_ms: Annotated[StrictInt, Field(ge=100, le=CLOSING_TIMEOUT_MS_MAX)] | None = None
    max_segment_duration_ms: Annotated[StrictInt, Field(ge=1000, le=50_000)] | None = None
    hot_words: (
        Annotated[
            tuple[Annotated[StrictStr, Field(min_length=1, max_length=HOT_WORD_CHARS)], ...],
            Field(max_length=HOT_WORDS),
        ]
        | None
    ) = None
    enable_partial_transcripts: StrictBool | None = None
    interim: StrictBool | None = None
    duplex: Duplex | None = None
    barge_in_min_ms: Annotated[StrictInt, Field(ge=60, le=10_000)] | None = None
    agent: OnOff | None = None
    speak_replies: StrictBool | None = None
    turn_min_delay_ms: _DelayMs | None = None
    turn_max_delay_ms: _DelayMs | None = None
    voice: Annotated[StrictStr, Field(max_length=100)] | None = None


class Commit(_Message):
    type: Literal["input_audio_buffer.commit"]


class Speak(_Message):
    type: Literal["tts.speak"]
    text: Annotated[StrictStr, AfterValidator(_whole_characters)]
    voice: Annotated[StrictStr, Field(max_length=100)] | None = None
    speed: Annotated[StrictFloat | StrictInt, Field(ge=0.25, le=4.0)] = 1.0
    request_id: Annotated[StrictStr, Field(min_length=1, max_length=REQUEST_ID_CHARS)] | None = None


class _UserMessage(_Message):
    """What must be right of it; the rest is the agent's business."""

    type: Literal["user_message"]
    role: Annotated[StrictStr, Field(max_length=64)] | None = None
    content: Annotated[StrictStr, AfterValidator(_some_text)]


@dataclass(frozen=True, slots=True)
class UserMessage:
    """For the agent. Its fields are passed on unchanged, also those that nobody here knows."""

    message: Mapping[str, object]

    @property
    def text(self) -> str:
        return str(self.message["content"])


class CancelSpeech(_Message):
    type: Literal["tts.cancel"]
    request_id: Annotated[StrictStr, Field(max_length=REQUEST_ID_CHARS)] | None = None


class CancelTurn(_Message):
    """Stop the answer that is being given: the agent, the synthesis, and all speech. What waits is answered next."""

    type: Literal["turn.cancel"]


class PlaybackProgress(_Message):
    type: Literal["playback.progress"]
    request_id: Annotated[StrictStr, Field(max_length=REQUEST_ID_CHARS)]
    played_ms: Annotated[StrictInt | StrictFloat, Field(ge=0, le=TIMEOUT_MS_MAX)]


class Ping(_Message):
    """Is anybody there? For clients that cannot see the pings of the WebSocket protocol."""

    type: Literal["session.ping"]
    id: Annotated[StrictStr, Field(max_length=PING_ID_CHARS), AfterValidator(_whole_characters)] | StrictInt | None = (
        None
    )


class Close(_Message):
    type: Literal["session.close"]


class Cancel(_Message):
    type: Literal["session.cancel"]


ClientMessage = (
    Configure | Commit | UserMessage | Speak | CancelSpeech | CancelTurn | PlaybackProgress | Ping | Close | Cancel
)

_Model = (
    Configure | Commit | _UserMessage | Speak | CancelSpeech | CancelTurn | PlaybackProgress | Ping | Close | Cancel
)

_KINDS: dict[str, type[_Model]] = {
    "session.configure": Configure,
    "input_audio_buffer.commit": Commit,
    "user_message": _UserMessage,
    "tts.speak": Speak,
    "tts.cancel": CancelSpeech,
    "turn.cancel": CancelTurn,
    "playback.progress": PlaybackProgress,
    "session.ping": Ping,
    "session.close": Close,
    "session.cancel": Cancel,
}


def parse_client_message(text: str) -> ClientMessage:
    """One text frame.

    Raises:
        RemoteError: `invalid_json`, `invalid_message`, `unknown_type` or `invalid_field`; always recoverable.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise RemoteError(
            "invalid_json", f"a text frame is not JSON{where}. Send one JSON object per text frame."
        ) from None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise RemoteError("invalid_message", 'a message must be a JSON object with a "type" that is a string')
    kind = _KINDS.get(value["type"])
    if kind is None:
        raise RemoteError("unknown_type", f"unknown message type; this server knows: {', '.join(_KINDS)}")
    try:
        message = kind.model_validate(value)
    except _ValidationError as error:
        raise RemoteError("invalid_field", f"{value['type']}: {_explain(error)}. Nothing was changed.") from None
    if not isinstance(message, _UserMessage):
        return message
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise RemoteError("invalid_field", "user_message: half of a surrogate pair is not text") from None
    except (ValueError, RecursionError):  # Python's parser takes NaN and Infinity
        raise RemoteError("invalid_field", "user_message: a number that JSON does not have") from None
    return UserMessage(value)


def _explain(error: _ValidationError) -> str:
    """Field and rule of every fault, without the offending values."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in faults[:8])
