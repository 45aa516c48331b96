"""What the client was told that was heard: never more than it was sent, nor more than came out of its loudspeaker; and of
words, those that were heard to their ends. One utterance at a time.
"""

from collections.abc import Iterator
from itertools import pairwise

from tests.simulation.checkers.speeches import RATE, Speech, speeches
from tests.simulation.checkers.story import Story

ROUNDING_MS = 2
"""A resampler's delay, and milliseconds that are rounded down."""

NEWS = 1.0
"""Seconds that a report takes at most, beside the latency: the uplink may be full."""


def check_replies(story: Story) -> Iterator[str]:
    said = speeches(story)
    for before, after in pairwise(said):
        if before.ending is None or before.ended_at > after.begun_at:
            yield f"{after.request_id} begins at {after.begun_at:.3f}, before {before.request_id} has ended"
    for speech in said:
        checks = (_check_offsets(story, speech), _check_sent(speech), _check_words(story, speech))
        for check in (*checks, _check_played(story, speech), _check_pauses(story, speech)):
            yield from (f"utterance {speech.request_id}: {text}" for text in check)


def _check_offsets(story: Story, speech: Speech) -> Iterator[str]:
    """Each piece begins where the one before it ends."""
    tolerance = ROUNDING_MS * len(speech.pieces) if story.plan.voice.rate != RATE else 0
    for (text, offset_ms), (_, next_ms) in pairwise(speech.pieces):
        if abs(next_ms - offset_ms - 100 * len(text)) > tolerance:
            yield f"a piece of {len(text)} characters at {offset_ms} ms is followed by one at {next_ms} ms"


def _check_sent(speech: Speech) -> Iterator[str]:
    sent_ms = speech.sent * 1000 // RATE
    heard = [speech.ending] if speech.ending is not None else []
    for message in [*heard, *(message for _, message in speech.pauses if "heard_ms" in message)]:
        if message["heard_ms"] > sent_ms:
            yield f"{message['type']}: {message['heard_ms']} ms heard of {sent_ms} ms that were sent"


def _check_words(story: Story, speech: Speech) -> Iterator[str]:
    """Whole words from the beginning: all that were heard to their ends, and no other."""
    if not speech.interrupted:
        return
    assert speech.ending is not None
    text, heard_ms = speech.ending["heard_text"], speech.ending["heard_ms"]
    if not speech.text.startswith(text):
        yield f"heard_text {text!r} is not the beginning of {speech.text!r}"
        return
    words = speech.words()
    if text and len(text) not in [end for end, _, _ in words]:
        yield f"heard_text {text!r} ends within a word of {speech.text!r}"
    tolerance = ROUNDING_MS * len(speech.pieces) if story.plan.voice.rate != RATE else 0
    for place, (end, ended_ms, next_ms) in enumerate(words):
        if end <= len(text) and ended_ms > heard_ms + tolerance:
            yield f"{text!r} was not heard within {heard_ms} ms"
            return
        begun = place + 1 < len(words)  # the end of the last one may not have been known
        if end > len(text) and begun and next_ms + ROUNDING_MS + tolerance < heard_ms:
            yield f"more than {text!r} was heard within {heard_ms} ms"
            return


def _check_played(story: Story, speech: Speech) -> Iterator[str]:
    """The server's clock runs ahead of the player by the wire's latency, and so does the ending: when it arrives, the
    player has played what the server said. One that has reported, and is believed, has played it before.
    """
    sound = story.player.sounds.get(speech.request_id)
    if story.plan.playback == "lying" or not steady(story) or sound is None or not sound.over:
        return
    assert speech.ending is not None
    heard_ms = speech.ending["heard_ms"]
    played_ms = int(sound.played + 0.001) * 1000 // RATE
    if heard_ms > played_ms:
        yield f"{heard_ms} ms heard, but the player had played {played_ms} ms when it learned of it"
    reports = [(when, ms) for when, (of, ms) in story.notes("reports") if of == speech.request_id]
    known_at = speech.ended_at - story.plan.latency
    if story.plan.playback == "honest" and reports and reports[0][0] < known_at - NEWS:
        reported = max(ms for when, ms in reports if when <= known_at + 1e-6)
        if heard_ms > reported:
            yield f"{heard_ms} ms heard, but an honest player has reported {reported} ms"
        if heard_ms > sound.played_by(speech.ended_at) * 1000 / RATE + 1e-6:
            yield f"{heard_ms} ms heard, but the player had not played them by then"


def steady(story: Story) -> bool:
    """Whether the caller took all that came, as it came, over one connection."""
    upset = any(step.kind in ("deaf", "stall", "vanish", "take_over", "swallow") for step in story.plan.steps)
    return not upset and not story.notes("comes_back") and story.plan.leaves != "vanish"


def _check_pauses(story: Story, speech: Speech) -> Iterator[str]:
    """Paused, resumed, paused ..., and nothing is heard in between by somebody who does not say so."""
    kinds = [message["type"].partition(".")[2] for _, message in speech.pauses]
    if kinds != [("paused", "resumed")[number % 2] for number in range(len(kinds))]:
        yield f"its pauses: {kinds}"
    if story.plan.config.get("duplex") != "barge_in" and kinds:
        yield "it was paused, although nobody is listened to"
    last = speech.pauses[-1][1] if kinds and kinds[-1] == "paused" else None
    if last is not None and speech.interrupted and story.plan.playback == "none":
        assert speech.ending is not None
        if speech.ending["heard_ms"] != last["heard_ms"]:
            yield f"paused at {last['heard_ms']} ms, but {speech.ending['heard_ms']} ms were heard in the end"
