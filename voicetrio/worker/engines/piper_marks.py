"""Which part of a text is which part of what piper says. Pure; positions are code points.

A phonemizer answers with sentences, and does not say where in the text they were. We find it by asking it again: a
sentence ends at the first place that could be an end, and up to which the text alone makes the same phonemes. The same
with words: a word is where the number of spoken words goes up, so that "42" has two, and "a while", spoken as one, has
its mark at "a". Phonemizing costs microseconds where synthesis costs milliseconds.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

Phonemes = list[str]
Phonemize = Callable[[str], list[Phonemes]]
"""A text to its sentences, each a list of phonemes in which " " stands between words."""

_PERHAPS_AN_END = re.compile(r"[^\w\s]+\s+|[\u3002\uff01\uff1f\uff61]+[^\w\s]*|\s*\n\s*")
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Sentence:
    phonemes: Phonemes
    offset: int | None
    """Where in the text it begins; None where that could not be found."""
    end: int
    """One past its last character that is not a space."""


@dataclass(frozen=True, slots=True)
class SpokenPart:
    """A word, or a whole sentence."""

    offset: int
    length: int
    phoneme: int
    """Its first phoneme, an index into its sentence's."""


def sentences_of(text: str, phonemize: Phonemize) -> list[Sentence]:
    """The sentences of which anything can be heard, in order.

    Where one's end cannot be found it is taken to go on to the end of the text, and those after it have no place.
    """
    spoken = _audible(phonemize(text))
    sentences: list[Sentence] = []
    start: int | None = 0
    for phonemes in spoken:
        last = len(sentences) == len(spoken) - 1
        end = None if start is None or last else _end_of(text, start, phonemes, phonemize)
        sentences.append(Sentence(phonemes, *_trimmed(text, start, len(text) if end is None else end)))
        start = end
    return sentences


def words_of(text: str, sentence: Sentence, phonemize: Phonemize) -> list[SpokenPart]:
    """The words of a sentence; empty when text and phonemes cannot be brought together."""
    if sentence.offset is None:
        return []
    starts = _word_starts(sentence.phonemes)
    places = [match.span() for match in _WORD.finditer(text, sentence.offset, sentence.end)]
    counts = [0]
    for _, end in places:
        parts = _audible(phonemize(text[sentence.offset : end]))
        counts.append(sum(len(_word_starts(part)) for part in parts))
    if counts[-1] != len(starts) or any(later < earlier for earlier, later in pairwise(counts)):
        return []
    return [
        SpokenPart(begin, end - begin, starts[before])
        for (begin, end), (before, after) in zip(places, pairwise(counts), strict=True)
        if after > before
    ]


def _end_of(text: str, start: int, phonemes: Phonemes, phonemize: Phonemize) -> int | None:
    for match in _PERHAPS_AN_END.finditer(text, start):
        if _audible(phonemize(text[start : match.end()])) == [phonemes]:
            return match.end()
    return None


def _trimmed(text: str, start: int | None, end: int) -> tuple[int | None, int]:
    if start is None:
        return None, end
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), start + len(part.rstrip())


def _audible(sentences: list[Phonemes]) -> list[Phonemes]:
    """Without those of mere punctuation, at which a net would make a noise of its own."""
    return [phonemes for phonemes in sentences if any(phoneme.isalnum() for phoneme in phonemes)]


def _word_starts(phonemes: Phonemes) -> list[int]:
    starts = []
    begins = True
    for index, phoneme in enumerate(phonemes):
        if phoneme == " ":
            begins = True
        elif begins and phoneme.isalnum():
            starts.append(index)
            begins = False
    return starts
