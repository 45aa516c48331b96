"""The sound that a client got is that of the words that it was told, from their beginning and without a gap, and of nothing
else: no answer has sound of another. Where it was stopped it may end within a character; what a lost line had under way has
come again, or the answer has had its end. What counts as heard to its end has come to its end.
"""

from collections.abc import Iterator

import numpy as np

from tests.simulation.checkers.speeches import RATE, Speech, speeches
from tests.simulation.checkers.story import Story
from tests.simulation.voices import sound_of

CHAR_SAMPLES = RATE // 10


def check_loudspeaker(story: Story) -> Iterator[str]:
    if any(message["code"] == "messages_lost" for message in story.got("error")):
        return  # what is announced may be among them
    for when, (request_id, size) in story.notes("stray_sound"):
        yield f"at {when:.3f}: {size} bytes of sound after the end of {request_id or 'nothing'}"
    for speech in speeches(story):
        sound = story.player.sounds.get(speech.request_id)
        if sound is not None and sound.samples:
            yield from (f"utterance {speech.request_id}: {text}" for text in _check(story, speech, bytes(sound.pcm)))


def _check(story: Story, speech: Speech, pcm: bytes) -> Iterator[str]:
    due = np.array([sound_of(text, at) for text, _ in speech.pieces for at in range(len(text))], int)
    got = np.frombuffer(pcm, np.int16)
    resampled = story.plan.voice.rate != RATE
    rounding = resampled * 2 * len(speech.pieces)
    if len(got) > CHAR_SAMPLES * len(due) + rounding:
        yield f"{len(got)} samples of sound for {len(due)} characters"
        return
    if speech.completed and story.plan.playback != "lying" and len(got) < CHAR_SAMPLES * len(due) - rounding:
        yield f"only {len(got)} samples of sound for all of {len(due)} characters"
    if resampled:
        # The middle of each character is far enough from its neighbours.
        got, tolerance = got[CHAR_SAMPLES // 2 :: CHAR_SAMPLES][: len(due)], 2 + 0.001 * 32_767
    else:
        due, tolerance = np.repeat(due, CHAR_SAMPLES), 0
    if np.abs(got.astype(int) - due[: len(got)]).max(initial=0) > tolerance:
        yield f"its sound is not that of {speech.text!r}"
