"""Whether what Whisper wrote is what somebody said. Pure.

On silence, noise and music Whisper makes words up, and it can get caught in a loop. Four measures tell: the model's own
probability that nobody speaks, the mean log probability of its tokens, how well its text can be compressed, and n-grams
that are repeated. The first three and their thresholds are those of Radford et al., "Robust Speech Recognition via
Large-Scale Weak Supervision", 2022, arXiv 2212.04356, section 4.5; there they only ask for another try.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Fault = Literal["no_speech", "log_probability", "compression"]

REPETITION = "repetition"
"""Reason for words that were cut off, see `cut_repetition`."""

LOOP_WORDS = 12
"""A loop has at least so many words: "no no no no", or a telephone number's four sevens, are no loop."""
LOOP_TIMES = 4
"""An n-gram that comes so often in a row is a loop."""
NGRAM_MAX = 8
"""Words of the longest n-gram that is looked for: Whisper's loops are phrases and short sentences."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    no_speech: float = 0.6
    """Probability above which nobody speaks, if the tokens are improbable, too."""
    log_probability: float = -1.0
    """Mean of a token below which the text is a guess."""
    compression: float = 2.4
    """Ratio above which the text repeats itself. Plain English of a sentence has 1.2 or less."""


def compression_ratio(text: str) -> float:
    """Bytes of the text against its bytes compressed by zlib; 0 of an empty one."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def find_fault(thresholds: Thresholds, *, text: str, no_speech: float, mean_log_probability: float) -> Fault | None:
    """What is wrong with a text; None for a good one, or an empty one."""
    if not text:
        return None
    if mean_log_probability < thresholds.log_probability:
        return "no_speech" if no_speech > thresholds.no_speech else "log_probability"
    if compression_ratio(text) > thresholds.compression:
        return "compression"
    return None


def cut_repetition(words: Sequence[str]) -> int:
    """How many words to keep: all, or up to the end of the first time of the n-gram that the text loops in."""
    keys = [word.casefold().strip(".,!?;:") for word in words]
    for start in range(len(keys)):
        for size in range(1, min(NGRAM_MAX, (len(keys) - start) // LOOP_TIMES) + 1):
            ngram = keys[start : start + size]
            times = 1
            while keys[start + times * size : start + (times + 1) * size] == ngram:
                times += 1
            if times >= LOOP_TIMES and times * size >= LOOP_WORDS:
                return start + size
    return len(words)
