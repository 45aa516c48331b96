"""How much of an utterance the listener has heard: of its samples, and of its words.

Two sources, in order of trust: what the client reports, and, until its first report, the assumption that it plays in
real time from the first byte it was sent. Neither can exceed what was sent, and heard audio only grows.

The identity of an utterance is this object itself, carried by the task that speaks it. No later request, no end of a
stream and no reset elsewhere can take it away before the listener has heard the end or the task is cancelled.

An utterance may come in pieces, as an agent's reply does: each has a text, and its audio begins where that of the piece
before it ended. Which words of a piece were heard is known from the marks that the synthesis gave; without marks, a piece
counts once its last sample was heard.
"""

import math
from dataclasses import dataclass, field

LAG_MAX = 10.0
"""Seconds that a client which reports may be behind real time. One that says less, or has stopped to say anything, is
believed to have played what it was sent so long ago: it may have lost interest in reporting, or it lies, and the ear
must not stay shut for ever. Networks and audio drivers delay by far less."""


@dataclass(frozen=True, slots=True)
class WordMark:
    """Where a word of a piece's text begins in its audio: characters, and samples from the beginning of the piece."""

    text_offset: int
    text_length: int
    start_sample: int


@dataclass(slots=True)
class _Piece:
    text: str
    text_start: int
    """In the utterance's text, in characters."""
    start: int
    """Its first sample."""
    end: int | None = None
    """One past its last sample; None while more may come."""
    marks: list[WordMark] = field(default_factory=list)


class Playback:
    """The ledger of one utterance. Samples are at `sample_rate`; `now` is in seconds of one monotonic clock."""

    def __init__(self, sample_rate: int, *, now: float) -> None:
        """`now` is when the first audio goes out."""
        assert sample_rate > 0
        self.sample_rate = sample_rate
        self._anchor = (now, 0)  # at this time, so many samples had been heard, without reports
        self._sent = 0
        self._complete = False
        self._paused_at: float | None = None
        self._reported: int | None = None
        self._reported_at = now
        self._pieces: list[_Piece] = []

    @property
    def sent(self) -> int:
        """Samples sent so far."""
        return self._sent

    @property
    def paused(self) -> bool:
        return self._paused_at is not None

    @property
    def text(self) -> str:
        """Of all pieces that have begun, with a space between them."""
        return " ".join(piece.text for piece in self._pieces)

    # -- what was sent ------------------------------------------------------------------------------------------------

    def begin_piece(self, text: str) -> None:
        """What is sent from now on says this text; the piece before it has ended."""
        assert not self._complete, "a piece after the end"
        start = 0
        if self._pieces:
            last = self._pieces[-1]
            last.end = self._sent
            start = last.text_start + len(last.text) + 1
        self._pieces.append(_Piece(text, start, self._sent))

    def extend(self, samples: int, marks: tuple[WordMark, ...] = (), *, now: float) -> None:
        """More audio of the piece was sent. Marks are in order; they may be ahead of the audio.

        Audio that comes after all of the earlier was heard is heard from now on: the listener had a gap.
        """
        assert not self._complete, "audio after the end"
        if self._estimate(now) >= self._sent:
            if self._reported is not None:
                self._reported = self.heard(now=now)
            self._anchor = (self._clock(now), self._sent)
        self._sent += samples
        if marks:
            self._pieces[-1].marks.extend(marks)

    def finish(self, *, whole: bool = True) -> None:
        """All audio has been sent. The utterance is still being heard. Not `whole`: the last piece was cut short."""
        self._complete = True
        if self._pieces and whole:
            self._pieces[-1].end = self._sent

    # -- what was heard -----------------------------------------------------------------------------------------------

    def pause(self, *, now: float) -> None:
        """The listener's player was told to stop where it is. Reports still count: it may not have stopped."""
        if self._paused_at is None:
            self._paused_at = now

    def resume(self, *, now: float) -> None:
        """It was told to go on."""
        if self._paused_at is not None:
            since, samples = self._anchor
            self._anchor = (since + now - self._paused_at, samples)
            self._reported_at = min(now, self._reported_at + now - self._paused_at)
            self._paused_at = None

    def report(self, played_samples: int, *, now: float) -> None:
        """The client says how much it has played. More than was sent, or less than before, is cut to what is possible."""
        known = 0 if self._reported is None else self.heard(now=now)
        self._reported = max(known, min(played_samples, self._sent))
        self._reported_at = now

    def heard(self, *, now: float) -> int:
        """Samples heard by now, never more than were sent."""
        if self._reported is None:
            return self._estimate(now)
        return max(self._reported, self._estimate(now, lag=LAG_MAX))

    def heard_at(self, samples: int, *, now: float) -> float:
        """When so many of the samples that were sent will have been heard, or were, if nothing else is reported;
        `math.inf` while the player is paused.
        """
        if self._reported is not None and self._reported >= samples:
            return now
        if self._paused_at is not None and self.heard(now=now) < samples:
            return math.inf
        since, before = self._anchor
        lag = 0.0 if self._reported is None else LAG_MAX
        return since + (samples - before) / self.sample_rate + lag

    def expected_at(self, samples: int, *, now: float) -> float:
        """When so many of the samples that were sent will probably have been heard: a player that reports goes on from
        its last report. For what may be done too early without harm, as making more speech; `math.inf` while it is paused.
        """
        if self._reported is None or self._reported >= samples or self._paused_at is not None:
            return self.heard_at(samples, now=now)
        since, before = self._anchor
        by_report = self._reported_at + (samples - self._reported) / self.sample_rate
        by_clock = since + (samples - before) / self.sample_rate
        return max(by_report, by_clock)

    def completes_at(self, *, now: float) -> float:
        """When the end will have been heard if nothing else is reported; `math.inf` while more audio may come."""
        return self.heard_at(self._sent, now=now) if self._complete else math.inf

    def heard_text(self, *, now: float) -> str:
        """The words that were heard whole: rounded down to the last one whose audio has ended."""
        heard = self.heard(now=now)
        end = 0
        for piece in self._pieces:
            if piece.end is not None and heard >= piece.end:
                end = piece.text_start + len(piece.text)
                continue
            for mark, following in zip(piece.marks, piece.marks[1:], strict=False):
                if piece.start + following.start_sample > heard:
                    break
                end = piece.text_start + mark.text_offset + mark.text_length
            break
        return self.text[:end]

    def milliseconds(self, samples: int) -> int:
        """Rounded down: nothing counts as heard or sent that was not."""
        return samples * 1000 // self.sample_rate

    def _clock(self, now: float) -> float:
        """Time stands still while the player is paused."""
        return now if self._paused_at is None else min(now, self._paused_at)

    def _estimate(self, now: float, *, lag: float = 0.0) -> int:
        since, samples = self._anchor
        # A thousandth of a sample for what the division in `heard_at` has rounded away.
        return max(0, min(self._sent, samples + int((self._clock(now) - lag - since) * self.sample_rate + 0.001)))
