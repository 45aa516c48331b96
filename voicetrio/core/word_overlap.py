"""How much of a new pass has been said already: words are found again by their neighbours and by their time. Pure.

Machacek, Dabre and Bojar, "Turning Whisper into Real-Time Transcription System", 2023, arXiv 2307.14743, section 3,
compare up to 5 words at the head of a new pass with the tail of what is committed, and take equal ones for repeated.
Here the n-gram may also be told a little differently, for a model does that: a word dropped, added, misheard, one written
as two or two as one. So the two are aligned word by word with the fewest changes (Levenshtein 1966, by the usual table),
and what the changes do not decide the times do: no pass gives a word to the second, but "seven seven" is two words.

Nearly always a pass begins with exactly what is committed, and nothing is aligned; an alignment is some 100 us.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from voicetrio.core.config import SAMPLE_RATE
from voicetrio.core.hypothesis import Word

NEIGHBOURS_MAX = 5
"""Committed words that are looked at, as many as Machacek et al. take; more were no better."""

NEAR_SAMPLES = SAMPLE_RATE // 2
"""0.5 s: two passes' times for a word differ by less, nearly always."""

_WORD_SAMPLES_MAX = SAMPLE_RATE * 600 // 1000
"""0.6 s. Models give a word the silence before or after it; where it is said is told by the end that is not in question."""

_REACH_SAMPLES = 4 * NEAR_SAMPLES
"""2 s: words of a pass farther than that behind the committed ones are new, and those farther before them are not."""

_CHANGED, _ADDED, _DROPPED = 0.7, 0.8, 1.1
"""What it costs that the pass tells a committed word differently, has one more, or one less. These and the next three
were chosen for the fewest errors in passes with random changes and times, among them times as wrong as Whisper's are."""

_MOVED, _MOVED_MAX = 0.3, 0.5
"""What it costs that the pass gives a committed word another time: per `NEAR_SAMPLES`, and at most."""

_MISPLACED_MAX = 0.4
"""What it costs at most that a word lies on the wrong side of the border; `NEAR_SAMPLES` would cost 1. Less than any change
of a word: Whisper often gives one word a long silence and squeezes those after it into its end, 1 or 2 s too late."""

_SAID_AGAIN, _HEARD_TWICE = 0.3, 0.6
"""Of the time that words took when they were committed. Who truly repeats himself takes about as long, and a model that
only writes something again gives it no time. Half a word that was cut takes up to half of it; no pause is before it."""

_ADJOINING_SAMPLES = SAMPLE_RATE // 20
"""50 ms: what begins so soon behind a word may be the rest of it."""


def word_key(word: Word) -> str:
    """A word without capitals and without the punctuation around it; "C++", "50%" and "don't" differ from less."""
    text = word.text
    start, end = 0, len(text)
    while start < end and _is_punctuation(text[start]):
        start += 1
    while end > start and _is_punctuation(text[end - 1]):
        end -= 1
    return (text[start:end] or text).casefold()


def _is_punctuation(character: str) -> bool:
    # Not "neither letter nor digit": vowel signs of Indic scripts are neither, and belong to their word.
    return unicodedata.category(character).startswith("P") and character not in "%#&@"


def count_told(committed: Sequence[Word], words: Sequence[Word]) -> int:
    """How many leading words of a pass tell what is committed, for a pass over the same audio from its beginning.

    Both are in the order of time. All words of the pass, when it has not come as far as the committed ones.
    """
    if not committed or not words:
        return 0
    keys, told = [word_key(word) for word in committed], [word_key(word) for word in words]
    border = committed[-1].end_sample
    count = min(len(keys), len(told))
    if keys[:count] == told[:count] and (count < len(keys) or _reaches(words[count - 1], border)):
        return count
    tail = committed[-NEIGHBOURS_MAX:]
    first = tail[0].start_sample - _REACH_SAMPLES
    # What is far before the tail tells earlier words, and what is far behind it is new.
    skipped = next((place for place, word in enumerate(words) if word.end_sample >= first), len(words))
    near = [word for word in words[skipped:] if word.start_sample <= border + _REACH_SAMPLES]
    costs = _costs(tail, near, free_start=len(keys) > NEIGHBOURS_MAX)
    costs = [cost + time for cost, time in zip(costs, _time_costs(near, border), strict=True)]
    return skipped + min(range(len(costs)), key=costs.__getitem__)


