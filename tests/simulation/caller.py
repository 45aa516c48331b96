"""A client: plays its tape, does what its plan says, loses its connection and comes back, and notes all it gets.

It keeps to the protocol as far as its plan lets it: it counts the text frames that it was sent, goes on with its tape
where the server says, and (if it `obeys`) pauses when it is asked to.
"""

import json
import math
from collections.abc import Awaitable, Callable

import trio

from tests.simulation.dice import Dice
from tests.simulation.door import Door
from tests.simulation.inbox import Inbox
from tests.simulation.plan import CallerPlan, Step
from tests.simulation.player import Player
from tests.simulation.tape import Tape
from tests.simulation.trace import Trace
from tests.simulation.wire import Gone, Wire

PATIENCE = 720.0
"""Seconds that a caller waits for its session to end: longer than one idles for, after the slowest voice has had its say."""

WELCOME_PATIENCE = 5.0
"""Seconds that a caller waits for `session.created`: many times the latency of any wire here."""

ANSWER_PATIENCE = 30.0
"""The same where it comes with the first answer: longer than any agent here may be silent."""

QUIET = 6.0
"""Seconds without any news after which a conversation is taken to be over: longer than an agent and a turn's delay."""

LOOK = 0.1
"""Seconds between two looks at the player."""

AFTERTHOUGHT = 9.0
"""Seconds that a caller who has all its words stays: a last segment of silence may still wait for a worker."""

CATCH_UP = 0.5
"""Seconds of audio that a microphone's buffer holds while the server takes nothing; then it waits."""

STALL_CATCH_UP = 20.0
"""The same while the network stands still: its client goes on, and sends all of it once it can."""


