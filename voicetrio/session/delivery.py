"""One recogniser stream, from its opening to its end: segments go out, answers come in, and silence is noticed.

    ring --audio--> [send task] --stream--> worker --answers--> [receive task] --> Answers
                                  [watch task]: a worker that owes something and says nothing is as good as dead
                                  [leave task]: a worker that is about to end is left when another one is there

Where the sending starts is read from the write-ahead log, and the audio from the ring: for a stream that replaces a
broken one, this is the replay, and there is no other code for it.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from voicetrio.core.config import SAMPLE_RATE, SessionLimits
from voicetrio.core.errors import WorkerDraining, WorkerError, WorkerSilent, WorkerUnavailable
from voicetrio.core.hypothesis import Draining, Hypothesis, Working
from voicetrio.core.ring import RingBuffer
from voicetrio.core.segments import Segment, Segments
from voicetrio.core.wal import WriteAheadLog
from voicetrio.session.answers import Answers
from voicetrio.session.log import SessionLog
from voicetrio.session.ports import RecognizerStream, StreamConfig

CHUNK_MIN = SAMPLE_RATE * 100 // 1000
"""100 ms: worker traffic is a third of the gateway's work, and goes with the number of messages. Twice would be felt."""

_CHUNK_MAX = SAMPLE_RATE
"""1 s, when catching up."""

_BEHIND = 2 * SAMPLE_RATE
"""Audio that is not sent although a segment waits: the stream's flow control holds it back."""

_STAY_SHARE = 0.5
"""Of the time that a draining worker has left, for the open segment to end there. The other half is for moving it: a
stream that is open already needs far less, and one that is not may have to wait for a slot."""

_OWED_CHECK = 0.5
"""Seconds between looks at a worker that owes an answer."""

_LAST_WORDS = 0.5
"""Seconds for what a worker said before it ended the stream, and why it did: a message that could not be sent to it does
not tell. It has come by then, or never will."""


class Desk(Protocol):
    """What a delivery needs of its session's recognition."""

    @property
    def wanted(self) -> bool:
        """Whether the stream should stay open when nothing is owed on it."""
        ...

    def stream_config(self) -> StreamConfig:
        """What a stream that is opened now should have."""
        ...

    async def wait_work(self) -> None:
        """Wait for more audio, an end, or a change of what is wanted."""
        ...

    def wake(self) -> None:
        """End `wait_work`."""
        ...

    def audio_sent(self) -> None: ...
    def answered(self) -> None:
        """A final has come."""
        ...

    def was_quiet(self, seconds: float) -> None:
        """The worker has said something of the audio again, after so long."""
        ...


