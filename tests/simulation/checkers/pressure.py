"""Backpressure: asked to slow down at most once per second and never without a cause, and what is dropped adds up."""

from collections.abc import Iterator
from itertools import pairwise

from tests.simulation.checkers.story import Story
from tests.simulation.tape import SAMPLES_PER_MS

COOLDOWN = 1.0
"""Seconds between two requests to slow down, as specified."""

UPSETTING_STEPS = {"vanish", "take_over", "wait", "deaf"}
"""After these a caller may have audio to catch up with."""


def check_pressure(story: Story) -> Iterator[str]:
    times = [when for when, message in story.posted if message["type"] == "session.rate_limit"]
    for before, after in pairwise(times):
        if after - before < COOLDOWN - 1e-6:
            yield f"asked to slow down at {before:.3f} and again at {after:.3f}"
    if any(message["delay_ms"] <= 0 for message in story.got("session.rate_limit")):
        yield "a rate_limit without a delay"
    if _is_steady(story) and list(story.got("session.rate_limit")):
        yield "a caller that sends in real time was asked to slow down"
    yield from _check_told(story)
    if story.gentle and story.dropped:
        yield f"audio of a caller that kept the limits was dropped: {story.dropped}"
    if story.orderly and story.closing is not None:
        taken = story.room.inside.ring.head // SAMPLES_PER_MS
        dropped = sum(stop - start for start, stop in story.dropped)
        if taken + dropped != story.closing["total_duration_ms"]:
            yield f"{taken} ms taken and {dropped} ms dropped make {story.closing['total_duration_ms']} ms"
    yield from _check_total(story)


def _is_steady(story: Story) -> bool:
    """Whether the caller gave no cause to be slowed down. A network that stands still is none, nor is a worker that has."""
    steps = story.plan.steps
    eager = any(step.kind in UPSETTING_STEPS or (step.kind == "play" and step.pace < 1.0) for step in steps)
    return not eager and story.gentle


def _check_told(story: Story) -> Iterator[str]:
    """Each `session.frames_dropped`, added up, is exactly what was not taken before its timestamp."""
    told = 0
    for message in story.got("session.frames_dropped"):
        told += message["dropped_ms"]
        missed = sum(stop - start for start, stop in story.dropped if stop <= message["timestamp_ms"])
        if told != missed:
            yield f"{told} ms are told to be dropped up to {message['timestamp_ms']} ms, but it were {missed}"
    missed = sum(stop - start for start, stop in story.dropped)
    if story.orderly and told != missed:
        yield f"{told} ms are told to be dropped, but it were {missed}"


def _check_total(story: Story) -> Iterator[str]:
    """Whoever closes on a living connection has had everything heard that it sent."""
    leaves = [facts for _, facts in story.notes("leaves")]
    if story.closing is None or story.end[0] != "client_closed" or not leaves:
        return
    sent = leaves[-1][1]
    if story.closing["total_duration_ms"] != sent:
        yield f"{sent} ms were sent, but session.closed counts {story.closing['total_duration_ms']}"
