"""What the operator can set: the sections and their keys, each with its type, its default and its bounds."""

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from voicetrio.core.backpressure import MIN_MAX_RATE
from voicetrio.core.config import SAMPLE_RATE, Duplex, OnOff, Sensitivity, SessionConfig, SessionLimits
from voicetrio.core.recovery_budget import MARGIN, RecoveryBudget
from voicetrio.core.ring import CAPACITY_SAMPLES
from voicetrio.core.states import StateTimeouts
from voicetrio.settings.addresses import check_host, check_http_url, check_language, check_origin
from voicetrio.settings.livekit import LiveKitSettings
from voicetrio.settings.section import Section, check_key_file, is_printable, refuse_combination, refuse_two_places

DEFAULT_INSTRUCTIONS = (
    "You are talking with somebody by voice. What they say comes from speech recognition and may be misheard; what you "
    "write is spoken aloud. Answer in a few short sentences, in their language, without lists, headings or code."
)

RING_SECONDS = CAPACITY_SAMPLES / SAMPLE_RATE

_ROUNDING = 1e-6
"""Seconds, of sums of numbers with decimals."""

_CLOSING_MAX = SessionLimits().closing_max
_LAST_FINAL = 15.0
"""Seconds that the flush of a closing session may go on beyond a frozen worker and the search for another one: 5 s to open
the stream, and 10 s to hear a full segment again."""


def _check_address(address: str, least_port: int) -> str:
    if address.startswith("unix:"):
        # A relative path would mean another socket for each folder that a command is started in.
        sound = address.removeprefix("unix:").strip("/") != "" and address.startswith("unix:/")
    else:
        host, _, port = address.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        sound = (
            bool(host.strip("[]"))
            and not any(char.isspace() or char == "/" for char in host)
            and (bracketed or ":" not in host)  # `::1:50051` can be read in two ways
            and port.isascii()
            and port.isdigit()
            and len(port) <= 5
            and least_port <= int(port) <= 65535
        )
    if not sound:
        raise PydanticCustomError("address", "must be host:port, [IPv6 address]:port or unix:/path")
    return address


def _is_admin_key(key: str) -> bool:
    """Whether it can be sent in a header, and is long enough not to be found by trying."""
    return len(key) >= 16 and is_printable(key)


_ADMIN_KEY_FAULT = "must be 16 or more characters of printable ASCII without spaces: it opens the operator's page"


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]
Device = Literal["auto", "cuda", "cpu"]
EngineOptions = dict[str, str | int | float | bool]
RemoteAddress = Annotated[str, AfterValidator(lambda address: _check_address(address, 1))]
ListenAddress = Annotated[str, AfterValidator(lambda address: _check_address(address, 0))]


class ServerSettings(Section):
    """Where clients connect, and how many."""

    host: Annotated[str, AfterValidator(check_host)] = "127.0.0.1"
    """Address to listen on. Only this machine by default: there is no authentication yet."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """TCP port; 0 takes any free one, for tests and embedded servers."""
    allowed_origins: Annotated[tuple[Annotated[str, AfterValidator(check_origin)], ...], Field(strict=False)] = ()
    """Web pages of other servers that may open sessions, such as `https://example.org`; `*` for all. Browsers let any
    page reach this machine's loopback, so only the server's own pages may by default."""
    max_sessions: Count = 200
    """Sessions at once; the next is refused. Each keeps 1.9 MB for its ring and may ask for a worker's slot."""
    max_sessions_per_address: Count = 100
    """Of them, with clients at one address; the next from there is refused. Half of the places: an office behind one
    address fits, and no address keeps everybody else out. Behind a proxy all have the proxy's address."""
    ping_interval: Annotated[float, Field(ge=1, le=300, allow_inf_nan=False)] = 10.0
    """Seconds between two pings on a WebSocket: well below the minute after which proxies cut silent connections."""
    pong_timeout: Annotated[float, Field(ge=1, le=300, allow_inf_nan=False)] = 15.0
    """Seconds that a client may give no sign of life after a ping, not a single byte, before its connection is taken for
    lost and the session waits for it. Longer than a mobile network's worst pause, so that it is not cut in one."""
    shutdown_grace: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5.0
    """Seconds that sessions may take at SIGTERM to finish what was said, and to say goodbye: half of what container runtimes
    wait before SIGKILL."""
    admin_key: str = ""
    """What opens the operator's page, /sessions; empty: nothing does. At least 16 characters, better random ones, and
    better from the environment or a file."""
    admin_key_file: str = ""
    """A file that holds the key, as secrets are mounted in containers."""

    @field_validator("admin_key")
    @classmethod
    def _is_hard_to_guess(cls, value: str) -> str:
        if value and not _is_admin_key(value):
            raise PydanticCustomError("admin_key", _ADMIN_KEY_FAULT)
        return value

    @field_validator("admin_key_file")
    @classmethod
    def _holds_an_admin_key(cls, value: str) -> str:
        def check(key: str) -> None:
            if not _is_admin_key(key):
                raise PydanticCustomError("admin_key_file", f"the key in it {_ADMIN_KEY_FAULT}")

        return check_key_file(value, check)

    @model_validator(mode="after")
    def _keep_the_admin_key_in_one_place(self) -> "ServerSettings":
        refuse_two_places(self, "server", "admin_key")
        return self