class Caller:
    def __init__(self, plan: CallerPlan, dice: Dice, door: Door, trace: Trace) -> None:
        self.plan = plan
        self.tape = Tape(plan.stretches, plan.first_value)
        self._door = door
        self._trace = trace
        self._wires = 0
        self._wire: Wire | None = None
        self._cursor_ms = 0
        self._cut_at = 0
        self._over = trio.Event()
        self.player = Player(plan.playback, pauses=plan.pauses, dice=dice, tell=self._tell_all, note=self._note)
        self._inbox = Inbox(plan, trace, self.player, self._end)
        self._reading = trio.CancelScope()
        self._stalled_until = -STALL_CATCH_UP

    async def run(self) -> None:
        await trio.sleep_until(self.plan.joins_at)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            leaves_at = math.inf if self.plan.leaves_at is None else trio.current_time() + self.plan.leaves_at
            await self._enter()
            with trio.move_on_at(leaves_at):
                for step in self.plan.steps:
                    if self._over.is_set():
                        break
                    await self._do(step)
            await self._leave()
            with trio.move_on_after(PATIENCE) as patience:
                await self._over.wait()
            if patience.cancelled_caught:
                self._trace.note(self.plan.name, "anomaly", f"no end of the session came within {PATIENCE:g} s")
            nursery.cancel_scope.cancel(reason="the caller has left")

    async def _do(self, step: Step) -> None:
        doing: dict[str, Callable[[Step], Awaitable[None]]] = {
            "play": self._play,
            "tell": lambda step: self._send(step.text),
            "cut": self._cut_frames,
            "wait": lambda step: self._wait(step.seconds),
            "deaf": self._be_deaf,
            "stall": self._stall,
            "vanish": self._vanish,
            "swallow": self._be_swallowed,
            "take_over": self._take_over,
            "settle": self._settle,
            "await_reply": self._await_reply,
            "listen": self._listen,
        }
        await doing[step.kind](step)

    # -- connections ------------------------------------------------------------------------------------------------

    async def _enter(self) -> None:
        wire = self._new_wire()
        await trio.sleep(wire.latency)
        self._door.enter(self.plan.name, wire)
        if self.plan.greeting:
            await self._send(self.plan.greeting)
        await self._welcome(wire)

    async def _come_back(self) -> None:
        wire, received = self._new_wire(), self._inbox.received
        self._trace.note(self.plan.name, "comes_back", received)
        with trio.CancelScope(shield=True):  # bounded by the welcome's patience; half a connection is nobody's
            await trio.sleep(wire.latency)
            speech = self.player.received() if self.plan.tells_speech else None
            self._trace.note(self.plan.name, "has", speech and (speech.request_id, speech.samples))
            if self._door.come_back(self.plan.name, wire, received, speech):
                await self._welcome(wire)
            else:
                self._end("no session")

    def _new_wire(self) -> Wire:
        self._wires += 1
        self._wire = Wire(self._wires, self.plan.latency, self.plan.buffer, self._note)
        return self._wire

    async def _welcome(self, wire: Wire) -> None:
        self._reading = trio.CancelScope()
        welcomed = self._inbox.expect_welcome()
        self._nursery.start_soon(self._inbox.read, wire, self._reading, self._nursery)
        with trio.move_on_after(ANSWER_PATIENCE if self.plan.greeting else WELCOME_PATIENCE) as patience:
            await welcomed.wait()
            self._trace.note(self.plan.name, "rewinds", (self._cursor_ms, self._inbox.next_ms))
            self._cursor_ms = self._inbox.next_ms
        if patience.cancelled_caught and not self._over.is_set():
            self._trace.note(self.plan.name, "anomaly", f"no session.created came within {WELCOME_PATIENCE:g} s")
        if (
            self.plan.config and not self._inbox.configured
        ):  # also again: the first time may have been lost with its wire
            await self._tell_all({"type": "session.configure", **self.plan.config})

    def _drop_wire(self, detect: float) -> None:
        wire, self._wire = self._wire, None
        self._reading.cancel(reason="the caller has left this connection")
        if wire is not None:
            wire.lose()
            self._trace.note(self.plan.name, "lost", wire.number)
            self._door.nursery.start_soon(_let_notice, wire, detect)

    async def _vanish(self, step: Step) -> None:
        self._drop_wire(step.detect)
        await self._wait(step.seconds)
        if not self._over.is_set():
            await self._come_back()

    async def _be_swallowed(self, step: Step) -> None:
        """The line takes everything and delivers nothing, in one direction or both; the caller finds out, and comes back."""
        if self._wire is None:
            return
        self._wire.up.swallows = step.text != "down"
        self._wire.down.swallows = step.text != "up"
        self._trace.note(self.plan.name, "swallowed", step.text)
        try:
            await self._wait(step.after)
        finally:
            self._drop_wire(step.detect)  # also when its script ends here: nothing could be said on this line
        await self._vanish(step)

    async def _take_over(self, step: Step) -> None:
        """Another connection while the server still has the old one; nobody looks at that any more."""
        old = self._wire
        self._reading.cancel(reason="the caller opens another connection")
        await self._come_back()
        if old is not None:
            self._door.nursery.start_soon(_let_notice, old, 1.0)

    async def _leave(self) -> None:
        if self._over.is_set():
            return
        if self._wire is None and self.plan.leaves != "vanish":
            await self._come_back()  # it was cut off from its script while it was away
        self._trace.note(self.plan.name, "leaves", (self.plan.leaves, self._cursor_ms))
        match self.plan.leaves:
            case "stay":
                pass
            case "vanish":
                self._drop_wire(0.0)
                self._end("vanished")
            case how:
                await self._send(json.dumps({"type": f"session.{how}"}))

    def _end(self, how: str) -> None:
        if not self._over.is_set():
            self._trace.note(self.plan.name, "over", how)
            self._over.set()

    # -- sending ----------------------------------------------------------------------------------------------------

    async def _play(self, step: Step) -> None:
        """The tape, at the pace of the step, from wherever it stands."""
        until = min(step.until_ms, self.tape.length_ms)
        due = trio.current_time()
        while self._cursor_ms < until and not self._over.is_set():
            stop = min(self._cursor_ms + self.plan.frame_ms, until)
            due += step.pace * (stop - self._cursor_ms) / 1000
            if self.plan.obeys:
                due = max(due, self._inbox.hold_until)
            stalled = trio.current_time() < self._stalled_until + STALL_CATCH_UP
            due = max(due, trio.current_time() - (STALL_CATCH_UP if stalled else CATCH_UP))
            await self._wait(due - trio.current_time())
            await self._send_audio(self.tape.pcm(self._cursor_ms, stop))
            self._cursor_ms = stop
            self._trace.note(self.plan.name, "frame", stop)

    async def _send_audio(self, pcm: bytes) -> None:
        wire = self._wire
        await self._send(pcm[: self._cut_at] if self._cut_at else pcm)
        if self._cut_at and self._wire is wire:  # the rest of a frame is nothing to begin a connection with
            await self._send(pcm[self._cut_at :])

    async def _cut_frames(self, step: Step) -> None:
        self._cut_at = step.size
        await trio.lowlevel.checkpoint()

    async def _send(self, message: str | bytes) -> None:
        if self._wire is None:
            return
        try:
            await self._wire.up.put(message)
        except Gone:
            await self._wait(60.0)  # the close frame is on its way

    def _note(self, what: str, facts: object) -> None:
        self._trace.note(self.plan.name, what, facts)

    def _tell_all(self, message: dict[str, object]) -> Awaitable[None]:
        return self._send(json.dumps(message))

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            with trio.move_on_after(seconds):
                await self._over.wait()

    async def _be_deaf(self, step: Step) -> None:
        """It does not read for so long; the script goes on."""
        self._inbox.deaf_until = trio.current_time() + step.seconds
        await trio.lowlevel.checkpoint()

    async def _stall(self, step: Step) -> None:
        """The network stands still for so long; the script, and the microphone, go on."""
        if self._wire is not None:
            self._wire.stall(step.seconds)
            self._stalled_until = trio.current_time() + step.seconds
            self._trace.note(self.plan.name, "stall", step.seconds)
        await trio.lowlevel.checkpoint()

    async def _settle(self, step: Step) -> None:
        """Wait until every word of the tape so far has come, as somebody who reads along would."""
        wanted = [word for word in self.tape.words if word.end_ms <= self._cursor_ms]
        deadline = trio.current_time() + step.seconds
        while trio.current_time() < deadline and not self._over.is_set():
            if wanted and self._inbox.last_value >= wanted[-1].stop:
                await self._wait(AFTERTHOUGHT)
                return
            await self._wait(0.5)

    async def _await_reply(self, step: Step) -> None:
        """Say nothing until a reply has been playing for a while."""
        deadline = trio.current_time() + step.seconds
        while trio.current_time() < deadline and not self._over.is_set():
            if self.player.audible > step.after:
                return
            await self._wait(LOOK)

    async def _listen(self, step: Step) -> None:
        """Wait until nothing more comes, and nothing is played."""
        deadline = trio.current_time() + step.seconds
        while trio.current_time() < deadline and not self._over.is_set():
            if not self.player.audible and trio.current_time() - self._inbox.stirred_at > QUIET:
                return
            await self._wait(0.5)


async def _let_notice(wire: Wire, seconds: float) -> None:
    """The server's transport finds out later; it is no part of the caller."""
    await trio.sleep(seconds)
    wire.lose()
    wire.notice()
