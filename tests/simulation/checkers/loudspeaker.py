"""The sound that a client got is that of the words that it was told, and of nothing else: no answer has sound of another."""

from collections.abc import Iterator

import numpy as np

from tests.simulation.checkers.replies import steady
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
    due = [sound_of(text, at) for text, _ in speech.pieces for at in range(len(text))]
    got = np.frombuffer(pcm, np.int16)
    if len(got) > CHAR_SAMPLES * len(due) + 2 * len(speech.pieces):
        yield f"{len(got)} samples of sound for {len(due)} characters"
    if story.plan.voice.rate != RATE:
        # Resampled: the middle of each character is far enough from its neighbours.
        if steady(story) and len(speech.pieces) == 1:
            middles = got[CHAR_SAMPLES // 2 :: CHAR_SAMPLES][: len(due)]
            if np.abs(middles.astype(int) - due[: len(middles)]).max(initial=0) > 2 + 0.001 * 32_767:
                yield "its sound is not that of its words"
        return
    rows = got[: len(got) - len(got) % CHAR_SAMPLES].reshape(-1, CHAR_SAMPLES)
    if len(rows) * CHAR_SAMPLES != len(got) or (rows != rows[:, :1]).any():
        yield "a character's sound came in part"
        return
    values = rows[:, 0].tolist()
    if values == due[: len(values)]:
        return
    rest = iter(due)
    if steady(story) or not all(value in rest for value in values):  # what was under way on a lost wire is missing
        yield f"its sound is not that of {speech.text!r}"