class SessionSettings(Section):
    """What a session starts with, of which a client may change some, and the limits it lives in."""

    init_timeout: Seconds = 30.0
    """Seconds without any speech after the start: nobody is there."""
    silence_timeout: Seconds = 30.0
    """Seconds of a pause after which the worker's slot goes to somebody else."""
    hold_timeout: Seconds = 300.0
    """Seconds idle after that until the session ends: long enough to come back from the door."""
    closing_timeout: Seconds = 2.0
    """Seconds without progress after which a closing session asks another worker for its last final."""
    max_segment: Annotated[float, Field(ge=1, le=50, allow_inf_nan=False)] = 30.0
    """Seconds. Longer speech is cut, without a hole: recognisers get slow and forgetful, and the ring ends at 60 s."""
    pre_roll: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.3
    """Seconds before the detected start of speech that the recogniser gets too: the detector needs about 0.1 s. At
    most 1 s, the shortest segment: one must not be full before it begins."""
    end_silence: Annotated[float, Field(ge=0.1, le=5, allow_inf_nan=False)] = 0.5
    """Seconds without speech that end a segment. Shorter cuts sentences, longer is felt as delay in every answer."""
    max_rate: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.2
    """Times real time that audio may come at, over 5 s, before its client is asked to slow down; 0: no limit, else 1.1
    or more, so that live audio passes after a hiccup of the network. What is transcribed from files may be quicker."""
    max_backlog: Seconds = 10.0
    """Seconds of audio that may wait for the worker. From half of it on, clients are asked to pause; more is dropped."""
    resume_grace: Annotated[float, Field(ge=0, le=300, allow_inf_nan=False)] = 15.0
    """Seconds that a session waits for a client that has lost its connection; 0: not at all. It keeps its place."""
    min_confirm_passes: Annotated[int, Field(ge=1, le=10)] = 2
    """Passes in a row of an encoder-decoder engine that must agree on a word before the client is told it."""
    recovery_timeout: Seconds = 10.0
    """Seconds to find a worker that answers before the waiting audio is given up. Long enough for a local worker to be
    started again: see workers.restart_budget."""
    max_message_bytes: Annotated[int, Field(ge=1024)] = 1_048_576
    """Bytes of one message from a client; 1 s of 48 kHz PCM is 96,000, and the rest is room for text. No less than
    1 KiB: a frame of 20 ms has 640 bytes."""
    max_text_chars: Count = 4096
    """Characters of one text to speak: the limit of OpenAI's speech endpoint."""
    max_queued_utterances: Count = 32
    """Texts of one session that wait to be spoken: minutes of speech, more than a live conversation needs."""
    vad: Literal["webrtc", "silero"] = "webrtc"
    """Which voice detector: webrtc costs next to nothing and needs nothing; silero is a neural network that noise and
    music fool less, and needs the extra silero, see docs/vad.md."""
    vad_sensitivity: Sensitivity = "normal"
    """How much voice starts speech: low needs 120 ms in 160 ms, normal 80 in 120, high 60 in 100."""
    agent: OnOff = "off"
    """Whether what is said is asked of the agent, from the start; clients may choose. What is typed always is."""
    speak_replies: bool = False
    """Whether the agent's replies are spoken, from the start; clients may choose."""
    turn_min_delay: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.5
    """Seconds from the end of speech to the end of the turn; end_silence and the recogniser's time are a part of it."""
    turn_max_delay: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 1.5
    """The same, where the turn detector thinks that the user will go on."""
    turn_detector: Literal["words", "none"] = "words"
    """Whether a pause is the end of a turn: words knows what no English sentence ends with; none always takes the minimum
    delay."""
    early_start: bool = False
    """Ask the agent as soon as there is a final, and forget its answer if the user goes on. Shorter answers by up to
    turn_min_delay, more work for the agent; not for agents that remember what they were asked."""
    barge_in_min: Annotated[float, Field(ge=0.06, le=10, allow_inf_nan=False)] = 0.5
    """Seconds of voice that interrupt an answer: longer than a cough or an "mhm"."""
    duplex: Duplex = "mute"
    """While the server speaks: mute does not listen, so that it never hears itself; barge_in lets a speaker interrupt,
    and needs clients that cancel echo."""
    language: Annotated[str, AfterValidator(check_language)] = ""
    """BCP 47, such as "en"; empty leaves it to the engine."""
    model: str = ""
    """Who hears sessions that do not choose: an engine, a model, or both ("sherpa-onnx tiny"); empty: the engine and the
    model of the first worker that hears. A session stays with its choice: models are not mixed."""

    @field_validator("max_rate")
    @classmethod
    def _let_live_audio_pass(cls, value: float) -> float:
        if 0 < value < MIN_MAX_RATE:
            raise PydanticCustomError("max_rate", "must be 0 or at least {least}", {"least": f"{MIN_MAX_RATE:g}"})
        return value

    @model_validator(mode="after")
    def _fit_the_ring(self) -> "SessionSettings":
        """A segment is replayed from the ring, after a backlog at worst: both must be in it at once."""
        if self.max_segment + self.max_backlog >= RING_SECONDS:
            text = (
                f"max_segment and max_backlog must be less than {RING_SECONDS:g} s together: "
                "the ring buffer holds no more"
            )
            refuse_combination(text, ("session", "max_segment"), ("session", "max_backlog"))
        return self


