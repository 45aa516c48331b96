"""The six states of a session's ear, as a table.

Rule 1: everything about which move is legal lives here; what a state *means* (what is sent where) lives in `session/`.
Rule 2: this file does not know what time it is. Whoever calls passes `now`, in seconds of one monotonic clock.

    INIT --speech--> ACTIVE --end--> SILENCE --timeout--> HOLD --timeout--> CLOSING --flushed--> CLOSED
      |                 ^----speech-----'   ^--speech (to ACTIVE)              ^
      '--timeout--> CLOSED                        any --close------------------'     any --abort--> CLOSED

A move that is not in the table raises `InvalidTransitionError` and changes nothing. CLOSED is terminal.
"""

import math
from dataclasses import dataclass
from enum import Enum

from voicetrio.core.errors import InvalidTransitionError


class State(Enum):
    INIT = "init"
    """Waiting for the first speech. Frames are preprocessed; none goes to a worker."""
    ACTIVE = "active"
    """Somebody speaks; audio goes to the worker."""
    SILENCE = "silence"
    """Speech has ended; its final is on the way; the worker stream may stay open for the next speech."""
    HOLD = "hold"
    """Silence for long: the worker stream is closed and its slot given back."""
    CLOSING = "closing"
    """What was heard is being flushed."""
    CLOSED = "closed"
    """The end."""


class Trigger(Enum):
    SPEECH_START = "speech_start"
    SPEECH_END = "speech_end"
    TIMEOUT = "timeout"
    CLOSE = "close"
    """Somebody asks for an orderly end."""
    FLUSHED = "flushed"
    """CLOSING has nothing left to do."""
    ABORT = "abort"
    """An end without a flush: the client is gone, cancelled, or we have a bug."""


_NEXT: dict[tuple[State, Trigger], State] = {
    (State.INIT, Trigger.SPEECH_START): State.ACTIVE,
    (State.INIT, Trigger.TIMEOUT): State.CLOSED,
    (State.INIT, Trigger.CLOSE): State.CLOSING,
    (State.INIT, Trigger.ABORT): State.CLOSED,
    (State.ACTIVE, Trigger.SPEECH_END): State.SILENCE,
    (State.ACTIVE, Trigger.CLOSE): State.CLOSING,
    (State.ACTIVE, Trigger.ABORT): State.CLOSED,
    (State.SILENCE, Trigger.SPEECH_START): State.ACTIVE,
    (State.SILENCE, Trigger.TIMEOUT): State.HOLD,
    (State.SILENCE, Trigger.CLOSE): State.CLOSING,
    (State.SILENCE, Trigger.ABORT): State.CLOSED,
    (State.HOLD, Trigger.SPEECH_START): State.ACTIVE,
    (State.HOLD, Trigger.TIMEOUT): State.CLOSING,
    (State.HOLD, Trigger.CLOSE): State.CLOSING,
    (State.HOLD, Trigger.ABORT): State.CLOSED,
    (State.CLOSING, Trigger.FLUSHED): State.CLOSED,
    (State.CLOSING, Trigger.TIMEOUT): State.CLOSED,
    (State.CLOSING, Trigger.ABORT): State.CLOSED,
}


@dataclass(frozen=True, slots=True)
class StateTimeouts:
    """How long each state may last, in seconds. ACTIVE has no limit: a long speech is cut into segments instead."""

    init: float = 30.0
    """No speech at all: nobody is there."""
    silence: float = 30.0
    """A pause this long gives the worker's slot to somebody else."""
    hold: float = 300.0
    """Idle for this long after that: the session ends."""
    closing: float = 2.0
    """A flush that makes no progress for this long is given up."""

    def of(self, state: State) -> float:
        """The limit of one state, in seconds; `math.inf` where there is none."""
        match state:
            case State.INIT:
                return self.init
            case State.SILENCE:
                return self.silence
            case State.HOLD:
                return self.hold
            case State.CLOSING:
                return self.closing
            case State.ACTIVE | State.CLOSED:
                return math.inf


class Lifecycle:
    """The state of one session, and until when it may last."""

    def __init__(self, timeouts: StateTimeouts, *, now: float) -> None:
        self._timeouts = timeouts
        self._state = State.INIT
        self._since = now
        self._pauses = 0
        self._somebody = False

    @property
    def state(self) -> State:
        return self._state

    @property
    def deadline(self) -> float:
        """When `Trigger.TIMEOUT` is due, on the clock of `now`; `math.inf` while nothing is due."""
        if self._pauses > 0 and self._state is not State.CLOSING:
            return math.inf
        limit = self._timeouts.of(self._state)
        if self._state is State.INIT and self._somebody:
            limit = max(limit, self._timeouts.silence + self._timeouts.hold)
        return self._since + limit

    def allows(self, trigger: Trigger) -> bool:
        """Whether the table has a move for this trigger now."""
        return (self._state, trigger) in _NEXT

    def handle(self, trigger: Trigger, *, now: float) -> State:
        """Make the move and return the new state.

        Raises:
            InvalidTransitionError: the table has no such move; nothing has changed.
        """
        target = _NEXT.get((self._state, trigger))
        if target is None:
            raise InvalidTransitionError(f"no transition from {self._state.name} on {trigger.name}")
        self._state = target
        self._since = now
        return target

    def rearm(self, *, now: float) -> None:
        """Start the current state's timeout anew: there was a sign of life."""
        self._since = now

    def somebody_is_there(self, *, now: float) -> None:
        """Somebody types, and may never speak: INIT lasts as long from now on as a pause after speech may."""
        self._somebody = True
        self._since = now

    def configure(self, timeouts: StateTimeouts) -> None:
        """Use other limits from now on, also for the state that is already running."""
        self._timeouts = timeouts

    def pause(self) -> None:
        """Stop the timeout while the server itself is what keeps the client silent: it speaks. Nests."""
        self._pauses += 1

    def resume(self, *, now: float) -> None:
        """Undo one `pause`; after the last one the state's full time starts anew."""
        assert self._pauses > 0, "resume without pause"
        self._pauses -= 1
        self._since = now
