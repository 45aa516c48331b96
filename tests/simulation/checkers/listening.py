"""What was said is asked: all of it, once, in order, unless it was a listener's "mhm", or the session ended first."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.simulation.checkers.story import Message, Story
from tests.simulation.checkers.turns import events

DETECTOR_PATIENCE = 0.35
"""Seconds that a turn detector may take, and a little."""

TURN_DELAY_MS = (500, 1500)
"""Minimum and maximum, where the caller does not say."""


@dataclass(slots=True)
class _Final:
    words: list[str]
    aside: bool


def check_listening(story: Story) -> Iterator[str]:
    codes = {message["code"] for _, message in story.posted if message["type"] == "error"}
    if story.plan.config.get("agent") != "on" or "too_many_messages" in codes:
        return
    finals = _finals(story)
    asked = [
        word for _, message in story.posted if message["type"] == "turn.started" for word in _words(message["text"])
    ]
    # Whoever ends a segment in the middle of a word has said that it is a message.
    committed = any("input_audio_buffer.commit" in step.text for step in story.plan.steps)
    for number, final in enumerate(finals):
        if asked[: len(final.words)] == final.words:
            del asked[: len(final.words)]
            if final.aside and not committed:
                yield f"{final.words} was asked, though it interrupted nobody"
        elif not final.aside:
            later = [word for one in finals[number:] for word in one.words]
            if asked:
                yield f"{final.words} was not asked, but then {asked}"
            elif story.orderly and (idle := _idle(story)):
                yield f"{later} was never asked, though nothing else was to do from {idle:.3f} s on"
            return
    if asked:
        yield f"{asked} was asked, but is in no final"


def _words(text: str) -> list[str]:
    return [word for word in text.split() if word != "cough"]


def _finals(story: Story) -> list[_Final]:
    """Those with words, and whether they are of a speech that was a false alarm."""
    started = ended = 0
    configured = False
    asides: list[tuple[int, int]] = []
    paused = (0, "")
    finals: list[Message] = []
    for _, message in story.posted:
        match message["type"]:
            case "session.configured":
                configured = True
            case "vad.speech_start":
                started = message["timestamp_ms"]
            case "vad.speech_end":
                ended = message["timestamp_ms"]
            case "playback.paused":
                paused = (started, message["request_id"])
            case "playback.resumed" if message["request_id"] == paused[1]:
                asides.append((paused[0], ended))
            case "transcript.final" if configured and _words(message["text"]):
                finals.append(message)
    # A cut in the middle of a false alarm has its final before it is known to be one.
    return [_Final(_words(message["text"]), _is_aside(message, asides)) for message in finals]


def _is_aside(final: Message, asides: list[tuple[int, int]]) -> bool:
    return any(final["start_ms"] < end and start < final["end_ms"] for start, end in asides)


def _idle(story: Story) -> float:
    """Since when, before its end, the session had nothing to do but to ask; 0: it had."""
    config = story.plan.config
    low, high = config.get("turn_min_delay_ms", TURN_DELAY_MS[0]), config.get("turn_max_delay_ms", TURN_DELAY_MS[1])
    patience = max(int(str(low)), int(str(high))) / 1000 + DETECTOR_PATIENCE
    last, open_turns, speaking, since = 0.0, 0, False, None
    for when, what, facts in events(story):
        match what:
            case "move" if facts[2] in ("CLOSING", "CLOSED") and since is None:
                quiet = not open_turns and not speaking and when - last > patience
                since = last if quiet else 0.0
            case "post" if since is not None and "start_ms" in facts:
                return 0.0  # a segment has had its final, or was given up: the turn was waiting for it
            case "queued" | "confirmed":
                open_turns += 1
                last = when
            case "post" if facts["type"] in ("vad.speech_start", "vad.speech_end", "transcript.final", "turn.ended"):
                last = when
                open_turns -= facts["type"] == "turn.ended"
                if facts["type"].startswith("vad"):
                    speaking = facts["type"] == "vad.speech_start"
    return since or 0.0