class SttSettings(Section):
    """How the embedded worker, or this one, hears."""

    engine: Name = "pocketsphinx"
    """Which recogniser; "none": this worker does not hear. The default needs no download and no GPU."""
    model: str = ""
    """Folder of the engine's model, or a name that the engine can find; empty: the model that comes with the engine."""
    device: Device = "auto"
    """Where models run that can run on a GPU; auto: on CUDA where there is some."""
    compute_type: Name = "auto"
    """How such a model counts, by the engine's own names, such as int8 or float16; auto: what suits the device."""
    threads: Annotated[int, Field(ge=0, le=256)] = 0
    """CPU threads of an engine process; 0: the engine chooses."""
    options: EngineOptions = Field(default_factory=dict)
    """Settings that only this engine has, by its own names; see docs/engines.md."""
    slots: Count = 16
    """Recogniser streams at once, one per session that is not on hold; the next is refused. Each costs
    memory in an engine process."""
    processes: Annotated[int, Field(ge=0)] = 0
    """Engine processes to decode in, never more than slots; each loads the model. 0: one per CPU core, or a single one
    for engines that serve all streams together."""


class TtsSettings(Section):
    """How the embedded worker, or this one, speaks."""

    engine: Name = "espeak-ng"
    """Which synthesiser; "none": this worker does not speak. The default needs no download and no GPU."""
    voice: str = ""
    """The voice of requests that name none; empty: the engine's own default."""
    model: str = ""
    """Folder of the engine's voices; empty: those that come with the engine."""
    device: Device = "auto"
    """Where voices run that can run on a GPU; auto: on CUDA where there is some."""
    options: EngineOptions = Field(default_factory=dict)
    """Settings that only this engine has, by its own names; see docs/engines.md."""
    slots: Count = 8
    """Texts being spoken at once; the next is refused. Synthesis is faster than speech: few are enough."""
    sample_rate: Annotated[int, Field(ge=8000, le=48000)] = 24_000
    """Hertz of the speech that clients get, from a telephone's to a studio's; 24 kHz is what neural voices give."""


