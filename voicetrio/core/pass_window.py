"""Which audio of a long segment a pass of an encoder-decoder engine gets. One object per open segment. Pure.

    | frozen: words that stand | start: the next pass decodes from here on ............ end |

A pass costs in proportion to its audio, and Whisper's window ends at 30 s. So what the passes agree on is cut off and
stays as it is: at the end of what the model takes for a segment, as Machacek, Dabre and Bojar do it (2023, arXiv
2307.14743, section 3), or else in a pause. Never inside a word: the cut lies in a silence that the newest pass has put
between two words. At the joint, words that the next pass says once more are left out, see `word_overlap`.

Nothing is ever lost: each pass's outcome is the whole segment's words, the frozen ones first.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from voicetrio.core.config import SAMPLE_RATE
from voicetrio.core.hypothesis import Word
from voicetrio.core.prompt import next_prompt
from voicetrio.core.word_overlap import count_repeated, move_behind, word_key

MARGIN_SECONDS = 0.1
"""Of silence that is kept on either side of a cut where the pause is long enough: words' times are not exact."""

PAUSE_SECONDS_MIN = 0.1
"""A shorter pause between two words is none: models often put words side by side that are not, and times that are wrong
by a second have no pause beside them."""

CLEAR_PAUSE_SECONDS = 0.3
"""A pause in which a sentence may end, though the model has not said so."""

FAR_SECONDS = 0.5
"""A cut is not farther behind the word before it, wherever the model ends its segment."""

REST_SECONDS_MIN = 2.0
"""What is heard last may change with the next pass: a cut that the passes do not agree on leaves that much."""


