"""A worker that answers nothing, and whose connections stay open: found in time, left, and used again when it is back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from tests.workers.fleet import Telemetry, member
from voicetrio.core.errors import WorkerUnavailable
from voicetrio.session.ports import StreamConfig
from voicetrio.v1 import worker_pb2 as pb
from voicetrio.workers.member import Member
from voicetrio.workers.pool import Pool

INTERVAL = 1.0
PATIENCE = 5.0
CONFIG = StreamConfig("test", "", (), partials=True)


class Frozen:
    """A worker's client, in virtual time."""

    def __init__(self, address: str, description: pb.Description) -> None:
        self.address = address
        self.description = description
        self.heard_at = 0.0
        self.thawed = trio.Event()
        self.thawed.set()
        self.broken = trio.Event()
        self.reconnected = 0

    def freeze(self) -> None:
        self.thawed = trio.Event()

    async def is_serving(self) -> bool:
        await trio.lowlevel.checkpoint()
        await self.thawed.wait()
        self.heard_at = trio.current_time()
        return True

    async def describe(self) -> pb.Description:
        await trio.lowlevel.checkpoint()
        return self.description

    async def break_off(self) -> None:
        await trio.lowlevel.checkpoint()
        self.broken.set()

    async def reconnect_health(self) -> None:
        await trio.lowlevel.checkpoint()
        self.reconnected += 1

    @asynccontextmanager
    async def open_stream(self, config, *, on_draining) -> AsyncIterator[str]:
        await trio.lowlevel.checkpoint()
        yield self.address


@asynccontextmanager
async def watched(*names: str) -> AsyncIterator[tuple[Pool, Telemetry, list[Member]]]:
    members = []
    for name in names:
        one = member(name)
        one.client = Frozen(name, one.description)
        members.append(one)
    telemetry = Telemetry()
    pool = Pool(members, telemetry)
    async with trio.open_nursery() as nursery:
        for one in members:
            nursery.start_soon(partial(pool.watch, one, interval=INTERVAL, patience=PATIENCE))
        await trio.sleep(0.5)
        yield pool, telemetry, members
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("after", [0.0, 0.4, 0.9])
async def test_its_calls_are_broken_off_within_an_interval_and_the_timeout(autojump_clock, after):
    async with watched("a") as (_, telemetry, [one]):
        await trio.sleep(after)
        one.client.freeze()
        frozen_at = trio.current_time()
        await one.client.broken.wait()
        assert PATIENCE <= trio.current_time() - frozen_at <= INTERVAL + PATIENCE
        await trio.testing.wait_all_tasks_blocked()
        assert (one.state, one.frozen, telemetry.frozen) == ("not ready", True, 1)


async def test_a_call_that_fails_has_it_looked_at_at_once(autojump_clock):
    async with watched("a") as (pool, _, [one]):
        one.client.freeze()
        frozen_at = trio.current_time()
        with pytest.raises(WorkerUnavailable):
            async with pool.open_stream(CONFIG):
                raise WorkerUnavailable("it owes an answer")
        await one.client.broken.wait()
        assert trio.current_time() - frozen_at == pytest.approx(PATIENCE)


async def test_meanwhile_others_are_asked_first(autojump_clock):
    async with watched("a", "b") as (pool, _, [one, other]):
        one.client.freeze()
        one.doubt()
        for _ in range(20):
            async with pool.open_stream(CONFIG) as address:
                assert address == "b"
        other.doubt()
        async with pool.open_stream(CONFIG):
            pass  # no worse than the other one


async def test_it_is_used_again_once_it_answers(autojump_clock):
    async with watched("a") as (pool, telemetry, [one]):
        one.client.freeze()
        await trio.sleep(30)
        assert not pool.ready
        one.client.thawed.set()
        await trio.sleep(0.2)
        assert (one.state, one.frozen, one.doubtful, telemetry.frozen) == ("ready", False, False, 1)


async def test_one_whose_streams_go_on_is_not_frozen(autojump_clock):
    """Only the connection of the health checks has died: they go on over another one."""
    async with watched("a") as (pool, telemetry, [one]):
        one.client.freeze()
        with trio.move_on_after(20):
            while True:
                await trio.sleep(0.5)
                one.client.heard_at = trio.current_time()
        assert pool.ready
        assert one.client.reconnected >= 3
        assert not one.client.broken.is_set()
        assert telemetry.frozen == 0


async def test_while_this_process_stands_still_nobody_else_is_blamed(mock_clock):
    """All clocks have gone on when it wakes; the answer is in the socket."""
    async with watched_by(mock_clock) as (telemetry, one):
        one.client.freeze()
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(INTERVAL)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(60)
        await trio.testing.wait_all_tasks_blocked()
        one.client.thawed.set()
        await trio.testing.wait_all_tasks_blocked()
        assert (one.state, one.frozen, telemetry.frozen) == ("ready", False, 0)


@asynccontextmanager
async def watched_by(mock_clock) -> AsyncIterator[tuple[Telemetry, Member]]:
    one = member("a")
    one.client = Frozen("a", one.description)
    telemetry = Telemetry()
    pool = Pool([one], telemetry)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(pool.watch, one, interval=INTERVAL, patience=PATIENCE))
        await trio.testing.wait_all_tasks_blocked()
        yield telemetry, one
        nursery.cancel_scope.cancel()
