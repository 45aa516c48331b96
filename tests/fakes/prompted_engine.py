"""An encoder-decoder engine that hears nothing and tells what it was prompted with: its words are the segment's prompt."""

from voicetrio.core.hypothesis import Hypothesis, Word
from voicetrio.worker.engines.contract import HearingDescription, HearingSetup, StreamOptions
from voicetrio.worker.engines.registry import EngineEntry


class PromptedHearing:
    description = HearingDescription("prompted", "none", "encoder-decoder", ("en",), 16_000)

    def open(self, options: StreamOptions) -> "PromptedStream":
        return PromptedStream()


class PromptedStream:
    def __init__(self) -> None:
        self._prompts: dict[int, str] = {}
        self._heard: set[int] = set()

    def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        assert segment_id not in self._prompts, "once for each segment"
        assert segment_id not in self._heard, "before its audio"
        self._prompts[segment_id] = initial_prompt

    def accept(self, segment_id: int, start_sample: int, pcm: bytes) -> Hypothesis | None:
        self._heard.add(segment_id)
        return Hypothesis(segment_id, False, start_sample + len(pcm) // 2, self._words(segment_id))

    def end_segment(self, segment_id: int, end_sample: int) -> Hypothesis:
        words = self._words(segment_id)
        return Hypothesis(segment_id, True, end_sample, words, len(words))

    def close(self) -> None:
        pass

    def _words(self, segment_id: int) -> tuple[Word, ...]:
        prompt = self._prompts.get(segment_id, "(no prompt)")
        return tuple(Word(text, place, place + 1) for place, text in enumerate(prompt.split()))


def open_prompted(setup: HearingSetup) -> PromptedHearing:
    return PromptedHearing()


ENTRY = EngineEntry(__name__, "open_prompted", own_process=False)
