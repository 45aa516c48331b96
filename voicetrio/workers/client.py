"""One worker as its gRPC client sees it: grpclib, which is asyncio, seen from trio.

Every call into grpclib is one step into the trio-asyncio loop and back (about 65 us). The loop is passed on explicitly:
request tasks of the web server were not started from the task that opened it.

gRPC statuses become errors of our tree here and nowhere else. Leaving a call resets its stream, without waiting for
the worker, also when the task was cancelled: the slot is free as soon as the worker reads the reset.
"""

import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import trio
import trio_asyncio  # before grpclib: it replaces functions of asyncio which grpclib takes hold of when imported
from grpclib.client import Channel
from grpclib.const import Status
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from voicetrio.core.errors import (
    EngineLost,
    WorkerBusy,
    WorkerCrashed,
    WorkerRejected,
    WorkerSilent,
    WorkerUnavailable,
)
from voicetrio.core.hypothesis import Architecture, Draining, Hypothesis, Word, Working
from voicetrio.core.playback import WordMark
from voicetrio.core.socket_paths import worker_name
from voicetrio.session.ports import SpeechAudio, SpeechRequest, StreamConfig
from voicetrio.v1 import worker_pb2 as pb
from voicetrio.v1.worker_grpc import SpeechToTextStub, TextToSpeechStub, WorkerStub
from voicetrio.workers.channels import Channels

_OPEN_TIMEOUT = 3.0
"""Seconds for a worker to take or refuse a call, which it does at once. A session waits 5 s for a stream, so that after
one worker that hangs the next has its turn."""

_LEAVE_TIMEOUT = 1.0
"""Seconds for leaving a call. It does not wait for the peer; this only bounds a loop that is busy."""


class _Left(Exception):
    """Tells grpclib that we leave a call without caring for its end."""


@contextmanager
def _translated() -> Iterator[None]:
    """GRPC's and the socket's errors as ours. Texts from the worker are shown: it writes them for people. Where it lives is
    not: clients read these texts.
    """
    try:
        yield
    except GRPCError as error:
        message = error.message or error.status.name
        match error.status:
            case Status.RESOURCE_EXHAUSTED:
                raise WorkerBusy(message) from error
            case Status.INVALID_ARGUMENT | Status.UNIMPLEMENTED | Status.OUT_OF_RANGE:
                raise WorkerRejected(message) from error
            case Status.ABORTED:
                raise WorkerCrashed(message) from error
            case Status.DATA_LOSS:
                raise EngineLost(message) from error
            case _:
                raise WorkerUnavailable(f"the worker failed: {message}") from error
    except (StreamTerminatedError, ProtocolError, OSError) as error:
        raise WorkerUnavailable(f"the connection to the worker was lost ({type(error).__name__})") from error


