"""Hot words, word by word while a segment goes on. What was decided once stays, and how the audio came plays no part:
a word is settled when all the words are known that it could be exchanged together with.
"""

from collections.abc import Sequence
from math import exp

import numpy as np

from voicetrio.worker.engines.sherpa.hot_words import HotWords, Match, align
from voicetrio.worker.engines.sherpa.model_files import SherpaModel
from voicetrio.worker.engines.sherpa.probabilities import LogProbs
from voicetrio.worker.engines.sherpa.words import CtcWord, join_pieces

STRETCH_FRAMES = 25
"""One second: as far before and after its pieces a word's sound is looked for. It bounds the work, and the frames kept."""


class Biasing:
    """Of one segment. Keeps the probabilities of what is not settled yet."""

    def __init__(self, model: SherpaModel, hot_words: HotWords) -> None:
        self._model = model
        self._hot_words = hot_words
        self._spaced = any(piece.startswith(" ") for piece in model.pieces)
        self._kept: LogProbs = np.zeros((0, len(model.pieces)), np.float32)
        self._first = 0
        """The frame of the first row kept."""
        self._settled: list[CtcWord] = []
        self._taken = 0
        """So many of the recogniser's words went into the settled ones."""

    def add(self, log_probs: LogProbs) -> None:
        """The next frames' probabilities."""
        self._kept = np.concatenate([self._kept, log_probs])

    def update(self, heard: Sequence[CtcWord], *, ended: bool) -> tuple[list[CtcWord], int]:
        """What to report for all of the recogniser's words so far, and how many of these are settled.

        Its words only grow, and its last one may get more pieces, as long as it has not ended.
        """
        known = len(heard) if ended else len(heard) - 1
        while self._taken < known and (ended or self._taken + self._hot_words.reach <= known):
            self._settle(heard[:known], heard[known:])
        rest = [self._with_confidence(word) for word in heard[self._taken :]]
        settled = list(self._settled)
        self._forget(heard)
        return settled + rest, len(settled)

    def _settle(self, known: Sequence[CtcWord], after: Sequence[CtcWord]) -> None:
        """One word, or all those that a hot word takes the place of."""
        start = self._taken
        spans = range(1, min(self._hot_words.reach, len(known) - start) + 1)
        for count in reversed(spans):
            if " ".join(word.text for word in known[start : start + count]) in self._hot_words:
                self._take([self._with_confidence(word) for word in known[start : start + count]], count)
                return
        best: tuple[Match, range] | None = None
        for count in spans:
            if not self._hot_words or known[start + count - 1].text in self._hot_words:
                break
            frames = self._stretch([*known, *after], start, start + count)
            match = self._hot_words.match(self._rows(frames), count)
            if match is not None and (best is None or match.gain > best[0].gain):
                best, replaced = (match, frames), count
        if best is None:
            self._take([self._with_confidence(known[start])], 1)
        else:
            self._take(self._spoken(*best), replaced)

    def _take(self, words: Sequence[CtcWord], count: int) -> None:
        self._settled += words
        self._taken += count

    def _stretch(self, words: Sequence[CtcWord], start: int, end: int) -> range:
        """The frames in which words[start:end] are said, and nothing of their neighbours."""
        first = max(0, words[start].frames[0] - STRETCH_FRAMES)
        if start and words[start - 1].frames[-1] >= first:
            first = words[start - 1].frames[-1]
            said = self._kept[first - self._first].argmax()
            # The neighbour's last piece may go on for some frames.
            while first < words[start].frames[0] and self._kept[first - self._first].argmax() == said:
                first += 1
        last = min(words[end - 1].frames[-1] + STRETCH_FRAMES + 1, self._first + len(self._kept))
        if end < len(words):
            last = min(last, words[end].frames[0])
        return range(first, last)

    def _rows(self, frames: range) -> LogProbs:
        return self._kept[frames.start - self._first : frames.stop - self._first]

    def _spoken(self, match: Match, frames: range) -> list[CtcWord]:
        said = align(match.spelling, self._rows(frames), self._model.blank)
        pieces = [self._model.pieces[piece] for piece in match.spelling]
        places = [frames.start + frame for frame in said]
        words = join_pieces(zip(pieces, places, strict=True), spaced=self._spaced)
        # It was not the likeliest: its confidence is what the net gave it, in all its pieces.
        scores = [self._kept[place - self._first, piece] for place, piece in zip(places, match.spelling, strict=True)]
        confidence = exp(float(np.mean(scores)))
        return [CtcWord(word.text, word.frames, confidence) for word in words]

    def _with_confidence(self, word: CtcWord) -> CtcWord:
        """The geometric mean of its pieces' probabilities."""
        scores = [self._kept[frame - self._first].max() for frame in word.frames]
        return CtcWord(word.text, word.frames, exp(float(np.mean(scores))))

    def _forget(self, heard: Sequence[CtcWord]) -> None:
        """Frames that no stretch can begin before."""
        rest = heard[self._taken :]
        coming = rest[0].frames[0] if rest else self._first + len(self._kept)
        needed = coming - STRETCH_FRAMES
        if self._taken:
            needed = max(needed, heard[self._taken - 1].frames[-1])
        if needed > self._first:
            self._kept = self._kept[needed - self._first :]
            self._first = needed
