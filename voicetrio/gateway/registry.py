"""The sessions that are live on this server, by id. It decides who may enter and tells all of them when it is over."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from voicetrio.session.endings import GOING_AWAY
from voicetrio.session.session import Session

_SESSION_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def is_session_id(text: str) -> bool:
    """1 to 128 characters of letters, digits, `-`, `_` and `.`: harmless in logs, paths and URLs."""
    return _SESSION_ID.fullmatch(text) is not None


class Registry:
    def __init__(self, max_sessions: int) -> None:
        self._max = max_sessions
        self._sessions: dict[str, Session] = {}
        self._changed = trio.Event()
        self.going_away = False
        """Set when the server stops: nobody may enter any more."""

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def full(self) -> bool:
        return len(self._sessions) >= self._max

    def has(self, session_id: str) -> bool:
        return session_id in self._sessions

    @contextmanager
    def entered(self, session: Session) -> Iterator[None]:
        """The session is live inside. The caller has asked `has` and `full` before, without waiting in between."""
        assert session.session_id not in self._sessions
        self._sessions[session.session_id] = session
        try:
            yield
        finally:
            del self._sessions[session.session_id]
            self._changed.set()

    async def send_away(self, grace: float) -> int:
        """Tell every session that the server stops; wait until they are gone, at most `grace` seconds.

        Returns how many are still there. Safe to cancel.
        """
        self.going_away = True
        for session in list(self._sessions.values()):
            session.end(GOING_AWAY)
        with trio.move_on_after(grace):
            while self._sessions:
                self._changed = trio.Event()
                await self._changed.wait()
        return len(self._sessions)
