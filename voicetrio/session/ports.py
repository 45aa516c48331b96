"""What a session needs from the rest of the world. Each port has its real part in a room above and a fake in the tests."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

from voicetrio.core.errors import VoicetrioError
from voicetrio.core.hypothesis import Architecture, Draining, Hypothesis, Working
from voicetrio.core.playback import WordMark
from voicetrio.core.voices import KnownVoice


class LinkLost(VoicetrioError):
    """The client's connection is gone."""


class Link(Protocol):
    """One connection of a client. One task receives, one task sends; whoever made it closes it."""

    async def receive(self) -> str | bytes | None:
        """The next message; None when the client is gone. Safe to cancel: nothing is lost.

        Raises:
            RemoteError: the client sends what no client may, or too much; nothing more will come.
        """
        ...

    async def send(self, message: str | bytes) -> None:
        """Hand one message to the transport; waits while the client reads slowly. Not to be used after a cancel.

        Raises:
            LinkLost: the client is gone; the message may have arrived or not.
        """
        ...

    async def ping(self) -> bool:
        """Ask the client for a sign of life, behind all that was sent; `Attachment.pong` is called when it comes.

        False: this transport cannot. As `send` otherwise.
        """
        ...


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """What a recogniser stream is opened with. A change needs a new stream."""

    session_id: str
    language: str
    hot_words: tuple[str, ...]
    partials: bool
    model: str = ""
    """Engine and model, as `Recognizer.models` has them; empty: the server's default."""
    alone: bool = False
    """Whether its audio may have crashed an engine before: it is not to be decoded together with that of others."""


class RecognizerStream(Protocol):
    """One session's stream to one worker. Sends and receives come from two tasks. Positions are absolute samples."""

    @property
    def worker(self) -> str:
        """Which worker it is, for the operator: an address, or the name of a socket file."""
        ...

    @property
    def model(self) -> str:
        """Engine and model, for people."""
        ...

    @property
    def architecture(self) -> Architecture: ...

    async def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        """Only for encoder-decoder streams, before the segment's first audio, and once; see `core.prompt`.

        Optional: a segment without it has no prompt. Raises `WorkerUnavailable` when the stream is broken.
        """
        ...

    async def send_audio(self, segment_id: int, start_sample: int, pcm: bytes) -> None:
        """Raises `WorkerUnavailable` when the stream is broken."""
        ...

    async def end_segment(self, segment_id: int, end_sample: int) -> None: ...

    async def receive(self) -> Hypothesis | Working | Draining:
        """The next answer. Raises `WorkerError` when the stream has ended or broken: `WorkerCrashed` when the engine may
        have died of the oldest segment that has not had its final.
        """
        ...


class Recognizer(Protocol):
    def model(self) -> str:
        """Engine and model that hear by default, for people; empty while no worker is known."""
        ...

    def models(self) -> tuple[str, ...]:
        """Engine and model of each kind of worker, with a space between them; the default is the first. Empty while no
        worker is known.
        """
        ...

    def languages(self, model: str = "") -> tuple[str, ...]:
        """What the workers with this model understand, one of `models`, or empty for the default; empty while no such
        worker is known.
        """
        ...

    def open_stream(self, config: StreamConfig) -> AbstractAsyncContextManager[RecognizerStream]:
        """Takes a slot of a worker with the config's model until the context is left. Entering raises `WorkerError`;
        leaving never does. One that the body left with `WorkerDraining` was moved, and is not broken.
        """
        ...


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    text: str
    voice: str
    speed: float


@dataclass(frozen=True, slots=True)
class SpeechAudio:
    """A piece of an utterance: 16-bit mono PCM and the marks of the words that begin in or after it."""

    sample_rate: int
    pcm: bytes
    marks: tuple[WordMark, ...] = ()


class SpeechStream(Protocol):
    async def receive(self) -> SpeechAudio | None:
        """The next piece; None at the end.

        Raises `WorkerError` when the synthesis failed: `WorkerCrashed` when the text is not to be tried again, anywhere.
        """
        ...


class Synthesizer(Protocol):
    def voices(self) -> tuple[KnownVoice, ...]:
        """Names that the workers know; empty while no worker is known."""
        ...

    def open_speech(self, request: SpeechRequest) -> AbstractAsyncContextManager[SpeechStream]:
        """Leaving the context, also by cancellation, stops the synthesis in the worker. Entering raises `WorkerError`."""
        ...


@dataclass(frozen=True, slots=True)
class Said:
    """A line of a dialog, as it came over: a reply that was interrupted is what was heard of it."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Interruption:
    """The listener has interrupted the reply before, and has heard this much of it."""

    heard_text: str
    heard_ms: int


class JsonNull(Enum):
    """JSON's null where it is a value, since None means that there is no value."""

    NULL = None