class WorkerClient:
    """Calls one worker. A lost connection is opened again by the next call."""

    def __init__(
        self, address: str, channels: Channels, own_channel: Channel, loop: trio_asyncio.TrioEventLoop
    ) -> None:
        self.address = address
        self.heard_at = -math.inf
        """When anything last came from the worker, on whatever call; trio's clock."""
        self._loop = loop
        self._channels = channels
        self._own_channel = own_channel
        self._health = HealthStub(own_channel)
        self._worker = WorkerStub(own_channel)

    async def describe(self) -> pb.Description:
        """Raises `WorkerError`. Safe to cancel."""
        with _translated():
            description: pb.Description = await self._aio(self._worker.Describe)(pb.DescribeRequest())
            self.note_sign_of_life()
            return description

    async def is_serving(self) -> bool:
        """Whether the worker's health service says SERVING for the worker as a whole. Raises `WorkerError`."""
        with _translated():
            reply = await self._aio(self._health.Check)(HealthCheckRequest(service="voicetrio.v1.Worker"))
            self.note_sign_of_life()
            serving: bool = reply.status == HealthCheckResponse.SERVING
            return serving

    def note_sign_of_life(self) -> None:
        """Something has come from the worker."""
        self.heard_at = trio.current_time()

    async def break_off(self) -> None:
        """The worker is taken for frozen: whoever has a call there fails with `WorkerUnavailable`, now."""
        await self._channels.aclose(self._own_channel)

    async def reconnect_health(self) -> None:
        """Health checks go over a new connection from now on: the old one is silent, though the worker is not."""
        await self._channels.close(self._own_channel)

    @asynccontextmanager
    async def open_stream(
        self, config: StreamConfig, *, on_draining: Callable[[], None] = lambda: None
    ) -> AsyncIterator["TranscribeStream"]:
        """Take a slot and hold it inside. Entering raises `WorkerError`; leaving never does.

        `on_draining` is called, before anybody else hears of it, when the worker says that it is about to end.
        """
        async with self._channels.lease() as channel, self._call(SpeechToTextStub(channel).Transcribe) as call:
            stream = TranscribeStream(self, call, self._loop, on_draining)
            with self._in_time():
                await stream.open(config)
            yield stream

    @asynccontextmanager
    async def open_speech(self, request: SpeechRequest) -> AsyncIterator["SynthesizeStream"]:
        """Synthesise inside; leaving stops it. Entering raises `WorkerError`."""
        message = pb.SynthesizeRequest(text=request.text, voice=request.voice, speed=request.speed)
        async with self._channels.lease() as channel, self._call(TextToSpeechStub(channel).Synthesize) as call:
            with self._in_time(), _translated():
                await self._aio(call.send_message)(message, end=True)
            yield SynthesizeStream(self, call, self._loop)

    @asynccontextmanager
    async def _call(self, method: Any) -> AsyncIterator[Any]:
        call = method.open()
        await self._aio(call.__aenter__)()
        reason: Exception = _Left()
        try:
            yield call
        except WorkerUnavailable as error:
            # A worker that ends a call sends its status and resets the stream; the reset may be seen first, in a receive
            # or in a send. grpclib looks for the status when it is told of the reset on leaving.
            if not isinstance(error.__cause__, GRPCError):
                reason = StreamTerminatedError("the call has failed")
            raise
        finally:
            with trio.move_on_after(_LEAVE_TIMEOUT, shield=True), _translated():
                await self._aio(call.__aexit__)(type(reason), reason, None)

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Raises `WorkerUnavailable` when the worker does not take the call. A hung one's kernel still does."""
        with trio.move_on_after(_OPEN_TIMEOUT) as patience:
            yield
        if patience.cancelled_caught:
            raise WorkerSilent(f"the worker did not answer within {_OPEN_TIMEOUT:g} s")

    def _aio(self, function: Any) -> Any:
        return trio_asyncio.aio_as_trio(function, loop=self._loop)


@asynccontextmanager
async def open_client(address: str, loop: trio_asyncio.TrioEventLoop) -> AsyncIterator[WorkerClient]:
    """`address` is `host:port` or `unix:/path`. Nothing is connected until the first call."""
    channels = Channels(address, loop)
    own_channel = await channels.make()
    try:
        yield WorkerClient(address, channels, own_channel, loop)
    finally:
        with trio.move_on_after(_LEAVE_TIMEOUT, shield=True):
            await channels.aclose(own_channel)


