"""An answer that is left early: its server notices at once, and nothing stays open here."""

import gc
import random

import pytest
import trio

from tests.agent.asking import HELLO, ask, chunk, config
from tests.agent.http_server import Answer, open_server, stream
from voicetrio.agent import open_agent
from voicetrio.core.errors import AgentError

KINDS = pytest.mark.parametrize("kind", ["runtime", "chat"])
PART = chunk("word ")


@pytest.fixture(autouse=True)
async def _nothing_is_left_to_the_garbage_collector():
    """An async generator that is left unfinished warns when it is collected, and warnings are errors here."""
    yield
    for _ in range(2):
        gc.collect()
        await trio.lowlevel.checkpoint()


@KINDS
@pytest.mark.parametrize("parts", [(PART,), (PART * 3,), (PART, PART + b"data: ha")])
async def test_leaving_after_the_first_event_disconnects(kind, parts):
    async with (
        open_server(stream(*parts, ended=False, then="hold")) as server,
        open_agent(config(server, kind=kind)) as agent,
    ):
        async with agent.open_turn(HELLO) as answer:
            await answer.receive()
        with trio.fail_after(5):
            await server.gone.wait()
        gc.collect()


@KINDS
async def test_leaving_before_the_first_event_disconnects(kind):
    async with (
        open_server(stream(PART, ended=False, then="hold")) as server,
        open_agent(config(server, kind=kind)) as agent,
    ):
        async with agent.open_turn(HELLO):
            pass
        with trio.fail_after(5):
            await server.gone.wait()


@KINDS
async def test_a_cancel_in_the_middle_of_an_answer_disconnects(kind):
    async with (
        open_server(stream(PART, ended=False, then="hold")) as server,
        open_agent(config(server, kind=kind)) as agent,
    ):
        with trio.move_on_after(0.02) as scope:
            await ask(agent)
        assert scope.cancelled_caught
        with trio.fail_after(5):
            await server.gone.wait()


@KINDS
async def test_a_cancel_while_nothing_is_received_disconnects(kind):
    async with (
        open_server(stream(PART * 5, ended=False, then="hold")) as server,
        open_agent(config(server, kind=kind)) as agent,
    ):
        with trio.CancelScope() as scope:
            async with agent.open_turn(HELLO) as answer:
                await answer.receive()
                scope.cancel()
                await trio.sleep_forever()
        assert scope.cancelled_caught
        with trio.fail_after(5):
            await server.gone.wait()


@KINDS
async def test_a_cancel_before_the_answer_begins_disconnects(kind):
    async with open_server(Answer((), "hold")) as server, open_agent(config(server, kind=kind)) as agent:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, agent)
            while not server.requests:
                await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        with trio.fail_after(5):
            await server.gone.wait()


@KINDS
async def test_an_exception_in_the_middle_passes_and_disconnects(kind):
    async with (
        open_server(stream(PART, ended=False, then="hold")) as server,
        open_agent(config(server, kind=kind)) as agent,
    ):
        with pytest.raises(ZeroDivisionError):
            async with agent.open_turn(HELLO) as answer:
                await answer.receive()
                raise ZeroDivisionError
        with trio.fail_after(5):
            await server.gone.wait()


@KINDS
async def test_an_event_that_is_too_large_disconnects(kind):
    async with (
        open_server(stream(b"data: " + b"x" * 1000, ended=False, then="hold")) as server,
        open_agent(config(server, kind=kind, max_event_bytes=500)) as agent,
    ):
        with pytest.raises(AgentError):
            await ask(agent)
        with trio.fail_after(5):
            await server.gone.wait()


async def test_a_cancel_takes_effect_between_events_that_have_come_together():
    async with (
        open_server(stream(b'data: {"a":1}\n\n' * 1000, ended=False, then="hold")) as server,
        open_agent(config(server, kind="runtime")) as agent,
    ):
        with trio.CancelScope() as scope:
            async with agent.open_turn(HELLO) as answer:
                assert await answer.receive() is not None
                scope.cancel()
                await answer.receive()
                pytest.fail("an event after the cancel")


async def test_a_cancel_at_any_moment_leaves_nothing_open():
    """Cancelled at the n-th checkpoint of the turn, for every n until the turn comes to its end before."""
    pieces = stream(PART, PART * 2, chunk("end", "stop")).pieces
    answers = [Answer(pieces, "keep", patient=False)] * 200
    async with open_server(*answers) as server, open_agent(config(server, kind="chat")) as agent:
        for steps in range(200):
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_cancel_after, scope, steps)
                    await ask(agent)
                    scope.shield = True
                    nursery.cancel_scope.cancel()
            gc.collect()
            if not scope.cancelled_caught:
                break
        assert 5 < steps < 199
        assert len(await ask(agent)) > 1


async def _cancel_after(scope: trio.CancelScope, steps: int) -> None:
    for _ in range(steps):
        await trio.lowlevel.checkpoint()
    scope.cancel()


async def test_ten_sessions_ask_at_once_and_leave_when_they_like():
    dice = random.Random(5)
    answers = [stream(*[PART] * 5, chunk("", "stop")) for _ in range(10)]
    ends: list[int] = []

    async def turn(events: int) -> None:
        async with agent.open_turn(HELLO) as answer:
            for _ in range(events):
                await answer.receive()
            ends.append(events)

    async with (
        open_server(*answers) as server,
        open_agent(config(server, kind="chat")) as agent,
        trio.open_nursery() as nursery,
    ):
        for _ in range(10):
            nursery.start_soon(turn, dice.randint(0, 5))
    assert len(ends) == len(server.requests) == 10


async def test_closing_the_agent_closes_its_connections():
    async with open_server(stream(PART, then="keep")) as server:
        async with open_agent(config(server, kind="runtime")) as agent:
            await ask(agent)
        with trio.fail_after(5):
            while server.open_connections:
                await trio.testing.wait_all_tasks_blocked()
