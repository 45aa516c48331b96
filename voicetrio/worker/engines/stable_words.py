"""Which words of a growing transcript will stay. Pure policy; no engine, no clock but the audio's own.

The idea is that of local agreement (Machacek, Dabre and Bojar, "Turning Whisper into Real-Time Transcription System",
2023, arXiv 2307.14743): what a recogniser repeats while it hears more, it means. For an engine that answers every few
hundredths of a second two equal answers in a row prove nothing, so it is time that counts here, and not answers.
"""

from collections.abc import Sequence

from voicetrio.core.hypothesis import Word

HOLD_MS = 500
"""How long a word has to stand at its place, in milliseconds of audio."""


class StableWords:
    """For one segment."""

    def __init__(self, sample_rate: int) -> None:
        self._hold_samples = sample_rate * HOLD_MS // 1000
        self._stable: list[Word] = []
        self._tail: list[tuple[str, int]] = []
        """Of the words after the stable ones: the text, and since which sample it stands there."""

    def update(self, words: Sequence[Word], consumed_sample: int) -> tuple[tuple[Word, ...], int]:
        """What to report for an engine's words when audio before `consumed_sample` is heard, and how many are stable.

        The stable words of all updates before come first, whatever the engine thinks of them by now.
        """
        tail = self._after_stable(words)
        since = []
        unchanged = True
        for place, word in enumerate(tail):
            known = self._tail[place] if unchanged and place < len(self._tail) else None
            # A word after one that changed stands at a new place, even if it is the same word.
            unchanged = known is not None and known[0] == word.text
            since.append((word.text, known[1] if known is not None and unchanged else consumed_sample))
        settled = 0
        # The last word is still being spoken: "a", "an", "another".
        while settled < len(tail) - 1 and consumed_sample - since[settled][1] >= self._hold_samples:
            settled += 1
        self._stable += tail[:settled]
        self._tail = since[settled:]
        return (*self._stable, *tail[settled:]), len(self._stable)

    def _after_stable(self, words: Sequence[Word]) -> list[Word]:
        count = len(self._stable)
        if [word.text for word in words[:count]] == [word.text for word in self._stable]:
            return list(words[count:])
        # The engine changed its mind about what was promised: go on with what it hears after that, by time.
        border = self._stable[-1].end_sample
        return [word for word in words if (word.start_sample + word.end_sample) // 2 >= border]
