"""From CTC's pieces to words with times. A net that was trained with CTC says each piece in one frame, or few, somewhere
within its sound, and blanks all around: where a word begins and ends has to be guessed from where it is said.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from voicetrio.core.hypothesis import Word
from voicetrio.worker.engines.sherpa.model_files import SAMPLE_RATE

REACH_SECONDS = 0.16
"""How far a word's sound goes before its first piece, and after its last one. Against the true times of the 14 recordings
with no wrong word (49 words): errors of 0.04 s in the median and 0.1 s in the 90th percentile, at starts and at ends.
Taking the pieces' own times: 0.13 and 0.2 s. It is one small model's number; others differ by some hundredths."""

# "<unk>" and the like: the net has heard something and cannot write it.
_SPECIAL = re.compile(r" ?<.*>")


@dataclass(frozen=True, slots=True)
class CtcWord:
    text: str
    frames: tuple[int, ...]
    """Of each piece, the frame in which it is said: at least one, rising, counted from the segment's start."""
    confidence: float | None = None


def join_pieces(pieces: Iterable[tuple[str, int]], *, spaced: bool) -> list[CtcWord]:
    """Words of pieces and their frames. A piece that begins a word begins with a space; where the vocabulary has no
    such piece (`spaced` false: Chinese characters), each piece is a word.
    """
    words: list[tuple[str, list[int]]] = []
    for piece, frame in pieces:
        if _SPECIAL.fullmatch(piece):
            continue
        if not words or not spaced or piece.startswith(" "):
            words.append(("", []))
        text, frames = words[-1]
        frames.append(frame)
        words[-1] = (text + piece.strip(), frames)
    return [CtcWord(text, tuple(frames)) for text, frames in words if text]


def place_words(words: Sequence[CtcWord], start_sample: int, end_sample: int, frame_samples: int) -> tuple[Word, ...]:
    """With times, in order, none over another's, none outside the samples given. A word for which there is no room is
    left out: the audio is shorter than its words.
    """
    reach = round(REACH_SECONDS * SAMPLE_RATE)
    placed: list[tuple[str, int, int, float | None]] = []
    for word in words:
        first = start_sample + word.frames[0] * frame_samples
        # A frame's own audio belongs to the word that is said in it.
        last = start_sample + (word.frames[-1] + 1) * frame_samples
        begin = max(first - reach, start_sample)
        if placed:
            text, before, after, confidence = placed[-1]
            spoken = start_sample + (words[len(placed) - 1].frames[-1] + 1) * frame_samples
            begin = max(begin, spoken)
            placed[-1] = (text, before, min(after, begin), confidence)
        placed.append((word.text, begin, last - frame_samples + reach, word.confidence))
    limit = end_sample
    fitting = []
    # Backwards: what is said in the silence after the last audio has to end before it.
    for text, begin, end, confidence in reversed(placed):
        end = min(end, limit)
        begin = min(begin, end - 1)
        if begin < start_sample:
            break
        fitting.append(Word(text, begin, end, confidence))
        limit = begin
    return tuple(reversed(fitting))
