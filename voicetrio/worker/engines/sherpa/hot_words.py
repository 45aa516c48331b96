"""Words that a session expects. The recogniser knows nothing of them; here each word that it has heard is compared with
the hot words over the same stretch of audio, by the net's own probabilities, and gives way to one that is nearly as likely.

The method is that of the CTC-based word spotter (Andrusenko et al., "Fast Context-Biasing for CTC and Transducer ASR
models with CTC-based Word Spotter", 2024, arXiv 2406.07096), on the stretches between the recogniser's words instead of
a search of its own: greedy decoding has found where words are, and errs in which.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voicetrio.worker.engines.sherpa.probabilities import LogProbs

SPELLINGS_MAX = 2
"""Of one hot word, in the model's pieces. Which one a net was trained with only its tokenizer knows: mostly the one with
the fewest pieces."""
PIECES_MAX = 24
"""Of a hot word. A longer one is a sentence, and is left out."""
WORDS_MAX = 3
"""Words of a phrase that is looked for as a whole; of a longer one, nothing is. Each word makes every word that is heard
wait for one more before it is stable."""


@dataclass(frozen=True, slots=True)
class HotWord:
    words: tuple[str, ...]
    """In the model's own letters: one, or several if it is a phrase."""
    spellings: tuple[tuple[int, ...], ...]
    """As piece ids, the shortest first."""


@dataclass(frozen=True, slots=True)
class Match:
    hot_word: HotWord
    spelling: tuple[int, ...]
    gain: float
    """How much likelier it is than what was heard, as a natural logarithm, its bonus included; above 0."""


class Speller:
    """A model's pieces, and the words that can be made of them."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self._ids = {piece: number for number, piece in enumerate(pieces) if piece and "<" not in piece}
        self._longest = max((len(piece) for piece in self._ids), default=0)
        self.spaced = any(piece.startswith(" ") for piece in pieces)

    def hot_word(self, text: str) -> HotWord | None:
        """None: it cannot be written in the model's pieces, or is too long."""
        for cased in dict.fromkeys((text, text.lower(), text.upper())):
            words = tuple(cased.split())
            if len(words) > WORDS_MAX:
                return None
            spellings = self._spell("".join(f" {word}" for word in words) if self.spaced else "".join(words))
            if spellings:
                return HotWord(words, spellings)
        return None

    def _spell(self, text: str) -> tuple[tuple[int, ...], ...]:
        """The ways with the fewest pieces. A piece never goes over a word's end: only its first sign can be a space."""
        best: list[list[tuple[int, ...]]] = [[()], *([] for _ in text)]
        for end in range(1, len(text) + 1):
            ways = [
                (*way, self._ids[text[start:end]])
                for start in range(max(0, end - self._longest), end)
                if text[start:end] in self._ids
                for way in best[start]
            ]
            best[end] = sorted(ways, key=len)[:SPELLINGS_MAX]
        return tuple(way for way in best[-1] if 0 < len(way) <= PIECES_MAX) if text else ()


class HotWords:
    """Those of one session."""

    def __init__(self, speller: Speller, texts: Sequence[str], *, blank: int, bonus: float) -> None:
        """`bonus` is per piece: how much less likely than what was heard a hot word may be, as a natural logarithm."""
        known = (speller.hot_word(text) for text in texts)
        self._words = list({word.words: word for word in known if word is not None}.values())
        self._rows = [(word, spelling) for word in self._words for spelling in word.spellings]
        self._texts = {" ".join(word.words) for word in self._words}
        # Not one more than its own: with its bonus a long hot word would swallow a short word beside it.
        self.reach = max((len(word.words) for word in self._words), default=1)
        """Words at most that one hot word can take the place of."""
        # Not more for a spelling with more pieces: they are all the same word.
        self._bonus = np.array([bonus * len(word.spellings[0]) for word, _ in self._rows], np.float32)
        self._counts = np.array([len(word.words) for word, _ in self._rows], np.intp)
        self._labels, self._lengths = _labels([spelling for _, spelling in self._rows], blank)

    def __bool__(self) -> bool:
        return bool(self._rows)

    def __contains__(self, text: str) -> bool:
        return text in self._texts

    def match(self, log_probs: LogProbs, words: int) -> Match | None:
        """The best hot word for the frames in which the recogniser heard so many other words. None: none is good enough."""
        if not len(log_probs):
            return None
        heard = float(log_probs.max(axis=1).sum())
        gains = _path_scores(log_probs, self._labels, self._lengths) - heard + self._bonus
        gains[self._counts < words] = -np.inf
        best = int(gains.argmax())
        if not gains[best] > 0:
            return None
        return Match(*self._rows[best], float(gains[best]))


def align(spelling: Sequence[int], log_probs: LogProbs, blank: int) -> tuple[int, ...]:
    """The frame in which each piece is likeliest said, on the best path of these pieces through all frames."""
    labels, lengths = _labels([tuple(spelling)], blank)
    history = [scores[0] for scores in _paths(log_probs, labels)]
    state = int(lengths[0]) - 1
    if history[-1][state - 1] > history[-1][state]:
        state -= 1
    said: dict[int, int] = {}
    for frame in range(len(history) - 1, -1, -1):
        if state % 2:
            piece = state // 2
            other = said.get(piece)
            likelihood = log_probs[:, spelling[piece]]
            if other is None or likelihood[frame] >= likelihood[other]:
                said[piece] = frame
        if frame:
            before = history[frame - 1]
            steps = (0, 1, 2) if _may_skip(labels)[0, state] else (0, 1)
            state = max((state - step for step in steps if step <= state), key=lambda earlier: float(before[earlier]))
    return tuple(said[piece] for piece in range(len(spelling)))


def _labels(spellings: Sequence[tuple[int, ...]], blank: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Each spelling with blanks before, between and after its pieces, shape (spellings, places), and their lengths."""
    lengths = np.array([2 * len(spelling) + 1 for spelling in spellings], np.intp)
    labels = np.full((len(spellings), int(lengths.max(initial=1))), blank, np.intp)
    for row, spelling in enumerate(spellings):
        labels[row, 1 : 2 * len(spelling) : 2] = spelling
    return labels, lengths


def _may_skip(labels: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Where the blank before a piece may be left out: everywhere but between equal pieces, which would become one."""
    skips = np.zeros(labels.shape, bool)
    skips[:, 3::2] = labels[:, 3::2] != labels[:, 1:-2:2]
    return skips


def _paths(log_probs: LogProbs, labels: NDArray[np.intp]) -> Iterator[NDArray[np.float32]]:
    """For each frame: of the best path to each place of each spelling, the logarithm of its probability (Viterbi)."""
    skips = _may_skip(labels)
    scores = np.full(labels.shape, -np.inf, np.float32)
    scores[:, :2] = log_probs[0][labels[:, :2]]
    yield scores
    for frame in log_probs[1:]:
        best = scores.copy()
        np.maximum(best[:, 1:], scores[:, :-1], out=best[:, 1:])
        np.maximum(best[:, 2:], scores[:, :-2], out=best[:, 2:], where=skips[:, 2:])
        scores = best + frame[labels]
        yield scores


def _path_scores(log_probs: LogProbs, labels: NDArray[np.intp], lengths: NDArray[np.intp]) -> NDArray[np.float32]:
    """Of each spelling's best path through all frames; minus infinity where the frames are too few."""
    for scores in _paths(log_probs, labels):
        last = scores
    rows = np.arange(len(labels))
    ends: NDArray[np.float32] = np.maximum(last[rows, lengths - 1], last[rows, lengths - 2])
    return ends