class AgentSettings(Section):
    """Who thinks of an answer."""

    kind: Literal["embedded", "runtime", "chat"] = "embedded"
    """embedded: a small one for trying things out, which needs nothing. runtime: a service that keeps dialogs and answers
    with server-sent events. chat: any server with OpenAI's chat completions."""
    url: Annotated[str, AfterValidator(check_http_url)] = ""
    """Of the runtime, to which /agent/message/stream is added, or of the chat API, to which /chat/completions is."""
    api_key: str = ""
    """The runtime's X-Internal-Auth, or the chat API's bearer token; empty: none is sent. Better from the environment or
    a file."""
    api_key_file: str = ""
    """A file that holds the key, as secrets are mounted in containers."""
    model: str = ""
    """Of the chat API."""
    instructions: str = DEFAULT_INSTRUCTIONS
    """What the chat model is told before everything else; empty: nothing."""
    connect_timeout: Seconds = 5.0
    """Seconds to reach it: beyond that nobody is there."""
    silence_timeout: Seconds = 60.0
    """Seconds without a sign of life in the middle of a turn: a large model takes most of them to be loaded. Reasoning,
    comments and whatever else comes are signs of life."""
    answer_timeout: Seconds = 600.0
    """Seconds that one answer may take with all that is thought and done for it: models that reason and agents that use
    tools take minutes, and nobody stays on the line for longer than ten."""
    max_event_bytes: Annotated[int, Field(ge=1024, le=16_777_216)] = 1_048_576
    """Bytes of one event; longer ones end the turn. No client could be sent them."""
    max_answer_events: Annotated[int, Field(ge=16, le=16_777_216)] = 131_072
    """Events of one answer, reasoning included: a model that writes 200 tokens a second does not come to it within
    answer_timeout."""
    max_answer_bytes: Annotated[int, Field(ge=1024, le=4_294_967_296)] = 67_108_864
    """Bytes of one answer, whatever they are: as many events as that of 512 bytes, twice what a chat server takes for a
    token. Not less than max_event_bytes."""
    max_reply_chars: Count = 32_768
    """Characters of one reply that are spoken, about half an hour; the rest is passed on as text only."""

    @field_validator("api_key")
    @classmethod
    def _is_a_header(cls, value: str) -> str:
        if not is_printable(value):
            raise PydanticCustomError("api_key", "must be printable ASCII without spaces: it is sent in a header")
        return value

    @field_validator("api_key_file")
    @classmethod
    def _holds_a_key(cls, value: str) -> str:
        def check(key: str) -> None:
            if not key or not is_printable(key):
                raise PydanticCustomError("api_key_file", "must hold one line of printable ASCII without spaces")

        return check_key_file(value, check)

    @model_validator(mode="after")
    def _fit_the_kind(self) -> "AgentSettings":
        wanted: tuple[str, ...] = {"embedded": (), "runtime": ("url",), "chat": ("url", "model")}[self.kind]
        missing = [name for name in wanted if not getattr(self, name)]
        if missing:
            text = f'kind = "{self.kind}" needs {" and ".join(missing)}'
            refuse_combination(text, *(("agent", name) for name in ("kind", *missing)))
        refuse_two_places(self, "agent", "api_key")
        added = {"embedded": "", "runtime": "/agent/message/stream", "chat": "/chat/completions"}[self.kind]
        if added and self.url.endswith(added):
            refuse_combination(f"url must not end with {added}: it is added to it", ("agent", "url"))
        return self

    @model_validator(mode="after")
    def _let_the_parts_fit_the_whole(self) -> "AgentSettings":
        for part, whole in (("silence_timeout", "answer_timeout"), ("max_event_bytes", "max_answer_bytes")):
            if getattr(self, whole) < getattr(self, part):
                refuse_combination(f"{whole} must not be less than {part}", ("agent", part), ("agent", whole))
        return self


