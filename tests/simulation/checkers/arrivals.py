"""Speech over lines that break: the player gets every sample once, in order, or is told that it will not; and nothing
counts as heard that it cannot have played. What it played is its own count, whatever it reported.
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
    for speech in speeches(story):
        sound = story.player.sounds.get(speech.request_id)
        if sound is None or not sound.over or speech.ending is None:
            continue
        came_ms = sound.samples * 1000 // RATE
        if speech.ending["heard_ms"] > came_ms:
            kind = speech.ending["type"]
            yield f"{kind}: {speech.ending['heard_ms']} ms of {speech.request_id} were heard, but only {came_ms} ms came"
