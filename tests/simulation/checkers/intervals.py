"""Sets of milliseconds, as sorted lists of half-open intervals."""

from collections.abc import Iterable

Interval = tuple[int, int]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """Without overlaps, in order; empty ones are left out."""
    result: list[Interval] = []
    for start, stop in sorted(one for one in intervals if one[0] < one[1]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(stop, result[-1][1]))
        else:
            result.append((start, stop))
    return result


def subtract(one: Interval, others: list[Interval]) -> list[Interval]:
    """What is left of `one` without `others`, which are in order and do not overlap."""
    left, position = [], one[0]
    for start, stop in others:
        if stop <= position or start >= one[1]:
            continue
        if start > position:
            left.append((position, start))
        position = max(position, stop)
    if position < one[1]:
        left.append((position, one[1]))
    return left


def overlap(ones: list[Interval], others: list[Interval]) -> list[Interval]:
    """What both have."""
    pairs = ((max(a, c), min(b, d)) for a, b in ones for c, d in others)
    return [(start, stop) for start, stop in pairs if start < stop]
