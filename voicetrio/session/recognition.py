"""Brings segments to a worker, and goes on with another one when that fails.

The stream is opened for the first speech, kept while speech comes and goes, and given back in HOLD. The audio of a
segment stays in the ring until its final is here. When a stream breaks, or a worker that owes an answer falls silent,
another stream is opened and what is not committed is sent again from the ring. It is one loop, so a stream that fails
while it recovers from another's failure is the next turn of it, never a recovery within a recovery. When no worker can
be had within the recovery timeout, the waiting segments are given up, the client is told so, and the session goes on:
the next speech tries again. A segment on which engines die is given up alone, after three of them. Workers that are there
and stay busy are told as an overload, which ends the session. One that is about to end is left in order, see `relay`.
"""

import math
from collections.abc import Callable

import trio

from voicetrio.core.config import SAMPLE_RATE, SessionConfig, SessionLimits
from voicetrio.core.errors import EngineLost, WorkerBusy, WorkerCrashed, WorkerError, WorkerRejected, WorkerSilent
from voicetrio.core.ring import RingBuffer
from voicetrio.core.segments import Segments
from voicetrio.core.wal import WriteAheadLog
from voicetrio.session.answers import Answers, RecognitionEvents
from voicetrio.session.delivery import CHUNK_MIN, Delivery
from voicetrio.session.log import SessionLog
from voicetrio.session.ports import Recognizer, RecognizerStream, StreamConfig, Telemetry
from voicetrio.session.relay import RETRY_BUSY_MAX, RETRY_FIRST, RETRY_MAX, Relay

_CRASHES_MAX = 3
"""How often a segment is given to an engine that dies of it, whichever that is. The first time others may have been
decoded with it, and be to blame; after that it is decoded alone."""

_QUIET_MIN = 0.5
"""Seconds that a worker may take for an answer like any other: what comes meanwhile does not pile up."""

