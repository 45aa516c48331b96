"""Who may come in, as whom, and how a connection ends; without a network and in virtual time."""

from urllib.parse import quote

import pytest
import trio
import trio.testing

from voicetrio.session.endings import GOING_AWAY

from .caller import Caller, Door, open_door

SOON_S = 4.0
"""For a connection to be closed: a farewell may take 2 s, and a close frame 1 s."""


async def check_refused(door: Door, caller: Caller, status: int, why: str) -> None:
    await caller.over.wait()
    assert caller.status == status
    assert caller.messages == []
    assert door.telemetry.counts[f"connection_refused:{why}"] == 1


async def check_turned_away(door: Door, caller: Caller, code: int, why: str) -> None:
    """Accepted first, so that a browser's page can see why."""
    await caller.over.wait()
    assert (caller.status, caller.closed) == (101, code)
    error, closed = caller.messages
    assert (error["type"], error["code"], error["recoverable"]) == ("error", why, False)
    assert (closed["type"], closed["reason"]) == ("session.closed", why)
    assert door.telemetry.counts[f"connection_refused:{why}"] == 1


async def test_a_caller_gets_a_session_and_a_close_frame(autojump_clock):
    async with open_door() as door:
        caller = await door.enter()
        created = caller.messages[0]
        assert (created["session_id"], created["resumed"]) == ("one", False)
        await caller.say("session.close")
        await caller.over.wait()
        assert caller.closed == 1000
        assert caller.messages[-1]["type"] == "session.closed"
        assert len(door.house.registry) == 0


async def test_a_bad_id_and_a_foreign_page_are_refused(autojump_clock):
    async with open_door() as door:
        await check_refused(door, door.call("no spaces"), 400, "bad_session_id")
        await check_refused(door, door.call(origin="https://evil.example"), 403, "origin")
        assert len(door.house.registry) == 0


@pytest.mark.parametrize("received", ["abc", "-1", "1.5", "\u0661", "9" * 19, ""])
async def test_a_number_that_is_none_is_refused_and_harms_nothing(autojump_clock, received: str):
    async with open_door() as door:
        first = await door.enter()
        token = first.messages[0]["resume_token"]
        await check_refused(door, door.call("one", f"resume={token}&received={received}"), 400, "bad_request")
        assert not first.over.is_set()


async def test_an_id_in_use_is_refused_to_all_but_the_owner_of_its_token(autojump_clock):
    async with open_door() as door:
        first = await door.enter()
        other = await door.enter("two")
        for number, query in enumerate(("", "resume=wrong", f"resume={other.messages[0]['resume_token']}"), 1):
            caller = door.call("one", query)
            await caller.over.wait()
            assert caller.status == 409
            assert door.telemetry.counts["connection_refused:in_use"] == number
        second = await door.enter("one", f"resume={first.messages[0]['resume_token']}&received=0")
        await first.over.wait()
        assert first.closed == 4409
        assert second.messages[0]["resumed"]
        assert second.messages[0]["resume_token"] == first.messages[0]["resume_token"]
        assert len(door.house.registry) == 2


async def engage(caller: Caller) -> None:
    """Ask for something: who never did is not waited for."""
    await caller.say("session.configure")
    await caller.wait_for("session.configured")


async def test_who_comes_back_in_time_goes_on_and_who_comes_without_the_token_begins_anew(autojump_clock):
    async with open_door() as door:
        first = await door.enter()
        token = first.messages[0]["resume_token"]
        await engage(first)
        await first.leave()
        await first.over.wait()
        assert first.closed is None, "there is nobody to be told"
        back = await door.enter("one", f"resume={token}&received=0")
        assert back.messages[0]["resumed"]
        await back.leave()
        await back.over.wait()
        fresh = await door.enter("one")
        assert not fresh.messages[0]["resumed"]
        assert fresh.messages[0]["resume_token"] != token
        assert len(door.house.registry) == 2, "the first one is still waited for"