class WorkersSettings(Section):
    """Where the server finds those that hear and speak."""

    local: bool = True
    """Start a worker as a child process: one command is a whole server."""
    # TOML knows arrays only; a tuple cannot be changed later. The strings in it stay strict.
    addresses: Annotated[tuple[RemoteAddress, ...], Field(strict=False)] = ()
    """Workers that run elsewhere, as "host:port" or "unix:/path"."""
    more: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Files, each of which describes one more child process by its sections [stt] and [tts]. The environment does not
    count there: it would make all workers the same."""
    start_timeout: Seconds = 50.0
    """Seconds for local workers to load their models: large ones from a slow disk take most of a minute. One that takes
    longer is killed."""
    restart_budget: Seconds = 5.0
    """Seconds in which a local worker should be ready after its start, with its models, so that no session that waits for it
    loses a word: health_interval + restart_backoff_max + restart_budget + 1 s must fit into session.recovery_timeout. Each
    start is measured, and one that takes longer is a warning in the log. The models that come along take 1 to 3 s."""
    health_interval: Seconds = 1.0
    """Seconds between two questions for a worker's health: a dead one is found soon, and the questions cost nothing."""
    health_timeout: Seconds = 5.0
    """Seconds without any answer after which a worker is taken for frozen: more than a busy worker's worst pause. Its
    streams are broken off then, and a local one is killed. A session that is owed an answer waits for it as long."""
    restart_backoff_max: Seconds = 2.0
    """Seconds at most before a local worker that died is started again: no busy loop, and sessions wait for it."""

    @property
    def recovery(self) -> RecoveryBudget:
        """What a worker's freeze costs in time, at most."""
        restarts = self.local or bool(self.more)
        return RecoveryBudget(
            health_interval=self.health_interval,
            health_timeout=self.health_timeout,
            restart_delay=self.restart_backoff_max if restarts else 0.0,
            restart_budget=self.restart_budget if restarts else 0.0,
        )

    @model_validator(mode="after")
    def _name_a_worker(self) -> "WorkersSettings":
        if not self.local and not self.addresses and not self.more:
            text = "local = false needs addresses or more: without any of them there is no worker"
            refuse_combination(text, ("workers", "local"), ("workers", "addresses"), ("workers", "more"))
        if len(set(self.addresses)) < len(self.addresses):
            refuse_combination("addresses has one twice: its slots would be counted twice", ("workers", "addresses"))
        return self


