"""What a worker and its engine processes say to each other, and how it looks in the pipe between them. Pure.

    frame = 4 bytes: length of the rest | 4 bytes: length of the head | head: JSON | body: PCM, or nothing

Big-endian lengths. Both ends are always of the same version and on the same machine. JSON rather than pickle, since
an engine is C code that chews on strangers' audio: what comes out of it should not be able to run here.
"""

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from voicetrio.core.hypothesis import Hypothesis, Word
from voicetrio.core.playback import WordMark
from voicetrio.worker.engines.contract import HearingDescription, SpeakingDescription, StreamOptions, Voice

FRAME_BYTES_MAX = 4 * 1024 * 1024
"""Far above a second of audio or the words of a minute: a larger frame means that the pipe is out of step."""

_LENGTHS = struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Open:
    stream_id: int
    options: StreamOptions


@dataclass(frozen=True, slots=True)
class Accept:
    stream_id: int
    segment_id: int
    start_sample: int
    pcm: bytes
    initial_prompt: str | None = None
    """With a segment's first audio only, if it has one: the host then begins the segment with it."""


@dataclass(frozen=True, slots=True)
class EndSegment:
    stream_id: int
    segment_id: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class Speak:
    """One piece of text; its stream lives until its last answer. Answered by `Spoken`, any number of times, and `Said`."""

    stream_id: int
    text: str
    voice: str
    """As the client asked for it."""
    speed: float
    pause_after: bool


@dataclass(frozen=True, slots=True)
class Close:
    """Overtakes what waits for the same stream: nobody wants the answers any more."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Answered when the engine's call that is under way has returned, or hands out audio."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The first thing a host says, once its engine is loaded."""

    description: HearingDescription | SpeakingDescription


@dataclass(frozen=True, slots=True)
class CannotLoad:
    """Instead of `Ready`; the host then ends. `message` is for the person who wrote the settings."""

    message: str


@dataclass(frozen=True, slots=True)
class Opened:
    stream_id: int


@dataclass(frozen=True, slots=True)
class Heard:
    """The answer to `Accept` and `EndSegment`; no hypothesis: nothing new to say."""

    stream_id: int
    hypothesis: Hypothesis | None


@dataclass(frozen=True, slots=True)
class Running:
    """From a host whose engine decodes many streams at once: what it works on from now on. If it dies, one of these did
    it.
    """

    stream_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Spoken:
    """Some audio of a `Speak`. Marks count text and samples from the beginning of the piece."""

    stream_id: int
    pcm: bytes
    marks: tuple[WordMark, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """The end of what a `Speak` asked for."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer to a request that cannot be served; `rejected`: it is the client's mistake."""

    stream_id: int
    rejected: bool
    message: str


@dataclass(frozen=True, slots=True)
class Closed:
    stream_id: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to `Ping`."""


HostRequest: TypeAlias = Open | Accept | EndSegment | Speak | Close | Ping
HostReply: TypeAlias = Ready | CannotLoad | Opened | Heard | Running | Spoken | Said | Refused | Closed | Pong
HostMessage: TypeAlias = HostRequest | HostReply

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(Open, Accept, EndSegment, Speak, Close, Ping),
        *(Ready, CannotLoad, Opened, Heard, Running, Spoken, Said, Refused, Closed, Pong),
    )
}


def encode_frame(message: HostMessage) -> bytes:
    fields = asdict(message)
    body: bytes = fields.pop("pcm", b"")
    head = json.dumps([type(message).__name__, fields], separators=(",", ":")).encode()
    return _LENGTHS.pack(_LENGTHS.size - 4 + len(head) + len(body), len(head)) + head + body


class FrameDecoder:
    """Bytes as they come out of a pipe, to messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[HostMessage]:
        """The messages that are complete now.

        Raises:
            ValueError: these are not frames. The decoder must not be used after it.
        """
        self._buffer += data
        messages = []
        while len(self._buffer) >= _LENGTHS.size:
            rest_bytes, head_bytes = _LENGTHS.unpack_from(self._buffer)
            if rest_bytes > FRAME_BYTES_MAX or head_bytes > rest_bytes - 4:
                raise ValueError(f"a frame of {rest_bytes} bytes with a head of {head_bytes}: the pipe is out of step")
            if len(self._buffer) < 4 + rest_bytes:
                break
            head_end = _LENGTHS.size + head_bytes
            body = bytes(self._buffer[head_end : 4 + rest_bytes])
            messages.append(_decode(bytes(self._buffer[_LENGTHS.size : head_end]), body))
            del self._buffer[: 4 + rest_bytes]
        return messages


def _decode(head: bytes, body: bytes) -> HostMessage:
    name, fields = json.loads(head)
    kind = _KINDS.get(name)
    if kind is None:
        raise ValueError("a message of an unknown kind: the pipe is out of step")
    if kind in (Accept, Spoken):
        fields["pcm"] = body
    if kind is Spoken:
        fields["marks"] = tuple(WordMark(**mark) for mark in fields["marks"])
    elif kind is Running:
        fields["stream_ids"] = tuple(fields["stream_ids"])
    elif kind is Open:
        options = fields["options"]
        fields["options"] = StreamOptions(**{**options, "hot_words": tuple(options["hot_words"])})
    elif kind is Ready:
        fields["description"] = _description(fields["description"])
    elif kind is Heard and fields["hypothesis"] is not None:
        hypothesis = fields["hypothesis"]
        words = tuple(Word(**word) for word in hypothesis["words"])
        fields["hypothesis"] = Hypothesis(**{**hypothesis, "words": words, "gated": tuple(hypothesis["gated"])})
    message: HostMessage = kind(**fields)
    return message


def _description(fields: dict[str, Any]) -> HearingDescription | SpeakingDescription:
    if "voices" in fields:
        return SpeakingDescription(**{**fields, "voices": tuple(Voice(**voice) for voice in fields["voices"])})
    return HearingDescription(**{**fields, "languages": tuple(fields["languages"])})
