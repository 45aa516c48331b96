"""A worker that is told to stop: it says so, finishes what it has begun, takes nothing new, and ends as soon as it can."""

from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from voicetrio.worker.config import WorkerConfig
from voicetrio.worker.server import serve

from .worker_client import open_client, until

BOUND_S = 15


@asynccontextmanager
async def stoppable(drain_timeout: float = 10.0):
    """A client of a worker, what stops that, and what is set when it has ended."""
    stopping, ended = trio.Event(), trio.Event()
    config = WorkerConfig(
        "127.0.0.1:0", stt_engine="instant", tts_engine="instant", stt_slots=4, drain_timeout=drain_timeout
    )

    async def run(*, task_status: trio.TaskStatus[str]) -> None:  # noqa: ASYNC128 - it passes it on
        await serve(config, stopping=stopping, task_status=task_status)
        ended.set()

    with trio.fail_after(BOUND_S):
        async with trio.open_nursery() as nursery:
            address = await nursery.start(run)
            async with open_client(address) as client:
                yield client, stopping, ended
            nursery.cancel_scope.cancel()


async def test_each_open_stream_is_told_once_how_long_there_is():
    async with stoppable() as (client, stopping, _), client.transcribe() as one, client.transcribe() as two:
        for stream in (one, two):
            await stream.config()
        stopping.set()
        for stream in (one, two):
            reply = await stream.receive()
            assert reply.WhichOneof("reply") == "draining"
            assert 9000 < reply.draining.remaining_ms <= 10_000
        for number in range(3):  # it goes on, and says it no more
            await one.segment(number, 0, bytes(32_000))
            assert (await one.final()).segment_id == number
        assert one.drained_ms is None


async def test_it_says_what_it_is_doing_to_whoever_asks():
    async with stoppable() as (client, stopping, _), client.transcribe() as stream:
        await stream.config()
        assert not (await client.describe()).draining
        stopping.set()
        await until(partial(is_draining, client))
        assert (await client.describe()).stt.slots_in_use == 1
        for service in ("", "voicetrio.v1.SpeechToText", "voicetrio.v1.TextToSpeech"):
            assert await client.health(service) == "NOT_SERVING"


async def is_draining(client) -> bool:
    return (await client.describe()).draining


async def test_it_takes_nothing_new():
    async with stoppable() as (client, stopping, _), client.transcribe() as stream:
        await stream.config()
        stopping.set()
        await until(partial(is_draining, client))
        async with client.transcribe() as other:
            with pytest.raises(GRPCError) as caught:
                await other.config()
            assert caught.value.status is Status.UNAVAILABLE
        with pytest.raises(GRPCError) as caught:
            await client.speak("Hello.")
        assert caught.value.status is Status.UNAVAILABLE


async def test_it_ends_when_the_last_stream_has_left_and_not_later():
    async with stoppable() as (client, stopping, ended):
        async with client.transcribe() as stream:
            await stream.config()
            await stream.audio(1, 0, bytes(3200))
            stopping.set()
            await stream.segment_end(1, 1600)
            assert (await stream.final()).segment_id == 1
            assert not ended.is_set()
            await stream.end()
            assert await stream.receive() is None
        with trio.fail_after(3):  # of the ten that it had
            await ended.wait()


async def test_a_worker_without_calls_ends_at_once():
    async with stoppable() as (_, stopping, ended):
        stopping.set()
        with trio.fail_after(3):
            await ended.wait()


async def test_a_stream_that_stays_is_cut_when_the_time_is_over():
    async with stoppable(drain_timeout=0.2) as (client, stopping, ended), client.transcribe() as stream:
        await stream.config()
        stopping.set()
        assert (await stream.receive()).draining.remaining_ms <= 200
        with pytest.raises((GRPCError, StreamTerminatedError)):
            await stream.receive()
        await ended.wait()


async def test_what_is_being_spoken_is_spoken_to_its_end():
    text = "One sentence for the first piece of it. " * 60
    async with stoppable() as (client, stopping, ended):
        async with client.synthesize(text) as speech:
            samples = len((await speech.receive()).pcm) // 2
            stopping.set()
            await until(partial(is_draining, client))
            while (reply := await speech.receive()) is not None:
                samples += len(reply.pcm) // 2
        assert samples == len(text) * 1440, "60 ms for each character"
        await ended.wait()
