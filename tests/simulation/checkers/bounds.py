"""Memory, queues, slots and tasks; and no bug of ours, ever."""

from collections.abc import Iterator

from tests.simulation.checkers.story import Story


def check_bounds(story: Story) -> Iterator[str]:
    room, name = story.room, story.plan.name
    yield from (str(text) for _, text in story.notes("anomaly"))
    for known_as in dict.fromkeys((name, room.session.first_id, room.session.session_id)):
        crashes = story.run.trace.of(known_as, "crash")
        yield from (f"the session crashed:\n{text}" for _, text in crashes)
    if story.end[1] == 1011:
        yield "the session ended with 1011, our bug"
    if story.run.fleet.held[name]:
        yield f"{story.run.fleet.held[name]} slots were not given back"
    if room.voice.open_calls:
        yield f"{room.voice.open_calls} syntheses go on after the end"
    if room.agent.open_turns:
        yield f"{room.agent.open_turns} turns of the agent go on after the end"
    if room.inside.ear.muted or len(story.notes("mute")) != len(story.notes("unmute")):
        yield "it is still muted in the end"
    if story.gentle:
        errors = [one for one in story.got("error") if not (story.plan.poison and one["code"] == "recognizer_failed")]
        yield from (f"a gentle run has an error: {message}" for message in errors)
        if story.end != ("client_closed", 1000) and not _lost_unheard(story):
            yield f"a gentle run ended with {story.end}"


def _lost_unheard(story: Story) -> bool:
    """Whether its line was lost before anything that it said had arrived: there is nothing to come back to."""
    told = [message for _, message in story.posted if message["type"] == "session.closed"]
    nothing = bool(told) and told[-1]["total_duration_ms"] == 0
    return story.end == ("disconnected", 1000) and nothing and bool(story.notes("lost"))
