"""What a listener would have seen of each pass, by two policies, and how good that was. Arithmetic only.

passes ──> LocalAgreement: the words that passes agree on ──> shown ──> for good? taken back? how late?
      └──> plain: all words of the newest pass ─────────────> shown ──┘
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

from voicetrio.cli.bench_report import percentile
from voicetrio.core.config import SAMPLE_RATE
from voicetrio.core.hypothesis import Hypothesis, Word
from voicetrio.core.local_agreement import LocalAgreement
from voicetrio.core.word_overlap import word_key

_LABEL, _COLUMN = 46, 16


class Policy(Protocol):
    """What is shown of a segment's passes."""

    def show(self, words: Sequence[Word]) -> Sequence[Word]: ...
    def final(self, words: Sequence[Word]) -> Sequence[Word]: ...


class Agreed:
    """As a session does it."""

    def __init__(self, min_confirm_passes: int) -> None:
        self._agreement = LocalAgreement(min_confirm_passes)

    def show(self, words: Sequence[Word]) -> Sequence[Word]:
        self._agreement.push(words)
        return self._agreement.confirmed

    def final(self, words: Sequence[Word]) -> Sequence[Word]:
        return self._agreement.flush(words)


class Plain:
    """Each pass is shown whole."""

    def show(self, words: Sequence[Word]) -> Sequence[Word]:
        return words

    def final(self, words: Sequence[Word]) -> Sequence[Word]:
        return words


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of one policy, over all segments."""

    words: int
    """In finals."""
    early: int
    """Of these, shown before the segment's end, and never changed after that."""
    taken_back: int
    """Times that a word was shown which then changed or went away, in a later partial or in the final."""
    delays: tuple[float, ...]
    """Seconds from the end of each early word to the audio with which it was shown for good; sorted."""
    errors: int
    """Words of the finals that are wrong, too many or missing."""

    def as_json(self) -> dict[str, Any]:
        return {
            "words": self.words,
            "shown_before_end": self.early,
            "taken_back": self.taken_back,
            "delay_s_p50": _rounded(percentile(self.delays, 50)),
            "delay_s_p90": _rounded(percentile(self.delays, 90)),
            "errors": self.errors,
        }


@dataclass(slots=True)
class Tally:
    """Adds up the segments of one policy."""

    words: int = 0
    early: int = 0
    taken_back: int = 0
    delays: list[float] = field(default_factory=list)
    errors: int = 0

    def add(self, policy: Policy, passes: Sequence[Hypothesis]) -> str:
        """One segment's passes, the final one last. Returns the final's text."""
        *partials, last = passes
        shown = [[word_key(word) for word in policy.show(one.words)] for one in partials]
        final = policy.final(last.words)
        keys = [word_key(word) for word in final]
        for before, after in pairwise([*shown, keys]):
            self.taken_back += len(before) - _common(before, after)
        self.words += len(keys)
        # So many of the final's words are shown from this pass on until the end.
        good = len(keys)
        lasting = [good := min(good, _common(one, keys)) for one in reversed(shown)][::-1]
        for place, word in enumerate(final):
            since = next((at for at, count in enumerate(lasting) if count > place), None)
            if since is not None:
                self.early += 1
                self.delays.append((partials[since].consumed_sample - word.end_sample) / SAMPLE_RATE)
        return " ".join(keys)

    @property
    def shown(self) -> Shown:
        return Shown(self.words, self.early, self.taken_back, tuple(sorted(self.delays)), self.errors)


@dataclass(frozen=True, slots=True)
class PartialsFigures:
    segments: int
    spoken_words: int
    """In the texts of the recordings."""
    audio_seconds: float
    passes: int
    agreed: Shown
    plain: Shown
    whole_seconds: float
    """Of audio that the passes would have decoded from the segment's start."""
    decoded_seconds: float | None
    """Of audio that the engine has decoded; None: it does not tell."""

    def as_json(self) -> dict[str, Any]:
        return {
            "segments": self.segments,
            "spoken_words": self.spoken_words,
            "audio_seconds": round(self.audio_seconds, 1),
            "passes": self.passes,
            "local_agreement": self.agreed.as_json(),
            "plain": self.plain.as_json(),
            "decoded_per_second": _rounded(self._per_second(self.decoded_seconds)),
            "decoded_per_second_untrimmed": _rounded(self._per_second(self.whole_seconds)),
        }

    def table(self, title: str) -> str:
        """For people; ends without a newline."""
        rows: list[tuple[str, str, str]] = [("", "LocalAgreement", "plain")]
        for label, tell in _ROWS:
            rows.append((label, tell(self, self.agreed), tell(self, self.plain)))
        lines = [title, f"{self.segments} segments, {self.audio_seconds:.1f} s, {self.passes} passes", ""]
        lines += [label.ljust(_LABEL) + one.rjust(_COLUMN) + other.rjust(_COLUMN) for label, one, other in rows]
        with_trims, without = (self._per_second(some) for some in (self.decoded_seconds, self.whole_seconds))
        told = "not told by this engine" if math.isnan(with_trims) else f"{with_trims:.1f} s"
        lines += ["", f"decoded per second of audio: {told}; without trimming {without:.1f} s"]
        return "\n".join(lines)

    def _per_second(self, seconds: float | None) -> float:
        return math.nan if seconds is None or not self.audio_seconds else seconds / self.audio_seconds


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _delay(shown: Shown, percent: float) -> str:
    return f"{percentile(shown.delays, percent):.2f} s" if shown.delays else "-"


_ROWS: tuple[tuple[str, Callable[[PartialsFigures, Shown], str]], ...] = (
    ("words in finals", lambda _, shown: str(shown.words)),
    ("  shown for good before the end", lambda _, shown: _percent(shown.early, shown.words)),
    ("  shown and then taken back, times", lambda _, shown: str(shown.taken_back)),
    ("  shown for good after the word's end, median", lambda _, shown: _delay(shown, 50)),
    ("  the same, 90th percentile", lambda _, shown: _delay(shown, 90)),
    ("word error rate of the finals", lambda figures, shown: _percent(shown.errors, figures.spoken_words)),
)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many leading words they share."""
    return next(
        (place for place, (left, right) in enumerate(zip(one, other, strict=False)) if left != right),
        min(len(one), len(other)),
    )


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 3)
