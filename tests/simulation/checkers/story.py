"""One caller's side of a run, and its session's, as checkers ask for it."""

from collections.abc import Iterator
from typing import Any

from tests.simulation.caller import Caller
from tests.simulation.plan import GENTLE
from tests.simulation.run import Run
from tests.simulation.tape import SAMPLES_PER_MS

TAKEN_OVER = 4409
"""The end of a connection, not of its session."""

Message = dict[str, Any]


class Story:
    def __init__(self, run: Run, caller: Caller) -> None:
        self.run = run
        self.plan = caller.plan
        self.tape = caller.tape
        self.player = caller.player
        self.room = run.door.rooms[caller.plan.name]
        self.gentle = run.plan.mood == GENTLE
        self.received: list[tuple[float, Message]] = self.notes("got")
        """Text messages in the order in which the caller got them, over all connections."""
        self.posted = self._posted()
        """Those that the session wanted to tell, in order; without those that it has taken back in time."""

    def _posted(self) -> list[tuple[float, Message]]:
        posted: list[tuple[float, Message]] = []
        for when, who, what, facts in self.run.trace.events:
            if who == self.plan.name and what == "post":
                posted.append((when, facts))
            elif who == self.plan.name and what == "taken_back":  # its speech is sent again, and then its end
                ends = [one for one in posted if one[1]["type"] == "tts.speaking_end"]
                posted.remove([one for one in ends if one[1]["request_id"] == facts][-1])
        return posted

    def notes(self, what: str) -> list[tuple[float, Any]]:
        return self.run.trace.of(self.plan.name, what)

    def got(self, *kinds: str) -> Iterator[Message]:
        return (message for _, message in self.received if message["type"] in kinds)

    @property
    def end(self) -> tuple[str, int]:
        """Why the session ended, and the code."""
        (_, facts), *_ = self.notes("ended") or [(0.0, None)]
        if facts is not None:
            return facts
        # The server stopped it: at any moment, also when it was just ending for another reason.
        reasons = [message["reason"] for _, message in self.posted if message["type"] == "session.closed"]
        codes = [code for _, (_, code) in self.notes("verdict") if code not in (None, TAKEN_OVER)]
        return (reasons or ["going_away"])[-1], (codes or [1001])[-1]

    @property
    def orderly(self) -> bool:
        """Whether it ended so that what was heard has been told."""
        stopped = not any(facts for _, facts in self.notes("ended"))
        in_order = self.end[0] in ("client_closed", "timed_out") and self.closing is not None
        return in_order and not stopped and not self._cut_short

    @property
    def _cut_short(self) -> bool:
        """Whether the caller cancelled while the session was ending in order, for the reason that it had then."""
        told_at = [when for when, message in self.posted if message["type"] == "session.closed"]
        cancels = [when for when, (how, _) in self.notes("leaves") if how == "cancel"]
        return any(cancelled <= told for cancelled in cancels for told in told_at)

    @property
    def closing(self) -> Message | None:
        """`session.closed` as the caller got it."""
        return next(self.got("session.closed"), None)

    @property
    def dropped(self) -> list[tuple[int, int]]:
        """Audio that the session did not take, in milliseconds of the tape; what it says about that is checked."""
        return [(start // SAMPLES_PER_MS, stop // SAMPLES_PER_MS) for _, (start, stop) in self.notes("miss")]

    @property
    def muted(self) -> list[tuple[int, int]]:
        """When nobody was heard, in milliseconds of the tape."""
        starts = [sample // SAMPLES_PER_MS for _, sample in self.notes("mute")]
        stops = [sample // SAMPLES_PER_MS for _, sample in self.notes("unmute")]
        if len(stops) < len(starts):  # it was never left
            stops.append(self.tape.length_ms)
        return list(zip(starts, stops, strict=True))
