"""Hands out tokens in virtual time, with dice that fall as they shall."""

import pytest
import trio

from voicetrio.core.rooms import RoomRefused, RoomTaken
from voicetrio.core.token_request import BadTokenRequest, TokenRequest
from voicetrio.tokens import TokenDesk

from .asking import config


class Signature:
    """Signs by writing down what was asked for."""

    def sign(self, room: str, identity: str, request: TokenRequest) -> str:
        return f"{room}/{identity}/{request.name}"


def test_a_room_that_there_is_already_is_not_given_again():
    falls = iter(["aaaaaaaaaaaa", "000000000001", "bbbbbbbbbbbb", "000000000001", "000000000001", "000000000002"])
    desk = TokenDesk(config(), Signature(), clock=lambda: 0.0, dice=lambda _: next(falls))
    one, two = desk.issue(TokenRequest()), desk.issue(TokenRequest())
    assert (one.room, one.identity) == ("room-000000000001", "user-aaaaaaaaaaaa")
    assert (two.room, two.identity) == ("room-000000000002", "user-bbbbbbbbbbbb")
    assert one.token == "room-000000000001/user-aaaaaaaaaaaa/"


async def test_it_goes_by_its_clocks(autojump_clock):
    now_ms = 1_703_123_456_789
    desk = TokenDesk(config(per_minute=1), Signature(), wall_clock_ms=lambda: now_ms)
    assert desk.wait("192.0.2.1") == 0
    assert desk.wait("192.0.2.1") == pytest.approx(60)
    await trio.sleep(60)
    assert desk.wait("192.0.2.1") == 0
    room = TokenRequest(room=f"session-{now_ms}-k3m9x7q2w", identity="ann")
    assert desk.issue(room).room == room.room
    with pytest.raises(RoomTaken):
        desk.issue(TokenRequest(room=room.room))
    now_ms += 86_400_001
    with pytest.raises(RoomRefused):
        desk.issue(room)


def test_a_token_is_not_shown():
    desk = TokenDesk(config(), Signature(), clock=lambda: 0.0)
    assert "user-" not in repr(desk.issue(TokenRequest(name="Ann"))).partition("room=")[0]


def test_a_token_that_is_too_large_takes_nobodys_room():
    class TooLarge(Signature):
        def sign(self, room: str, identity: str, request: TokenRequest) -> str:
            if request.metadata:
                raise BadTokenRequest("too large")
            return super().sign(room, identity, request)

    now_ms = 1_703_123_456_789
    desk = TokenDesk(config(), TooLarge(), clock=lambda: 0.0, wall_clock_ms=lambda: now_ms)
    room = f"session-{now_ms}-k3m9x7q2w"
    with pytest.raises(BadTokenRequest):
        desk.issue(TokenRequest(room=room, identity="ann", metadata="x"))
    assert desk.issue(TokenRequest(room=room, identity="ben")).room == room
