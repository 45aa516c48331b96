"""The pool against real worker servers, in this process and over real sockets."""

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
import trio
import trio_asyncio

from tests.fakes.prompted_engine import ENTRY, PromptedHearing
from tests.fakes.telemetry import FakeTelemetry
from tests.worker.worker_client import until
from voicetrio.core.errors import WorkerBusy, WorkerRejected, WorkerUnavailable
from voicetrio.core.hypothesis import Draining
from voicetrio.session.ports import SpeechRequest, StreamConfig
from voicetrio.worker.config import WorkerConfig
from voicetrio.worker.engines.registry import HEARING
from voicetrio.worker.server import serve
from voicetrio.workers.pool import open_pool

pytestmark = pytest.mark.slow

CONFIG = StreamConfig(session_id="test", language="", hot_words=(), partials=True)


@asynccontextmanager
async def open_workers(*slots: int, engine: str = "instant"):
    """A pool of workers with so many recogniser slots each, all ready. Bounded: nothing here takes long."""
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            addresses = []
            for count in slots:
                config = WorkerConfig("127.0.0.1:0", stt_engine=engine, tts_engine="instant", stt_slots=count)
                addresses.append(await nursery.start(serve, config))
            async with (
                trio_asyncio.open_loop() as loop,
                open_pool(addresses, loop, FakeTelemetry(), health_interval=0.05, health_timeout=2.0) as pool,
            ):
                for member in pool.members:
                    while not member.ready:
                        await member.changed.wait()
                yield pool
            nursery.cancel_scope.cancel()


async def test_a_stream_goes_all_the_way():
    async with open_workers(2) as pool, pool.open_stream(CONFIG) as stream:
        await stream.send_audio(1, 0, bytes(32_000))
        await stream.end_segment(1, 16_000)
        while not (reply := await stream.receive()).final:
            pass
        assert (reply.segment_id, reply.consumed_sample, len(reply.words)) == (1, 16_000, 2)


async def test_a_stream_knows_its_engines_architecture():
    async with open_workers(1) as pool, pool.open_stream(CONFIG) as stream:
        assert stream.architecture == "streaming"


@pytest.mark.parametrize("stated", ["encoder-decoder", "ctc", "streaming", "transducer", ""])
async def test_an_architecture_that_is_not_known_is_taken_for_streaming(monkeypatch, stated):
    monkeypatch.setattr(PromptedHearing, "description", replace(PromptedHearing.description, architecture=stated))
    monkeypatch.setitem(HEARING, "prompted", ENTRY)
    async with open_workers(1, engine="prompted") as pool, pool.open_stream(CONFIG) as stream:
        assert stream.architecture == (stated if stated in ("encoder-decoder", "ctc") else "streaming")


async def test_a_segments_prompt_reaches_the_engine(monkeypatch):
    monkeypatch.setitem(HEARING, "prompted", ENTRY)
    async with open_workers(1, engine="prompted") as pool, pool.open_stream(CONFIG) as stream:
        await stream.begin_segment(3, "what came before")
        await stream.send_audio(3, 0, bytes(3200))
        assert (await stream.receive()).text == "what came before"


async def test_more_streams_than_one_connection_may_have_and_health_is_still_seen():
    async with open_workers(200) as pool, AsyncExitStack() as stack:
        for _ in range(150):
            await stack.enter_async_context(pool.open_stream(CONFIG))
        with trio.fail_after(2):
            assert await pool.members[0].client.is_serving()
            description = await pool.members[0].client.describe()
        assert description.stt.slots_in_use == 150


async def test_a_busy_worker_is_followed_by_the_next_and_none_is_an_error():
    async with open_workers(1, 1) as pool:
        async with pool.open_stream(CONFIG), pool.open_stream(CONFIG):
            with pytest.raises(WorkerBusy):
                async with pool.open_stream(CONFIG):
                    pass
        async with pool.open_stream(CONFIG):
            pass


async def test_an_unknown_language_is_rejected_in_words():
    async with open_workers(1) as pool:
        with pytest.raises(WorkerRejected, match="unknown language"):
            async with pool.open_stream(StreamConfig("test", "xx", (), partials=True)):
                pass


async def test_speech_comes_in_pieces_and_ends():
    async with open_workers(1) as pool, pool.open_speech(SpeechRequest("one two", "", 1.0)) as speech:
        pieces = []
        while (piece := await speech.receive()) is not None:
            pieces.append(piece)
        assert len(pieces) > 1
        assert [mark.text_offset for piece in pieces for mark in piece.marks] == [0, 4]


async def test_without_a_worker_there_is_an_error_at_once():
    async with (
        trio_asyncio.open_loop() as loop,
        open_pool(["127.0.0.1:1"], loop, FakeTelemetry(), health_interval=0.05, health_timeout=2.0) as pool,
    ):
        assert not pool.ready
        with pytest.raises(WorkerUnavailable):
            async with pool.open_stream(CONFIG):
                pass


@asynccontextmanager
async def open_stoppable(tmp_path):
    """A pool of two workers, and what stops the first."""
    stopping = trio.Event()
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            first, second = (
                WorkerConfig(f"unix:{tmp_path / name}", stt_engine="instant", tts_engine="instant", stt_slots=2)
                for name in ("a.sock", "b.sock")
            )
            await nursery.start(partial(serve, first, stopping=stopping))
            await nursery.start(serve, second)
            async with (
                trio_asyncio.open_loop() as loop,
                open_pool(
                    [first.listen, second.listen], loop, FakeTelemetry(), health_interval=0.05, health_timeout=2.0
                ) as pool,
            ):
                for member in pool.members:
                    while not member.ready:
                        await member.changed.wait()
                yield pool, stopping
            nursery.cancel_scope.cancel()


async def test_a_worker_that_drains_is_known_at_once_and_gets_no_new_stream(tmp_path):
    async with open_stoppable(tmp_path) as (pool, stopping), AsyncExitStack() as streams:
        held = [await streams.enter_async_context(pool.open_stream(CONFIG)) for _ in range(2)]
        assert {stream.worker for stream in held} == {"unix:a.sock", "unix:b.sock"}, "the freer one is asked"
        stream = next(stream for stream in held if stream.worker == "unix:a.sock")
        stopping.set()
        told = await stream.receive()
        assert isinstance(told, Draining)
        assert 10.0 < told.remaining <= 20.0
        assert [one.state for one in pool.overview()] == ["draining", "ready"]
        async with pool.open_stream(CONFIG) as other:
            assert other.worker == "unix:b.sock"
        await streams.aclose()
        while pool.members[0].state != "not ready":  # it has ended
            await pool.members[0].changed.wait()


async def test_without_a_stream_there_a_draining_worker_is_known_by_its_health(tmp_path):
    async with open_stoppable(tmp_path) as (pool, stopping), pool.members[0].client.open_stream(CONFIG) as stream:
        stopping.set()
        while pool.members[0].state != "draining":
            await pool.members[0].changed.wait()
        assert isinstance(await stream.receive(), Draining), "nobody has read it before"


async def test_the_streams_of_another_gateway_are_seen(tmp_path):
    async with open_stoppable(tmp_path) as (pool, _):
        client = pool.members[0].client  # what is opened by it, the pool does not know
        async with client.open_stream(CONFIG), client.open_stream(CONFIG):
            await until(lambda: pool.members[0].stt.free == 0)
            assert pool.overview()[0].streams == 0
            async with pool.open_stream(CONFIG) as stream:
                assert stream.worker == "unix:b.sock"