async def test_an_id_alone_ends_no_session_that_waits_and_its_token_brings_it_back(autojump_clock):
    async with open_door(max_sessions=5) as door:
        owner = await door.enter()
        token = owner.messages[0]["resume_token"]
        await engage(owner)
        await owner.leave()
        await owner.over.wait()
        newcomer = await door.enter("one")
        await engage(newcomer)
        back = await door.enter("one", f"resume={token}&received=1")
        assert back.messages[0]["resumed"]
        await newcomer.over.wait()
        assert newcomer.closed == 4409
        assert newcomer.messages[-1]["reason"] == "taken_over"
        stale = door.call("one", f"resume={newcomer.messages[0]['resume_token']}")
        await stale.over.wait()
        assert stale.status == 409
        assert not back.over.is_set()
        assert len(door.house.registry) == 1


@pytest.mark.parametrize("wrong", ["wrong", "a" * 32, "\u00e9"])
async def test_a_wrong_token_is_refused_and_the_session_waits_on(autojump_clock, wrong: str):
    async with open_door() as door:
        first = await door.enter()
        token = first.messages[0]["resume_token"]
        await engage(first)
        await first.leave()
        await first.over.wait()
        await check_refused(door, door.call("one", f"resume={quote(wrong)}"), 403, "wrong_token")
        assert (await door.enter("one", f"resume={token}&received=1")).messages[0]["resumed"]


async def test_a_token_of_a_session_that_is_gone_opens_a_fresh_one(autojump_clock):
    """Clients of a server that was restarted come with one."""
    async with open_door() as door:
        assert not (await door.enter("one", "resume=of-yesterday")).messages[0]["resumed"]


async def test_who_never_said_anything_leaves_nothing_behind(autojump_clock):
    async with open_door(max_sessions=1) as door:
        for _ in range(5):
            caller = await door.enter()
            await caller.hear(bytes(6400))
            await caller.leave()
            await caller.over.wait()
            await trio.testing.wait_all_tasks_blocked()
            assert len(door.house.registry) == 0


async def test_one_address_does_not_get_all_places(autojump_clock):
    async with open_door(max_sessions=10, max_per_address=2) as door:
        callers = [await door.enter(str(number)) for number in range(2)]
        await check_turned_away(door, door.call("three"), 1013, "address_full")
        other = door.call("four", address="192.0.2.7")
        await other.wait_for("session.created")
        token = callers[0].messages[0]["resume_token"]
        assert (await door.enter("0", f"resume={token}")).messages[0]["resumed"], "it has its place already"


async def test_of_two_that_begin_anew_at_once_one_is_told_that_the_id_is_in_use(autojump_clock):
    async with open_door() as door:
        first = await door.enter()
        await first.leave()
        await first.over.wait()
        callers = [door.call("one"), door.call("one")]
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(caller.status for caller in callers) == [101, 409]


async def test_when_all_places_are_taken_a_caller_is_told_so(autojump_clock):
    async with open_door(max_sessions=1) as door:
        first = await door.enter("one")
        await check_turned_away(door, door.call("two"), 1013, "overloaded")
        token = first.messages[0]["resume_token"]
        assert (await door.enter("one", f"resume={token}")).messages[0]["resumed"], "it has its place already"


async def test_when_the_server_stops_callers_are_told_so_new_ones_too(autojump_clock):
    async with open_door() as door:
        first = await door.enter()
        await door.house.registry.send_away(SOON_S)
        await first.over.wait()
        assert first.closed == 1001
        await check_turned_away(door, door.call("two"), 1001, "going_away")


@pytest.mark.parametrize("turn", range(10))
async def test_a_connection_whose_server_is_cancelled_is_told_and_closed(autojump_clock, turn: int):
    """In whatever order the connection's tasks are cancelled: it is a random one."""
    async with open_door() as door:
        caller = await door.enter()
        session = door.house.registry.find("one")
    assert session is not None
    assert session.over
    assert caller.closed == GOING_AWAY.code
    assert caller.messages[-1]["reason"] == GOING_AWAY.reason
    assert trio.current_time() < SOON_S
