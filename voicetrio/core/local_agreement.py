"""Which words of an encoder-decoder engine will stay: those on which its last passes agree. One object per segment.

Such an engine decodes the whole open segment anew in each pass, and says something else about its end each time. A word
is confirmed when the last `min_confirm_passes` passes in a row agree on it and on everything before it. This is
LocalAgreement-n of Liu, Spanakis and Niehues, "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by
Partial Hypothesis Selection", Interspeech 2020, arXiv 2005.11185; Machacek, Dabre and Bojar, "Turning Whisper into
Real-Time Transcription System", 2023, arXiv 2307.14743, use it with n = 2 for Whisper, and show that words have to be
found again, by their time and by their neighbours, when a later pass tells the confirmed part differently.

Passes agree on words, not on their dress: "Hello," and "hello" are the same word, since the end of a pass looks like the
end of a sentence. What is confirmed is the newest pass's text, and it never changes after that.

A pass costs time in proportion to its words. A worker that took over starts the segment again, and its first passes are
shorter than what is confirmed: they say nothing new, and the same object goes on.
"""

from collections.abc import Sequence
from dataclasses import replace

from voicetrio.core.hypothesis import Word
from voicetrio.core.word_overlap import count_told, move_behind, word_key


class LocalAgreement:
    """For one segment, over all workers that decode it."""

    def __init__(self, min_confirm_passes: int = 2) -> None:
        """`min_confirm_passes`: with 1 every word is confirmed at once; each more costs every word one pass of delay."""
        assert min_confirm_passes >= 1
        self._min_passes = min_confirm_passes
        self._confirmed: list[Word] = []
        self._keys: list[str] = []
        """Of the confirmed words, see `word_key`."""
        self._agreed: list[tuple[str, int]] = []
        """Of the newest pass's tentative words: the key, and how many passes in a row agree up to it."""
        self._tentative: tuple[Word, ...] = ()

    @property
    def confirmed(self) -> tuple[Word, ...]:
        """Only grows. Times and texts are those of the pass that confirmed a word."""
        return tuple(self._confirmed)

    @property
    def tentative(self) -> tuple[Word, ...]:
        """The newest pass's words after the confirmed ones."""
        return self._tentative

    def push(self, words: Sequence[Word]) -> int:
        """Take a pass's whole hypothesis for the segment so far. Returns how many words are confirmed by now."""
        keys = [word_key(word) for word in words]
        known = count_told(self._confirmed, words)
        tail, tail_keys = self._later(words[known:]), keys[known:]
        agreed: list[tuple[str, int]] = []
        same_so_far = True
        for place, key in enumerate(tail_keys):
            same_so_far = same_so_far and place < len(self._agreed) and self._agreed[place][0] == key
            agreed.append((key, self._agreed[place][1] + 1 if same_so_far else 1))
        # These counts never grow from one word to the next, so the words with enough of them come first.
        count = sum(1 for _, passes in agreed if passes >= self._min_passes)
        self._confirmed += tail[:count]
        self._keys += tail_keys[:count]
        self._agreed = agreed[count:]
        self._tentative = tail[count:]
        return len(self._confirmed)

    def flush(self, words: Sequence[Word]) -> tuple[Word, ...]:
        """The segment's final, from its last pass: the confirmed words and what follows them. Changes nothing.

        Where the last pass agrees with all that was confirmed, times and confidences are its own: it has heard most.
        """
        keys = [word_key(word) for word in words]
        known = count_told(self._confirmed, words)
        if keys[:known] == self._keys:
            heads = zip(words[:known], self._confirmed, strict=True)
            return (*(replace(word, text=kept.text) for word, kept in heads), *words[known:])
        return (*self._confirmed, *self._later(words[known:]))

    def _later(self, words: Sequence[Word]) -> tuple[Word, ...]:
        return move_behind(words, self._confirmed[-1].end_sample) if self._confirmed else tuple(words)