def count_repeated(
    committed: Sequence[Word], words: Sequence[Word], *, start: int, expected: Sequence[str] = ()
) -> int:
    """How many leading words of a pass say the last committed ones once more, for a pass over the audio after those.

    It should have none. But a word that was cut in two is heard twice, and a prompt that ends in the committed words can
    make a model say them again. `start` is the pass's first sample; `expected` are the keys of the words that an earlier
    pass has heard there: they tell a true "seven" after a "seven" from such a one. Without them the times do.
    """
    longest = min(NEIGHBOURS_MAX, len(committed), len(words))
    keys = [word_key(word) for word in committed[len(committed) - longest :]]
    told = [word_key(word) for word in words]
    for count in range(longest, 0, -1):
        if keys[longest - count :] != told[:count]:
            continue
        as_it_is, without = _common(expected, told), _common(expected, told[count:])
        if as_it_is != without:
            if without > as_it_is:
                return count
            continue
        # The last word may have been given the silence behind it.
        took = min(committed[-1].end_sample - committed[-count].start_sample, count * _WORD_SAMPLES_MAX)
        adjoining = start - committed[-1].end_sample < _ADJOINING_SAMPLES
        if words[count - 1].end_sample - start < (_HEARD_TWICE if adjoining else _SAID_AGAIN) * took:
            return count
    return 0


def move_behind(words: Sequence[Word], border: int) -> tuple[Word, ...]:
    """The same words, none before the sample `border`: passes differ a little about times."""
    return tuple(
        word
        if word.start_sample >= border
        else replace(word, start_sample=border, end_sample=max(border, word.end_sample))
        for word in words
    )


def _costs(tail: Sequence[Word], words: Sequence[Word], *, free_start: bool) -> list[float]:
    """For each count of leading words: how much has to be changed and moved in time to make the tail of them.

    With `free_start` what stands before the first word that is taken costs nothing.
    """
    keys, told = [word_key(word) for word in tail], [word_key(word) for word in words]
    row = [0.0 if free_start else _ADDED * place for place in range(len(told) + 1)]
    before = row
    for i, key in enumerate(keys):
        older, before, row = before, row, [row[0] + _DROPPED]
        for j, word in enumerate(told):
            moved = min(_MOVED_MAX, _MOVED * abs(_centre(tail[i]) - _centre(words[j])) / NEAR_SAMPLES)
            cost = min(
                before[j] + moved + (0.0 if key == word else _CHANGED), before[j + 1] + _DROPPED, row[j] + _ADDED
            )
            if i and keys[i - 1] + key == word:
                cost = min(cost, older[j] + moved)
            if j and told[j - 1] + word == key:
                cost = min(cost, before[j - 1] + moved)
            row.append(cost)
    return row


def _time_costs(words: Sequence[Word], border: int) -> list[float]:
    """For each count of leading words: how much speaks against it that those lie behind the border, or the rest before."""
    early = (border - word.end_sample + min(_length(word), _WORD_SAMPLES_MAX) // 2 for word in words)
    late = (word.start_sample + min(_length(word), _WORD_SAMPLES_MAX) // 2 - border for word in words)
    told = accumulate(map(_misplaced, late), initial=0.0)
    left = reversed(list(accumulate(reversed([*map(_misplaced, early)]), initial=0.0)))
    return [one + other for one, other in zip(told, left, strict=True)]


def _misplaced(samples: int) -> float:
    return min(_MISPLACED_MAX, max(0, samples) / NEAR_SAMPLES)


def _reaches(word: Word, border: int) -> bool:
    return word.start_sample <= border + _REACH_SAMPLES and word.end_sample >= border - _REACH_SAMPLES


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many leading words they share."""
    return next(
        (at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right),
        min(len(one), len(other)),
    )


def _centre(word: Word) -> int:
    return (word.start_sample + word.end_sample) // 2


def _length(word: Word) -> int:
    return word.end_sample - word.start_sample