DialogId = str | int | float | bool | list[object] | dict[str, object] | JsonNull
"""An agent's own name for a dialog: any JSON value. Only the agent knows what it means; it is given back as it came."""


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """One message of the user, to be answered."""

    dialog_id: DialogId | None
    """The agent's name for this dialog; None: it has none yet, and will give one if it keeps dialogs."""
    message: Mapping[str, object]
    """As the client sent it, with all of its fields; one that was spoken has `type`, `role` and `content`, too."""
    history: tuple[Said, ...] = ()
    """What was said before, oldest first, without this message."""
    interruption: Interruption | None = None
    """For an agent that keeps the dialog itself: told once, with the first message after it."""


@dataclass(frozen=True, slots=True)
class AgentEvent:
    payload: str
    """A JSON object, as text: for the client, unchanged."""
    text: str = ""
    """What of it is said to the user: the next characters of the reply, with its spaces and its markup."""
    dialog_id: DialogId | None = None
    """The agent's name for this dialog, from now on."""


@dataclass(frozen=True, slots=True)
class AgentAlive:
    """The agent is at work, and has nothing for anybody: it reasons, or keeps its line open."""


@dataclass(frozen=True, slots=True)
class AgentFault:
    """Something in the answer that cannot be used; the rest may be. Code and message as those of `AgentError`."""

    code: str
    message: str


class AgentStream(Protocol):
    async def receive(self) -> AgentEvent | AgentFault | AgentAlive | None:
        """The next event or sign of life; None at the end of the answer. Raises `AgentError` when there will be no end.

        It waits as long as the agent takes; whoever calls it bounds that. After a cancel it is not used again.
        """
        ...


class Agent(Protocol):
    @property
    def kind(self) -> Literal["embedded", "runtime", "chat"]: ...

    @property
    def keeps_dialogs(self) -> bool:
        """Whether the agent remembers a dialog by its id. Then it must not be asked in vain: it would remember that."""
        ...

    def open_turn(self, request: AgentRequest) -> AbstractAsyncContextManager[AgentStream]:
        """Ask once, never twice. Leaving the context, also by cancellation, tells the agent to stop. Entering may take as
        long as the agent does, and raises `AgentError`.
        """
        ...


class TurnDetector(Protocol):
    """Says whether somebody who has paused has finished. A model of language, or some rules."""

    async def end_of_turn(self, text: str, language: str) -> float:
        """The probability, 0 to 1, that nothing will follow `text`. `language` is BCP 47, or empty. It has 0.3 s."""
        ...


class VoiceDetector(Protocol):
    """One per session: detectors keep state."""

    @property
    def lag(self) -> int:
        """Samples by which its answers are late: the answer to a frame is about the audio so far before it. Fixed."""
        ...

    def is_speech(self, frame: bytes) -> bool:
        """20 ms at 16 kHz, 640 bytes. Called for every frame: microseconds matter."""
        ...


class Telemetry(Protocol):
    """What is counted. Labels are few and fixed: never a session id. All calls return at once and never raise."""

    def session_opened(self) -> None: ...
    def session_closed(self, reason: str, seconds: float) -> None: ...
    def session_resumed(self) -> None: ...
    def vad_event(self, kind: str) -> None: ...
    def first_partial(self, seconds: float) -> None: ...
    def final_written(self, seconds: float) -> None: ...
    def confidence(self, value: float) -> None: ...
    def hallucination_gated(self, why: str) -> None: ...
    def muted_frame(self) -> None: ...
    def force_commit(self) -> None: ...
    def worker_recovery(self) -> None: ...
    def stream_moved(self) -> None: ...
    def audio_flows_again(self, seconds: float) -> None: ...
    def audio_dropped(self, seconds: float) -> None: ...
    def rate_limited(self) -> None: ...
    def client_error(self, code: str) -> None: ...
    def segment_lost(self) -> None: ...
    def utterance(self, outcome: str) -> None: ...
    def first_speech(self, seconds: float) -> None: ...
    def agent_turn(self, outcome: str) -> None: ...
    def agent_event_unusable(self) -> None: ...
    def agent_first_text(self, seconds: float) -> None: ...
    def voice_to_voice(self, seconds: float) -> None: ...
    def barge_in(self, kind: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Ports:
    """What a session is given by the composition root."""

    recognizer: Recognizer
    synthesizer: Synthesizer
    make_detector: Callable[[str], VoiceDetector]
    telemetry: Telemetry
    agent: Agent
    turn_detector: TurnDetector
