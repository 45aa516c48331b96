"""Engines that die: what kills them is tried three times and told with its place; nothing else is given up for it."""

from collections import Counter
from collections.abc import Iterator

from tests.simulation.checkers.story import Story

TRIES = 3


def check_engines(story: Story) -> Iterator[str]:
    places = list(_poisoned_ms(story))
    for error in story.got("error"):
        if error["code"] == "recognizer_failed":
            start, stop = error["start_ms"], error["end_ms"]
            if not any(start <= place < stop for place in places):
                yield f"{start}..{stop} ms were given up, as if an engine had died of them"
        if error["code"] == "tts_failed" and story.plan.voice.crash_after_chars is not None:
            yield from _check_text(story, error)
    if story.gentle:
        # In a wild run, a session may have left the stream before its engine was found to hang, and cannot know.
        tries = Counter(segment_id for _, segment_id in story.notes("poisoned"))
        for segment_id, times in tries.items():
            if times > TRIES:
                yield f"segment {segment_id} was given to an engine {times} times, which died of it each time"


def _poisoned_ms(story: Story) -> Iterator[int]:
    for word in story.tape.words:
        yield from (
            word.start_ms + value - word.first for value in story.plan.poison if word.first <= value < word.stop
        )


def _check_text(story: Story, error: dict[str, int]) -> Iterator[str]:
    """`fail_after_chars` and `hang_after_chars` may come first; they have no place to tell."""
    crashes, others = (
        story.plan.voice.crash_after_chars,
        (
            story.plan.voice.fail_after_chars,
            story.plan.voice.hang_after_chars,
        ),
    )
    first = all(crashes < other for other in others if other is not None)
    if first and story.plan.voice.refuse == "" and not 0 <= error.get("text_start", -1) < error.get("text_end", -1):
        yield "speech failed because its engine died of it, and nobody was told of which characters"
