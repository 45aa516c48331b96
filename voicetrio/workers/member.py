"""One worker of the pool, as this gateway knows it: its state, what it can do, how busy it is, and how it has done."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio

from voicetrio.core.socket_paths import worker_name
from voicetrio.core.voices import KnownVoice
from voicetrio.session.overview import WorkerOverview, WorkerState
from voicetrio.v1 import worker_pb2 as pb
from voicetrio.workers.client import WorkerClient


class Slots:
    """How many calls of one kind a worker can take now, as well as that can be known from here.

    The worker's own count is a look that is seconds old, but has the calls of other gateways in it; ours is exact, and of
    this gateway only. So ours corrects the worker's by what has changed since its look.
    """

    def __init__(self) -> None:
        self.total = 0
        self.held = 0
        """Calls that this gateway has open there, or is about to open."""
        self._told = 0
        self._since = 0

    @property
    def in_use(self) -> int:
        return max(self.held, self._told + self._since)

    @property
    def free(self) -> int:
        return self.total - self.in_use

    def learn(self, total: int, in_use: int, *, held_before: int) -> None:
        """Take the worker's word; `held_before` is what was held when it was asked."""
        self.total, self._told, self._since = total, in_use, self.held - held_before

    def fill(self) -> None:
        """The worker has refused a call: it has no slot, whatever was known."""
        self._told, self._since = self.total, 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Around a call, from before it is opened: calls that are opened at the same time see each other."""
        self.held += 1
        self._since += 1
        try:
            yield
        finally:
            self.held -= 1
            self._since -= 1


@dataclass(eq=False)
class Member:
    client: WorkerClient
    state: WorkerState = "not ready"
    description: pb.Description = field(default_factory=pb.Description)
    changed: trio.Event = field(default_factory=trio.Event)
    """Set, and replaced, when `state` or `frozen` changes."""
    doubted: trio.Event = field(default_factory=trio.Event)
    """Set, and replaced, when a call has failed: look at once. See `doubt`."""
    doubtful: bool = False
    """Whether a call has failed there since it last answered a look: others are asked first."""
    frozen: bool = False
    """Whether it has answered nothing at all, on any call, for the whole of the last look."""
    voices: tuple[KnownVoice, ...] = ()
    stt: Slots = field(default_factory=Slots)
    tts: Slots = field(default_factory=Slots)
    recoveries: int = 0
    """Recogniser streams that failed there, since this gateway started."""
    moved: int = 0
    """Those that were left in mid-segment because it was draining."""

    @property
    def ready(self) -> bool:
        """Whether it takes calls."""
        return self.state == "ready"

    @property
    def known(self) -> bool:
        """Whether it has ever said what it can do."""
        return self.description.HasField("stt") or self.description.HasField("tts")

    @property
    def model(self) -> str:
        """Engine and model; empty: it does not hear, or is not known yet."""
        return f"{self.description.stt.engine} {self.description.stt.model}".strip()

    def learn(self, description: pb.Description, *, held_before: tuple[int, int]) -> None:
        """Take the worker's description, which was asked for when `held_before` calls, of stt and of tts, were open."""
        self.description = description
        # A worker of an older version names no languages.
        self.voices = tuple(KnownVoice(one.name, tuple(one.languages)) for one in description.tts.voices)
        stt, tts = description.stt, description.tts
        self.stt.learn(stt.slots, stt.slots_in_use, held_before=held_before[0])
        self.tts.learn(tts.slots, tts.slots_in_use, held_before=held_before[1])

    def doubt(self) -> None:
        """A call has failed there: have its health looked at, and ask others first until that is known."""
        self.doubtful = True
        self.doubted.set()

    def set_state(self, state: WorkerState, *, frozen: bool = False) -> None:
        if (state, frozen) != (self.state, self.frozen):
            self.state, self.frozen = state, frozen
            self.changed.set()
            self.changed = trio.Event()

    def overview(self) -> WorkerOverview:
        """For the operator."""
        stt, tts = self.description.stt, self.description.tts
        return WorkerOverview(
            name=worker_name(self.client.address),
            ready=self.ready,
            hears_with=self.model,
            stt_slots=stt.slots,
            speaks_with=tts.engine,
            tts_slots=tts.slots,
            state=self.state,
            engine=stt.engine,
            model=stt.model,
            stt_in_use=self.stt.in_use,
            tts_in_use=self.tts.in_use,
            streams=self.stt.held,
            recoveries=self.recoveries,
            moved=self.moved,
            voices=len(tts.voices),
        )