class Delivery:
    """Made for one stream; `run` it once."""

    def __init__(
        self,
        stream: RecognizerStream,
        *,
        config: StreamConfig,
        desk: Desk,
        ring: RingBuffer,
        segments: Segments,
        wal: WriteAheadLog,
        answers: Answers,
        limits: SessionLimits,
        progress: Callable[[], None],
        log: SessionLog,
    ) -> None:
        """`config` is what the stream was opened with."""
        self._stream = stream
        self._desk = desk
        self._ring = ring
        self._segments = segments
        self._answers = answers
        self._limits = limits
        self._progress = progress
        self._log = log
        self._config = config
        checkpoint = wal.checkpoint
        self._first_id = checkpoint.segment_id
        self._committed = checkpoint.buffer_offset
        self._segment_id = 0
        """The segment that is being sent; 0 before the first."""
        self._prompted = False
        self._ended_id = 0
        """The last segment whose end was sent."""
        self.sent = checkpoint.buffer_offset
        """Audio before this sample was sent on this stream, or needs not be."""
        self._opened_at = self._heard_at = trio.current_time()
        self._asked_at: float | None = None
        """When audio was sent of which the worker has not said anything yet; None: it has, of all."""
        self.draining = trio.Event()
        """Set when the worker has said that it is about to end."""
        self._leaving = trio.Event()
        self._leave_at = 0.0
        self._doubted = False
        """Whether its silence, however short, is too long for the session; until the worker says something."""
        self._sending = False
        """Whether something is on its way that the worker has not taken."""

    @property
    def stream(self) -> RecognizerStream:
        return self._stream

    @property
    def served_for(self) -> float:
        """Seconds from the opening to the last sign of life."""
        return self._heard_at - self._opened_at

    def quiet(self, now: float) -> float:
        """Seconds for which the worker has had audio and has said nothing of it: no words, and not that there are none.

        That it is working does not count. However long it takes, the client has no part in it.
        """
        return 0.0 if self._asked_at is None else now - self._asked_at

    async def run(self) -> None:
        """Use the stream until it is not wanted any more. Safe to cancel.

        Raises:
            WorkerDraining: it was left in mid-segment, as `leave` allows.
            WorkerError: it has failed.
        """
        failure: WorkerError | None = None

        async def guarded(task: Callable[[], Awaitable[None]]) -> None:
            nonlocal failure
            try:
                await task()
            except WorkerError as error:
                failure = error
                if task == self._send:
                    with trio.move_on_after(_LAST_WORDS):
                        await trio.sleep_forever()  # until the receiver knows why
            nursery.cancel_scope.cancel(reason="this recogniser stream is over")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(guarded, self._receive)
            nursery.start_soon(guarded, self._watch)
            nursery.start_soon(guarded, self._leave_in_time)
            nursery.start_soon(guarded, self._send)
        if failure is not None:
            raise failure

    def doubt(self) -> None:
        """The session has no more time for a worker that says nothing: if this one does, the stream has failed."""
        self._doubted = True

    def leave(self) -> None:
        """Another stream is there: send no further segment on this one, and end when nothing is owed on it.

        Only for one that is draining. A segment that takes too long is moved.
        """
        self._leaving.set()
        self._desk.wake()

    async def _leave_in_time(self) -> None:
        await self._leaving.wait()
        await trio.sleep_until(self._leave_at)
        raise WorkerDraining(f"{self._stream.model}: its worker ends, and the open segment goes on with another")

    async def _send(self) -> None:
        """Send what is pending, and wait for more; returns when the stream is to be closed and owes nothing."""
        while True:
            segment = self._next_to_send()
            stale = self._leaving.is_set() or self._config != self._desk.stream_config()
            if segment is None or (stale and segment.segment_id != self._segment_id):
                if (stale or not self._desk.wanted) and not self._owed():
                    return
            else:
                if segment.segment_id != self._segment_id:
                    self._segment_id = segment.segment_id
                    self.sent = max(segment.start, self._committed)
                    self._prompted = False
                self._sending = True
                sent = await self._send_some(segment)
                self._sending = False
                if sent:
                    continue
            await self._desk.wait_work()

    def _owed(self) -> bool:
        """Whether the worker has been sent a whole segment and has not answered with its final."""
        pending = self._segments.pending
        return bool(pending) and pending[0].segment_id <= self._ended_id

    def _next_to_send(self) -> Segment | None:
        for segment in self._segments.pending:
            if segment.segment_id > self._ended_id and segment.segment_id >= self._first_id:
                return segment
        return None

    async def _prompt(self, segment: Segment) -> None:
        """Before a segment's first audio: what an encoder-decoder engine should know of the segment before."""
        self._prompted = True
        if self._stream.architecture == "encoder-decoder":
            if segment.prompt is None:
                segment.prompt = self._answers.prompt_for(self._config.language)
            if segment.prompt:
                await self._stream.begin_segment(segment.segment_id, segment.prompt)

    async def _send_some(self, segment: Segment) -> bool:
        """Send one message of this segment. False when there is not enough audio for one yet."""
        stop = self._ring.head if segment.end is None else segment.end
        samples = min(stop - self.sent, _CHUNK_MAX)
        if samples > 0 and (segment.end is not None or samples >= CHUNK_MIN):
            if not self._prompted:
                await self._prompt(segment)
            start, self.sent = self.sent, self.sent + samples
            self._note_asked()
            await self._stream.send_audio(segment.segment_id, start, self._ring.read(start, self.sent))
            self._desk.audio_sent()
            return True
        if segment.end is not None and self.sent >= segment.end:
            self._ended_id = segment.segment_id
            self._note_asked()
            await self._stream.end_segment(segment.segment_id, segment.end)
            return True
        return False

    def _note_asked(self) -> None:
        if self._asked_at is None:
            self._asked_at = trio.current_time()

    def _note_answer(self) -> None:
        if self._asked_at is not None:
            self._desk.was_quiet(self._heard_at - self._asked_at)
            self._asked_at = None

    async def _receive(self) -> None:
        while True:
            reply = await self._stream.receive()
            self._heard_at = trio.current_time()
            self._doubted = False
            self._progress()
            if isinstance(reply, Hypothesis):
                self._note_answer()
            match reply:
                case Working():
                    continue
                case Draining(remaining):
                    self._leave_at = self._heard_at + _STAY_SHARE * remaining
                    self.draining.set()
                case Hypothesis(final=True):
                    asked = reply.segment_id <= self._ended_id
                    if not asked or not self._answers.final(reply, self._stream.architecture, now=self._heard_at):
                        self._log.warning("final_ignored", segment_id=reply.segment_id)
                    self._desk.answered()
                case Hypothesis():
                    self._answers.partial(reply, self._stream.architecture)

    async def _watch(self) -> None:
        while True:
            await trio.sleep(_OWED_CHECK)
            behind = bool(self._segments.pending) and self._unsent() > _BEHIND
            if not behind and not self._sending and not self._owed():
                self._heard_at = trio.current_time()
            elif self._doubted or trio.current_time() - self._heard_at > self._limits.worker_silence:
                silent = trio.current_time() - self._heard_at
                failure = WorkerSilent if silent < self._limits.worker_silence else WorkerUnavailable
                raise failure(f"{self._stream.model}: no answer for {silent:.1f} s")

    def _unsent(self) -> int:
        last = self._segments.pending[-1]
        return (self._ring.head if last.end is None else last.end) - self.sent
