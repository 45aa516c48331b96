"""Hands out tokens: gives everybody a room of their own, remembers whose it is, and holds back who asks too often."""

import secrets
import time
from collections.abc import Callable
from typing import Protocol

import structlog
import trio

from voicetrio.core.rate_limit import RateLimit
from voicetrio.core.rooms import Rooms
from voicetrio.core.token_request import IssuedToken, TokenRequest
from voicetrio.tokens.config import TokenConfig

KEEP_AFTER_EXPIRY = 3600.0
"""Seconds that one of our rooms is remembered after its last token has expired: to come back from a bad network."""

log = structlog.get_logger()


class Signs(Protocol):
    def sign(self, room: str, identity: str, request: TokenRequest) -> str: ...


class TokenDesk:
    """One for all clients of a server. It keeps all in memory: after a restart a room is whoever's asks for it first."""

    def __init__(
        self,
        config: TokenConfig,
        signer: Signs,
        *,
        clock: Callable[[], float] = trio.current_time,
        wall_clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        dice: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        """`clock` gives seconds and only grows, `wall_clock_ms` gives the time since 1970, `dice(6)` gives 12 hex digits."""
        self._config = config
        self._signer = signer
        self._clock = clock
        self._wall_clock_ms = wall_clock_ms
        self._dice = dice
        self._rooms = Rooms(config.shared_rooms, keep=config.ttl + KEEP_AFTER_EXPIRY)
        self._limit = RateLimit(config.per_minute)

    @property
    def server_url(self) -> str:
        return self._config.server_url

    @property
    def agent_name(self) -> str:
        """The only agent that a client may ask for; empty: none."""
        return self._config.agent_name

    def wait(self, address: str) -> float:
        """Whether this address may ask now: 0, and it counts; or the seconds until it may."""
        return self._limit.wait(address, now=self._clock())

    def issue(self, request: TokenRequest) -> IssuedToken:
        """A token for the room that is asked for, or for one of the client's own.

        Raises:
            BadTokenRequest: the token would be too large. Nobody has got a room.
            RoomRefused, RoomTaken: the room is not to be had.
        """
        identity = request.identity or f"user-{self._dice(6)}"
        room, now = request.room, self._clock()
        if room:
            token = self._signer.sign(room, identity, request)
            self._rooms.enter(room, identity, now=now, now_ms=self._wall_clock_ms())
        else:
            room = f"room-{self._dice(6)}"
            while self._rooms.owner(room, now=now) is not None:  # not even once in the life of a server
                room = f"room-{self._dice(6)}"
            token = self._signer.sign(room, identity, request)
            self._rooms.add(room, identity, now=now)
        # In the words of `livekit-room-isolation`: operators look for them with grep.
        log.info(f"🏠 Room assignment: {room} for identity: {identity}", room=room, identity=identity)
        return IssuedToken(token=token, room=room, identity=identity, name=request.name)
