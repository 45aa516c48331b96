"""Who may enter which LiveKit room. Pure: it does not know what time it is, and throws no dice.

Everybody in a room hears everybody else. So a room belongs to whoever was let into it first, unless the operator has named
it as one to be shared. A name that a page has built in is a shared room in disguise; the time in a session's id shows that.

    a name of the operator's list    anybody
    session-{time}-{random}          whoever asks first, if the time is of the last 24 hours
    room-{12 hex}                    whoever this server has made it for
    anything else                    nobody
"""

from collections import OrderedDict
from collections.abc import Collection

from voicetrio.core.errors import VoicetrioError
from voicetrio.core.session_id import began_ms

SESSION_AGE_MAX = 24 * 3600.0
"""Seconds that a session's id is good for as a room: longer than anybody talks, shorter than a page lives."""

CLOCKS_APART_MAX = 300.0
"""Seconds that a client's clock may be ahead of ours."""

ROOMS_MAX = 100_000
"""Rooms that are remembered, some tens of megabytes. The one that was asked for longest ago makes way for the next. Its
owner may be asked for again then, but nobody who has not been told its name."""


class RoomRefused(VoicetrioError):
    """Nobody may ask for a room of this name. The text says what to do instead."""


class RoomTaken(VoicetrioError):
    """The room belongs to another identity."""


class Rooms:
    def __init__(self, shared: Collection[str], *, keep: float, rooms_max: int = ROOMS_MAX) -> None:
        """`shared` are names that anybody may use; our own rooms are kept for `keep` seconds after they were asked for."""
        self._shared = frozenset(shared)
        self._keep = keep
        self._max = rooms_max
        self._owners: OrderedDict[str, tuple[str, float]] = OrderedDict()
        """By room: the identity, and until when it counts. Asked for longest ago comes first."""

    def __len__(self) -> int:
        return len(self._owners)

    def owner(self, room: str, *, now: float) -> str | None:
        """Whose room it is; None: nobody's. `now` is in seconds of a clock that only grows."""
        identity, until = self._owners.get(room, ("", now))
        return identity if until > now else None

    def add(self, room: str, identity: str, *, now: float) -> None:
        """A room that was just made up for somebody. The caller has asked `owner` whether there is one of this name."""
        self._remember(room, identity, now, now + self._keep)

    def enter(self, room: str, identity: str, *, now: float, now_ms: int) -> None:
        """Somebody asks for this room; it is theirs from now on, if it is to be had. `now_ms` is since 1970.

        Raises:
            RoomRefused, RoomTaken: and nothing has changed.
        """
        if room in self._shared:
            return
        owner = self.owner(room, now=now)
        began = began_ms(room)
        if began is not None:
            age = (now_ms - began) / 1000
            if not -CLOCKS_APART_MAX <= age <= SESSION_AGE_MAX:
                raise RoomRefused(
                    "the time in this session id is not of the last 24 hours: make a new id for each session, "
                    "or set the clock right. A fixed room for several people must be named in livekit.shared_rooms"
                )
            # It is kept until its name is good for nobody, so that it never changes hands. 1 s is for rounding.
            until = now + SESSION_AGE_MAX - age + 1
        elif owner is not None:
            until = now + self._keep
        else:
            raise RoomRefused(
                "this room cannot be asked for. Leave the room out, and you get one of your own; or ask for "
                "session-{milliseconds since 1970}-{9 to 32 of a-z and 0-9}, a new one for each session. "
                "The server's operator can allow a fixed room for several people by name, in livekit.shared_rooms"
            )
        if owner not in (None, identity):
            raise RoomTaken(
                "this room belongs to somebody else. If it is yours, send the identity that you were given with it; "
                "else leave the room out, and you get one of your own"
            )
        self._remember(room, identity, now, until)

    def _remember(self, room: str, identity: str, now: float, until: float) -> None:
        self._owners[room] = (identity, until)
        self._owners.move_to_end(room)
        while len(self._owners) > self._max or next(iter(self._owners.values()))[1] <= now:
            self._owners.popitem(last=False)
