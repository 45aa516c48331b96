"""The table: every engine that is registered, what it is loaded with, what it is given to hear, and what it should hear.

The contract's tests run over these rows. `test_table` fails when an engine is registered and is not in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

from voicetrio.core.hypothesis import Architecture
from voicetrio.worker.engines.contract import HearingSetup, SpeakingSetup
from voicetrio.worker.engines.instant import WORD_BYTES, word_for
from voicetrio.worker.engines.registry import EngineEntry

from .material import RECORDINGS, Recording, dialled, read_recordings, trimmed

MODELS = Path(__file__).parents[1] / "models"
PIPER = str(MODELS / "piper")
COMMANDS = (
    "seen02.wav",
    "seen03.wav",
    "seen05.wav",
    "seen06.wav",
    "seen08.wav",
    "unseen03.wav",
    "unseen06.wav",
    "short02.wav",
)
"""Short ones, that both tiny models hear well."""


def english() -> list[Recording]:
    """From 0.3 s before their speech to 0.5 s after it, as a session would send them: the three shortest."""
    recordings = [trimmed(recording, 0.3, 0.7) for recording in read_recordings(RECORDINGS / "english")]
    return sorted(recordings, key=lambda recording: len(recording.pcm))[:3]


def checksums() -> list[Recording]:
    """What `instant` hears in the English ones."""
    return [Recording(recording.name, recording.pcm, checksums_of(recording.pcm)) for recording in english()]


def checksums_of(pcm: bytes) -> str:
    return " ".join(
        word_for(place, pcm[at : at + WORD_BYTES]) for place, at in enumerate(range(0, len(pcm), WORD_BYTES))
    )


def commands(column: str) -> Callable[[], list[Recording]]:
    return lambda: read_recordings(RECORDINGS / "commands", column, COMMANDS)


def telephone() -> list[Recording]:
    keys = ("one two three four", "five six seven eight", "nine star zero pound", "two two two", "eight zero one zero")
    return [dialled(row) for row in keys]


@dataclass(frozen=True, slots=True)
class HearingCase:
    name: str
    recordings: Callable[[], list[Recording]]
    """Three or more, and what the engine hears in them."""
    setup: HearingSetup = field(default_factory=HearingSetup)
    architecture: Architecture | None = "streaming"
    """None: nobody knows before it is loaded."""
    word_error_rate: float = 0.0
    """At most, over all recordings: 0.1 is one word in ten."""
    silent_on: frozenset[str] = frozenset({"silence", "noise"})
    """In what it has to hear no word."""
    has_model: bool = False
    """Whether `stt.model` can be wrong."""
    imports: str = ""
    """The package without which it cannot be loaded; "": none that is not voicetrio's own."""
    slow: bool = False
    long_partials: bool = True
    """Whether half a minute is heard with partials, too. Not where that is one more decoding, and a slow one."""
    hosted: bool = True
    """Whether it is called through the host's loop, too."""


@dataclass(frozen=True, slots=True)
class SpeakingCase:
    name: str
    setup: SpeakingSetup = field(default_factory=SpeakingSetup)
    exact: bool = True
    """Whether the same text gives the same audio."""
    speed_tolerance: float = 0.15
    """How far the length of slower and quicker speech may be from what the speed says, as a part of it."""
    has_model: bool = False
    """Whether `tts.model` can be wrong."""
    imports: str = ""
    slow: bool = False


HEARING_CASES = [
    HearingCase("instant", checksums, silent_on=frozenset()),
    HearingCase("batched", checksums, architecture="ctc", silent_on=frozenset()),
    HearingCase("touch-tones", telephone),
    HearingCase(
        "pocketsphinx",
        english,
        silent_on=frozenset({"silence"}),  # Its decoder finds words in noise: the detector's gate is before it.
        has_model=True,
        imports="pocketsphinx",
        slow=True,
        long_partials=False,
        hosted=False,  # One at a time, as it is called plainly; its own tests run it in its processes.
    ),
    HearingCase(
        "faster-whisper",
        commands("whisper"),
        HearingSetup(str(MODELS / "tiny-whisper-en"), "cpu", "int8", 1, {"temperatures": "0"}),  # Others are dice.
        "encoder-decoder",
        word_error_rate=0.15,
        has_model=True,
        imports="ctranslate2",
        slow=True,
    ),
    HearingCase(
        "sherpa-onnx",
        commands("ctc"),
        HearingSetup(str(MODELS / "tiny-wenet-ctc"), "cpu", threads=1),
        "ctc",
        word_error_rate=0.15,
        has_model=True,
        imports="sherpa_onnx",
    ),
]

SPEAKING_CASES = [
    SpeakingCase("instant"),
    SpeakingCase("espeak-ng", exact=False, imports="espeakng_loader"),  # Its voices tremble a little, by dice.
    # A voice with word marks, and one without.
    SpeakingCase(
        "piper", SpeakingSetup("en_GB-timed-medium", PIPER, "cpu"), exact=False, has_model=True, imports="piper"
    ),
    SpeakingCase(
        "piper", SpeakingSetup("en_US-tone-medium", PIPER, "cpu"), exact=False, has_model=True, imports="piper"
    ),
]


def registered(ours: Mapping[str, EngineEntry], group: str) -> set[str]:
    """All names of engines: our own, and those of the packages that are installed."""
    return {*ours, *entry_points(group=group).names}