_EXCUSE_LIFE = 7.5
"""Seconds that audio which was held up is expected for, if it was not held up for longer: it is read frame by frame."""


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
        log: SessionLog,
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
        self._wal = WriteAheadLog(now=trio.current_time())
        self._answers = Answers(
            ring=ring,
            segments=segments,
            wal=self._wal,
            config=config,
            events=events,
            min_confirm_passes=limits.min_confirm_passes,
        )
        self._work = trio.Event()
        self._idle = trio.Event()
        self._wanted = True
        self._delivery: Delivery | None = None
        self._served = False
        """Whether there ever was a stream."""
        self._broken_at: float | None = None
        self._away_since: float | None = None
        self._furthest = 0
        """Audio before this sample was heard by one stream or another."""
        self._excused = 0
        self._excused_until = -math.inf

    # -- for the session ----------------------------------------------------------------------------------------------

    def audio_added(self) -> None:
        """There is more to send, or a segment has ended."""
        delivery = self._delivery
        if delivery is None:
            if self._away_since is None:
                self._away_since = trio.current_time()
        else:
            pending = self._segments.pending
            if len(pending) == 1 and pending[0].end is None and self._ring.head - delivery.sent < CHUNK_MIN:
                return  # not yet a message's worth: waking the sender for each frame would be a tenth of our work
        self._work.set()

    def want(self) -> None:
        """Somebody speaks: keep the stream for what comes after this segment, too."""
        self._wanted = True

    def release(self) -> None:
        """Close the stream once nothing is owed on it, and give its slot back; the next segment opens another one."""
        self._wanted = False
        self._work.set()

    def reconfigure(self) -> None:
        """The stream configuration may have changed: the next segment then gets a stream of its own."""
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
        done = self._answers.consumed
        if done <= start and self._delivery is not None:
            done = self._delivery.sent
        return (self._ring.head if stop is None else stop) - max(done, start)

    @property
    def stream(self) -> RecognizerStream | None:
        """The stream that is held now; None while none is needed, or none can be had."""
        return None if self._delivery is None else self._delivery.stream

    def doubt(self) -> None:
        """There is no more time for a worker that owes a final and says nothing: another one is asked."""
        if self._delivery is not None:
            self._delivery.doubt()

    def excuse(self, seconds: float, *, now: float) -> None:
        """Audio of so many seconds will come at once, through no fault of the client; soon, or not at all."""
        self._excused += int(seconds * SAMPLE_RATE)
        self._excused_until = max(self._excused_until, now + max(seconds, _EXCUSE_LIFE))

    def excess(self, now: float) -> int:
        """The backlog without what is not the client's fault: audio that came while no worker was there, or none that said
        anything about it, or is sent again, or was excused.
        """
        backlog = self.backlog
        excused = self._excused
        quiet = 0.0 if self._delivery is None else self._delivery.quiet(now)
        if self._away_since is not None:
            excused += int((now - self._away_since) * SAMPLE_RATE)
        elif quiet > _QUIET_MIN:
            excused += int(quiet * SAMPLE_RATE)
        if excused == 0:
            return backlog
        # A worker that takes all and says nothing has caught up with nothing.
        caught_up = quiet == 0.0 and backlog <= int(self._limits.max_backlog * SAMPLE_RATE) // 4
        if caught_up and self._delivery is not None and now > self._excused_until:
            self._excused = 0
        return max(0, backlog - excused)

    async def wait_idle(self) -> None:
        """Wait until every segment has had its final or was given up. Safe to cancel."""
        await trio.lowlevel.checkpoint()
        while self._segments.pending:
            self._idle = trio.Event()
            await self._idle.wait()

    async def run(self) -> None:
        """Serve segments until cancelled; a stream that is open then is closed and its slot given back."""
        while True:
            while not self._segments.pending:
                await self.wait_work()
            config = self.stream_config()
            try:
                await self._with_streams()
            except WorkerRejected as error:
                self._give_up(error)
                await self._let_pass(config)
            except WorkerError as error:
                self._give_up(error)

    # -- Desk: for the delivery ---------------------------------------------------------------------------------------

    @property
    def wanted(self) -> bool:
        return self._wanted

    def stream_config(self) -> StreamConfig:
        config = self._config()
        return StreamConfig(
            session_id=self._session_id,
            language=config.language,
            hot_words=config.hot_words,
            partials=config.enable_partial_transcripts,
            model=config.model,
            alone=any(segment.crashes for segment in self._segments.pending),
        )

    async def wait_work(self) -> None:
        self._work = trio.Event()
        await self._work.wait()

    def wake(self) -> None:
        self._work.set()

    def audio_sent(self) -> None:
        if self._broken_at is not None:
            self._telemetry.audio_flows_again(trio.current_time() - self._broken_at)
            self._broken_at = None

    def answered(self) -> None:
        self._work.set()
        self._idle.set()

    def was_quiet(self, seconds: float) -> None:
        if seconds > _QUIET_MIN:
            self._excused += int(seconds * SAMPLE_RATE)

    # -- streams, one after the other ---------------------------------------------------------------------------------

    async def _with_streams(self) -> None:
        """Open streams, one after the other, until nothing is pending and none is wanted.

        Raises the last `WorkerError` when, for the recovery timeout since the first failure, none gave a final or got
        further than those before it, and none did well for that long either; `WorkerBusy` sooner, if the session never
        had a stream. An engine that dies is no such failure: how often one may is counted, by the segment that it dies of.
        """
        failing_since: float | None = None
        busy_since: float | None = None
        pause = RETRY_FIRST
        while True:
            settled = self._segments.finished
            relay = Relay(
                self._recognizer,
                config=self.stream_config,
                start=self._start_delivery,
                moved=self._note_moved,
                patience=self._limits.worker_silence,
            )
            try:
                await relay.run()
                return
            except WorkerRejected:
                raise
            except WorkerError as error:
                crashed = isinstance(error, WorkerCrashed | EngineLost)
                if isinstance(error, WorkerCrashed) and self._segments.pending:
                    self._note_crash(error)
                if not self._segments.pending:
                    return
                busy = isinstance(error, WorkerBusy)
                delivery = relay.delivery
                further = self._answers.consumed > self._furthest
                self._furthest = max(self._furthest, self._answers.consumed)
                if delivery is not None:
                    self._note_broken(delivery)
                well = delivery is not None and delivery.served_for > self._limits.recovery_timeout
                now = trio.current_time()
                if self._segments.finished > settled or well or further or crashed or failing_since is None:
                    # It may be frozen, and that may take as long to be noticed as it would have taken on a stream.
                    failing_since = now + self._limits.worker_silence if isinstance(error, WorkerSilent) else now
                    pause = RETRY_FIRST
                deadline = failing_since + self._limits.recovery_timeout
                if not busy:
                    busy_since = None
                else:
                    busy_since = now if busy_since is None else busy_since
                    if not self._served:
                        deadline = min(deadline, busy_since + self._limits.first_patience)
                if now + pause >= deadline:
                    raise
                self._log.warning(
                    "worker_stream_retry",
                    opened=delivery is not None,
                    error=type(error).__name__,
                    pending=len(self._segments.pending),
                )
            finally:
                self._delivery = None
            await trio.sleep(pause)
            pause = min(2 * pause, RETRY_BUSY_MAX if busy else RETRY_MAX)

    def _start_delivery(self, stream: RecognizerStream, config: StreamConfig) -> Delivery:
        now = trio.current_time()
        self._served = True
        self._events.progress()
        if self._away_since is not None:
            self._excused += int((now - self._away_since) * SAMPLE_RATE)
            self._away_since = None
        self._log.debug("worker_stream_opened", worker=stream.worker, segments=len(self._segments.pending))
        self._delivery = Delivery(
            stream,
            config=config,
            desk=self,
            ring=self._ring,
            segments=self._segments,
            wal=self._wal,
            answers=self._answers,
            limits=self._limits,
            progress=self._events.progress,
            log=self._log,
        )
        return self._delivery

    def _note_crash(self, error: WorkerError) -> None:
        """An engine died that worked on the oldest segment. What does so again and again is given up; the rest is not."""
        segment = self._segments.pending[0]
        segment.crashes += 1
        self._log.warning("engine_crashed_on_segment", segment_id=segment.segment_id, crashes=segment.crashes)
        if segment.crashes < _CRASHES_MAX:
            return
        start = segment.start
        end = self._answers.give_up(segment, now=trio.current_time())
        self._telemetry.segment_lost()
        self._log.error("segments_lost", count=1, error=type(error).__name__)
        self._events.lost(1, start, end, error)
        self._idle.set()

    def _note_broken(self, delivery: Delivery) -> None:
        """A stream has failed that owed something; what it had heard has to be heard again."""
        now = trio.current_time()
        # However short: streams that break one after the other would add up to a backlog that is none of the client's.
        self._excused += int(delivery.quiet(now) * SAMPLE_RATE)
        self._telemetry.worker_recovery()
        self._log.debug("worker_stream_broken", segments=len(self._segments.pending))
        self._hear_again()
        self._away_since = now
        self._broken_at = now if self._broken_at is None else self._broken_at

    def _note_moved(self) -> None:
        """A stream was left in mid-segment because its worker ends; the next one is open already."""
        if self._segments.pending:
            self._telemetry.stream_moved()
            self._log.info("worker_stream_moved")
            self._hear_again()

    def _hear_again(self) -> None:
        """What a stream had heard of the open segments is sent again on another."""
        start = self._segments.pending[0].start
        self._excused += max(0, self._answers.consumed - start)
        self._answers.forget_consumed(start)

    def _give_up(self, error: WorkerError) -> None:
        """The ended segments are lost, and so is what an open one holds so far; the open one goes on from here."""
        pending = self._segments.pending
        count, start = len(pending), pending[0].start
        end = self._ring.head if pending[-1].end is None else pending[-1].end
        self._drop_pending(renumber=True)
        for _ in range(count):
            self._telemetry.segment_lost()
        self._log.error("segments_lost", count=count, error=type(error).__name__)
        self._events.lost(count, start, end, error)

    async def _let_pass(self, rejected: StreamConfig) -> None:
        """The rest of a speech that was rejected would be rejected too: it is dropped, and the client told only once."""
        segment = self._segments.open
        while segment is not None and segment in self._segments.pending and rejected == self.stream_config():
            await self.wait_work()
            self._drop_pending(renumber=False)

    def _drop_pending(self, *, renumber: bool) -> None:
        self._answers.drop(now=trio.current_time(), renumber=renumber)
        self._away_since = self._broken_at = None
        self._idle.set()


def explain_loss(segments: int, error: WorkerError) -> tuple[str, str]:
    """The code and text of the `error` message for segments that were given up."""
    what = f"{segments} segment{'s' if segments != 1 else ''} of speech could not be transcribed"
    match error:
        case WorkerBusy():
            return "overloaded", f"{what}: all speech-to-text workers are busy. Try again later."
        case WorkerRejected():
            return "recognizer_rejected", f"{what}: {error}"
        case WorkerCrashed():
            return "recognizer_failed", f"{what}: the recogniser fails on it, whichever is asked. Speech goes on."
        case _:
            return "worker_unavailable", f"{what}: no speech-to-text worker answered. Speech will be heard again soon."
