"""What one session can be told, and the limits it lives in. Plain values, checked where they come in."""

from dataclasses import dataclass, field
from typing import Literal

from voicetrio.core import g711
from voicetrio.core.endpointing import EndpointRule
from voicetrio.core.states import StateTimeouts

SAMPLE_RATE = 16_000
"""Hertz. The rate at which sessions hear; other inputs are resampled to it."""

Sensitivity = Literal["low", "normal", "high"]
Duplex = Literal["mute", "barge_in"]
OnOff = Literal["on", "off"]
Encoding = Literal["pcm_s16le", "pcmu", "pcma"]


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How mono audio is written: 16-bit little-endian PCM at any rate, or a telephone's G.711, which has only one."""

    sample_rate: int
    """Hertz."""
    encoding: Encoding = "pcm_s16le"

    @property
    def sample_bytes(self) -> int:
        return 2 if self.encoding == "pcm_s16le" else 1

    def changed(self, sample_rate: int | None, encoding: Encoding | None) -> "AudioFormat":
        """The same with other values, None where there is none. G.711 brings its rate with it.

        Raises:
            ValueError: they do not fit together.
        """
        encoding = encoding or self.encoding
        if encoding == "pcm_s16le":
            return AudioFormat(sample_rate or self.sample_rate, encoding)
        if sample_rate not in (None, g711.RATE):
            raise ValueError(f"{encoding} comes at {g711.RATE} Hz only")
        return AudioFormat(g711.RATE, encoding)


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """The effective values of one session; a client changes them with `session.configure`."""

    language: str = ""
    """BCP 47; empty: the engine's default, or its own detection."""
    model: str = ""
    """Engine and model that hear, as in "pocketsphinx en-us"; empty: the server's default."""
    input_sample_rate: int = SAMPLE_RATE
    """Hertz, of the audio that the client sends."""
    input_encoding: Encoding = "pcm_s16le"
    output_sample_rate: int = 24_000
    """Hertz, of the speech that the client gets; from the next utterance on."""
    output_encoding: Encoding = "pcm_s16le"
    vad_sensitivity: Sensitivity = "normal"
    timeouts: StateTimeouts = field(default_factory=StateTimeouts)
    max_segment_seconds: float = 30.0
    """A longer speech is cut, without a hole: recognisers get slow and forgetful, and the ring holds 60 s."""
    hot_words: tuple[str, ...] = ()
    enable_partial_transcripts: bool = True
    interim: bool = False
    """Send the unconfirmed tail of partials too."""
    duplex: Duplex = "mute"
    barge_in_min: float = 0.5
    """Seconds of voice that interrupt: longer than a cough or an "mhm", shorter than it takes to get annoyed."""
    agent: OnOff = "off"
    """Whether what is said is asked of the agent. What is typed always is."""
    speak_replies: bool = False
    turn_min_delay: float = 0.5
    """Seconds from the end of speech to the end of the turn; `end_silence` and the recogniser's time are a part of it."""
    turn_max_delay: float = 1.5
    """The same, where it sounds as if the user will go on: a wrong guess must not annoy."""
    voice: str = ""
    """Empty: the engine's default."""

    @property
    def input_format(self) -> AudioFormat:
        return AudioFormat(self.input_sample_rate, self.input_encoding)

    @property
    def output_format(self) -> AudioFormat:
        return AudioFormat(self.output_sample_rate, self.output_encoding)

    def as_message(self) -> dict[str, object]:
        """The values as the native protocol names them; times in integer milliseconds."""
        return {
            "language": self.language,
            "model": self.model,
            "input_sample_rate": self.input_sample_rate,
            "input_encoding": self.input_encoding,
            "output_sample_rate": self.output_sample_rate,
            "output_encoding": self.output_encoding,
            "vad_sensitivity": self.vad_sensitivity,
            "init_timeout_ms": round(self.timeouts.init * 1000),
            "silence_timeout_ms": round(self.timeouts.silence * 1000),
            "hold_timeout_ms": round(self.timeouts.hold * 1000),
            "closing_timeout_ms": round(self.timeouts.closing * 1000),
            "max_segment_duration_ms": round(self.max_segment_seconds * 1000),
            "hot_words": list(self.hot_words),
            "enable_partial_transcripts": self.enable_partial_transcripts,
            "interim": self.interim,
            "duplex": self.duplex,
            "barge_in_min_ms": round(self.barge_in_min * 1000),
            "agent": self.agent,
            "speak_replies": self.speak_replies,
            "turn_min_delay_ms": round(self.turn_min_delay * 1000),
            "turn_max_delay_ms": round(self.turn_max_delay * 1000),
            "voice": self.voice,
        }


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What a session's memory, queues and patience end at. Set by the operator, not by the client."""

    pre_roll: float = 0.3
    """Seconds of audio before the detected start of speech that the recogniser gets: the detector needs about 0.1 s."""
    end_silence: float = 0.5
    """Seconds without speech that end a segment. It is a part of every answer's delay."""
    max_rate: float = 1.2
    """Times real time that a client may send audio at, over 5 s, before it is asked to slow down; `math.inf`: any."""
    max_backlog: float = 10.0
    """Seconds of audio that may wait for the worker; more is dropped, and the client is told how much."""
    resume_grace: float = 15.0
    """Seconds that a session waits for a client that has lost its connection: a phone finds another network in less."""
    min_confirm_passes: int = 2
    """Passes of an encoder-decoder engine in a row that must agree on a word before the client is told it."""
    recovery_timeout: float = 10.0
    """Seconds to find a worker that answers before the waiting audio is given up."""
    first_patience: float = 5.0
    """Seconds that a session which was never heard waits for a slot while all workers are busy, at most the
    `recovery_timeout`. Who is not heard for 5 s believes that it does not work; who was heard before has words to lose."""
    worker_silence: float = 5.0
    """Seconds that a worker which owes an answer may say nothing, not even that it is working, as it does twice a second."""
    synthesis_silence: float = 10.0
    """Seconds that a worker which speaks may give no sound: a large voice on a slow machine takes some for a sentence."""
    max_ahead: float = 10.0
    """Seconds of speech that are made, and sent, before the listener has come to them: more than a network's worst pause.
    """
    agent_silence: float = 60.0
    """Seconds that an agent may give no sign of life: a large model takes most of them to be loaded."""
    agent_answer: float = 600.0
    """Seconds that an agent may take for one answer, with all that it thinks and does for it: models that reason and agents
    that use tools take minutes, and nobody stays on the line for longer than ten."""
    max_reply_chars: int = 32_768
    """Of one reply that are spoken, about half an hour; the rest is passed on as text only."""
    max_queued_messages: int = 16
    """Messages of the user that wait for the agent: more than anybody types during one answer."""
    early_start: bool = False
    """Ask the agent before the end of the turn is certain."""
    closing_max: float = 30.0
    """Seconds after which a flush ends whatever the worker says: the slowest final of a full segment takes less."""
    max_message_bytes: int = 1_048_576
    """A message from the client; 1 s of 48 kHz PCM is 96,000 bytes, and the rest is room for text."""
    max_text_chars: int = 4096
    """Of one `tts.speak`; the limit of OpenAI's speech endpoint."""
    max_queued_utterances: int = 32
    """`tts.speak` requests that wait for their turn."""
    max_queued_events: int = 512
    """Messages that wait for a client that reads slowly; beyond, it is too slow for a live conversation."""
    max_queued_audio_bytes: int = 262_144
    """Speech that waits for the socket, about 5 s at 24 kHz, 33 s of a telephone's codes; the synthesis waits beyond."""
    max_kept_audio_bytes: int = 2_880_000
    """Speech of one utterance that was made and is kept until it was played: a minute at 24 kHz. What is made ahead of the
    listener, `max_ahead` and a piece of text, is less than half of it; only within longer texts the synthesis waits."""
    send_stall: float = 20.0
    """Seconds that one send may take before the connection is taken for dead."""
    farewell: float = 2.0
    """Seconds to deliver the last messages of a session that has ended."""


_START_FRAMES: dict[Sensitivity, tuple[int, int]] = {"low": (6, 8), "normal": (4, 6), "high": (3, 5)}
"""Voiced frames wanted, among so many. Low needs 120 ms of speech in 160 ms, high 60 ms in 100 ms."""


def endpoint_rule(sensitivity: Sensitivity, end_silence: float) -> EndpointRule:
    """The endpointing of a session; `end_silence` in seconds."""
    voiced, window = _START_FRAMES[sensitivity]
    end_window = max(5, round(end_silence / 0.02))
    return EndpointRule(start_voiced=voiced, start_window=window, end_window=end_window, end_voiced=end_window // 12)
