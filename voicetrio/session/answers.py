"""From what recognisers say to what a client is told: partials that only grow, and each final exactly once.

A segment may be answered by several streams (a worker died, and its audio was sent again), and an answer may be late,
repeated or about nothing. What counts is kept here, across streams: which segments have had their finals is in the
write-ahead log, and what a client was shown of the current one in its transcript.

How partials are made depends on the engine's architecture. Streaming and CTC engines say themselves which words they
will not take back. An encoder-decoder engine hears the segment anew in each pass, so words are confirmed by
LocalAgreement, and the end of a final is the context of the next segment.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from voicetrio.core.config import SAMPLE_RATE, SessionConfig
from voicetrio.core.errors import WorkerError, WorkerUnavailable
from voicetrio.core.hypothesis import Architecture, Hypothesis
from voicetrio.core.local_agreement import LocalAgreement
from voicetrio.core.prompt import next_prompt
from voicetrio.core.ring import RingBuffer
from voicetrio.core.segments import Segment, Segments
from voicetrio.core.transcript import Partial, SegmentTranscript
from voicetrio.core.wal import WriteAheadLog


class RecognitionEvents(Protocol):
    """Who is told; the calls must only note and post."""

    def partial(self, news: Partial) -> None: ...
    def final(self, segment: Segment, hypothesis: Hypothesis) -> None: ...
    def lost(self, segments: int, start: int, end: int, error: WorkerError) -> None:
        """So many segments were given up; their audio is from sample `start` to `end`."""
        ...

    def progress(self) -> None:
        """The worker gave a sign of life, or there is another one."""
        ...


class Answers:
    def __init__(
        self,
        *,
        ring: RingBuffer,
        segments: Segments,
        wal: WriteAheadLog,
        config: Callable[[], SessionConfig],
        events: RecognitionEvents,
        min_confirm_passes: int,
    ) -> None:
        self._ring = ring
        self._segments = segments
        self._wal = wal
        self._config = config
        self._events = events
        self._min_confirm_passes = min_confirm_passes
        self._transcript = SegmentTranscript(0)
        self._agreement = LocalAgreement(min_confirm_passes)
        self._agreed_to = 0
        """Audio before this sample was heard by the last pass that counted."""
        self._prompt = ("", "")
        self.consumed = 0
        """Audio before this sample is known to have been heard by a recogniser."""

    def partial(self, hypothesis: Hypothesis, architecture: Architecture) -> None:
        """Take a partial; one of a segment that has had its final, or of a later one, is ignored."""
        oldest = self._segments.pending[0] if self._segments.pending else None
        if oldest is None or hypothesis.segment_id != oldest.segment_id:
            return
        self._advance(hypothesis.consumed_sample)
        self._turn_to(oldest.segment_id)
        if architecture == "encoder-decoder":
            if hypothesis.consumed_sample <= self._agreed_to:
                return  # a second worker over the same audio: that both hear the same half of a word proves nothing
            self._agreed_to = hypothesis.consumed_sample
            self._agreement.push(hypothesis.words)
            confirmed, tentative = self._agreement.confirmed, self._agreement.tentative
            hypothesis = replace(hypothesis, words=confirmed + tentative, stable_words=len(confirmed))
        config = self._config()
        news = self._transcript.advance(hypothesis, with_tentative=config.interim)
        if news is not None and config.enable_partial_transcripts:
            self._events.partial(news)

    def final(self, hypothesis: Hypothesis, architecture: Architecture, *, now: float) -> bool:
        """Take a final. False: it is not that of the oldest segment, which the client waits for.

        Raises:
            WorkerUnavailable: it does not cover its segment's audio: what it left out would be lost.
        """
        oldest = self._segments.pending[0] if self._segments.pending else None
        if oldest is None or oldest.segment_id != hypothesis.segment_id or oldest.end is None:
            return False
        if hypothesis.consumed_sample < oldest.end:
            missing = (oldest.end - hypothesis.consumed_sample) / SAMPLE_RATE
            raise WorkerUnavailable(f"a worker's final leaves out the last {missing:.3f} s of its segment")
        self._segments.settle(hypothesis.segment_id)
        self._commit(oldest.end, now=now)
        if architecture == "encoder-decoder":
            self._turn_to(oldest.segment_id)
            hypothesis = replace(hypothesis, words=self._agreement.flush(hypothesis.words))
            hypothesis = replace(hypothesis, stable_words=len(hypothesis.words))
            if hypothesis.words:  # a noise that was taken for speech says nothing of what comes next
                self._prompt = (self._config().language, next_prompt(hypothesis.text))
        self._events.final(oldest, hypothesis)
        return True

    def prompt_for(self, language: str) -> str:
        """The context for the next segment of an encoder-decoder engine; words of another language would mislead it."""
        of_language, prompt = self._prompt
        return prompt if of_language == language else ""

    def drop(self, *, now: float, renumber: bool) -> None:
        """No segment's audio up to now will be answered; an open one goes on from here, see `Segments.abandon`."""
        self._commit(self._segments.abandon(self._ring.head, renumber=renumber), now=now)

    def give_up(self, segment: Segment, *, now: float) -> int:
        """Drop one that will not be answered; see `Segments.give_up`."""
        oldest = segment is self._segments.pending[0]
        end = self._segments.give_up(segment, self._ring.head)
        if oldest:
            self._commit(end, now=now)
        return end

    def forget_consumed(self, position: int) -> None:
        """What was heard from `position` on has to be heard again, by another recogniser."""
        self.consumed = min(self.consumed, position)

    def _commit(self, position: int, *, now: float) -> None:
        pending = self._segments.pending
        segment_id = pending[0].segment_id if pending else self._segments.next_id
        self._wal.record(segment_id=segment_id, buffer_offset=position, now=now)
        self._advance(position)

    def _advance(self, consumed: int) -> None:
        self.consumed = max(self.consumed, min(consumed, self._ring.head))

    def _turn_to(self, segment_id: int) -> None:
        if self._transcript.segment_id != segment_id:
            self._transcript = SegmentTranscript(segment_id)
            self._agreement = LocalAgreement(self._min_confirm_passes)
            self._agreed_to = 0
