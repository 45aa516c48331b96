"""The native protocol's messages about what was heard. Times are integer milliseconds of the session's audio clock;
those of words are seconds, as the field has them. Positions come in as the ring's, and go out as the client's.
"""

import math

from voicetrio.core.audio_clock import AudioClock
from voicetrio.core.config import SAMPLE_RATE, SessionLimits
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.core.transcript import Partial


def milliseconds(sample: int) -> int:
    """Of a sample index, rounded down."""
    return sample * 1000 // SAMPLE_RATE


def partial_message(news: Partial, clock: AudioClock, *, with_tentative: bool) -> dict[str, object]:
    """`transcript.partial`."""
    message: dict[str, object] = {
        "type": "transcript.partial",
        "text": news.confirmed,
        "segment_id": news.segment_id,
        "timestamp_ms": milliseconds(clock.position(news.consumed_sample, end=True)),
    }
    if with_tentative:
        message["tentative"] = news.tentative
    return message


def final_message(
    segment_id: int, start: int, end: int, hypothesis: Hypothesis, clock: AudioClock
) -> dict[str, object]:
    """`transcript.final` of the segment from sample `start` to `end`. What the engine does not know is left out."""
    message: dict[str, object] = {
        "type": "transcript.final",
        "text": hypothesis.text,
        "segment_id": segment_id,
        "start_ms": milliseconds(clock.position(start)),
        "end_ms": milliseconds(clock.position(end, end=True)),
        "words": [
            {
                "word": word.text,
                "start": round(clock.position(word.start_sample) / SAMPLE_RATE, 3),
                "end": round(clock.position(word.end_sample, end=True) / SAMPLE_RATE, 3),
                "confidence": None if word.confidence is None else round(word.confidence, 3),
            }
            for word in hypothesis.words
        ],
    }
    confidence = hypothesis.confidence_or_mean
    if confidence is not None:
        message["confidence"] = round(confidence, 3)
    if hypothesis.language:
        message["language"] = hypothesis.language
    return message


def limits_message(limits: SessionLimits) -> dict[str, object]:
    """What a client has to know to lose nothing; `max_rate` is null where there is no limit."""
    return {
        "max_rate": None if limits.max_rate == math.inf else limits.max_rate,
        "max_backlog_ms": round(limits.max_backlog * 1000),
        "resume_grace_ms": round(limits.resume_grace * 1000),
    }
