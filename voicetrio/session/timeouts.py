"""Drives the state machine's timeouts: each is a cancel scope around a wait for the next change of the deadline."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

from voicetrio.core.states import Lifecycle, State, StateTimeouts, Trigger
from voicetrio.session.log import SessionLog


class Timeouts:
    """The session's state together with the clock. The table of `core.states` says what is allowed."""

    def __init__(self, timeouts: StateTimeouts, *, on_timeout: Callable[[State], None], log: SessionLog) -> None:
        """`on_timeout` gets the state whose time is up, and has to leave it."""
        self._lifecycle = Lifecycle(timeouts, now=trio.current_time())
        self._on_timeout = on_timeout
        self._log = log
        self._moved = trio.Event()

    @property
    def state(self) -> State:
        return self._lifecycle.state

    def allows(self, trigger: Trigger) -> bool:
        return self._lifecycle.allows(trigger)

    def move(self, trigger: Trigger) -> None:
        """Raises `InvalidTransitionError`; nothing has changed then."""
        before = self.state
        self._lifecycle.handle(trigger, now=trio.current_time())
        if self.state is not before:
            self._log.debug("state", state=self.state.value, before=before.value, trigger=trigger.value)
        self._moved.set()

    def rearm(self) -> None:
        """The state's full time starts anew: there was a sign of life."""
        self._lifecycle.rearm(now=trio.current_time())
        self._moved.set()

    def configure(self, timeouts: StateTimeouts) -> None:
        """Use other times from now on, also for the state that is already running."""
        self._lifecycle.configure(timeouts)
        self._moved.set()

    def somebody_is_there(self) -> None:
        """A sign of life that is no speech: INIT ends those with whom nobody is."""
        self._lifecycle.somebody_is_there(now=trio.current_time())
        self._moved.set()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No time passes inside, but for a closing session; afterwards the state's full time starts anew."""
        self._lifecycle.pause()
        self._moved.set()
        try:
            yield
        finally:
            self._lifecycle.resume(now=trio.current_time())
            self._moved.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            moved = self._moved = trio.Event()
            with trio.move_on_at(self._lifecycle.deadline):
                await moved.wait()
            if not moved.is_set() and trio.current_time() >= self._lifecycle.deadline:
                self._on_timeout(self._lifecycle.state)
