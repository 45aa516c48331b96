"""Speech over lines that break: the player gets every sample once, in order, or is told that it will not; and nothing
counts as heard that it cannot have played. What it played is its own count, whatever it reported. While nobody is
connected, nothing is taken to be heard to its end.
"""

from collections.abc import Iterator

from tests.simulation.checkers.speeches import RATE, speeches
from tests.simulation.checkers.story import Story


def check_arrivals(story: Story) -> Iterator[str]:
    if any(message["code"] == "messages_lost" for message in story.got("error")):
        return  # what is announced may be among them
    for when, (request_id, start, have) in story.notes("resumed"):
        if have >= 0 and start != have:
            yield f"{request_id} is resumed at {when:.3f} at sample {start}, but {have} had come"
    yield from _check_away(story)
    for speech in speeches(story):
        sound = story.player.sounds.get(speech.request_id)
        if sound is None or not sound.over or speech.ending is None:
            continue
        came_ms = sound.samples * 1000 // RATE
        if speech.ending["heard_ms"] > came_ms:
            kind = speech.ending["type"]
            yield f"{kind}: {speech.ending['heard_ms']} ms of {speech.request_id} were heard, but only {came_ms} ms came"


def _check_away(story: Story) -> Iterator[str]:
    wire, away = 1, False
    for when, who, what, facts in story.run.trace.events:
        if who != story.plan.name:
            continue
        if what == "comes_back":
            wire, away = wire + 1, False
        elif what == "verdict":
            away = away or facts == (wire, None)
        elif away and what == "post" and facts["type"] == "playback.completed":
            yield f"{facts['request_id']} counts as heard at {when:.3f}, and nobody is connected"
