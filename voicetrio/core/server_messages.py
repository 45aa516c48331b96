"""The native protocol's messages about what was heard. Times are integer milliseconds of the session's audio clock;
those of words are seconds, as the field has them.
"""

from voicetrio.core.config import SAMPLE_RATE
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.core.transcript import Partial, mean_confidence


def milliseconds(sample: int) -> int:
    """Of a sample index, rounded down."""
    return sample * 1000 // SAMPLE_RATE


def partial_message(news: Partial, *, with_tentative: bool) -> dict[str, object]:
    """`transcript.partial`."""
    message: dict[str, object] = {
        "type": "transcript.partial",
        "text": news.confirmed,
        "segment_id": news.segment_id,
        "timestamp_ms": milliseconds(news.consumed_sample),
    }
    if with_tentative:
        message["tentative"] = news.tentative
    return message


def final_message(segment_id: int, start: int, end: int, hypothesis: Hypothesis) -> dict[str, object]:
    """`transcript.final` of the segment from sample `start` to `end`. What the engine does not know is left out."""
    message: dict[str, object] = {
        "type": "transcript.final",
        "text": hypothesis.text,
        "segment_id": segment_id,
        "start_ms": milliseconds(start),
        "end_ms": milliseconds(end),
        "words": [
            {
                "word": word.text,
                "start": round(word.start_sample / SAMPLE_RATE, 3),
                "end": round(word.end_sample / SAMPLE_RATE, 3),
                "confidence": None if word.confidence is None else round(word.confidence, 3),
            }
            for word in hypothesis.words
        ],
    }
    confidence = mean_confidence(hypothesis.words) if hypothesis.confidence is None else hypothesis.confidence
    if confidence is not None:
        message["confidence"] = round(confidence, 3)
    if hypothesis.language:
        message["language"] = hypothesis.language
    return message
