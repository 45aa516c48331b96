"""The SpeechToText service: one call is one session's recogniser stream. Knows gRPC only by its messages.

receive task -> SegmentQueue -> decode task -> channel -> send task
            (full: stop reading; gRPC's flow control then holds the client back)

When the worker is about to end, each call says so once, and its client goes elsewhere with its next segment.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

import structlog
import trio

from voicetrio.core.errors import WorkerError, WorkerRejected
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.v1 import worker_pb2 as pb
from voicetrio.worker.edge import Call
from voicetrio.worker.engines.contract import HearingDescription, StreamOptions
from voicetrio.worker.recognition import Recognition, RecognitionStream
from voicetrio.worker.segment_queue import Audio, SegmentEnd, SegmentQueue, SegmentStart
from voicetrio.worker.slots import Slots

TranscribeCall: TypeAlias = Call[pb.TranscribeRequest, pb.TranscribeReply]

CONFIG_TIMEOUT = 10.0
"""Seconds a call may be silent before it says what it wants. It holds no slot until then."""
WORKING_INTERVAL = 0.5
"""Seconds without a reply, while the engine works, after which the client is told that work goes on."""
FAREWELL_TIMEOUT = 1.0
"""Seconds for what the engine has said before it failed to get to the client: it is not to be heard again."""
WAITING_MS_MAX = 4000
"""Audio that may wait for the engine, in milliseconds. Live streams never have more than an engine call's time
waiting; this is for catching up, where more would not be any quicker."""

log = structlog.get_logger()


class Hearing:
    def __init__(self, recognition: Recognition, slots: Slots) -> None:
        self.recognition = recognition
        self.slots = slots
        self._draining = _Draining()

    def drain(self, *, cut_at: float) -> None:
        """Tell the clients of all open streams that these are cut at this time, by trio's clock."""
        self._draining.cut_at = cut_at
        self._draining.begun.set()

    async def transcribe(self, call: TranscribeCall) -> None:
        """Serve one call to its end. Safe to cancel: slot and engine stream are given back.

        Raises:
            WorkerBusy, WorkerRejected, WorkerUnavailable: what the client is told (perhaps in a group).
        """
        options = await _receive_options(call)
        with self.slots.take():
            async with self.recognition.open_stream(options) as stream:
                session_log = log.bind(session_id=options.session_id)
                session_log.info("stream_opened", slots_in_use=self.slots.in_use)
                try:
                    await call.send(_opened(self.recognition.description, options))
                    sample_rate = self.recognition.description.sample_rate
                    await _Conversation(call, stream, sample_rate, self._draining).run()
                finally:
                    session_log.info("stream_ended")


async def _receive_options(call: TranscribeCall) -> StreamOptions:
    request = None
    with trio.move_on_after(CONFIG_TIMEOUT) as scope:
        request = await call.receive()
    if scope.cancelled_caught:
        raise WorkerRejected(f"no config came within {CONFIG_TIMEOUT:g} s; it has to be the first message")
    if request is None or request.WhichOneof("request") != "config":
        raise WorkerRejected("the first message of a stream has to be its config")
    config = request.config
    return StreamOptions(
        session_id=config.session_id,
        language=config.language,
        hot_words=tuple(config.hot_words),
        partials=config.partials,
        alone=config.alone,
    )


@dataclass(eq=False, slots=True)
class _Draining:
    """Whether the worker is about to end, and when."""

    begun: trio.Event = field(default_factory=trio.Event)
    cut_at: float = 0.0
    """By trio's clock; known once it has begun."""


