"""The sessions of this server, by id. It owns the nursery they live in: a session outlives its client's connections.

It decides who may enter and who may come back, and tells all of them when it is over.

An id is no secret. So whoever comes with an id alone gets a session of their own, and takes nothing away from one with this
id that waits for its client: there may be several sessions with one id, of which all but the youngest wait. The bearer of a
session's token brings it back, and the younger ones, which others have opened meanwhile, end. The older ones are not
concerned: what a stranger opened ends nobody's session.
"""

import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
import trio

from voicetrio.core.rate_limit import subnet
from voicetrio.session.endings import GOING_AWAY, TAKEN_OVER
from voicetrio.session.session import Session

_GOODBYE = 1.0
"""Seconds of the grace that are kept for it: a client that reads is told within milliseconds."""

log = structlog.get_logger()


def new_resume_token() -> str:
    """A secret of 192 bits: more than anybody can guess in the seconds that it is good for."""
    return secrets.token_urlsafe(24)


class Registry:
    """Use `open_registry`."""

    def __init__(self, max_sessions: int, max_per_address: int, nursery: trio.Nursery) -> None:
        self._max = max_sessions
        self._max_per_address = max_per_address
        self._nursery = nursery
        self._addresses: dict[Session, str] = {}
        """Of all sessions: where each one's client was last."""
        self._places: Counter[str] = Counter()
        self._named: dict[str, list[Session]] = {}
        """By id, also by the one that a client came with and may not know better; oldest first."""
        self._changed = trio.Event()
        self.going_away = False
        """Set when the server stops: nobody may enter any more."""

    def __len__(self) -> int:
        return len(self._addresses)

    @property
    def max_sessions(self) -> int:
        return self._max

    def sessions(self) -> tuple[Session, ...]:
        """All that live now, those that wait for their clients among them."""
        return tuple(self._addresses)

    @property
    def full(self) -> bool:
        return len(self._addresses) >= self._max

    def full_for(self, address: str) -> bool:
        """Whether this address (of IPv6 its first 64 bits) has as many sessions as one may have."""
        return self._places[subnet(address)] >= self._max_per_address

    def find(self, session_id: str) -> Session | None:
        """The session with this id, or that began with it, whether its client is there or away; of several the youngest."""
        sessions = self._named.get(session_id)
        return sessions[-1] if sessions else None

    def is_live(self, session_id: str) -> bool:
        """Whether a session with this id has its client, or is about to get it."""
        session = self.find(session_id)
        return session is not None and not session.waits_for_client

    def resumable(self, session_id: str, token: str) -> Session | None:
        """The session that this token opens; None for any other token. Compared in constant time."""
        found = None
        for session in self._named.get(session_id, ()):
            if secrets.compare_digest(session.resume_token.encode(), token.encode()) and not session.over:
                found = session
        return found

    def start(self, session: Session, address: str = "") -> None:
        """Run a session here until its end. The caller has asked `is_live`, `full` and `full_for` before, without waiting
        in between. `address`: where its client is.
        """
        assert not self.is_live(session.session_id)
        self._take_place(session, address)
        self._named.setdefault(session.session_id, []).append(session)
        self._nursery.start_soon(self._live, session)

    def bring_back(self, session: Session, address: str = "") -> None:
        """The bearer of its token is there, now from this address: the younger sessions with its id end, with 4409."""
        self._leave_place(session)
        self._take_place(session, address)
        for name in {session.session_id, session.first_id}:
            sessions = self._named[name]
            for younger in sessions[sessions.index(session) + 1 :]:
                younger.end(TAKEN_OVER)
                self._unname(younger)

    def claim(self, session: Session, session_id: str) -> bool:
        """Call a session by this id from now on; the one that it came with still finds it. False: the id is taken."""
        if any(other is not session for other in self._named.get(session_id, ())):
            return False
        if session.session_id != session.first_id:
            self._forget(session.session_id, session)
        if session_id != session.first_id:
            self._named[session_id] = [session]
        return True

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
        return len(self._addresses)

    async def _wait_empty(self) -> None:
        while self._addresses:
            await self._changed.wait()

    async def _live(self, session: Session) -> None:
        try:
            await session.run()
        except* Exception:
            # The session contains its own failures: this is the failure of that. It must not reach the others.
            log.exception("session_failed", session_id=session.session_id)
        finally:
            self._leave_place(session)
            self._unname(session)
            # Whoever waits later waits for another event; several tasks may wait for this one.
            self._changed.set()
            self._changed = trio.Event()

    def _take_place(self, session: Session, address: str) -> None:
        self._addresses[session] = subnet(address)
        self._places[subnet(address)] += 1

    def _leave_place(self, session: Session) -> None:
        address = self._addresses.pop(session)
        self._places[address] -= 1
        if not self._places[address]:
            del self._places[address]

    def _unname(self, session: Session) -> None:
        """No id finds it any more."""
        for name in {session.session_id, session.first_id}:
            self._forget(name, session)

    def _forget(self, name: str, session: Session) -> None:
        sessions = self._named.get(name, [])
        if session in sessions:
            sessions.remove(session)
            if not sessions:
                del self._named[name]


@asynccontextmanager
async def open_registry(max_sessions: int, max_per_address: int | None = None) -> AsyncIterator[Registry]:
    """Sessions live inside; leaving ends those that are left, each with its farewell.

    `max_per_address`: of them, with clients at one address; None: as many as there may be.
    """
    async with trio.open_nursery() as nursery:
        yield Registry(max_sessions, max_sessions if max_per_address is None else max_per_address, nursery)
        nursery.cancel_scope.cancel(reason="the server stops")
