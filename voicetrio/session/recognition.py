"""Brings segments to a worker and its answers to the client.

    ring --audio--> [send task] --stream--> worker --hypotheses--> [receive task] --> partials, finals

The stream is opened for the first speech, kept while speech comes and goes, and given back in HOLD. The audio of a
segment stays in the ring until its final is here. When a stream breaks, or a worker that owes an answer falls silent,
another stream is opened and the pending segments are sent again from the ring; finals are settled by segment id, so
each reaches the client once. When no worker can be had within the recovery timeout, the waiting segments are given up,
the client is told so, and the session goes on: the next speech tries again.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog
import trio

from voicetrio.core.config import SAMPLE_RATE, SessionConfig, SessionLimits
from voicetrio.core.errors import WorkerBusy, WorkerError, WorkerRejected, WorkerUnavailable
from voicetrio.core.hypothesis import Hypothesis, Working
from voicetrio.core.ring import RingBuffer
from voicetrio.core.segments import Segment, Segments
from voicetrio.core.transcript import Partial, SegmentTranscript
from voicetrio.session.ports import Recognizer, RecognizerStream, StreamConfig, Telemetry

_CHUNK_MIN = SAMPLE_RATE * 100 // 1000
"""100 ms: worker traffic is a third of the gateway's work, and goes with the number of messages. Twice would be felt."""

_CHUNK_MAX = SAMPLE_RATE
"""1 s, when catching up."""

_RETRY_FIRST = 0.05
_RETRY_MAX = 1.0
"""Seconds between attempts to get a worker, doubling: a restarted local worker is back within about a second."""

_BEHIND = 2 * SAMPLE_RATE
"""Audio that is not sent although a segment waits: the stream's flow control holds it back."""

_OWED_CHECK = 0.5
"""Seconds between looks at a worker that owes an answer."""


class RecognitionEvents(Protocol):
    """Who is told; the calls must only note and post."""

    def partial(self, news: Partial) -> None: ...
    def final(self, segment: Segment, hypothesis: Hypothesis) -> None: ...
    def lost(self, segments: int, error: WorkerError) -> None:
        """So many segments were given up."""
        ...

    def progress(self) -> None:
        """The worker gave a sign of life."""
        ...


@dataclass(slots=True)
class _Position:
    """How far the current stream has been sent."""

    segment_id: int = 0
    """The segment that is being sent; 0 before the first."""
    sample: int = 0
    ended_id: int = 0
    """The last segment whose end was sent."""


