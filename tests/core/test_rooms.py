"""Who may enter which room."""

import pytest

from voicetrio.core.rooms import CLOCKS_APART_MAX, SESSION_AGE_MAX, RoomRefused, Rooms, RoomTaken
from voicetrio.core.session_id import session_id

NOW_MS = 1_703_123_456_789
KEEP = 4500.0
OURS = "room-0123456789ab"


def made(seconds_ago: float = 0.0, random: str = "k3m9x7q2w4ab") -> str:
    return session_id(NOW_MS - int(seconds_ago * 1000), random)


@pytest.fixture
def rooms() -> Rooms:
    return Rooms(["lobby"], keep=KEEP)


def enter(rooms: Rooms, room: str, identity: str, now: float = 0.0) -> None:
    """`now` is also how many seconds the wall clock has gone on."""
    rooms.enter(room, identity, now=now, now_ms=NOW_MS + int(now * 1000))


@pytest.mark.parametrize("room", ["test-room", OURS, "", "Lobby", "lobby ", "session-1-abc", "*"])
def test_names_that_nobody_has_allowed_are_refused(rooms: Rooms, room: str):
    with pytest.raises(RoomRefused, match=r"livekit\.shared_rooms"):
        enter(rooms, room, "ann")
    assert len(rooms) == 0


def test_a_shared_room_is_anybodys_and_not_remembered(rooms: Rooms):
    for identity in ("ann", "bob"):
        enter(rooms, "lobby", identity)
    assert (len(rooms), rooms.owner("lobby", now=0)) == (0, None)


def test_a_sessions_room_is_whoevers_asks_first(rooms: Rooms):
    enter(rooms, made(), "ann")
    enter(rooms, made(), "ann", now=60)
    with pytest.raises(RoomTaken):
        enter(rooms, made(), "bob", now=61)
    assert rooms.owner(made(), now=61) == "ann"


@pytest.mark.parametrize(
    ("age", "allowed"),
    [
        (0, True),
        (SESSION_AGE_MAX, True),
        (SESSION_AGE_MAX + 1, False),
        (10 * 365 * 86_400, False),
        (-CLOCKS_APART_MAX, True),
        (-CLOCKS_APART_MAX - 1, False),
    ],
)
def test_the_time_in_a_sessions_id_must_be_of_the_last_day(rooms: Rooms, age: float, allowed: bool):
    if allowed:
        enter(rooms, made(age), "ann")
    else:
        with pytest.raises(RoomRefused, match="last 24 hours"):
            enter(rooms, made(age), "ann")
    assert len(rooms) == allowed


def test_a_sessions_room_never_changes_hands_as_long_as_its_name_is_good(rooms: Rooms):
    room = made(-CLOCKS_APART_MAX)
    enter(rooms, room, "ann")
    last = SESSION_AGE_MAX + CLOCKS_APART_MAX
    for now in (KEEP + 1, last - 1):
        with pytest.raises(RoomTaken):
            enter(rooms, room, "bob", now=now)
    for identity in ("ann", "bob"):
        with pytest.raises(RoomRefused):
            enter(rooms, room, identity, now=last + 1)


def test_a_room_of_ours_is_its_owners_until_it_is_forgotten(rooms: Rooms):
    rooms.add(OURS, "ann", now=0)
    with pytest.raises(RoomTaken):
        enter(rooms, OURS, "bob", now=1)
    enter(rooms, OURS, "ann", now=KEEP - 1)
    enter(rooms, OURS, "ann", now=2 * KEEP - 2)
    with pytest.raises(RoomRefused):
        enter(rooms, OURS, "ann", now=3 * KEEP)


def test_the_book_is_bounded_and_forgets_what_was_asked_for_longest_ago():
    rooms = Rooms([], keep=KEEP, rooms_max=3)
    names = [made(random=f"{number:012d}") for number in range(4)]
    for name in names[:3]:
        enter(rooms, name, "ann")
    enter(rooms, names[0], "ann", now=1)
    enter(rooms, names[3], "ann", now=2)
    assert len(rooms) == 3
    assert [rooms.owner(name, now=2) for name in names] == ["ann", None, "ann", "ann"]


def test_what_has_expired_makes_room(rooms: Rooms):
    for number in range(100):
        rooms.add(f"room-{number:012x}", "ann", now=number)
    assert len(rooms) == 100
    rooms.add(OURS, "ann", now=KEEP + 50)
    assert len(rooms) == 50
