"""Puts what happened in a session into the protocol's messages, and counts it. It decides nothing and never waits."""

from collections.abc import Callable, Sequence

import trio

from voicetrio.core.audio_clock import AudioClock
from voicetrio.core.backpressure import FramesDroppedAction, RateLimitAction
from voicetrio.core.config import SAMPLE_RATE, SessionConfig, SessionLimits
from voicetrio.core.errors import WorkerBusy, WorkerError
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.core.segments import Segment
from voicetrio.core.server_messages import final_message, limits_message, milliseconds, partial_message
from voicetrio.core.transcript import Partial
from voicetrio.session.endings import End
from voicetrio.session.log import SessionLog
from voicetrio.session.outbox import Outbox
from voicetrio.session.ports import Telemetry
from voicetrio.session.recognition import explain_loss


class Reporter:
    def __init__(
        self,
        outbox: Outbox,
        *,
        clock: AudioClock,
        now_ms: Callable[[], int],
        telemetry: Telemetry,
        log: SessionLog,
    ) -> None:
        """`now_ms`: where the next audio begins, on the client's audio clock."""
        self._outbox = outbox
        self._clock = clock
        self._now_ms = now_ms
        self._telemetry = telemetry
        self._log = log
        self._speech_began = 0.0
        self._had_partial = False
        self.transcribed = 0
        """Segments in which words were heard."""
        self.last_error: tuple[str, float] | None = None
        """The code of the last `error` that the client was told, and when, on trio's clock."""

    def configured(self, config: SessionConfig) -> None:
        self._outbox.post({"type": "session.configured", "config": config.as_message()})

    def error(self, code: str, message: str, *, recoverable: bool, **more: object) -> None:
        self._telemetry.client_error(code)
        self.last_error = (code, trio.current_time())
        self._log.info("client_error", code=code, recoverable=recoverable)
        self._outbox.post({"type": "error", "code": code, "message": message, "recoverable": recoverable, **more})

    def unanswered(self, code: str) -> None:
        """An error that is counted, and not told: the client has been told enough of them."""
        self._telemetry.client_error(code)

    # -- what was heard -----------------------------------------------------------------------------------------------

    def speech_started(self, at_sample: int) -> None:
        self._speech_began = trio.current_time()
        self._had_partial = False
        at_ms = milliseconds(self._clock.position(at_sample))
        self._log.debug("speech_start", at_ms=at_ms)
        self._outbox.post({"type": "vad.speech_start", "timestamp_ms": at_ms})

    def speech_ended(self, at_sample: int) -> None:
        at_ms = milliseconds(self._clock.position(at_sample, end=True))
        self._log.debug("speech_end", at_ms=at_ms)
        self._outbox.post({"type": "vad.speech_end", "timestamp_ms": at_ms})

    def partial(self, news: Partial, *, with_tentative: bool) -> None:
        message = partial_message(news, self._clock, with_tentative=with_tentative)
        noted, self._had_partial = self._had_partial, True
        on_written = None if noted else self._note_first(self._speech_began)
        self._outbox.post(message, replace_key=news.segment_id, on_written=on_written)

    def _note_first(self, speech_began: float) -> Callable[[], None]:
        return lambda: self._telemetry.first_partial(trio.current_time() - speech_began)

    def final(self, segment: Segment, hypothesis: Hypothesis) -> None:
        assert segment.end is not None
        assert segment.ended_at is not None
        ended_at = segment.ended_at
        if hypothesis.words:
            self.transcribed += 1
        for why in hypothesis.gated:
            self._telemetry.hallucination_gated(why)
        confidence = hypothesis.confidence_or_mean
        if confidence is not None:
            self._telemetry.confidence(confidence)
        self._log.debug(
            "segment_final",
            segment_id=segment.segment_id,
            **self._span(segment.start, segment.end),
            words=len(hypothesis.words),
            after_ms=round(1000 * (trio.current_time() - ended_at)),
        )
        message = final_message(segment.segment_id, segment.start, segment.end, hypothesis, self._clock)
        # The delay ends where somebody can feel it: when the transport has taken the message.
        self._outbox.post(message, on_written=lambda: self._telemetry.final_written(trio.current_time() - ended_at))

    def lost(self, segments: int, start: int, end: int, error: WorkerError) -> None:
        code, message = explain_loss(segments, error)
        # Busy workers are the end of the session, see `Body.lost`.
        self.error(code, message, recoverable=not isinstance(error, WorkerBusy), **self._span(start, end))

    def flush_timed_out(self, segments: Sequence[Segment]) -> None:
        """The last segments, all of them ended, have got no final in time."""
        end = segments[-1].end
        assert end is not None
        text = f"the last {len(segments)} segment{'s' if len(segments) != 1 else ''} could not be transcribed in time"
        self.error("final_timeout", text, recoverable=False, **self._span(segments[0].start, end))

    def _span(self, start: int, end: int) -> dict[str, object]:
        return {
            "start_ms": milliseconds(self._clock.position(start)),
            "end_ms": milliseconds(self._clock.position(end, end=True)),
        }

    # -- what was too much --------------------------------------------------------------------------------------------

    def limited(self, action: RateLimitAction | FramesDroppedAction, *, at_ms: int) -> None:
        """`at_ms` is where the dropped audio ends, on the client's clock."""
        match action:
            case RateLimitAction(delay_ms):
                self._telemetry.rate_limited()
                self._log.debug("rate_limit", delay_ms=delay_ms)
                text = f"audio comes faster than it can be heard: send none for {delay_ms} ms, and then go on with it"
                self._outbox.post({"type": "session.rate_limit", "delay_ms": delay_ms, "message": text})
            case FramesDroppedAction(dropped_ms=dropped_ms, dropped_samples=samples):
                self._telemetry.audio_dropped(samples / SAMPLE_RATE)
                self._log.warning("audio_dropped", milliseconds=dropped_ms)
                text = f"{dropped_ms} ms of audio were dropped: too much of it was waiting. See session.rate_limit"
                message = {"type": "session.frames_dropped", "dropped_ms": dropped_ms, "timestamp_ms": at_ms}
                self._outbox.post({**message, "message": text})

    # -- the session itself -------------------------------------------------------------------------------------------

    def held(self, hold_timeout: float) -> None:
        hold_ms = round(hold_timeout * 1000)
        self._outbox.post({"type": "session.hold", "timestamp_ms": self._now_ms(), "hold_timeout_ms": hold_ms})

    def closed(self, end: End) -> None:
        """The last message."""
        self._outbox.post_last(
            {
                "type": "session.closed",
                "reason": end.reason,
                "total_duration_ms": self._now_ms(),
                "segments_transcribed": self.transcribed,
            }
        )


def welcome_message(
    session_id: str,
    *,
    resume_token: str,
    model: str,
    config: SessionConfig,
    limits: SessionLimits,
    resumed: bool,
    next_audio_ms: int,
) -> dict[str, object]:
    """`session.created`, the first message on each connection."""
    return {
        "type": "session.created",
        "session_id": session_id,
        "resume_token": resume_token,
        "model": model,
        "config": config.as_message(),
        "limits": limits_message(limits),
        "resumed": resumed,
        "next_audio_ms": next_audio_ms,
    }
