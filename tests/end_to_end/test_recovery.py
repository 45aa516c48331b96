"""A worker is killed in the middle of each of twenty utterances, and the session has the same words as without.

What is measured is shown at the end of the test run: in the gateway, from the broken stream to the first audio on another
one (`voicetrio_worker_recovery_seconds`); and at the client, from the kill to the first news of audio that came after it.
"""

import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from .client import Client, Message, open_client
from .conftest import StartServer
from .processes import ADMIN_KEY, ServerProcess, WorkerProcess
from .sound import RATE, silence, speech
from .test_exactness import words_of
from .waiting import until

pytestmark = pytest.mark.slow

UTTERANCES = 20
SPOKEN_S = 5.0
SEED = 1
FAILOVER_S = 2.0
"""For audio to flow to another worker, on a machine that is busy with other tests. The budget is 0.5 s."""
BOUND_S = 300.0
"""For a session: twenty restarts of a worker, at 2 s on an idle machine."""

ENVIRONMENT = {
    "VOICETRIO_SESSION__MAX_RATE": "0",  # speech comes as quickly as it is taken
    "VOICETRIO_SESSION__MAX_BACKLOG": "20",  # seconds: three times what comes at once
    "VOICETRIO_SESSION__RECOVERY_TIMEOUT": "60",  # seconds: a restart takes long on a busy machine
    "VOICETRIO_SERVER__ADMIN_KEY": ADMIN_KEY,
    "VOICETRIO_WORKERS__RESTART_BACKOFF_MAX": "0.2",  # seconds: it is no crash loop, although it looks like one
}

Kill = Callable[[int], Awaitable[float]]
"""Is told which utterance it is in; returns the time of the kill, on trio's clock."""


def spoken(number: int) -> bytes:
    """A sentence without a pause, and a silence that ends it."""
    return silence(0.3) + speech(SPOKEN_S, seed=number) + silence(0.8)


async def converse(
    server: ServerProcess, kill: Kill | None, ready: Callable[[], Awaitable[None]] | None = None
) -> tuple[list[Message], list[float]]:
    """The finals of twenty utterances in one session; and, for each, the seconds from its kill to the first news.

    `ready` is waited for between utterances: within one, a pause of 5 s would end it.
    """
    dice = random.Random(SEED)
    first_news = []
    begin_ms = 0.0
    async with open_client(server.url, bound_s=BOUND_S) as client:
        for number in range(UTTERANCES):
            if ready is not None:
                await ready()
            pcm = spoken(number)
            place = 2 * round(dice.uniform(1.5, 5.0) * RATE)
            await client.pour(pcm[:place])
            await client.wait_for("transcript.partial", segment_id=number + 1)  # the worker is in the middle of it
            killed_at = trio.current_time() if kill is None else await kill(number)
            await client.pour(pcm[place:])
            final = await client.wait_for("transcript.final", count=number + 1)
            first_news.append(news_after(client, final, begin_ms + place / 32) - killed_at)
            begin_ms += len(pcm) / 32
        await client.finish()
        assert client.got("error", "session.frames_dropped") == []
        return client.got("transcript.final"), first_news


def news_after(client: Client, final: Message, place_ms: float) -> float:
    """When the first message came that knows of audio after this place of the session's audio."""
    known = int((place_ms - final["start_ms"]) / 500)
    return min(
        when
        for when, message in client.timed("transcript.partial", "transcript.final", segment_id=final["segment_id"])
        if len(message["text"].split()) > known
    )


def check_undisturbed(finals: list[Message], undisturbed: list[Message]) -> None:
    pcm = b"".join(spoken(number) for number in range(UTTERANCES))
    keys = ("segment_id", "text", "start_ms", "end_ms", "words")
    assert [[final[key] for key in keys] for final in finals] == [[final[key] for key in keys] for final in undisturbed]
    assert len(finals) == UTTERANCES
    for final in finals:
        assert final["text"].split() == words_of(pcm, final)


