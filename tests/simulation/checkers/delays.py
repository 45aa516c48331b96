"""Words do not only come: they come in time, also when a worker has frozen, died, or was taken for well for too long."""

from bisect import bisect_left
from collections.abc import Iterator

from tests.simulation.checkers.story import Story
from tests.simulation.plan import FREEZE_NOTICED

PATIENCE = 5.0
"""Seconds that a session waits for an answer of a worker: then it asks another one."""

RECOVERY = 10.0
"""Seconds in which it finds one, or gives up what was said, and says so."""

OPENING = 5.0
"""Seconds that one attempt may take at the end of that."""


def check_delays(story: Story) -> Iterator[str]:
    """In a gentle run, where outages are far apart: from the moment when the last of a segment was sent to its final."""
    if not story.gentle:
        return
    frames = story.notes("frame")
    reached: list[tuple[int, float]] = []  # by how far on the tape, when for the last time
    for when, stop in frames:
        while reached and reached[-1][0] >= stop:
            reached.pop()  # it came back from a lost connection, and sent this again
        reached.append((stop, when))
    slowest = max(worker.final_delay[1] for worker in story.run.plan.workers)
    held_up = sum(step.seconds for step in story.plan.steps if step.kind in ("stall", "vanish"))
    limit = max(FREEZE_NOTICED, PATIENCE) + RECOVERY + OPENING + 2 * slowest + held_up
    poisoned = [at for at, _ in story.notes("poisoned")]  # for how many tries at most, is `engines`' business
    reload = max(worker.reload for worker in story.run.plan.workers)
    for when, message in story.posted:
        if message["type"] == "transcript.final":
            place = bisect_left(reached, (message["end_ms"], 0.0))
            if place == len(reached):
                continue
            sent = reached[place][1]
            tries = sum(sent <= at <= when for at in poisoned)
            if when - sent > limit + tries * (FREEZE_NOTICED + reload):
                yield f"segment {message['segment_id']} was sent at {sent:.3f}, and its final came at {when:.3f}"
