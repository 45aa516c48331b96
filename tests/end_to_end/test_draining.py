"""One of three workers is told to end and another is killed while eight sessions talk: every final is as without.

The engine's words are checksums of half seconds, so a sample that is lost, doubled or shifted shows. Half of the sessions
end their segment in time, and half talk on for longer than the draining worker can wait.
"""

import json
import signal
import time
from collections.abc import AsyncIterator, Callable, Container
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from .client import Client, Message, open_client
from .conftest import StartServer
from .processes import ServerProcess, WorkerProcess
from .test_exactness import words_of
from .test_recovery import ENVIRONMENT, RATE, spoken
from .waiting import until

pytestmark = pytest.mark.slow

SESSIONS = 8
HALF = (0, 1, 4, 5)
DRAIN_S = 4.0
"""For the worker. Half of it is for segments that end, and the other half for moving those that do not."""
MIDDLE = 2 * 2 * RATE
"""Bytes: 2 s into the sentence; 4 s are to come."""
BOUND_S = 60


class Fleet:
    def __init__(self, folder: Path, count: int) -> None:
        settings = folder / "drain.toml"
        settings.write_text(f"[worker]\ndrain_timeout = {DRAIN_S}\n")
        self.addresses = [f"unix:{folder / f'{number}.sock'}" for number in range(count)]
        self.workers = [
            WorkerProcess(folder / f"worker-{number}", address, "config/bench.toml", str(settings))
            for number, address in enumerate(self.addresses)
        ]

    def kill(self) -> None:
        for worker in self.workers:
            worker.kill()


@asynccontextmanager
async def served_by_fleet(
    start_server: StartServer, folder: Path, count: int
) -> AsyncIterator[tuple[ServerProcess, Fleet]]:
    """A server with so many workers that it has not started, all ready. It has to end well."""
    fleet = Fleet(folder, count)
    try:
        environment = {
            **ENVIRONMENT,
            "VOICETRIO_WORKERS__LOCAL": "false",
            "VOICETRIO_WORKERS__ADDRESSES": json.dumps(fleet.addresses),
        }
        server = await trio.to_thread.run_sync(lambda: start_server("config/bench.toml", environment=environment))
        await until(lambda: server.metric("voicetrio_workers_ready") == count)
        yield server, fleet
        await trio.to_thread.run_sync(server.stop)
    finally:
        fleet.kill()


async def talk_all(
    server: ServerProcess, disturb: Callable[[], object] = lambda: None, *, live: Container[int] = ()
) -> list[list[Message]]:
    """The finals of eight sessions; `disturb` is called once all are in the middle of a sentence.

    Those whose numbers are `live` go on at the pace of speech, the others as quickly as it is taken.
    """
    finals: list[list[Message]] = [[] for _ in range(SESSIONS)]
    waiting = SESSIONS
    middle = trio.Event()

    async def talk(number: int) -> None:
        nonlocal waiting
        pcm = spoken(number)
        async with open_client(server.url, bound_s=BOUND_S) as client:
            await client.pour(pcm[:MIDDLE])
            await client.wait_for("transcript.partial")
            waiting -= 1
            if waiting == 0:
                await trio.to_thread.run_sync(disturb)
                middle.set()
            await middle.wait()
            await go_on(client, pcm[MIDDLE:], live=number in live)
            await client.wait_for("transcript.final")
            await client.finish()
            assert client.got("error", "session.frames_dropped") == []
            finals[number] = client.got("transcript.final")
            for final in finals[number]:
                assert final["text"].split() == words_of(pcm, final)

    async with trio.open_nursery() as nursery:
        for number in range(SESSIONS):
            nursery.start_soon(talk, number)
    return finals


async def go_on(client: Client, pcm: bytes, *, live: bool) -> None:
    if live:
        await client.play(pcm, frame_ms=100)
    else:
        await client.pour(pcm)


def heard(finals: list[list[Message]]) -> list[list[object]]:
    keys = ("segment_id", "text", "start_ms", "end_ms", "words")
    return [[final[key] for key in keys] for session in finals for final in session]


async def test_a_worker_drains_and_another_dies_while_eight_sessions_talk(
    start_server: StartServer, tmp_path: Path, record_property
):
    async with served_by_fleet(start_server, tmp_path, 3) as (server, fleet):
        undisturbed = await talk_all(server)
        told_at = 0.0

        def disturb() -> None:
            nonlocal told_at
            told_at = time.monotonic()
            fleet.workers[0].send(signal.SIGTERM)
            fleet.workers[1].send(signal.SIGKILL)

        finals = await talk_all(server, disturb, live=HALF)
        assert heard(finals) == heard(undisturbed)
        assert len(heard(finals)) == SESSIONS
        assert await trio.to_thread.run_sync(fleet.workers[0].wait, 10) == 0
        record_property("streams moved", server.metric("voicetrio_streams_moved_total"))
        record_property("streams recovered", server.metric("stt_worker_recoveries_total"))
        assert server.metric("voicetrio_segments_lost_total") == 0


async def test_a_drained_worker_is_left_in_time_and_no_stream_breaks(start_server: StartServer, tmp_path: Path):
    async with served_by_fleet(start_server, tmp_path, 2) as (server, fleet):
        undisturbed = await talk_all(server)
        ended_after = 0.0

        def disturb() -> None:
            nonlocal ended_after
            ended_after = -time.monotonic()
            fleet.workers[0].send(signal.SIGTERM)

        async with trio.open_nursery() as nursery:

            async def watch_end() -> None:
                nonlocal ended_after
                assert await trio.to_thread.run_sync(fleet.workers[0].wait, BOUND_S) == 0
                ended_after += time.monotonic()

            nursery.start_soon(watch_end)
            finals = await talk_all(server, disturb, live=range(SESSIONS))
        assert heard(finals) == heard(undisturbed)
        assert server.metric("voicetrio_streams_moved_total") >= 1, "those that were there talked on"
        assert server.metric("stt_worker_recoveries_total") == 0, "nothing broke"
        assert 0 < ended_after < DRAIN_S, "it ended when the last stream had left, and did not wait for its time"
