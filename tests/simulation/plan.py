"""What will happen in one run, as plain data that can be printed. Made by `planner`, carried out by the actors."""

from dataclasses import dataclass, field, fields, is_dataclass

GENTLE = "gentle"
"""Nobody breaks a limit: every word must arrive, and there is no `error` at all."""
WILD = "wild"
"""Anything goes: words may be missing where the session has said so, and only there."""


FREEZE_NOTICED = 6.0
"""Seconds from a freeze until its streams are broken off, and its process killed: an interval of health checks, and their
timeout."""


@dataclass(frozen=True, slots=True)
class Outage:
    at: float
    """Seconds from the start of the run."""
    kind: str
    """`crash` (streams break, nobody answers), `hang` (audio is taken, nothing is said), `stuck` (nothing is taken
    either), `refuse` (no new stream), `drain` (no new stream, and at the end those that are left are cut), `engine` (the
    engine's process hangs in native code, and is killed and started again at the end), `freeze` (as `hang`, and health
    checks are not answered: `FREEZE_NOTICED` later it is a crash, if it goes on for so long; else what it had to say comes
    late)."""
    seconds: float


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    slots: int
    architecture: str
    """`streaming`, `ctc` or `encoder-decoder`."""
    outages: tuple[Outage, ...]
    opening: float
    """Seconds until a stream is open."""
    final_delay: tuple[float, float]
    """Seconds from the end of a segment to its final: at least, at most."""
    working: bool
    """Whether it says every half second that it works on a final."""
    partial_every: int
    """Messages of audio between partials; 0: none."""
    twice: float = 0.0
    """Probability that a final comes again, at once or seconds later."""
    disorder: float = 0.0
    """Probability that a final may overtake, or be overtaken by, its neighbours."""
    bogus: float = 0.0
    """Probability, for each message, of an answer about a segment that is not, or is not yet, to be answered."""
    batched: bool = False
    """Whether its engine works on all streams together, so that nobody knows which of them has crashed it."""
    reload: float = 0.5
    """Seconds until an engine's process that died is there again."""


@dataclass(frozen=True, slots=True)
class VoicePlan:
    """How the synthesiser of one caller behaves."""

    refuse: str = ""
    """`busy`, `away` or `rejected`; empty: it does not."""
    seconds_per_char: float = 0.0
    """Seconds to make the 100 ms of audio of a character."""
    fail_after_chars: int | None = None
    hang_after_chars: int | None = None
    crash_after_chars: int | None = None
    """Its engine dies of each text, however often it is tried."""
    rate: int = 24_000
    """Hertz; other than the client's, the session resamples it."""


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """How the agent of one caller behaves. Probabilities are per turn, where nothing else is said."""

    keeps_dialogs: bool = False
    """Of kind `runtime`; else `chat`."""
    opening: tuple[float, float] = (0.0, 0.0)
    """Seconds until a turn is open: at least, at most; and so for the next two."""
    first: tuple[float, float] = (0.0, 0.0)
    """Until the first event."""
    gap: tuple[float, float] = (0.0, 0.0)
    """Between two."""
    words: tuple[int, int] = (1, 8)
    """Of a reply."""
    name: object = ""
    """What it calls a dialog that has no name yet, as JSON has it; an empty text: it gives it none."""
    other: float = 0.0
    """Per event: one that says nothing comes before it."""
    empty: float = 0.0
    endless: float = 0.0
    """A reply of a hundred words and more."""
    refuse: float = 0.0
    breaks: float = 0.0
    """An error in the middle."""
    fault: float = 0.0
    """Per event: something that cannot be used comes before it."""
    silent: float = 0.0
    """It says nothing any more, from somewhere on."""
    works: float = 0.0
    """It shows that it is alive for a while, and says nothing, before an event."""
    floods: float = 0.0
    """It gives no end of what cannot be used, from somewhere on."""
    unfinished: float = 0.0
    """Per question: the turn detector believes that the user will go on."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a caller does, by its name in `caller.Caller`."""

    kind: str
    """`play`, `tell`, `wait`, `cut`, `deaf`, `stall`, `vanish`, `swallow`, `take_over`, `settle`, `listen`, `await_reply`"""
    until_ms: int = 0
    """play: up to here, on the tape."""
    pace: float = 1.0
    """play: seconds per second of audio; 0: a burst."""
    seconds: float = 0.0
    """wait, deaf, stall: how long. vanish: until it comes back. settle, await_reply, listen: at most."""
    after: float = 0.0
    """await_reply: how much of it is heard before anything else. swallow: how long the line swallows before it is cut."""
    detect: float = 0.0
    """vanish: seconds until the server notices."""
    text: str = ""
    """tell: the message. swallow: "up", "down" or "both"."""
    size: int = 0
    """cut: where each frame of audio is cut in two messages from now on, in bytes: in the middle of a sample."""