class _Conversation:
    """What happens on an opened stream. It lives in `run`; nothing outlives it."""

    def __init__(self, call: TranscribeCall, stream: RecognitionStream, sample_rate: int, draining: _Draining) -> None:
        self._call = call
        self._stream = stream
        self._draining = draining
        self._queue = SegmentQueue(sample_rate)
        self._waiting_bytes_max = 2 * sample_rate * WAITING_MS_MAX // 1000
        self._changed = trio.Condition()
        self._requests_ended = False
        self._busy_with: int | None = None

    async def run(self) -> None:
        # Size 0: the decoder does not work ahead of a client that does not read its answers.
        replies_in, replies_out = trio.open_memory_channel[pb.TranscribeReply](0)
        failure: WorkerError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, replies_out)
            async with trio.open_nursery() as listening:
                listening.start_soon(self._receive)
                listening.start_soon(self._tell_draining, replies_in.clone())
                try:
                    await self._decode(replies_in)
                except WorkerError as error:  # not through the nursery: finals may be on their way to the client
                    failure = error
                    nursery.cancel_scope.deadline = trio.current_time() + FAREWELL_TIMEOUT
                listening.cancel_scope.cancel(reason="the stream is over")
        if failure is not None:
            raise failure

    async def _receive(self) -> None:
        while (request := await self._call.receive()) is not None:
            self._put(request)
            async with self._changed:
                self._changed.notify_all()
                while self._queue.waiting_bytes >= self._waiting_bytes_max:
                    await self._changed.wait()
        self._requests_ended = True
        async with self._changed:
            self._changed.notify_all()

    def _put(self, request: pb.TranscribeRequest) -> None:
        match request.WhichOneof("request"):
            case "segment_start":
                self._queue.put_start(request.segment_start.segment_id, request.segment_start.initial_prompt)
            case "audio":
                audio = request.audio
                self._queue.put_audio(audio.segment_id, audio.start_sample, audio.pcm)
            case "segment_end":
                self._queue.put_end(request.segment_end.segment_id, request.segment_end.end_sample)
            case "config":
                raise WorkerRejected("config came a second time; a change needs a new stream")
            case _:
                raise WorkerRejected("a request without audio, segment_start or segment_end")

    async def _tell_draining(self, replies: trio.MemorySendChannel[pb.TranscribeReply]) -> None:
        with replies:
            await self._draining.begun.wait()
            remaining_ms = max(0, round(1000 * (self._draining.cut_at - trio.current_time())))
            await replies.send(pb.TranscribeReply(draining=pb.Draining(remaining_ms=remaining_ms)))

    async def _decode(self, replies: trio.MemorySendChannel[pb.TranscribeReply]) -> None:
        with replies:
            while True:
                async with self._changed:
                    while (work := self._queue.take()) is None:
                        if self._requests_ended:
                            return
                        await self._changed.wait()
                    self._changed.notify_all()
                self._busy_with = work.segment_id
                answer = await self._do(work)
                self._busy_with = None
                if answer is not None:
                    await replies.send(pb.TranscribeReply(hypothesis=hypothesis_message(answer)))

    async def _do(self, work: SegmentStart | Audio | SegmentEnd) -> Hypothesis | None:
        match work:
            case SegmentStart(segment_id, initial_prompt):
                await self._stream.begin_segment(segment_id, initial_prompt)
                return None
            case Audio(segment_id, start_sample, pcm):
                return await self._stream.accept(segment_id, start_sample, pcm)
            case SegmentEnd(segment_id, end_sample):
                return await self._stream.end_segment(segment_id, end_sample)

    async def _send(self, replies: trio.MemoryReceiveChannel[pb.TranscribeReply]) -> None:
        while True:
            reply = None
            try:
                with trio.move_on_after(WORKING_INTERVAL):
                    reply = await replies.receive()
            except trio.EndOfChannel:
                return
            if reply is None and self._busy_with is not None and self._stream.works:
                reply = pb.TranscribeReply(working=pb.Working(segment_id=self._busy_with))
            if reply is not None:
                await self._call.send(reply)


def _opened(description: HearingDescription, options: StreamOptions) -> pb.TranscribeReply:
    opened = pb.StreamOpened(
        engine=description.engine,
        model=description.model,
        architecture=description.architecture,
        language=options.language or description.languages[0],
        sample_rate_hz=description.sample_rate,
    )
    return pb.TranscribeReply(opened=opened)


def hypothesis_message(hypothesis: Hypothesis) -> pb.Hypothesis:
    """The contract's message for what an engine said; what the engine does not know is absent."""
    words = [
        pb.Word(text=word.text, start_sample=word.start_sample, end_sample=word.end_sample, confidence=word.confidence)
        for word in hypothesis.words
    ]
    return pb.Hypothesis(
        segment_id=hypothesis.segment_id,
        final=hypothesis.final,
        consumed_sample=hypothesis.consumed_sample,
        words=words,
        stable_words=hypothesis.stable_words,
        confidence=hypothesis.confidence,
        language=hypothesis.language or "",
        gated=hypothesis.gated,
    )
