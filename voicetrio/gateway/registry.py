"""The sessions of this server, by id. It owns the nursery they live in: a session outlives its client's connections.

It decides who may enter and who may come back, and tells all of them when it is over.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import trio

from voicetrio.session.endings import GOING_AWAY, REPLACED
from voicetrio.session.session import Session

_PARTING = 5.0
"""Seconds for a session that makes way for another one: twice what its farewell may take."""

_GOODBYE = 1.0
"""Seconds of the grace that are kept for it: a client that reads is told within milliseconds."""

log = structlog.get_logger()


def new_resume_token() -> str:
    """A secret of 192 bits: more than anybody can guess in the seconds that it is good for."""
    return secrets.token_urlsafe(24)


class Registry:
    """Use `open_registry`."""

    def __init__(self, max_sessions: int, nursery: trio.Nursery) -> None:
        self._max = max_sessions
        self._nursery = nursery
        self._sessions: dict[str, Session] = {}
        self._first_ids: dict[str, Session] = {}
        """Of sessions that are called otherwise now: their clients may not know it yet."""
        self._changed = trio.Event()
        self.going_away = False
        """Set when the server stops: nobody may enter any more."""

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def max_sessions(self) -> int:
        return self._max

    def sessions(self) -> tuple[Session, ...]:
        """All that live now, those that wait for their clients among them."""
        return tuple(self._sessions.values())

    @property
    def full(self) -> bool:
        return len(self._sessions) >= self._max

    def find(self, session_id: str) -> Session | None:
        """The session with this id, or that began with it, whether its client is there or away."""
        return self._sessions.get(session_id) or self._first_ids.get(session_id)

    def resumable(self, session_id: str, token: str) -> Session | None:
        """The session that this token opens; None for any other token. Compared in constant time."""
        session = self.find(session_id)
        if session is None or session.over:
            return None
        return session if secrets.compare_digest(session.resume_token.encode(), token.encode()) else None

    def start(self, session: Session) -> None:
        """Run a session here until its end. The caller has asked `find` and `full` before, without waiting in between."""
        assert self.find(session.session_id) is None
        self._sessions[session.session_id] = session
        self._nursery.start_soon(self._live, session)

    def claim(self, session: Session, session_id: str) -> bool:
        """Call a session by this id from now on; the one that it came with still finds it. False: the id is taken."""
        if self.find(session_id) not in (None, session):
            return False
        del self._sessions[session.session_id]
        self._sessions[session_id] = session
        self._first_ids.pop(session_id, None)  # it is called again as in the beginning
        if session.first_id != session_id:
            self._first_ids[session.first_id] = session
        return True

    async def replace(self, session_id: str) -> None:
        """End the session with this id, which waits for its client in vain. Returns when its place is free."""
        session = self.find(session_id)
        if session is None:
            return
        session.end(REPLACED)
        with trio.move_on_after(_PARTING):
            while self.find(session_id) is session:
                await self._changed.wait()

    async def send_away(self, grace: float) -> int:
        """Tell every session that the server stops; wait until they are gone, at most `grace` seconds.

        What was said until now is finished and told, as far as the workers answer in time: the end of the grace, a fifth of
        it but no more than a second, is for saying goodbye. Returns how many are still there. Safe to cancel; may be
        called again, for less time.
        """
        self.going_away = True
        until = trio.current_time() + grace
        for session in self.sessions():
            session.go_away()
        with trio.move_on_at(until - min(_GOODBYE, grace / 5)):
            await self._wait_empty()
        for session in self.sessions():
            session.end(GOING_AWAY)
        with trio.move_on_at(until):
            await self._wait_empty()
        return len(self._sessions)

    async def _wait_empty(self) -> None:
        while self._sessions:
            await self._changed.wait()

    async def _live(self, session: Session) -> None:
        try:
            await session.run()
        except* Exception:
            # The session contains its own failures: this is the failure of that. It must not reach the others.
            log.exception("session_failed", session_id=session.session_id)
        finally:
            del self._sessions[session.session_id]
            self._first_ids.pop(session.first_id, None)
            # Whoever waits later waits for another event; several tasks may wait for this one.
            self._changed.set()
            self._changed = trio.Event()


@asynccontextmanager
async def open_registry(max_sessions: int) -> AsyncIterator[Registry]:
    """Sessions live inside; leaving ends those that are left, each with its farewell."""
    async with trio.open_nursery() as nursery:
        yield Registry(max_sessions, nursery)
        nursery.cancel_scope.cancel(reason="the server stops")
