"""What an engine has to be. Plain synchronous calls: an engine knows no trio, no gRPC, no slots and no other engine.

An engine that hears is opened once per process and hosts several streams; calls never overlap, whatever the stream.
Engines run in processes of their own, unless their entry says that they need not. A call there may take long as long as it
works: one that neither uses the processor nor returns for 5 s counts as hung, and so does one that has not returned in 30.
One that is quicker for many streams at once than for one after the other is a `BatchedHearing`.
An engine that speaks is asked for one piece of text at a time, and hands out audio while it makes it.
Audio is 16-bit little-endian mono PCM; positions are samples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from voicetrio.core.hypothesis import Architecture, Hypothesis
from voicetrio.core.playback import WordMark

Device = Literal["auto", "cuda", "cpu"]
"""auto: CUDA where there is some."""

EngineOptions = Mapping[str, str | int | float | bool]
"""Settings that only one engine has, by the engine's own names."""


@dataclass(frozen=True, slots=True)
class HearingSetup:
    """What an engine that hears is loaded with. The settings of the same names are in the section [stt].

    An engine that does not know an option says so with a `SetupError` that names `stt.options`.
    """

    model: str = ""
    """A folder, or a name that the engine can find; empty: the model that comes with the engine."""
    device: Device = "auto"
    compute_type: str = "auto"
    """How the model counts, by the engine's own names, such as "int8"; auto: what suits the device."""
    threads: int = 0
    """CPU threads; 0: the engine chooses."""
    options: EngineOptions = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpeakingSetup:
    """What an engine that speaks is loaded with. The settings of the same names are in the section [tts]."""

    voice: str = ""
    """The voice of requests that name none; empty: the engine's own default."""
    model: str = ""
    """A folder of voices, or what else the engine speaks with; empty: what comes with the engine."""
    device: Device = "auto"
    options: EngineOptions = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HearingDescription:
    engine: str
    model: str
    """For people: the model's name, never a path with somebody's home in it."""
    architecture: Architecture
    languages: tuple[str, ...]
    """BCP 47 primary tags; the first is the default."""
    sample_rate: int
    """Hertz that audio has to come at."""


@dataclass(frozen=True, slots=True)
class HearingFacts:
    """What is known of an engine that hears before its model is loaded. For `check_hearing` of an engine's module."""

    model: str
    """As in its description."""
    languages: tuple[str, ...] | None = None
    """As in its description; None: known once it is loaded."""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a stream is opened with."""

    session_id: str
    """For logs."""
    language: str
    """A BCP 47 tag; empty: the engine's default."""
    hot_words: tuple[str, ...] = ()
    partials: bool = True
    alone: bool = False
    """Whether its audio may have crashed an engine before: it is then decoded when nothing else is. For hosts, not for
    engines."""


class HearingStream(Protocol):
    """One session's audio. The caller sees to it that a segment's audio is contiguous and that segments only go on."""

    def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        """Called before a segment's first audio, if the client said what came before it. Quick: nothing to decode yet.

        `initial_prompt` is plain text, of up to `core.prompt.PROMPT_CHARACTERS_MAX` characters. An engine with a prompt
        cuts it with its own tokenizer to its last `core.prompt.PROMPT_TOKENS` tokens, uses it in every pass over this
        segment, and forgets it with the segment's end. All other engines ignore it.
        """
        ...

    def accept(self, segment_id: int, start_sample: int, pcm: bytes) -> Hypothesis | None:
        """Take some audio of a segment; a partial, if there is something new to say.

        An encoder-decoder engine's partial is the outcome of one new pass over the whole segment so far, has no stable
        words, and is never said twice: the session counts the passes that agree.

        Raises:
            WorkerRejected: the segment is longer than the engine can take.
        """
        ...

    def end_segment(self, segment_id: int, end_sample: int) -> Hypothesis:
        """The final for what was accepted of this segment: it depends on that audio and the segment's own prompt alone.

        A segment of which nothing was accepted has no words.
        """
        ...

    def close(self) -> None:
        """Give back what the stream holds; legal in mid-segment, and the last call."""
        ...


class HearingEngine(Protocol):
    @property
    def description(self) -> HearingDescription: ...

    def open(self, options: StreamOptions) -> HearingStream:
        """Raises:
        WorkerRejected: the language is not one of the description's.
        """
        ...


class BatchedStream(HearingStream, Protocol):
    """A stream that can take audio without decoding it. `accept` is `feed`, a run if one is due, and `take`;
    `end_segment` is `finish`, a run, and `take`.
    """

    def feed(self, segment_id: int, start_sample: int, pcm: bytes) -> None:
        """As `accept`, without its answer. Quick: what is decoded is decoded in a run."""
        ...

    def finish(self, segment_id: int, end_sample: int) -> None:
        """As `end_segment`, without its answer: some later run makes the final."""
        ...

    def take(self) -> Hypothesis | None:
        """What runs have made since the last `take`: the final once a finished segment has it, else the newest partial,
        else None.

        Raises:
            Exception: the engine failed on this stream. Other streams are not concerned.
        """
        ...


@runtime_checkable
class BatchedHearing(Protocol):
    """A `HearingEngine` whose streams are `BatchedStream`s."""

    @property
    def description(self) -> HearingDescription: ...

    def open(self, options: StreamOptions) -> BatchedStream:
        """As `HearingEngine.open`."""
        ...

    @property
    def has_work(self) -> bool:
        """Whether `run` would decode something now. Only audio and ends can make it true, never time alone."""
        ...

    def run(self) -> None:
        """One pass of the model over streams that have work, those that wait longest first; which ones, and how many, is
        the engine's choice. A stream's failure is told by its `take`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Voice:
    name: str
    language: str
    """BCP 47, such as "en-gb"."""
    also: tuple[str, ...] = ()
    """Other tags by which it may be asked for."""


@dataclass(frozen=True, slots=True)
class SpeakingDescription:
    engine: str
    voices: tuple[Voice, ...]
    default_voice: str
    sample_rate: int
    """Hertz of the audio that is made."""
    word_marks: bool


@dataclass(frozen=True, slots=True)
class SpokenChunk:
    """Some audio of a piece, and the marks that became known with it.

    Marks count text and samples from the beginning of the piece.
    """

    pcm: bytes
    marks: tuple[WordMark, ...] = ()


@dataclass(frozen=True, slots=True)
class PieceRequest:
    text: str
    voice: str
    """A name that `resolve_voice` gave."""
    speed: float
    """1.0 is the voice's own pace."""
    pause_after: bool
    """Whether the piece ends where a speaker would pause."""


class SpeakingEngine(Protocol):
    @property
    def description(self) -> SpeakingDescription: ...

    def resolve_voice(self, wanted: str) -> str:
        """The engine's name for a voice asked for by name or by language; empty: the default.

        Raises:
            WorkerRejected: there is no such voice.
        """
        ...

    def speak(self, request: PieceRequest, emit: Callable[[SpokenChunk], None]) -> None:
        """Call `emit` with each chunk as it is made. Runs in a thread; calls never overlap.

        Raises:
            WorkerUnavailable: the engine failed.
            Anything that `emit` raised, soon: nothing more is made then.
        """
        ...