class PassWindow:
    """Audio from `start` to whatever has come. Positions are absolute samples."""

    def __init__(
        self,
        *,
        start_sample: int,
        sample_rate: int = SAMPLE_RATE,
        min_confirm_passes: int = 2,
        trim_after: float = 8.0,
        longest: float = 28.0,
    ) -> None:
        """`min_confirm_passes`: so many passes in a row have to agree on words that are cut off.

        `trim_after`: seconds; a longer window is trimmed where passes agree. 8 s leave room for the next sentence in an
        encoder window of 10 s. `longest`: seconds; a window that is as long is trimmed in any case, so that the next pass
        gets less. 28 s leave room in Whisper's 30 s for what comes until then.
        """
        assert min_confirm_passes >= 1
        assert 0 < trim_after <= longest
        assert longest > 2 * REST_SECONDS_MIN
        self._rate = sample_rate
        self._trim_after = round(trim_after * sample_rate)
        self._longest = round(longest * sample_rate)
        self._start = start_sample
        self._frozen: tuple[Word, ...] = ()
        self._passes: deque[tuple[str, ...]] = deque(maxlen=min_confirm_passes)
        """Keys of the words that the newest passes have told after the frozen ones; the newest last."""

    @property
    def start(self) -> int:
        """The first sample that the next pass decodes. Only grows."""
        return self._start

    @property
    def limit(self) -> int:
        """The sample at which the next pass ends at the latest. After a pass up to here `start` has moved on."""
        return self._start + self._longest

    @property
    def frozen(self) -> tuple[Word, ...]:
        """Words of the segment before `start`: they stand in front of every later pass's words."""
        return self._frozen

    @property
    def context(self) -> str:
        """The end of the frozen words' text, for the next pass's prompt."""
        return next_prompt(_text(self._frozen))

    def note_pass(self, words: Sequence[Word], segment_ends: Sequence[int], end: int) -> tuple[Word, ...]:
        """Take a pass over [`start`, `end`): its words, and where the model has ended what it takes for segments.

        Returns the whole segment's words. `start` and `frozen` may have changed for the next pass.
        """
        whole = self.final(words)
        fresh = whole[len(self._frozen) :]
        self._passes.append(tuple(word_key(word) for word in fresh))
        length = end - self._start
        cut = None
        if length > self._trim_after:
            cut = self._find_agreed_cut(fresh, segment_ends, end)
        if cut is None and length >= self._longest:
            cut = self._find_any_cut(fresh, end)
        if cut is not None:
            self._cut(fresh, *cut)
        return whole

    def freeze(self, words: Sequence[Word], sample: int) -> tuple[Word, ...]:
        """Take the words of a pass over [`start`, `sample`) as they are; the next pass begins at `sample`.

        Returns the whole segment's words.
        """
        self._frozen = self.final(words)
        self._start = max(self._start, sample)
        self._passes.clear()
        return self._frozen

    def final(self, words: Sequence[Word]) -> tuple[Word, ...]:
        """The whole segment's words, with `words` as those of a pass from `start` on. Changes nothing."""
        if not self._frozen:
            return tuple(words)
        expected = self._passes[-1] if self._passes else ()
        repeated = count_repeated(self._frozen, words, start=self._start, expected=expected)
        return (*self._frozen, *move_behind(words[repeated:], self._frozen[-1].end_sample))

    def _find_agreed_cut(self, fresh: Sequence[Word], segment_ends: Iterable[int], end: int) -> tuple[int, int] | None:
        """How many words are cut off, and the sample; None: nowhere yet."""
        agreed = self._count_agreed()
        if agreed == len(fresh) == 0 and len(self._passes) == self._passes.maxlen:
            # Nobody has said a word so far. The newest audio may hold half of the first one.
            return 0, end - self._trim_after // 2
        far = round(FAR_SECONDS * self._rate)
        for wanted in sorted(segment_ends, reverse=True):
            count = sum(1 for word in fresh if word.start_sample + word.end_sample <= 2 * wanted)
            pause = self._pause_after(fresh, count, end)
            if 0 < count <= agreed and pause is not None:
                # Not far behind the word: in the silence after it the next one may have begun, not to be heard yet.
                return count, max(pause[0], min(wanted, pause[1], fresh[count - 1].end_sample + far))
        for count in range(agreed, 0, -1):
            pause = self._pause_after(fresh, count, end, seconds_min=CLEAR_PAUSE_SECONDS)
            if pause is not None:
                return count, pause[0]
        return None

    def _find_any_cut(self, fresh: Sequence[Word], end: int) -> tuple[int, int]:
        """The latest pause of the newest pass that leaves neither too little for the next pass nor too much."""
        latest = end - round(REST_SECONDS_MIN * self._rate)
        earliest = end - self._longest // 2
        longest_gap, best = -1, None
        for count in range(len(fresh), 0, -1):
            after = fresh[count].start_sample if count < len(fresh) else end
            before = fresh[count - 1].end_sample
            sample = min((before + after) // 2, latest)
            if not max(before, earliest) <= sample:
                continue
            pause = self._pause_after(fresh, count, end)
            if pause is not None:
                return count, min(max(pause[0], sample), pause[1])
            if after - before > longest_gap:
                longest_gap, best = after - before, (count, sample)
        if best is not None:
            return best
        # No word ends there: nobody speaks, or the times are nonsense.
        return sum(1 for word in fresh if word.start_sample + word.end_sample <= 2 * latest), latest

    def _count_agreed(self) -> int:
        """How many words of the newest pass the newest passes agree on, from the first on."""
        if len(self._passes) < (self._passes.maxlen or 0):
            return 0
        same = 0
        for keys in zip(*self._passes, strict=False):
            if len(set(keys)) > 1:
                break
            same += 1
        return same

    def _pause_after(
        self, fresh: Sequence[Word], count: int, end: int, *, seconds_min: float = PAUSE_SECONDS_MIN
    ) -> tuple[int, int] | None:
        """From where to where one can cut after so many words; None: no pause."""
        before = fresh[count - 1].end_sample if count else self._start
        after = fresh[count].start_sample if count < len(fresh) else end
        if after - before < seconds_min * self._rate:
            return None
        margin = min(round(MARGIN_SECONDS * self._rate), (after - before) // 2)
        return before + margin, after - margin

    def _cut(self, fresh: Sequence[Word], count: int, sample: int) -> None:
        self._frozen = (*self._frozen, *fresh[:count])
        self._start = max(self._start, sample)
        kept = [keys[count:] for keys in self._passes if keys[:count] == self._passes[-1][:count]]
        self._passes.clear()
        self._passes.extend(kept)


def _text(words: Iterable[Word]) -> str:
    return " ".join(word.text for word in words)
