"""The same conversations under many orders of trio's tasks: what the client sees must not depend on the order.

trio has no public switch for its scheduling order. This uses the one that its Hypothesis plug-in uses; the first test
fails if a release of trio takes it away. To replay one: `pytest tests/session/test_schedules.py -k "[417]"`.
"""

import random

import pytest
import trio
from trio._core import _run as trio_run

from tests.fakes.client import open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from tests.fakes.synthesizer import FakeSynthesizer

SEEDS = range(100)


@pytest.fixture
def schedule(request, monkeypatch):
    """Run the test under the task order that the seed names."""
    monkeypatch.setattr(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    before = trio_run._r.getstate()
    trio_run._r.seed(request.param)
    yield request.param
    trio_run._r.setstate(before)


async def _order() -> list[int]:
    order: list[int] = []

    async def step(number: int) -> None:
        for _ in range(5):
            await trio.lowlevel.checkpoint()
            order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(step, number)
    return order


def test_a_seed_names_an_order(monkeypatch):
    monkeypatch.setattr(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    orders = []
    for seed in (1, 1, 2):
        trio_run._r.seed(seed)
        orders.append(trio.run(_order))
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]


@pytest.mark.parametrize("schedule", SEEDS, indirect=True)
async def test_speech_and_crashes_and_answers(autojump_clock, schedule):
    dice = random.Random(schedule)
    breaks = [Behaviour(break_after=dice.randrange(1, 30_000)) for _ in range(dice.randrange(3))]
    recognizer = FakeRecognizer(behaviours=breaks, default=Behaviour(final_delay=dice.random()))
    synthesizer = FakeSynthesizer(fail_after_chars=dice.choice([None, None, 3]))
    async with open_client(recognizer=recognizer, synthesizer=synthesizer) as client:
        client.frame = dice.choice([0.01, 0.02, 0.05, 0.3])
        await client.say(1, 2)
        await client.be_silent(1.0)
        await client.send("tts.speak", text="one two", request_id="a")
        # Long enough for the answer to be heard whole, also when it was announced a frame later.
        await client.be_silent(2.0)
        await client.say(3)
        await client.be_silent(dice.choice([0.6, 2.0]))
        if dice.random() < 0.3:
            await client.send("tts.speak", text="one two", request_id="b")
            await trio.sleep(dice.random())
            await client.send("tts.cancel", request_id="b")
        await client.say(4)
        await client.send("session.close")
        await client.wait_for("session.closed")
    assert " ".join(client.finals()) == "w1 w2 w3 w4"
    assert client.link.closed == (1000, "client_closed")


@pytest.mark.parametrize("schedule", SEEDS, indirect=True)
async def test_an_end_at_any_moment(autojump_clock, schedule):
    dice = random.Random(schedule)
    recognizer = FakeRecognizer(default=Behaviour(final_delay=0.3, break_after=dice.choice([None, 9000])))
    async with open_client(recognizer=recognizer, synthesizer=FakeSynthesizer(seconds_per_char=0.02)) as client:

        async def talk() -> None:
            try:
                for number in range(1, 6):
                    await client.say(number)
                    await client.be_silent(0.7)
                    await client.send("tts.speak", text="hello there")
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # the session has ended, as it was told to

        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk)
            await trio.sleep(dice.random() * 6)
            match dice.choice(["close", "cancel", "leave", "scope"]):
                case "leave":
                    nursery.cancel_scope.cancel()
                    client.leave()
                case "scope":
                    client.scope.cancel()
                case how:
                    with trio.move_on_after(5):
                        await client.send(f"session.{how}")
            await client.over.wait()
    assert client.link.closed is not None or client.link.gone
