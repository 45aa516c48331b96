"""An encoder-decoder engine that reads the words of `fakes.audio`, anew in each pass, and mishears the last one in turns."""

from voicetrio.core.hypothesis import Hypothesis, Word
from voicetrio.worker.engines.contract import HearingDescription, HearingSetup, StreamOptions
from voicetrio.worker.engines.registry import EngineEntry

from .audio import words_in


class PassingHearing:
    description = HearingDescription("passing", "none", "encoder-decoder", ("en",), 16_000)

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def open(self, options: StreamOptions) -> "PassingStream":
        return PassingStream(self)


class PassingStream:
    def __init__(self, owner: PassingHearing) -> None:
        self._owner = owner
        self._start = 0
        self._audio = bytearray()
        self._passes = 0

    def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        self._owner.prompts.append(initial_prompt)

    def accept(self, segment_id: int, start_sample: int, pcm: bytes) -> Hypothesis | None:
        if not self._audio:
            self._start = start_sample
        self._audio += pcm
        self._passes += 1
        words = self._words()
        if words and self._passes % 2:
            last = words[-1]
            words = (*words[:-1], Word("misheard", last.start_sample, last.end_sample))
        return Hypothesis(segment_id, False, self._start + len(self._audio) // 2, words)

    def end_segment(self, segment_id: int, end_sample: int) -> Hypothesis:
        words = self._words()
        self._audio.clear()
        return Hypothesis(segment_id, True, end_sample, words, len(words))

    def close(self) -> None:
        pass

    def _words(self) -> tuple[Word, ...]:
        return tuple(
            Word(f"w{number}", self._start + start, self._start + start + length)
            for number, start, length in words_in(bytes(self._audio))
        )


ENGINE = PassingHearing()
"""Of this process: tests look at what it was prompted with."""


def open_passing(setup: HearingSetup) -> PassingHearing:
    return ENGINE


ENTRY = EngineEntry(__name__, "open_passing", own_process=False)