class TranscribeStream:
    """The session's `RecognizerStream` over one gRPC call."""

    def __init__(
        self,
        client: WorkerClient,
        call: Any,
        loop: trio_asyncio.TrioEventLoop,
        on_draining: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._on_draining = on_draining
        self._worker = worker_name(client.address)
        self._call = call
        self._send = trio_asyncio.aio_as_trio(call.send_message, loop=loop)
        self._receive = trio_asyncio.aio_as_trio(call.recv_message, loop=loop)
        self._receive_status = trio_asyncio.aio_as_trio(call.recv_trailing_metadata, loop=loop)
        self._model = ""
        self._architecture: Architecture = "streaming"

    @property
    def worker(self) -> str:
        return self._worker

    @property
    def model(self) -> str:
        return self._model

    @property
    def architecture(self) -> Architecture:
        return self._architecture

    async def open(self, config: StreamConfig) -> None:
        """Raises `WorkerError` when no slot was had."""
        message = pb.StreamConfig(
            session_id=config.session_id,
            language=config.language,
            hot_words=config.hot_words,
            partials=config.partials,
            alone=config.alone,
        )
        with _translated():
            await self._send(pb.TranscribeRequest(config=message))
        reply = await self._next()
        if reply.WhichOneof("reply") != "opened":
            raise WorkerUnavailable("the first reply of the worker was not `opened`")
        self._model = f"{reply.opened.engine} {reply.opened.model}".strip()
        self._architecture = _architecture(reply.opened.architecture)

    async def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        start = pb.SegmentStart(segment_id=segment_id, initial_prompt=initial_prompt)
        with _translated():
            await self._send(pb.TranscribeRequest(segment_start=start))

    async def send_audio(self, segment_id: int, start_sample: int, pcm: bytes) -> None:
        chunk = pb.AudioChunk(segment_id=segment_id, start_sample=start_sample, pcm=pcm)
        with _translated():
            await self._send(pb.TranscribeRequest(audio=chunk))

    async def end_segment(self, segment_id: int, end_sample: int) -> None:
        end = pb.SegmentEnd(segment_id=segment_id, end_sample=end_sample)
        with _translated():
            await self._send(pb.TranscribeRequest(segment_end=end))

    async def receive(self) -> Hypothesis | Working | Draining:
        while True:
            reply = await self._next()
            match reply.WhichOneof("reply"):
                case "hypothesis":
                    return _hypothesis(reply.hypothesis)
                case "working":
                    return Working(reply.working.segment_id)
                case "draining":
                    self._on_draining()
                    return Draining(reply.draining.remaining_ms / 1000)
                case _:
                    continue  # a newer worker's reply that this gateway does not know

    async def _next(self) -> pb.TranscribeReply:
        with _translated():
            reply: pb.TranscribeReply | None = await self._receive()
            if reply is None:
                await self._receive_status()
                raise WorkerUnavailable("the worker ended the stream")
            self._client.note_sign_of_life()
            return reply


class SynthesizeStream:
    """The session's `SpeechStream` over one gRPC call."""

    def __init__(self, client: WorkerClient, call: Any, loop: trio_asyncio.TrioEventLoop) -> None:
        self._client = client
        self._receive = trio_asyncio.aio_as_trio(call.recv_message, loop=loop)
        self._receive_status = trio_asyncio.aio_as_trio(call.recv_trailing_metadata, loop=loop)
        self._failed: pb.TextRange | None = None

    async def receive(self) -> SpeechAudio | None:
        """Raises `WorkerError`; a `WorkerCrashed` knows the characters of which the engine died."""
        try:
            return await self._next()
        except WorkerCrashed as error:
            if self._failed is not None:
                error.text_range = (self._failed.offset, self._failed.offset + self._failed.length)
            raise

    async def _next(self) -> SpeechAudio | None:
        with _translated():
            reply: pb.SynthesizeReply | None = await self._receive()
            self._client.note_sign_of_life()
            if reply is None:
                await self._receive_status()
                return None
            if reply.HasField("failed"):
                self._failed = reply.failed
                return await self._next()
        marks = tuple(WordMark(mark.text_offset, mark.text_length, mark.start_sample) for mark in reply.marks)
        return SpeechAudio(reply.sample_rate_hz, reply.pcm, marks)


def _architecture(name: str) -> Architecture:
    match name:
        case "encoder-decoder":
            return "encoder-decoder"
        case "ctc":
            return "ctc"
        case _:
            return "streaming"  # also for a newer worker's: it needs nothing but that its stable words are believed


def _hypothesis(message: pb.Hypothesis) -> Hypothesis:
    return Hypothesis(
        segment_id=message.segment_id,
        final=message.final,
        consumed_sample=message.consumed_sample,
        words=tuple(
            Word(
                word.text,
                word.start_sample,
                word.end_sample,
                word.confidence if word.HasField("confidence") else None,
            )
            for word in message.words
        ),
        stable_words=len(message.words) if message.final else message.stable_words,
        confidence=message.confidence if message.HasField("confidence") else None,
        language=message.language or None,
        gated=tuple(message.gated),
    )