class Recognition:
    def __init__(
        self,
        *,
        ring: RingBuffer,
        segments: Segments,
        recognizer: Recognizer,
        session_id: str,
        config: Callable[[], SessionConfig],
        limits: SessionLimits,
        events: RecognitionEvents,
        telemetry: Telemetry,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        """`config` gives the session's values as they are now; they may change at any time."""
        self._ring = ring
        self._segments = segments
        self._recognizer = recognizer
        self._session_id = session_id
        self._config = config
        self._limits = limits
        self._events = events
        self._telemetry = telemetry
        self._log = log
        self._work = trio.Event()
        self._room = trio.Event()
        self._holds_back = False
        self._wanted = True
        self._position = _Position()
        self._consumed = 0
        self._transcript = SegmentTranscript(0)
        self._heard_from_worker = 0.0

    def _stream_config(self) -> StreamConfig:
        """What a stream that is opened now should have."""
        config = self._config()
        return StreamConfig(
            session_id=self._session_id,
            language=config.language,
            hot_words=config.hot_words,
            partials=config.enable_partial_transcripts,
        )

    def audio_added(self) -> None:
        """There is more to send, or a segment has ended."""
        self._wanted = True
        self._work.set()

    def release(self) -> None:
        """Close the stream once nothing is owed on it, and give its slot back; the next segment opens another one."""
        self._wanted = False
        self._work.set()

    def reconfigure(self) -> None:
        """The stream configuration has changed: the next segment gets a stream of its own."""
        self._work.set()

    @property
    def backlog(self) -> int:
        """Samples that are waiting for the worker. Silence after the last segment does not: nobody will send it.

        A worker that gives no partials says nothing of a segment before its end, and would never catch up by its own
        account: until it speaks of the segment, what it has taken counts.
        """
        pending = self._segments.pending
        if not pending:
            return 0
        start, stop = pending[0].start, pending[-1].end
        done = self._consumed if self._consumed > start else self._position.sample
        return (self._ring.head if stop is None else stop) - max(done, start)

    @property
    def holds_back(self) -> bool:
        """Whether audio waits in `wait_room`: that nothing is heard is not the client's silence."""
        return self._holds_back

    async def wait_room(self, samples: int) -> None:
        """Wait until the worker has caught up enough for so much more audio. Safe to cancel."""
        limit = int(self._limits.max_backlog * SAMPLE_RATE)
        try:
            while self.backlog > limit or self._ring.free < samples:
                self._holds_back = True
                self._room = trio.Event()
                await self._room.wait()
        finally:
            self._holds_back = False

    async def wait_idle(self) -> None:
        """Wait until every segment has had its final or was given up. Safe to cancel."""
        while self._segments.pending:
            self._room = trio.Event()
            await self._room.wait()

    async def run(self) -> None:
        """Serve segments until cancelled; a stream that is open then is closed and its slot given back."""
        while True:
            while not self._segments.pending:
                await self._wait_work()
            config = self._stream_config()
            try:
                await self._with_streams()
            except WorkerRejected as error:
                self._give_up(error)
                await self._let_pass(config)
            except WorkerError as error:
                self._give_up(error)

    async def _let_pass(self, rejected: StreamConfig) -> None:
        """The rest of a speech that was rejected would be rejected too: it is dropped, and the client told only once."""
        segment = self._segments.open
        while segment is not None and segment in self._segments.pending and rejected == self._stream_config():
            await self._wait_work()
            self._drop_pending()

    async def _wait_work(self) -> None:
        self._work = trio.Event()
        await self._work.wait()

    async def _with_streams(self) -> None:
        """Open streams, one after the other, until nothing is pending and none is wanted.

        Raises the last `WorkerError` when, for the recovery timeout since the first failure, none gave a final, and
        none did well for that long either.
        """
        deadline = math.inf
        pause = _RETRY_FIRST
        while True:
            settled = self._segments.finished
            opened = False
            opened_at = math.inf
            try:
                with trio.move_on_after(self._limits.worker_silence) as opening:
                    async with self._recognizer.open_stream(self._stream_config()) as stream:
                        opening.deadline = math.inf
                        opened, opened_at = True, trio.current_time()
                        await self._drive(stream)
                if opening.cancelled_caught:
                    raise WorkerUnavailable(f"no stream could be opened within {self._limits.worker_silence:g} s")
                return
            except WorkerRejected:
                raise
            except WorkerError as error:
                if not self._segments.pending:
                    return
                well = self._heard_from_worker - opened_at > self._limits.recovery_timeout
                if self._segments.finished > settled or well or deadline == math.inf:
                    deadline = trio.current_time() + self._limits.recovery_timeout
                    pause = _RETRY_FIRST
                if trio.current_time() + pause >= deadline:
                    raise
                if opened:
                    self._telemetry.worker_recovery()
                waiting = len(self._segments.pending)
                self._log.warning("worker_stream_retry", opened=opened, error=type(error).__name__, pending=waiting)
            await trio.sleep(pause)
            pause = min(2 * pause, _RETRY_MAX)

    async def _drive(self, stream: RecognizerStream) -> None:
        """Use one stream until it is not wanted any more. Raises `WorkerError` when it fails."""
        config = self._stream_config()
        self._position = _Position()
        self._heard_from_worker = trio.current_time()
        failure: WorkerError | None = None

        async def guarded(task: Callable[[], Awaitable[None]]) -> None:
            nonlocal failure
            try:
                await task()
            except WorkerError as error:
                failure = error
            nursery.cancel_scope.cancel(reason="this recogniser stream is over")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(guarded, partial(self._receive, stream))
            nursery.start_soon(guarded, partial(self._watch, stream))
            nursery.start_soon(guarded, partial(self._send, stream, config))
        if failure is not None:
            raise failure

    async def _send(self, stream: RecognizerStream, config: StreamConfig) -> None:
        """Send what is pending, and wait for more; returns when the stream is to be closed and owes nothing."""
        position = self._position
        while True:
            segment = self._next_to_send()
            stale = config != self._stream_config()
            if segment is None or (stale and segment.segment_id != position.segment_id):
                if (stale or not self._wanted) and not self._owed():
                    return
            else:
                if segment.segment_id != position.segment_id:
                    position.segment_id, position.sample = segment.segment_id, segment.start
                if await self._send_some(stream, segment):
                    continue
            await self._wait_work()

    def _owed(self) -> bool:
        """Whether the worker has been sent a whole segment and has not answered with its final."""
        pending = self._segments.pending
        return bool(pending) and pending[0].segment_id <= self._position.ended_id

    def _next_to_send(self) -> Segment | None:
        for segment in self._segments.pending:
            if segment.segment_id > self._position.ended_id:
                return segment
        return None

    async def _send_some(self, stream: RecognizerStream, segment: Segment) -> bool:
        """Send one message of this segment. False when there is not enough audio for one yet."""
        position = self._position
        stop = self._ring.head if segment.end is None else segment.end
        samples = min(stop - position.sample, _CHUNK_MAX)
        if samples > 0 and (segment.end is not None or samples >= _CHUNK_MIN):
            start, position.sample = position.sample, position.sample + samples
            await stream.send_audio(segment.segment_id, start, self._ring.read(start, position.sample))
            self._room.set()
            return True
        if segment.end is not None and position.sample >= segment.end:
            position.ended_id = segment.segment_id
            await stream.end_segment(segment.segment_id, segment.end)
            return True
        return False

    async def _receive(self, stream: RecognizerStream) -> None:
        while True:
            reply = await stream.receive()
            self._heard_from_worker = trio.current_time()
            self._events.progress()
            match reply:
                case Working():
                    pass
                case Hypothesis(final=True):
                    self._on_final(reply)
                case Hypothesis():
                    self._on_partial(reply)

    def _on_partial(self, hypothesis: Hypothesis) -> None:
        oldest = self._segments.pending[0].segment_id if self._segments.pending else 0
        if hypothesis.segment_id != oldest:
            return  # of a segment that has had its final
        config = self._config()
        self._advance(hypothesis.consumed_sample)
        if self._transcript.segment_id != oldest:
            self._transcript = SegmentTranscript(oldest)
        news = self._transcript.advance(hypothesis, with_tentative=config.interim)
        if news is not None and config.enable_partial_transcripts:
            self._events.partial(news)

    def _on_final(self, hypothesis: Hypothesis) -> None:
        segment = self._segments.settle(hypothesis.segment_id)
        if segment is None:
            self._log.warning("final_ignored", segment_id=hypothesis.segment_id)
            return
        assert segment.end is not None
        self._advance(segment.end)
        self._events.final(segment, hypothesis)
        self._work.set()

    def _advance(self, consumed: int) -> None:
        self._consumed = max(self._consumed, min(consumed, self._ring.head))
        self._room.set()

    async def _watch(self, stream: RecognizerStream) -> None:
        """A worker that owes an answer, takes no audio or holds the client back, and says nothing, is as good as dead."""
        while True:
            await trio.sleep(_OWED_CHECK)
            behind = self._ring.head - self._position.sample > _BEHIND if self._segments.pending else False
            if not behind and not self._holds_back and not self._owed():
                self._heard_from_worker = trio.current_time()
            elif trio.current_time() - self._heard_from_worker > self._limits.worker_silence:
                raise WorkerUnavailable(f"{stream.model}: no answer for {self._limits.worker_silence:g} s")

    def _give_up(self, error: WorkerError) -> None:
        """The ended segments are lost, and so is what an open one holds so far; the open one goes on from here."""
        count = len(self._segments.pending)
        self._drop_pending()
        for _ in range(count):
            self._telemetry.segment_lost()
        self._log.error("segments_lost", count=count, error=type(error).__name__)
        self._events.lost(count, error)

    def _drop_pending(self) -> None:
        self._segments.abandon(self._ring.head)
        self._consumed = self._ring.head
        self._room.set()


def explain_loss(segments: int, error: WorkerError) -> tuple[str, str]:
    """The code and text of the `error` message for segments that were given up."""
    what = f"{segments} segment{'s' if segments != 1 else ''} of speech could not be transcribed"
    match error:
        case WorkerBusy():
            return "overloaded", f"{what}: all speech-to-text workers are busy. Try again later."
        case WorkerRejected():
            return "recognizer_rejected", f"{what}: {error}"
        case _:
            return "worker_unavailable", f"{what}: no speech-to-text worker answered. Speech will be heard again soon."