class WorkerSettings(Section):
    """The command `voicetrio worker`, which serves other machines' sessions with the engines of [stt] and [tts]."""

    listen: ListenAddress = "127.0.0.1:50051"
    """`host:port` (port 0: any free one) or `unix:/path`. There is no authentication: give it only to addresses that
    none but servers can reach."""
    drain_timeout: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 20.0
    """Seconds after SIGTERM in which what is being heard and spoken is finished, or moved to other workers, and then cut.
    Less than the 30 s that container runtimes wait before SIGKILL."""
    environment: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Names of environment variables that engines need, beyond those that are known. Of this server's own, workers and
    engine processes get what interpreters, devices and our engines need, and no keys; other packages' engines get what
    does not look like a secret."""


class LogSettings(Section):
    """What the server tells of itself, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important kind that is written: info has a few lines per session; debug has
    also its states, speech, segments, worker streams, turns and utterances, some lines for each sentence."""
    format: Literal["auto", "console", "json"] = "auto"
    """auto: console (for people) on a terminal, else json (for collectors)."""


class Settings(Section):
    """All sections. Made by `load_settings`."""

    server: ServerSettings = Field(default_factory=ServerSettings)
    session: SessionSettings = Field(default_factory=SessionSettings)
    stt: SttSettings = Field(default_factory=SttSettings)
    tts: TtsSettings = Field(default_factory=TtsSettings)
    agent: AgentSettings = Field(default_factory=AgentSettings)
    livekit: LiveKitSettings = Field(default_factory=LiveKitSettings)
    workers: WorkersSettings = Field(default_factory=WorkersSettings)
    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @model_validator(mode="after")
    def _take_back_only_what_can_be(self) -> "Settings":
        if self.session.early_start and self.agent.kind == "runtime":
            text = (
                "early_start is not possible with a runtime: it would remember questions that were taken back. "
                'Leave it off, or use kind = "chat"'
            )
            refuse_combination(text, ("session", "early_start"), ("agent", "kind"))
        if self.session.turn_max_delay < self.session.turn_min_delay:
            text = "turn_max_delay must not be less than turn_min_delay"
            refuse_combination(text, ("session", "turn_min_delay"), ("session", "turn_max_delay"))
        return self

    @model_validator(mode="after")
    def _outlast_a_frozen_worker(self) -> "Settings":
        """No session may give up before a worker that has frozen or died can be replaced."""
        workers, budget, patience = self.workers, self.workers.recovery, self.session.recovery_timeout
        terms = {"health_interval": workers.health_interval}
        if budget.restart_budget > 0:
            terms |= {"restart_backoff_max": workers.restart_backoff_max, "restart_budget": workers.restart_budget}
        keys = tuple(("workers", name) for name in terms)
        if budget.needs > patience + _ROUNDING:
            told = " + ".join(f"workers.{name} ({seconds:g})" for name, seconds in terms.items())
            text = (
                f"{told} + {MARGIN:g} s = {budget.needs:g} s must not be more than session.recovery_timeout "
                f"({patience:g}): sessions would give up before a frozen worker is replaced, and lose what was said"
            )
            refuse_combination(text, *keys, ("session", "recovery_timeout"))
        if budget.outage + self.session.max_segment > RING_SECONDS + _ROUNDING:
            terms = {"health_timeout": workers.health_timeout, **terms}
            told = " + ".join(f"workers.{name} ({seconds:g})" for name, seconds in terms.items())
            text = (
                f"session.max_segment ({self.session.max_segment:g}) + {told} + {MARGIN:g} s must not be more than "
                f"{RING_SECONDS:g} s, which is what the ring buffer holds: while a frozen worker is replaced, what is said "
                "waits there with the segment that was open"
            )
            refuse_combination(text, ("session", "max_segment"), ("workers", "health_timeout"), *keys)
        return self

    def session_config(self) -> SessionConfig:
        """What a session starts with."""
        session = self.session
        return SessionConfig(
            language=session.language,
            vad_sensitivity=session.vad_sensitivity,
            timeouts=StateTimeouts(
                init=session.init_timeout,
                silence=session.silence_timeout,
                hold=session.hold_timeout,
                closing=session.closing_timeout,
            ),
            max_segment_seconds=session.max_segment,
            duplex=session.duplex,
            barge_in_min=session.barge_in_min,
            agent=session.agent,
            speak_replies=session.speak_replies,
            output_sample_rate=self.tts.sample_rate,
            turn_min_delay=session.turn_min_delay,
            turn_max_delay=session.turn_max_delay,
            voice=self.tts.voice,
        )

    def session_limits(self) -> SessionLimits:
        """What no client can change. Limits that are no setting keep their defaults."""
        session = self.session
        return SessionLimits(
            pre_roll=session.pre_roll,
            end_silence=session.end_silence,
            max_rate=session.max_rate or math.inf,
            max_backlog=session.max_backlog,
            resume_grace=session.resume_grace,
            min_confirm_passes=session.min_confirm_passes,
            recovery_timeout=session.recovery_timeout,
            worker_silence=self.workers.health_timeout,
            closing_max=max(_CLOSING_MAX, self.workers.health_timeout + session.recovery_timeout + _LAST_FINAL),
            max_message_bytes=session.max_message_bytes,
            max_text_chars=session.max_text_chars,
            max_queued_utterances=session.max_queued_utterances,
            agent_silence=self.agent.silence_timeout,
            agent_answer=self.agent.answer_timeout,
            max_reply_chars=self.agent.max_reply_chars,
            early_start=session.early_start,
        )
