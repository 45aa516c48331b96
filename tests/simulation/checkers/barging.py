"""Somebody who speaks into a reply: enough voice stops it within a frame, less never does, and then it goes on."""

from collections.abc import Iterator
from itertools import pairwise

from tests.simulation.checkers.story import Message, Story
from tests.simulation.tape import COUGH_MS

FRAME_MS = 20

MIN_MS = 500
"""Of voice that interrupts, where the caller does not say."""

SPEECH_ENDS = ("playback.resumed", "playback.interrupted", "playback.completed")


def check_barging(story: Story) -> Iterator[str]:
    if story.plan.config.get("duplex") != "barge_in":
        for _, message in story.posted:
            if message["type"] in ("playback.paused", "playback.resumed"):
                yield f"{message['type']}, although nobody is heard meanwhile"
        return
    if story.dropped or story.muted:
        return  # it was interrupted by more than speech
    yield from _check_pauses(story)
    yield from _check_stops(story)


def _check_pauses(story: Story) -> Iterator[str]:
    """Whoever begins to speak while something plays pauses it; and then it is resumed, or has its end."""
    audible, paused, since = "", "", 0
    for (when, message), (_, following) in pairwise([*story.posted, (0.0, {"type": ""})]):
        match message["type"]:
            case "tts.speaking_start":
                audible = message["request_id"]
            case "vad.speech_start":
                since = message["timestamp_ms"]
                if audible and not paused and following["type"] != "playback.paused":
                    yield f"speech at {when:.3f} does not pause {audible}"
            case "playback.paused":
                if message["request_id"] != audible:
                    yield f"{message['request_id']} is paused at {when:.3f}, but what plays is {audible!r}"
                paused = audible
            case "vad.speech_end":
                if paused and following["type"] != "playback.resumed":
                    yield f"the speech of {since} ms ends at {when:.3f}, and {paused} is not resumed"
                if paused:
                    yield from _check_short(story, since, message["timestamp_ms"])
            case "playback.resumed":
                paused = ""
            case "playback.interrupted" | "playback.completed" if message["request_id"] == audible:
                audible = paused = ""


def _check_short(story: Story, since: int, until: int) -> Iterator[str]:
    if _frames(story, since, until)[0] > _enough(story):
        yield f"{until - since} ms of speech from {since} ms on did not interrupt"


def _check_stops(story: Story) -> Iterator[str]:
    """Each interruption, by the voice that there was when it came."""
    since, speaking = 0, False
    audible = ""
    for _, message in story.posted:
        match message["type"]:
            case "tts.speaking_start":
                audible = message["request_id"]
            case "vad.speech_start" | "vad.speech_end":
                speaking = message["type"] == "vad.speech_start"
                since = message["timestamp_ms"] if speaking else since
            case "playback.interrupted":
                if message["reason"] == "barge_in":
                    yield from _check_stop(
                        story, message, since if speaking else None, message["request_id"] == audible
                    )
                audible = "" if message["request_id"] == audible else audible
            case "playback.completed":
                audible = ""


def _check_stop(story: Story, message: Message, since: int | None, audible: bool) -> Iterator[str]:
    at = message["timestamp_ms"]
    if since is None:
        yield f"{message['request_id']} was interrupted at {at} ms, while nobody spoke"
        return
    if _frames(story, since, at)[1] < _enough(story):
        yield f"{message['request_id']} was interrupted at {at} ms by what was said since {since} ms: too little"
    late = at - story.plan.frame_ms - FRAME_MS
    if audible and _frames(story, since, late)[0] > _enough(story) and _begun(story, message, since):
        yield f"{message['request_id']} was interrupted at {at} ms, long after enough was said since {since} ms"


def _begun(story: Story, message: Message, since: int) -> bool:
    """Whether it had begun before the speech did: else the speech may have been long enough before."""
    starts = [
        one["timestamp_ms"] for one in story.got("tts.speaking_start") if one["request_id"] == message["request_id"]
    ]
    return bool(starts) and starts[0] <= since


def _enough(story: Story) -> int:
    return max(1, round(int(str(story.plan.config.get("barge_in_min_ms", MIN_MS))) / FRAME_MS))


def _frames(story: Story, since: int, until: int) -> tuple[int, int]:
    """Voiced frames between these milliseconds of the tape: at least, at most."""
    least = most = 0
    for start, stop in _voices(story):
        length = min(stop, until) - max(start, since)
        if length > 0:
            least += length // FRAME_MS
            most += -(-length // FRAME_MS) + 1
    return least, most


def _voices(story: Story) -> list[tuple[int, int]]:
    """Where on the tape there is any sound, as one stretch where words follow each other."""
    result: list[tuple[int, int]] = []
    position = 0
    for kind, ms in story.plan.stretches:
        assert kind != "cough" or ms == COUGH_MS
        if kind != "pause":
            joined = result and result[-1][1] == position
            result[-1:] = [(result[-1][0], position + ms)] if joined else [*result[-1:], (position, position + ms)]
        position += ms
    return result
