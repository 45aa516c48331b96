"""From hypotheses to what a client is told: partials that only grow, and each final exactly once.

A recogniser may start a segment over (its worker died and the audio was replayed), so a partial is measured against
what the client already has: words once confirmed stay, and a partial that would contradict them is kept back.
"""

from dataclasses import dataclass, field

from voicetrio.core.hypothesis import Hypothesis


@dataclass(frozen=True, slots=True)
class Partial:
    segment_id: int
    confirmed: str
    """Words that will not be taken back before the final; only grows."""
    tentative: str
    """The rest, which may change with the next partial."""
    consumed_sample: int


@dataclass(slots=True)
class SegmentTranscript:
    """One segment's partials so far."""

    segment_id: int
    _confirmed: list[str] = field(default_factory=list)
    _last: tuple[int, str] = (0, "")

    def advance(self, hypothesis: Hypothesis, *, with_tentative: bool) -> Partial | None:
        """What a client should be told after this partial hypothesis; None when there is nothing new for it."""
        assert not hypothesis.final
        assert hypothesis.segment_id == self.segment_id
        words = [word.text for word in hypothesis.words]
        stable = words[: hypothesis.stable_words]
        agrees = words[: len(self._confirmed)] == self._confirmed
        if agrees and len(stable) > len(self._confirmed):
            self._confirmed = stable
        tentative = " ".join(words[len(self._confirmed) :]) if agrees and with_tentative else ""
        news = (len(self._confirmed), tentative)
        if news == self._last:
            return None
        self._last = news
        return Partial(self.segment_id, " ".join(self._confirmed), tentative, hypothesis.consumed_sample)
