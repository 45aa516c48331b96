"""Speech in is words out: each once, whole, in order, where it was said; and what is missing has been said to be.

What may be missing: what was muted, what was dropped or given up and told so, and at a border of those a bit of a word
that is too short to be taken for speech. What was muted, dropped or given up must not be in a final either.
"""

from collections.abc import Iterator

from tests.simulation.checkers.intervals import Interval, overlap, subtract, union
from tests.simulation.checkers.story import Message, Story
from tests.simulation.tape import SpokenWord, parse_piece

START_FRAMES = {"low": 6, "normal": 4, "high": 3}
"""Voiced frames that start speech, by sensitivity."""

FRAME_MS = 20

PRE_ROLL_MS = 300
"""Before the first voiced frame, in which the first word begins."""

LULL = 4.5
"""Seconds without audio after which a speech may have been ended; the session waits 5, a wire delays by less than 0.5."""


UNDER_WAY = 1.0
"""Seconds that a frame may be on its way: latency, and a session that is busy."""


def check_hearing(story: Story) -> Iterator[str]:
    heard: list[Interval] = []
    last_id, last_end, last_value = 0, 0, 0
    for message in story.got("transcript.final"):
        if message["segment_id"] <= last_id:
            yield f"the final of segment {message['segment_id']} follows that of {last_id}"
        if not last_end <= message["start_ms"] <= message["end_ms"]:
            yield f"segment {message['segment_id']}: {message['start_ms']}..{message['end_ms']} ms after {last_end} ms"
        yield from _check_pre_roll(story, message, last_end)
        last_id, last_end = message["segment_id"], message["end_ms"]
        for word in message["words"]:
            if word["word"] == "cough":
                continue
            problem, interval, last_value = _place(story, message, word, last_value)
            if problem:
                yield f"segment {message['segment_id']}: {problem}"
            heard.append(interval)
    yield from _check_silence(story, union(heard))
    yield from _check_whole(story, union(heard), last_end)


def _place(story: Story, message: Message, word: Message, last: int) -> tuple[str, Interval, int]:
    """What is wrong with one word of a final, where it is on the tape, and its last value."""
    if not word["word"][:1].isdigit():
        return f"{word['word']!r} was never said", (0, 0), last
    values = parse_piece(word["word"])
    assert values is not None
    first, stop = values
    spoken = _find(story.tape.words, first)
    if spoken is None or stop > spoken.stop:
        return f"{word['word']} was never said", (0, 0), last
    start_ms = spoken.start_ms + first - spoken.first
    end_ms = start_ms + stop - first
    told = (round(word["start"] * 1000), round(word["end"] * 1000))
    if first < last:
        return f"{word['word']} was told before, or out of order", (start_ms, end_ms), stop
    if told != (start_ms, end_ms):
        return f"{word['word']} is at {(start_ms, end_ms)} ms, but told at {told}", (start_ms, end_ms), stop
    if not message["start_ms"] <= start_ms or not end_ms <= message["end_ms"]:
        return f"{word['word']} lies outside its segment", (start_ms, end_ms), stop
    return "", (start_ms, end_ms), stop


def _check_pre_roll(story: Story, message: Message, last_end: int) -> Iterator[str]:
    """A segment begins a little before its first word, unless something that nobody may hear again lies there."""
    start = message["start_ms"]
    words = [word for word in message["words"] if word["word"] != "cough"]
    borders = {0, last_end, *_lulls(story)}
    borders.update(stop for _, stop in [*story.muted, *story.dropped, *_given_up(story)])
    if not words or start in borders:
        return
    values = parse_piece(words[0]["word"])
    if values is None or not any(values[0] == word.first for word in story.tape.words):
        return  # the pre-roll holds the rest of an earlier word, too short to be speech
    onset = round(words[0]["start"] * 1000)
    missed = overlap([(start, onset)], story.dropped)
    before = onset - start - sum(gap_stop - gap_start for gap_start, gap_stop in missed)
    if not PRE_ROLL_MS <= before < PRE_ROLL_MS + FRAME_MS:
        yield f"segment {message['segment_id']} begins {before} ms before its first word"


def _find(words: list[SpokenWord], value: int) -> SpokenWord | None:
    return next((word for word in words if word.first <= value < word.stop), None)


def _given_up(story: Story) -> list[Interval]:
    return [(error["start_ms"], error["end_ms"]) for error in story.got("error") if "start_ms" in error]


def _check_silence(story: Story, heard: list[Interval]) -> Iterator[str]:
    for what, intervals in (("muted", story.muted), ("dropped", story.dropped), ("given up", _given_up(story))):
        for start, stop in overlap(heard, intervals):
            yield f"{start}..{stop} ms are in a final, but were {what}"
    segments = [(message["start_ms"], message["end_ms"]) for message in story.got("transcript.final")]
    for start, stop in overlap(segments, story.muted):
        yield f"{start}..{stop} ms belong to a segment, but were muted"


def _check_whole(story: Story, heard: list[Interval], last_end: int) -> Iterator[str]:
    if any(error["code"] == "messages_lost" for error in story.got("error")):
        return  # it was away for too long to be told everything again, and was told that
    until = last_end
    if story.orderly and story.closing is not None:
        until = story.closing["total_duration_ms"]
    excuses = union([*heard, *story.muted, *story.dropped, *_given_up(story)])
    borders = {until, *_lulls(story)}
    borders.update(ms for interval in [*story.muted, *story.dropped] for ms in interval)
    edge = FRAME_MS * (START_FRAMES[str(story.plan.config.get("vad_sensitivity", "normal"))] + 1)
    for word in story.tape.words:
        if word.start_ms >= until:
            break
        for start, stop in subtract((word.start_ms, min(word.end_ms, until)), excuses):
            if stop - start > edge or not (start in borders or stop in borders):
                text = f"{start}..{stop} ms of the word {word.first}-{word.stop} ({word.start_ms}..{word.end_ms} ms)"
                yield f"{text} never came, and nothing was said about it"


def _lulls(story: Story) -> Iterator[int]:
    """Where on the tape audio stayed away for long."""
    before, position = 0.0, 0
    for when, who, what, facts in story.run.trace.events:
        if who != story.plan.name or what not in ("frame", "rewinds"):
            continue
        if when - before > LULL and what == "frame":
            yield position
        if what == "frame":
            before, position = when, facts
        else:
            position = facts[1]
    yield from _stalls(story)


def _stalls(story: Story) -> Iterator[int]:
    """The same where a network stood still: what was on its way came later, and the caller cannot know what that was."""
    frames = story.notes("frame")
    for when, seconds in story.notes("stall"):
        if seconds > LULL:
            yield from (position for sent, position in frames if when - UNDER_WAY <= sent <= when)
