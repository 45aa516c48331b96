"""Workers that end and workers that are full: the first are left in time, the second end a session, and it says so."""

from collections.abc import Iterator

from tests.simulation.checkers.story import Story

TIME_TO_MOVE = 2.0
"""Seconds of draining in half of which a stream can be moved: opening another takes 0.3 s at most."""

EXACT = 1e-6
"""Seconds."""


def check_fleet(story: Story) -> Iterator[str]:
    yield from _check_drains(story)
    yield from _check_overload(story)


def _check_drains(story: Story) -> Iterator[str]:
    """In a gentle run no two workers are in trouble at once: whoever was told in time has been somewhere else in time."""
    workers = story.run.plan.workers
    outages = [one for worker in workers for one in worker.outages]
    for when, _ in story.notes("cut by drain"):
        seconds = min((one.seconds for one in outages if abs(one.at + one.seconds - when) < EXACT), default=0.0)
        if story.gentle and len(workers) > 1 and seconds >= TIME_TO_MOVE:
            yield f"a stream was cut at {when:.3f}, {seconds:g} s after its worker had said so, with another one there"


def _check_overload(story: Story) -> Iterator[str]:
    told = [
        (when, message)
        for when, message in story.posted
        if message["type"] == "error" and message["code"] == "overloaded" and not message["recoverable"]
    ]
    if story.end[0] == "overloaded" and not told:
        yield "it ended as overloaded, and has not said so"
    closed = [when for when, message in story.posted if message["type"] == "session.closed"]
    for when, _ in told:
        refusals = [facts for at, facts in story.notes("refused") if abs(at - when) < EXACT]
        if refusals[-1:] != ["busy"]:
            yield f"at {when:.3f} all workers were said to be busy, but it had not asked, or not been told so"
        if closed and closed[0] > when + EXACT:
            yield f"it was told at {when:.3f} that it ends, and ended at {closed[0]:.3f}"
