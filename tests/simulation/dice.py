"""The dice of one seed. Whoever rolls gets dice of its own, named after it: another roll in one place moves no other."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice(random.Random):
    """A `random.Random` that is seeded by words: strings are hashed by SHA-512, so `PYTHONHASHSEED` has no say."""

    def __init__(self, *words: object) -> None:
        super().__init__("/".join(str(word) for word in words))

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def ms(self, low: int, high: int, step: int = 10) -> int:
        """Whole milliseconds, both ends included, in steps."""
        return low + step * self.randrange((high - low) // step + 1)

    def seconds(self, low: float, high: float) -> float:
        """Rounded to milliseconds, so that a printed plan is short and exact."""
        return round(self.uniform(low, high), 3)

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.randrange(len(choices))]
