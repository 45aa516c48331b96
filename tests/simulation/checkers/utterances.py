"""Speech of the server: each utterance has exactly one ending, and the ear is shut as long as the client is told."""

from collections import defaultdict
from collections.abc import Iterator

from tests.simulation.checkers.story import Message, Story
from voicetrio.session.playout import FRAME

ENDINGS = ("playback.completed", "playback.interrupted")
FRAME_MS = int(1000 * FRAME)
"""Of sound, in one send at most: one that waits for the network cannot be taken back."""

LIVELY = {"vad.speech_start", "turn.started", "tts.speaking_start", "playback.completed", "session.hold"}
"""No such thing happens in a session that is closing."""

KINDS = ("tts.speaking_start", "tts.speaking_end", *ENDINGS, "error")


def check_utterances(story: Story) -> Iterator[str]:
    told: dict[str, list[Message]] = defaultdict(list)
    for _, message in story.posted:
        if message["type"] in KINDS and "request_id" in message:
            told[message["request_id"]].append(message)
    for request_id, messages in told.items():
        yield from (f"utterance {request_id}: {text}" for text in _check_one(messages))
    yield from _check_reasons(story)
    yield from _check_mute(story)
    yield from _check_sound(story)
    yield from _check_time(story)


def _check_one(messages: list[Message]) -> Iterator[str]:
    kinds = [message["type"] for message in messages]
    endings = [kind for kind in kinds if kind in ENDINGS]
    if "tts.speaking_start" in kinds:
        told = [kind for kind in kinds if kind != "error"]
        if told[:2] != ["tts.speaking_start", "tts.speaking_end"] or len(told) != 3 or len(endings) != 1:
            yield f"began, and then: {kinds}"
    elif len(kinds) != 1 or kinds[0] not in ("playback.interrupted", "error"):
        yield f"was never heard, but: {kinds}"
    duration = next((message["duration_ms"] for message in messages if message["type"] == "tts.speaking_end"), 0)
    for message in messages:
        if message["type"] in ENDINGS and not 0 <= message["heard_ms"] <= duration:
            yield f"{message['heard_ms']} ms heard of {duration}"
        if message.get("reason") == "failed" and message["heard_ms"] != duration:
            yield f"failed after {duration} ms, of which {message['heard_ms']} were heard"
        if message["type"] == "playback.completed" and message["heard_ms"] != duration:
            yield f"completed after {message['heard_ms']} of {duration} ms"


def _check_reasons(story: Story) -> Iterator[str]:
    """Nothing is stopped without cause: the client has cancelled it, or the session ends."""
    cancels = any("tts.cancel" in step.text or "turn.cancel" in step.text for step in story.plan.steps)
    for number, (when, message) in enumerate(story.posted):
        if message["type"] != "playback.interrupted":
            continue
        if message["reason"] == "cancelled" and not cancels:
            yield f"{message['request_id']} was cancelled at {when:.3f}, but not by the client"
        if message["reason"] == "closed":
            later = sorted({one["type"] for _, one in story.posted[number:]} & LIVELY)
            if later:
                yield f"{message['request_id']} was stopped at {when:.3f} as at the session's end, but then came {later}"


def _check_mute(story: Story) -> Iterator[str]:
    """In mute mode, the messages say exactly from when to when nobody was heard."""
    if story.plan.config.get("duplex") == "barge_in" or not story.orderly:
        return
    starts = [message["timestamp_ms"] for message in story.got("tts.speaking_start")]
    stops: list[int] = []
    begun: set[str] = set()
    for message in story.got("tts.speaking_start", *ENDINGS):
        if message["type"] == "tts.speaking_start":
            begun.add(message["request_id"])
        elif message["request_id"] in begun:
            stops.append(message["timestamp_ms"])
    told = list(zip(starts, stops, strict=False))
    if told != story.muted:
        yield f"muted at {story.muted} ms, but told {told}"


def _check_sound(story: Story) -> Iterator[str]:
    """On one connection, all the sound of an utterance has come before its end was told: of one that was stopped, no more
    than was counted as sent, but for what was on its way out. A network that stands still has more of that.
    """
    if story.notes("comes_back") or story.notes("stall"):
        return
    duration = sound = 0
    for _, who, what, facts in story.run.trace.events:
        if who != story.plan.name:
            continue
        if what == "sound":
            sound += facts
        elif what == "got" and facts["type"] == "tts.speaking_start":
            sound = 0
        elif what == "got" and facts["type"] == "tts.speaking_end":
            duration = facts["duration_ms"]
            told = sound * 1000 // (2 * 24_000)
            if told > duration + FRAME_MS if facts["cancelled"] else told != duration:
                yield f"{sound} bytes of sound came for {duration} ms"


def _check_time(story: Story) -> Iterator[str]:
    """Sound takes its time: nobody who tells the truth, or nothing, has heard it sooner."""
    if story.plan.playback == "lying":
        return
    began: dict[str, float] = {}
    for when, message in story.posted:
        if message["type"] == "tts.speaking_start":
            began[message["request_id"]] = when
        elif message["type"] == "playback.completed":
            took = when - began[message["request_id"]]
            if took < message["heard_ms"] / 1000 - 1e-6:
                yield f"{message['heard_ms']} ms were heard within {took:.3f} s"
