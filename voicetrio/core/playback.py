"""How much of an utterance the listener has heard: of its samples, and of its words.

Sources, in order of trust: what the client reports, and, until its first report and after its last one, that it plays in
real time what has arrived. What a socket has taken has not arrived: where the line can say what did (`arrived`), nothing
beyond that counts. While nobody is connected the estimate stands still, at the client's last sign of life. Heard audio
never exceeds what was sent.

The identity of an utterance is this object itself, carried by the task that speaks it. No later request, no end of a
stream and no reset elsewhere can take it away before the listener has heard the end or the task is cancelled.

An utterance may come in pieces, as an agent's reply does: each has a text, and its audio begins where that of the piece
before it ended. Which words of a piece were heard is known from the marks that the synthesis gave; without marks, a piece
counts once its last sample was heard. Marks may be anywhere, also inside words: what counts is whole tokens.
"""

import math
from dataclasses import dataclass

from voicetrio.core.speech_tokens import whole_tokens

REPORT_SLACK = 0.25
"""Seconds without a report after which a player that has reported is taken to go on in real time from its last one: more
than the 0.2 s between two reports. It is believed to be late by so much, so that nothing counts too early."""

LAG_MAX = 10.0
"""Seconds that a client which reports may be behind real time, however often it says so: it may lie, and the ear must not
stay shut for ever. Networks and audio drivers delay by far less."""

UNCONFIRMED_MAX = 30.0
"""Seconds after which audio counts as heard although the line, which can say what has arrived, does not: longer than a
dead connection is left open. Nothing waits for ever."""


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
    marks: list[WordMark]
    end: int | None = None
    """One past its last sample; None while more may come."""


@dataclass(slots=True)
class _Report:
    samples: int
    at: float


@dataclass(slots=True)
class _Line:
    """What is known of the connection."""

    reach: int = 0
    """Samples that the client can have at most: what it had when it came, and what was sent since."""
    arrived: int | None = None
    """Samples that it surely has; None: this line does not tell."""
    lost_at: float = math.inf
    """When the client gave its last sign of life, once the line was lost."""

    @property
    def limit(self) -> int:
        return self.reach if self.arrived is None else min(self.reach, self.arrived)


