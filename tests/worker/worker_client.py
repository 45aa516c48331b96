"""A gRPC client of a worker, for tests: trio outside, grpclib inside, in an asyncio loop of its own."""

import contextlib
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio
import trio_asyncio
from grpclib.client import Channel
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from voicetrio.v1 import worker_pb2 as pb
from voicetrio.v1.worker_grpc import SpeechToTextStub, TextToSpeechStub, WorkerStub
from voicetrio.worker.config import WorkerConfig
from voicetrio.worker.server import serve

RECORDINGS = Path(__file__).parents[1] / "recordings" / "english"
TRANSCRIPTS = dict(line.split("\t") for line in (RECORDINGS / "transcripts.tsv").read_text().splitlines()[1:])
RATE = 16_000
CHUNK_BYTES = 2 * RATE * 60 // 1000


def speech(name: str) -> bytes:
    """A recording, from 0.3 s before its speech to 0.5 s after it."""
    with wave.open(str(RECORDINGS / name)) as file:
        pcm = file.readframes(file.getnframes())
    return pcm[round(0.3 * 2 * RATE) : len(pcm) - round(0.7 * 2 * RATE)]


def text_of(hypothesis: pb.Hypothesis) -> str:
    return " ".join(word.text for word in hypothesis.words)


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Ask again and again: these facts belong to other processes, and nobody tells when they change."""
    while True:
        answer = condition()
        if answer if isinstance(answer, bool) else await answer:
            return
        await trio.sleep(0.02)


class TestStream:
    """One call. Sends and receives are trio's; errors are grpclib's own."""

    __test__ = False

    def __init__(self, stream, loop) -> None:
        self._stream = stream
        self._loop = loop
        self.drained_ms: int | None = None
        """What the worker said that it has left, when `final` came across that."""

    async def receive(self):
        """The next reply; None at the end. Raises `GRPCError` when the worker ended the call with one."""
        return await self._in_asyncio(self._receive)

    async def _receive(self):
        reply = await self._stream.recv_message()
        if reply is None:
            await self._stream._stream.recv_trailers()
            self._stream._maybe_raise()
        return reply

    async def send(self, message) -> None:
        await self._in_asyncio(self._stream.send_message, message)

    async def end(self) -> None:
        await self._in_asyncio(self._stream.end)

    async def _in_asyncio(self, function, *args):
        try:
            return await trio_asyncio.aio_as_trio(function, loop=self._loop)(*args)
        except StreamTerminatedError:
            # A worker that ends a call with an error resets the stream behind its trailers.
            self._stream._maybe_raise()
            raise

    async def config(self, **config) -> pb.StreamOpened:
        """Send the config and wait for the answer."""
        await self.send(pb.TranscribeRequest(config=pb.StreamConfig(**{"session_id": "test", **config})))
        reply = await self.receive()
        assert reply.WhichOneof("reply") == "opened"
        return reply.opened

    async def audio(self, segment_id: int, start: int, pcm: bytes) -> None:
        chunk = pb.AudioChunk(segment_id=segment_id, start_sample=start, pcm=pcm)
        await self.send(pb.TranscribeRequest(audio=chunk))

    async def segment_end(self, segment_id: int, end: int) -> None:
        await self.send(pb.TranscribeRequest(segment_end=pb.SegmentEnd(segment_id=segment_id, end_sample=end)))

    async def segment(self, segment_id: int, start: int, pcm: bytes) -> None:
        for offset in range(0, len(pcm), CHUNK_BYTES):
            await self.audio(segment_id, start + offset // 2, pcm[offset : offset + CHUNK_BYTES])
        await self.segment_end(segment_id, start + len(pcm) // 2)

    async def final(self) -> pb.Hypothesis:
        """The next final; partials and signs of work on the way to it are skipped."""
        while True:
            reply = await self.receive()
            assert reply is not None
            if reply.WhichOneof("reply") == "draining":
                self.drained_ms = reply.draining.remaining_ms
            if reply.hypothesis.final:
                return reply.hypothesis


class _Left(Exception):
    pass


class WorkerClient:
    def __init__(self, address: str, channel: Channel, loop) -> None:
        self.address = address
        self.channel = channel
        self.loop = loop

    async def has_slots_in_use(self, stt: int = 0, tts: int = 0) -> bool:
        description = await self.describe()
        return (description.stt.slots_in_use, description.tts.slots_in_use) == (stt, tts)

    async def is_healthy(self, service: str = "") -> bool:
        return await self.health(service) == "SERVING"

    async def call(self, method, request):
        return await trio_asyncio.aio_as_trio(method, loop=self.loop)(request)

    async def describe(self) -> pb.Description:
        return await self.call(WorkerStub(self.channel).Describe, pb.DescribeRequest())

    async def health(self, service: str = "") -> str:
        reply = await self.call(HealthStub(self.channel).Check, HealthCheckRequest(service=service))
        return HealthCheckResponse.ServingStatus.Name(reply.status)

    @asynccontextmanager
    async def _open(self, stub) -> AsyncIterator[TestStream]:
        stream = stub.open()
        await trio_asyncio.aio_as_trio(stream.__aenter__, loop=self.loop)()
        try:
            yield TestStream(stream, self.loop)
        finally:
            # As if an error had happened: grpclib then resets a call that has not ended, and raises nothing of its own.
            with trio.move_on_after(1, shield=True), contextlib.suppress(StreamTerminatedError, GRPCError):
                await trio_asyncio.aio_as_trio(stream.__aexit__, loop=self.loop)(_Left, _Left(), None)

    def transcribe(self):
        return self._open(SpeechToTextStub(self.channel).Transcribe)

    @asynccontextmanager
    async def synthesize(self, text: str, **request) -> AsyncIterator[TestStream]:
        async with self._open(TextToSpeechStub(self.channel).Synthesize) as stream:
            await stream.send(pb.SynthesizeRequest(text=text, **request))
            await stream.end()
            yield stream

    async def speak(self, text: str, **request) -> list[pb.SynthesizeReply]:
        request_message = pb.SynthesizeRequest(text=text, **request)
        return await self.call(TextToSpeechStub(self.channel).Synthesize, request_message)


@asynccontextmanager
async def open_client(address: str) -> AsyncIterator[WorkerClient]:
    async with trio_asyncio.open_loop() as loop:
        if address.startswith("unix:"):
            channel = Channel(path=address.removeprefix("unix:"))
        else:
            host, _, port = address.rpartition(":")
            channel = Channel(host, int(port))
        try:
            yield WorkerClient(address, channel, loop)
        finally:
            channel.close()
            with trio.move_on_after(1, shield=True):
                await loop.synchronize()


@asynccontextmanager
async def open_worker(config: WorkerConfig) -> AsyncIterator[WorkerClient]:
    """A worker in this process, and a client of it."""
    async with trio.open_nursery() as nursery:
        address = await nursery.start(serve, config)
        async with open_client(address) as client:
            yield client
        nursery.cancel_scope.cancel()