@dataclass(frozen=True, slots=True)
class CallerPlan:
    name: str
    joins_at: float
    first_value: int
    """Of the tape's samples; the callers of one run have ranges of their own, so that mixed audio shows."""
    stretches: tuple[tuple[str, int], ...]
    """The tape: `word`, `cough` or `pause`, and milliseconds."""
    config: dict[str, object]
    """What it asks for with `session.configure` at once."""
    frame_ms: int
    latency: float
    """Seconds, one way."""
    buffer: int
    """Messages that the network takes from the server while the client does not read."""
    obeys: bool
    """Whether it pauses when it is told to."""
    playback: str
    """How it reports playback: `none`, `honest`, `lying` or `stopping`."""
    voice: VoicePlan
    steps: tuple[Step, ...]
    leaves: str
    """The last thing it does: `close`, `cancel`, `vanish`, or `stay` until the session ends by itself."""
    agent: AgentPlan = AgentPlan()
    poison: tuple[int, ...] = ()
    """Values on its tape that an engine dies of, when it hears them."""
    poison_hangs: bool = False
    """Whether the engine hangs then, and is killed, instead of crashing."""
    hangs_up: bool = False
    """Whether it closes its session with the end of its tape, without waiting for its words."""
    temporary: bool = False
    """Whether its session id is one that it made up."""
    greeting: str = ""
    """A message that it sends before it is welcomed."""
    pauses: bool = True
    """Whether its player stops when it is told to."""
    tells_speech: bool = True
    """Whether it says, when it comes back, what it has of the server's speech."""
    leaves_at: float | None = None
    """Seconds after it joined; before the steps are done, at any moment. None: after them."""


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    mood: str
    workers: tuple[WorkerPlan, ...]
    callers: tuple[CallerPlan, ...]
    limits: dict[str, float]
    """The operator's, where they are not the defaults: `SessionLimits`."""
    server_stops_at: float | None = None
    """Seconds; every session is told 1001 then."""


@dataclass(frozen=True, slots=True)
class _Lines:
    lines: list[str] = field(default_factory=list)

    def add(self, value: object, name: str, depth: int) -> None:
        indent = "  " * depth
        if isinstance(value, Step):
            told = [
                f"{f.name}={getattr(value, f.name)!r}" for f in fields(value) if getattr(value, f.name) != f.default
            ]
            self.lines.append(f"{indent}{' '.join(told)}")
        elif is_dataclass(value):
            self.lines.append(f"{indent}{name}:")
            for one in fields(value):
                self.add(getattr(value, one.name), one.name, depth + 1)
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            self.lines.append(f"{indent}{name}:")
            for number, part in enumerate(value):
                self.add(part, str(number), depth + 1)
        elif name == "stretches":
            words = " ".join(f"{kind[0]}{ms}" for kind, ms in value)
            self.lines.append(f"{indent}{name}: {words}")
        else:
            self.lines.append(f"{indent}{name}: {value!r}")


def describe(plan: Plan) -> str:
    """The plan for people; what a step leaves at its default is left out."""
    lines = _Lines()
    lines.add(plan, "plan", 0)
    return "\n".join(lines.lines)