class Playback:
    """The ledger of one utterance. Samples are at `sample_rate`; `now` is in seconds of one monotonic clock."""

    def __init__(self, sample_rate: int, *, now: float, confirms: bool = False) -> None:
        """`now` is when the first audio goes out. `confirms`: the line will tell what has arrived."""
        assert sample_rate > 0
        self.sample_rate = sample_rate
        self._anchor = (now, 0)  # at this time, so many samples had been heard, without reports
        self._sent = 0
        self._complete = False
        self._paused_at: float | None = None
        self._report: _Report | None = None
        self._line = _Line(arrived=0 if confirms else None)
        self._pieces: list[_Piece] = []

    @property
    def sent(self) -> int:
        """Samples sent so far, over whatever connection."""
        return self._sent

    @property
    def reach(self) -> int:
        """Samples sent as far as the client may have them: after a return, less than `sent` until the rest was repeated."""
        return self._line.reach

    @property
    def paused(self) -> bool:
        return self._paused_at is not None

    @property
    def text(self) -> str:
        """Of all pieces that have begun, with a space between them."""
        return " ".join(piece.text for piece in self._pieces)

    # -- what was sent ------------------------------------------------------------------------------------------------

    def begin_piece(self, text: str, marks: list[WordMark] | None = None, *, start: int | None = None) -> None:
        """From sample `start` on, or what is sent next, this text is said; the piece before it ends there.

        `marks` may grow later.
        """
        assert not self._complete, "a piece after the end"
        start = self._sent if start is None else start
        text_start = 0
        if self._pieces:
            last = self._pieces[-1]
            last.end = start
            text_start = last.text_start + len(last.text) + 1
        self._pieces.append(_Piece(text, text_start, start, [] if marks is None else marks))

    def extend(self, samples: int, marks: tuple[WordMark, ...] = (), *, now: float) -> None:
        """More audio of the piece was sent, or sent again. Marks are in order; they may be ahead of the audio.

        Audio that comes after all of the earlier was heard is heard from now on: the listener had a gap.
        """
        assert not self._complete or self._line.reach + samples <= self._sent, "audio after the end"
        if self._estimate(now) >= self._line.reach:
            self._go_on_from(self._line.reach, now)
        self._line.reach += samples
        self._sent = max(self._sent, self._line.reach)
        if marks:
            self._pieces[-1].marks.extend(marks)

    def arrived(self, samples: int, *, now: float) -> None:
        """The client surely has so many. What comes after all that it had was played is played from now on."""
        samples = min(samples, self._line.reach)
        before = self._line.arrived
        if before is not None and samples > before and self._real_time(now) >= before:
            self._go_on_from(before, now)
        self._line.arrived = samples if before is None else max(samples, before)

    def finish(self, *, whole: bool = True) -> None:
        """All audio has been sent. The utterance is still being heard. Not `whole`: the last piece was cut short."""
        self._complete = True
        if self._pieces and whole:
            self._pieces[-1].end = self._sent

    # -- the connection -----------------------------------------------------------------------------------------------

    def lose(self, *, alive_at: float) -> None:
        """Nobody is connected any more; then the client gave its last sign of life. What it plays now is not known."""
        self._line.lost_at = min(self._line.lost_at, alive_at)

    def go_on(self, samples: int, *, confirms: bool, now: float) -> None:
        """The client is back, and has received so many samples, which is where the sending goes on."""
        self._sent = max(self._sent, samples)
        self._line = _Line(samples, samples if confirms else None)
        if self._real_time(now) >= samples:
            self._go_on_from(samples, now)

    @property
    def surely_arrived(self) -> bool:
        """Whether nothing can be lost of what was sent."""
        known = max(self._line.arrived or 0, 0 if self._report is None else self._report.samples)
        return known >= self._line.reach

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
            if self._report is not None:
                self._report.at = min(now, self._report.at + now - self._paused_at)
            self._paused_at = None

    def report(self, played_samples: int, *, now: float) -> None:
        """The client says how much it has played. More than it can have, or less than before, is cut to what is possible."""
        known = 0 if self._report is None else self._report.samples
        self._report = _Report(max(known, min(played_samples, self._line.reach)), now)

    def heard(self, *, now: float) -> int:
        """Samples heard by now, never more than were sent."""
        now = min(now, self._line.lost_at)
        unconfirmed = min(self._line.reach, self._real_time(now, lag=UNCONFIRMED_MAX))
        if self._report is None:
            return max(self._estimate(now), unconfirmed)
        since = self._report.at + REPORT_SLACK
        by_report = self._report.samples + self._samples(self._clock(now) - since)
        lagging = max(unconfirmed, self._estimate(now, lag=LAG_MAX))
        return max(self._report.samples, min(by_report, self._line.limit), lagging)

    def heard_at(self, samples: int, *, now: float) -> float:
        """When so many of the samples that were sent will have been heard, or were, if nothing else is reported;
        `math.inf` while the player is paused, and while nobody is connected.
        """
        if self._report is not None and self._report.samples >= samples:
            return now
        if self.heard(now=now) >= samples:
            return min(now, self._clock_at(samples))
        if self._paused_at is not None or self._line.lost_at < math.inf:
            return math.inf
        by_clock = self._clock_at(samples)
        if samples > self._line.limit:
            return by_clock + UNCONFIRMED_MAX
        if self._report is None:
            return by_clock
        by_report = self._report.at + REPORT_SLACK + (samples - self._report.samples) / self.sample_rate
        return min(by_report, by_clock + LAG_MAX)

    def expected_at(self, samples: int, *, now: float) -> float:
        """When so many of the samples that were sent will probably have been heard: a player that reports goes on from
        its last report. For what may be done too early without harm, as making more speech; `math.inf` while it is paused,
        while nobody is connected, and for what may not have arrived.
        """
        report = self._report
        if report is not None and report.samples >= samples:
            return now
        lost = self._line.lost_at < math.inf
        if self.heard(now=now) < samples and (self._paused_at is not None or lost or samples > self._line.limit):
            return math.inf
        by_clock = self._clock_at(samples)
        if report is None:
            return by_clock
        return max(report.at + (samples - report.samples) / self.sample_rate, by_clock)

    def completes_at(self, *, now: float) -> float:
        """When the end will have been heard if nothing else is reported; `math.inf` while more audio may come, or is to be
        sent again.
        """
        if not self._complete or self._line.reach < self._sent:
            return math.inf
        return self.heard_at(self._sent, now=now)

    def heard_text(self, *, now: float) -> str:
        """The words that were heard whole: rounded down to the last one whose audio has ended."""
        heard = self.heard(now=now)
        end = 0
        for piece in self._pieces:
            if piece.end is not None and heard >= piece.end:
                end = piece.text_start + len(piece.text)
                continue
            begun = [mark.text_offset for mark in piece.marks if piece.start + mark.start_sample <= heard]
            if whole := whole_tokens(piece.text, max(begun, default=0)):
                end = piece.text_start + whole
            break
        return self.text[:end]

    def milliseconds(self, samples: int) -> int:
        """Rounded down: nothing counts as heard or sent that was not."""
        return samples * 1000 // self.sample_rate

    def needed_from(self, *, now: float) -> int:
        """No client that comes back asks for audio from before this sample: it has reported, or surely received, more, or
        has had `LAG_MAX` for it. It grows whatever the client does, or does not do: what was heard is not kept for ever.
        """
        if self._report is None and self._line.arrived is not None:
            return self.heard(now=now)
        lagging = self._estimate(min(now, self._line.lost_at), lag=LAG_MAX)
        if self._report is None:
            return lagging
        # A page that is loaded again has an older report.
        return max(0, self._report.samples - self.sample_rate, lagging - self.sample_rate)

    # -- the clock ----------------------------------------------------------------------------------------------------

    def _clock(self, now: float) -> float:
        """Time stands still while the player is paused."""
        return now if self._paused_at is None else min(now, self._paused_at)

    def _samples(self, seconds: float) -> int:
        # A thousandth of a sample for what the division in `_clock_at` has rounded away.
        return int(seconds * self.sample_rate + 0.001)

    def _clock_at(self, samples: int) -> float:
        since, before = self._anchor
        return since + (samples - before) / self.sample_rate

    def _real_time(self, now: float, *, lag: float = 0.0) -> int:
        """What a player would have played that had it all."""
        since, samples = self._anchor
        return max(0, samples + self._samples(self._clock(now) - lag - since))

    def _estimate(self, now: float, *, lag: float = 0.0) -> int:
        return min(self._line.limit, self._real_time(now, lag=lag))

    def _go_on_from(self, samples: int, now: float) -> None:
        """The listener had nothing to play up to now, and goes on there."""
        if self._report is not None:
            self._report = _Report(max(self._report.samples, min(samples, self.heard(now=now))), now)
        self._anchor = (self._clock(now), samples)
