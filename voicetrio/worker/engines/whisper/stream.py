"""One session's stream: the audio of its open segment, which part of it a pass gets, and what comes of a pass.

audio -> window (from the last trim on) -> pass -> words of the whole segment, frozen ones first
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from voicetrio.core.hypothesis import Hypothesis, Word
from voicetrio.core.pass_window import PassWindow
from voicetrio.worker.engines.contract import StreamOptions
from voicetrio.worker.engines.whisper.audio import SAMPLE_RATE
from voicetrio.worker.engines.whisper.decoder import Decoded, Window

if TYPE_CHECKING:
    from voicetrio.worker.engines.whisper.engine import Whisper

SHORTEST_SAMPLES = SAMPLE_RATE // 10
"""100 ms: shorter audio is no word, and Whisper would make one up."""
SILENCE_SPAN = 32
"""Between the lowest and the highest sample, of 65,536: digital silence and its dither."""
REST_SAMPLES = SAMPLE_RATE
"""1 s. What the model leaves undecoded behind its last segment is decoded in a pass of its own if it is longer, and if what
it has decoded is longer, too."""
LANGUAGE_SAMPLES = 2 * SAMPLE_RATE
"""Audio that a language is detected in for good; what a shorter window seems to be in counts for its own pass only."""
NO_VOICE = "no_voice"
"""Why a segment has no words: there was no voice in it."""
WORD_SAMPLES_MIN = SAMPLE_RATE // 100


class WhisperStream:
    def __init__(self, engine: "Whisper", options: StreamOptions, language: str, clock: Callable[[], int]) -> None:
        """`language`: one of the model's, or empty. `clock` gives a number that grows with each call."""
        self._engine = engine
        self._options = options
        self._language = language
        self._clock = clock
        self._hot_words = tuple(engine.tokens(", ".join(options.hot_words))) if options.hot_words else ()
        self._prompt: tuple[int, ...] = ()
        self._reset()

    def _reset(self) -> None:
        self._segment_id = -1
        self._audio = self._engine.new_audio(0)
        self._window: PassWindow | None = None
        self._detected = self._language
        self._decoded_to = 0
        """Audio before this sample was in a pass."""
        self._pass_end = 0
        self._unheard = False
        self._end: int | None = None
        self._confidence: float | None = None
        self._heard_language = ""
        self._gated: tuple[str, ...] = ()
        self._news: Hypothesis | None = None
        self._failure: Exception | None = None
        self.since = 0

    # -- the contract ---------------------------------------------------------------------------------------------------

    def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        self._prompt = tuple(self._engine.tokens(initial_prompt)) if initial_prompt.strip() else ()

    def feed(self, segment_id: int, start_sample: int, pcm: bytes) -> None:
        if self._window is None:
            self._begin(segment_id, start_sample)
        if not pcm:
            return
        if self.new == 0:
            self.since = self._clock()
        self._audio.append(pcm)

    def finish(self, segment_id: int, end_sample: int) -> None:
        if self._window is None:
            self._begin(segment_id, end_sample)
        self._end = end_sample
        if self.new == 0:
            self.since = self._clock()

    def take(self) -> Hypothesis | None:
        failure, self._failure = self._failure, None
        if failure is not None:
            self._forget_segment()
            raise failure
        news, self._news = self._news, None
        return news

    def accept(self, segment_id: int, start_sample: int, pcm: bytes) -> Hypothesis | None:
        self.feed(segment_id, start_sample, pcm)
        if self._engine.is_due(self):
            self._engine.run_for(self)
        return self.take()

    def end_segment(self, segment_id: int, end_sample: int) -> Hypothesis:
        self.finish(segment_id, end_sample)
        while True:
            self._engine.run_for(self)
            heard = self.take()
            if heard is not None and heard.final:
                return heard

    def close(self) -> None:
        self._engine.forget(self)
        self._forget_segment()

    # -- for the schedule -----------------------------------------------------------------------------------------------

    @property
    def open(self) -> bool:
        """Whether there is a segment to decode: one that has had neither its final nor a failure."""
        return self._window is not None and self._failure is None

    @property
    def ended(self) -> bool:
        return self._end is not None

    @property
    def new(self) -> float:
        return max(0, self._audio.end - self._decoded_to) / SAMPLE_RATE

    @property
    def wants_partials(self) -> bool:
        return self._options.partials

    # -- passes ---------------------------------------------------------------------------------------------------------

    def next_window(self) -> Window | None:
        """What to decode now; None: nothing that could hold a word, and `note_silence` is due."""
        assert self._window is not None
        self._unheard = False
        audio = self._audio
        audio.drop_before(self._window.start)
        end = self._pass_end = min(audio.end, self._window.limit)
        samples = audio.samples(end)
        if len(samples) < SHORTEST_SAMPLES or np.ptp(samples) * 32768 < SILENCE_SPAN:
            return None
        if not audio.has_voice(end):
            self._unheard = True
            return None
        return Window(samples, self._detected, self._context(), thorough=self.ended, features=audio.features(end))

    def note_silence(self) -> None:
        """There was no `next_window`."""
        assert self._window is not None
        # Behind words of the segment it is a pause, and nothing that the model would have made words of.
        gated = self._unheard and self.ended and not self._window.frozen
        self._note((), (), (NO_VOICE,) if gated else ())

    def note(self, decoded: Decoded) -> None:
        """What a pass over the last `next_window` has given."""
        start, end = self._audio.start, self._pass_end
        words = _absolute(decoded, start, end)
        ends = [start + round(seconds * SAMPLE_RATE) for seconds in decoded.segment_ends]
        self._confidence = decoded.confidence if words else None
        self._heard_language = decoded.language
        if end - start >= LANGUAGE_SAMPLES:
            self._detected = decoded.language
        self._note(words, ends, decoded.gated, stopped_at=decoded.stopped_at)

    def fail(self, error: Exception) -> None:
        """The model has failed on this stream's window."""
        self._failure = error
        self._decoded_to = self._audio.end

    def _note(
        self,
        words: Sequence[Word],
        segment_ends: Sequence[int],
        gated: tuple[str, ...],
        *,
        stopped_at: float | None = None,
    ) -> None:
        window, start, end = self._window, self._audio.start, self._pass_end
        assert window is not None
        self._decoded_to = end
        last = self._end is not None and end >= self._end
        rest = end if stopped_at is None else start + round(stopped_at * SAMPLE_RATE)
        if not start + REST_SAMPLES <= rest <= end - REST_SAMPLES:
            rest = end
        if rest < end and (last or end >= window.limit):
            # There is more behind what the model took for a segment: it is decoded in a window of its own.
            self._gated += gated
            window.freeze(words, rest)
        elif last:
            self._finish(window.final(words), (*self._gated, *gated))
        else:
            # Behind a window's worth of audio, whether it goes on or has ended, the next pass starts later.
            whole = window.note_pass(words, segment_ends, rest)
            if self._end is not None:
                self._gated += gated
            elif whole and not gated:
                language = self._heard_language or None
                self._news = Hypothesis(self._segment_id, False, end, whole, 0, self._confidence, language)

    def _finish(self, words: tuple[Word, ...], gated: tuple[str, ...]) -> None:
        assert self._end is not None
        confidence = self._confidence if words else None
        language = self._heard_language or self._detected or None
        final = Hypothesis(self._segment_id, True, self._end, words, len(words), confidence, language, gated)
        self._forget_segment()
        self._news = final

    def _begin(self, segment_id: int, start: int) -> None:
        self._segment_id = segment_id
        self._decoded_to = start
        self._window = PassWindow(start_sample=start, sample_rate=SAMPLE_RATE, trim_after=self._engine.trim_after)
        self._audio = self._engine.new_audio(start)

    def _context(self) -> tuple[int, ...]:
        """Hot words, what was said before the segment, and what was said in it before the window."""
        assert self._window is not None
        frozen = tuple(self._engine.tokens(self._window.context)) if self._window.context else ()
        room = max(0, self._engine.context_max - len(self._hot_words))
        before = (*self._prompt, *frozen)
        return (*self._hot_words[: self._engine.context_max], *before[max(0, len(before) - room) :])

    def _forget_segment(self) -> None:
        self._prompt = ()
        self._reset()


def _absolute(decoded: Decoded, start: int, end: int) -> tuple[Word, ...]:
    """Words in samples, inside `start` to `end`, in order, none empty."""
    words: list[Word] = []
    border = start
    room = [end - WORD_SAMPLES_MIN * count for count in range(len(decoded.words) - 1, -1, -1)]
    for word, latest_end in zip(decoded.words, room, strict=True):
        first = min(max(border, start + round(word.start * SAMPLE_RATE)), latest_end - WORD_SAMPLES_MIN)
        last = min(max(start + round(word.end * SAMPLE_RATE), first + WORD_SAMPLES_MIN), latest_end)
        words.append(Word(word.text, first, last, min(1.0, max(0.0, word.probability))))
        border = last
    return tuple(word for word in words if word.start_sample >= start)