class Recoveries:
    """What the gateway has measured of each kill."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._seen = 0.0
        self.seconds: list[float] = []

    async def note(self, number: int) -> None:
        """Those of utterances before this one; each must have had one broken stream, and no more."""
        count = await ask(self._server, "voicetrio_worker_recovery_seconds_count")
        total = await ask(self._server, "voicetrio_worker_recovery_seconds_sum")
        assert count == number
        if number > 0:
            self.seconds.append(total - self._seen)
        self._seen = total


async def ask(server: ServerProcess, name: str) -> float:
    return await trio.to_thread.run_sync(server.metric, name)


def told(seconds: list[float]) -> str:
    return f"mean {sum(seconds) / len(seconds):.3f} s, max {max(seconds):.3f} s, of {len(seconds)}"


async def test_twenty_deaths_of_the_only_worker_cost_no_word(start_server: StartServer, record_property):
    server = start_server("config/bench.toml", environment=ENVIRONMENT)
    undisturbed, _ = await converse(server, None)
    recoveries = Recoveries(server)

    async def kill(number: int) -> float:
        await recoveries.note(number)
        pid = server.worker_pid()
        killed_at = trio.current_time()
        os.kill(pid, signal.SIGKILL)
        return killed_at

    finals, first_news = await converse(server, kill)
    await recoveries.note(UTTERANCES)
    check_undisturbed(finals, undisturbed)
    record_property("broken stream to audio on another", told(recoveries.seconds))
    record_property("kill to news of later audio", told(first_news))
    assert server.metric("voicetrio_worker_restarts_total") == UTTERANCES
    server.stop()


class Second:
    """A worker that belongs to no server, at one address whatever happens to it."""

    def __init__(self, folder: Path) -> None:
        self.address = f"unix:{folder / 'second.sock'}"
        self.name = "unix:second.sock"
        self._folder = folder
        self._runs: list[WorkerProcess] = []

    def start(self) -> None:
        folder = self._folder / f"second-{len(self._runs)}"
        self._runs.append(WorkerProcess(folder, self.address, "config/bench.toml"))

    @property
    def pid(self) -> int:
        return self._runs[-1].process.pid

    def kill(self) -> None:
        self._runs[-1].kill()


@asynccontextmanager
async def second_worker(folder: Path) -> AsyncIterator[Second]:
    second = Second(folder)
    second.start()
    try:
        yield second
    finally:
        second.kill()


async def both_ready(server: ServerProcess) -> None:
    await until(lambda: server.metric("voicetrio_workers_ready") == 2)


async def test_twenty_deaths_of_one_of_two_workers_cost_no_word_and_hardly_time(
    start_server: StartServer, tmp_path: Path, record_property
):
    async with second_worker(tmp_path) as second:
        environment = {**ENVIRONMENT, "VOICETRIO_WORKERS__ADDRESSES": f'["{second.address}"]'}
        server = start_server("config/bench.toml", environment=environment)
        await both_ready(server)
        undisturbed, _ = await converse(server, None)
        recoveries = Recoveries(server)

        async def kill(number: int) -> float:
            """The one that the session is on: it began on one of them, and has moved with each kill."""
            await recoveries.note(number)
            pid = server.worker_pid()
            on_second = await trio.to_thread.run_sync(server.busy_worker) == second.name
            killed_at = trio.current_time()
            if on_second:
                second.kill()
                second.start()
            else:
                os.kill(pid, signal.SIGKILL)
            return killed_at

        finals, first_news = await converse(server, kill, partial(both_ready, server))
        await recoveries.note(UTTERANCES)
        check_undisturbed(finals, undisturbed)
        record_property("broken stream to audio on another", told(recoveries.seconds))
        record_property("kill to news of later audio", told(first_news))
        assert max(recoveries.seconds) < FAILOVER_S
        assert server.metric("voicetrio_segments_lost_total") == 0
        server.stop()
