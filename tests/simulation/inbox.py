"""What a caller gets: notes it, counts it as the protocol asks, and keeps what the caller goes by."""

import json
from collections.abc import Callable

import trio

from tests.simulation.plan import CallerPlan
from tests.simulation.player import Player
from tests.simulation.trace import Trace
from tests.simulation.wire import CUT, PONG, Gone, Message, Ping, Wire

_STILL = {"session.hold", "session.created", "session.configured"}
"""No news of a conversation."""


class Inbox:
    def __init__(self, plan: CallerPlan, trace: Trace, player: Player, end: Callable[[str], None]) -> None:
        """`end` is told how the session ended."""
        self._name = plan.name
        self._trace = trace
        self._player = player
        self._end = end
        self._welcomed = trio.Event()
        self.received = 0
        """Text frames over all connections, without `session.created`."""
        self.next_ms = 0
        """Where on its tape the caller has to go on."""
        self.configured = False
        self.hold_until = 0.0
        """It was asked to send nothing until then."""
        self.deaf_until = 0.0
        """It reads nothing until then."""
        self.last_value = 0
        """Of the words in the finals so far."""
        self.stirred_at = 0.0
        """When the conversation last went on."""

    def expect_welcome(self) -> trio.Event:
        """A new connection is opened; the event is set by its `session.created`."""
        self.deaf_until = 0.0
        self._welcomed = trio.Event()
        return self._welcomed

    async def read(self, wire: Wire, reading: trio.CancelScope, nursery: trio.Nursery) -> None:
        """Until the wire is gone, or `reading` is cancelled: nothing is taken from then on. Reports go to `nursery`."""
        with reading:
            try:
                while True:
                    item = await wire.down.get()
                    if self.deaf_until > trio.current_time():
                        await trio.sleep_until(self.deaf_until)
                    if not reading.cancel_called:
                        self._take(wire, item, nursery)
            except Gone:
                return

    def _take(self, wire: Wire, item: Message, nursery: trio.Nursery) -> None:
        if isinstance(item, Ping):
            wire.up.push(PONG)
        elif isinstance(item, tuple):
            self._trace.note(self._name, "cut" if item == CUT else "closed", (wire.number, *item))
            self._end(f"closed {item[0]}")
        elif isinstance(item, bytes):
            self.stirred_at = trio.current_time()
            self._trace.note(self._name, "sound", len(item))
            self._player.hear(item)
        else:
            message = json.loads(item)
            self._trace.note(self._name, "got", message)
            if message["type"] != "session.created":
                self.received += 1
            self._heed(message, nursery)

    def _heed(self, message: dict, nursery: trio.Nursery) -> None:
        if message["type"] not in _STILL:
            self.stirred_at = trio.current_time()
        match message["type"]:
            case "session.created":
                self.next_ms = message["next_audio_ms"]
                self._welcomed.set()
            case "session.configured":
                self.configured = True
            case "session.rate_limit":
                self.hold_until = trio.current_time() + message["delay_ms"] / 1000
            case "transcript.final":
                spoken = [word["word"] for word in message["words"] if word["word"][:1].isdigit()]
                if spoken:
                    self.last_value = int(spoken[-1].partition("-")[2])
            case "tts.speaking_start":
                if self._player.begin(message["request_id"], message["sample_rate"]):
                    nursery.start_soon(self._player.report, message["request_id"])
            case "tts.speaking_resumed":
                self._player.go_on(message["request_id"], message["start_sample"])
            case "playback.paused":
                self._player.pause(message["request_id"])
            case "playback.resumed":
                self._player.resume(message["request_id"])
            case "playback.interrupted" | "playback.completed":
                self._player.end(message["request_id"])
