"""The server's utterances as the trace tells of them: what each was to say, what of it was sent, and how it ended."""

from dataclasses import dataclass, field

from tests.simulation.checkers.story import Message, Story

ENDINGS = ("playback.completed", "playback.interrupted")

RATE = 24_000
"""Hertz of what the client gets."""

CHAR_MS = 100
"""Of speech, as the fake makes it."""


@dataclass(slots=True)
class Speech:
    request_id: str
    turn_id: str | None
    begun_at: float
    pieces: list[tuple[str, int]] = field(default_factory=list)
    """Text, and milliseconds from the beginning."""
    sent: int = 0
    """Samples that the network had taken when it ended."""
    pauses: list[tuple[float, Message]] = field(default_factory=list)
    """`playback.paused` and `playback.resumed`."""
    ending: Message | None = None
    ended_at: float = 0.0

    @property
    def text(self) -> str:
        return " ".join(text for text, _ in self.pieces)

    @property
    def interrupted(self) -> bool:
        return self.ending is not None and self.ending["type"] == "playback.interrupted"

    @property
    def completed(self) -> bool:
        return self.ending is not None and self.ending["type"] == "playback.completed"

    def words(self) -> list[tuple[int, int, int]]:
        """For each word: the characters up to its end, when its sound ends, and when the next one's begins."""
        result, before = [], 0
        for text, offset_ms in self.pieces:
            place = 0
            for word in text.split(" "):
                end = place + len(word)
                ended_ms = offset_ms + CHAR_MS * end
                result.append((before + end, ended_ms, ended_ms if end == len(text) else ended_ms + CHAR_MS))
                place = end + 1
            before += len(text) + 1
        return result


def speeches(story: Story) -> list[Speech]:
    """In the order in which they began to be heard; those that never were are not among them."""
    known: dict[str, Speech] = {}
    sending = ""
    for when, who, what, facts in story.run.trace.events:
        if who != story.plan.name:
            continue
        if what == "sent_start":
            sending = facts
        elif what == "sent" and sending in known and known[sending].ending is None:
            known[sending].sent += facts // 2
        elif what == "post":
            _note(known, when, facts)
    return list(known.values())


def _note(known: dict[str, Speech], when: float, message: Message) -> None:
    match message["type"]:
        case "tts.speaking_start":
            speech = Speech(message["request_id"], message.get("turn_id"), when, [(message["text"], 0)])
            known[speech.request_id] = speech
        case "tts.speaking_text":
            known[message["request_id"]].pieces.append((message["text"], message["offset_ms"]))
        case "playback.paused" | "playback.resumed":
            known[message["request_id"]].pauses.append((when, message))
        case "playback.completed" | "playback.interrupted" if message["request_id"] in known:
            speech = known[message["request_id"]]
            speech.ending, speech.ended_at = message, when
