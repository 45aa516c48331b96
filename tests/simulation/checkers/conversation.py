"""The messages as such: each once and in order over all connections, a proper first and last one, a close code."""

from collections.abc import Iterator

from tests.simulation.checkers.story import Message, Story
from voicetrio.session.outbox import PASSED_MAX

CLOSE_CODES = {1000, 1001, 1009, 1011, 1013, 4408}
"""Of sessions; 4409 is the end of a connection whose session goes on elsewhere."""

OTHERS = 32
"""Messages that may wait besides those of an agent, when a network takes few at a time."""

UNREPEATED = {"transcript.partial", "session.created"}
"""Not told again after a resume; the one is out of date, the other belongs to its connection."""


def check_conversation(story: Story) -> Iterator[str]:
    yield from _check_ends(story)
    yield from _check_order(story)
    yield from _check_partials(story)
    yield from _check_resumes(story)


def _check_ends(story: Story) -> Iterator[str]:
    closes = [(code, reason) for _, (_, code, reason) in story.notes("closed")]
    over = [how for _, how in story.notes("over")]
    if not over:
        yield "the caller never learned that its session is over"
    if closes:
        if len(closes) != 1:
            yield f"closed more than once: {closes}"
        if closes[0][0] != story.end[1] or closes[0][0] not in CLOSE_CODES:
            yield f"closed with {closes[0]}, although the session ended with {story.end}"
        kinds = [message["type"] for _, message in story.received]
        if kinds.count("session.closed") != 1 and not _is_slow(story):
            yield f"{kinds.count('session.closed')} session.closed before the close frame"
        if "session.closed" in kinds and kinds[-1] != "session.closed":
            yield f"{kinds[-1]} follows session.closed"
    if story.closing is not None and story.closing["reason"] != story.end[0]:
        yield f"session.closed says {story.closing['reason']}, but it was {story.end[0]}"


def _is_slow(story: Story) -> bool:
    """Whether the farewell may be over before all that waits for this caller has come through to it."""
    plan, limits = story.plan, story.room.limits
    is_narrow = plan.buffer * limits.farewell < plan.latency * (PASSED_MAX + OTHERS)
    return is_narrow or any(step.kind in ("deaf", "stall") for step in plan.steps)


def _check_order(story: Story) -> Iterator[str]:
    if any(message["code"] == "messages_lost" for message in story.got("error")):
        return
    told = [message for _, message in story.posted if message["type"] not in UNREPEATED]
    heard = [message for _, message in story.received if message["type"] not in UNREPEATED]
    for number, (one, other) in enumerate(zip(told, heard, strict=False)):
        if one != other:
            yield f"message {number} differs:\n  told  {_brief(one)}\n  heard {_brief(other)}"
            return
    if len(heard) > len(told):
        yield f"something was heard that was not told: {_brief(heard[len(told)])}"
    if story.orderly and len(heard) < len(told):
        yield f"{len(told) - len(heard)} messages never came, the first: {_brief(told[len(heard)])}"


def _check_partials(story: Story) -> Iterator[str]:
    texts: dict[int, list[str]] = {}
    final: set[int] = set()
    for message in story.got("transcript.partial", "transcript.final"):
        segment_id = message["segment_id"]
        if segment_id in final:
            yield f"{message['type']} after the final of segment {segment_id}"
        if message["type"] == "transcript.final":
            final.add(segment_id)
            continue
        before, words = texts.get(segment_id, []), message["text"].split()
        if words[: len(before)] != before:
            yield f"a partial of segment {segment_id} took back words: {before} became {words}"
        texts[segment_id] = words


def _check_resumes(story: Story) -> Iterator[str]:
    created = list(story.got("session.created"))
    if [message["resumed"] for message in created] != [number > 0 for number in range(len(created))]:
        yield "`resumed` is wrong in a session.created"
    sent = 0
    for _, who, what, facts in story.run.trace.events:
        if who != story.plan.name:
            continue
        if what == "frame":
            sent = max(sent, facts)
        elif what == "rewinds":
            _, next_ms = facts
            if not 0 <= next_ms <= sent:
                yield f"next_audio_ms is {next_ms}, but only {sent} ms were sent"


def _brief(message: Message) -> str:
    text = str(message)
    return text if len(text) < 300 else text[:297] + "..."
