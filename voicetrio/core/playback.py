"""How much of an utterance the listener has heard.

Two sources, in order of trust: what the client reports, and, until its first report, the assumption that it plays in
real time from the first byte it was sent. Neither can exceed what was sent, and between reports heard audio only grows.

The identity of an utterance is this object itself, carried by the task that speaks it. No later request, no end of a
stream and no reset elsewhere can take it away before the listener has heard the end or the task is cancelled.
"""

import math
from dataclasses import dataclass

REPORT_PATIENCE = 10.0
"""Seconds. A client that has reported before and then says nothing for this long beyond the time that its unheard audio
takes is believed to have played it: it may have lost interest in reporting, and the ear must not stay shut for ever."""


@dataclass(frozen=True, slots=True)
class WordMark:
    """Where a word of the utterance's text begins in its audio."""

    text_offset: int
    text_length: int
    start_sample: int


class Playback:
    """The ledger of one utterance. Samples are at `sample_rate`; `now` is in seconds of one monotonic clock."""

    def __init__(self, sample_rate: int, *, now: float) -> None:
        """`now` is when the first audio goes out."""
        assert sample_rate > 0
        self.sample_rate = sample_rate
        self._anchor = (now, 0)  # at this time, so many samples had been heard, without reports
        self._sent = 0
        self._complete = False
        self._reported: int | None = None
        self._reported_at = now
        self._marks: list[WordMark] = []

    @property
    def sent(self) -> int:
        """Samples sent so far."""
        return self._sent

    def extend(self, samples: int, marks: tuple[WordMark, ...] = (), *, now: float) -> None:
        """More audio was sent. Marks are in order; they may be ahead of the audio.

        Audio that comes after all of the earlier was heard is heard from now on: the listener had a gap.
        """
        assert not self._complete, "audio after the end"
        if self._estimate(now) >= self._sent:
            self._anchor = (now, self._sent)
        self._sent += samples
        self._marks.extend(marks)

    def finish(self) -> None:
        """All audio has been sent. The utterance is still being heard."""
        self._complete = True

    def report(self, played_samples: int, *, now: float) -> None:
        """The client says how much it has played. More than was sent, or less than before, is cut to what is possible."""
        known = 0 if self._reported is None else self._reported
        self._reported = max(known, min(played_samples, self._sent))
        self._reported_at = now

    def heard(self, *, now: float) -> int:
        """Samples heard by now, never more than were sent."""
        if self._reported is not None:
            return self._reported
        return self._estimate(now)

    def _estimate(self, now: float) -> int:
        since, samples = self._anchor
        # A thousandth of a sample for what the division in `completes_at` has rounded away.
        return min(self._sent, samples + int((now - since) * self.sample_rate + 0.001))

    def completes_at(self, *, now: float) -> float:
        """When the end will have been heard if nothing else is reported; `math.inf` while more audio may come."""
        if not self._complete:
            return math.inf
        if self._reported is None:
            since, samples = self._anchor
            return since + (self._sent - samples) / self.sample_rate
        if self._reported >= self._sent:
            return now
        return self._reported_at + (self._sent - self._reported) / self.sample_rate + REPORT_PATIENCE

    def heard_text(self, text: str, *, now: float) -> str:
        """The words of `text` that were heard whole: rounded down to the last one whose audio has ended."""
        heard = self.heard(now=now)
        if self._complete and heard >= self._sent:
            return text
        end = 0
        for mark, following in zip(self._marks, self._marks[1:], strict=False):
            if following.start_sample > heard:
                break
            end = mark.text_offset + mark.text_length
        return text[:end]

    def milliseconds(self, samples: int) -> int:
        """Rounded down: nothing counts as heard or sent that was not."""
        return samples * 1000 // self.sample_rate
