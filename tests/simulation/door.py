"""The gateway's part, without sockets: lets callers in, finds the session that they come back to, closes their wires.

A session runs in a nursery that is not its connection's. Each connection has a handler, which waits until the session
does not use it any more, and then closes it as the session has decided.
"""

from dataclasses import dataclass, field, replace

import trio

from tests.fakes.audio import FakeDetector
from tests.fakes.synthesizer import FakeSynthesizer
from tests.fakes.telemetry import FakeTelemetry
from tests.simulation import probes
from tests.simulation.agents import SimulatedAgent, SimulatedTurnDetector
from tests.simulation.dice import Dice
from tests.simulation.fleet import Fleet
from tests.simulation.plan import Plan
from tests.simulation.trace import Trace
from tests.simulation.voices import make_voice
from tests.simulation.wire import Wire
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.session.endings import End
from voicetrio.session.line import Attachment, SpeechReceived
from voicetrio.session.session import Ports, Session

TAKEN = "taken"
"""Ids that begin so are somebody else's."""


@dataclass(slots=True)
class Room:
    """One session and what belongs to it."""

    name: str
    session: Session
    inside: probes.Inside
    voice: FakeSynthesizer
    agent: SimulatedAgent
    telemetry: FakeTelemetry
    limits: SessionLimits
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    end: End | None = None
    over: trio.Event = field(default_factory=trio.Event)


class Door:
    def __init__(self, plan: Plan, fleet: Fleet, trace: Trace, nursery: trio.Nursery) -> None:
        """`nursery` is where sessions and handlers live."""
        self._plan = plan
        self._fleet = fleet
        self._trace = trace
        self.nursery = nursery
        self.rooms: dict[str, Room] = {}

    def enter(self, name: str, wire: Wire) -> None:
        """A caller's first connection: a session of its own."""
        plan = next(one for one in self._plan.callers if one.name == name)
        voice, telemetry = make_voice(plan.voice), FakeTelemetry()
        agent = SimulatedAgent(plan.agent, self._plan.seed, name, self._trace)
        detector = SimulatedTurnDetector(plan.agent, Dice(self._plan.seed, "turns", name))
        ports = Ports(self._fleet.recognizer(name), voice, FakeDetector, telemetry, agent, detector)
        limits = replace(SessionLimits(), **self._plan.limits)
        token = f"token-{name}"
        session = Session(
            f"new_{name}" if plan.temporary else name,
            config=SessionConfig(),
            limits=limits,
            ports=ports,
            resume_token=token,
            claim=lambda _session, wanted: not wanted.startswith(TAKEN),
        )
        room = Room(name, session, probes.watch(session, name, self._trace), voice, agent, telemetry, limits)
        self.rooms[name] = room
        self._attach(room, wire)
        self.nursery.start_soon(self._host, room)

    def come_back(self, name: str, wire: Wire, received: int, speech: SpeechReceived | None) -> bool:
        """A caller with its resume token; `received` counts its text frames, `speech` is what it has of the server's.

        False: its session is over.
        """
        room = self.rooms[name]
        if room.over.is_set() or room.session.over:
            return False
        self._attach(room, wire, received, speech)
        return True

    def _attach(
        self, room: Room, wire: Wire, received: int | None = None, speech: SpeechReceived | None = None
    ) -> None:
        attachment = room.session.attach(wire.link, received=received, speech=speech)
        wire.link.on_pong = attachment.pong
        self.nursery.start_soon(self._serve, room, wire, attachment)

    def stop(self) -> None:
        """The server is told to stop."""
        for room in self.rooms.values():
            room.scope.cancel(reason="the server stops")

    async def wait_empty(self) -> None:
        for room in list(self.rooms.values()):
            await room.over.wait()

    async def _host(self, room: Room) -> None:
        with room.scope:
            room.end = await room.session.run()
        self._trace.note(room.name, "ended", None if room.end is None else (room.end.reason, room.end.code))
        room.over.set()

    async def _serve(self, room: Room, wire: Wire, attachment: Attachment) -> None:
        await attachment.over.wait()
        verdict = attachment.verdict
        self._trace.note(room.name, "verdict", (wire.number, None if verdict is None else verdict.code))
        if verdict is not None:
            await wire.link.close(verdict.code, verdict.reason)
