"""One session's audio in sherpa-onnx. Knows the library's streams, and nothing of other sessions.

`consumed_sample` of a partial is where the last whole chunk ends: the net has looked a little further, and what it has
heard there it may say with the next chunk only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from voicetrio.core.errors import WorkerRejected
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.worker.engines.sherpa.biasing import Biasing
from voicetrio.worker.engines.sherpa.hot_words import HotWords
from voicetrio.worker.engines.sherpa.model_files import SAMPLE_RATE, SherpaModel
from voicetrio.worker.engines.sherpa.probabilities import CtcNet, CtcProbabilities
from voicetrio.worker.engines.sherpa.words import CtcWord, join_pieces, place_words

SEGMENT_SECONDS_MAX = 60
"""More than a session's segments ever are. It bounds the features of a backlog: 32 kB per second."""
SHORTEST_SAMPLES = SAMPLE_RATE // 10
"""0.1 s: below it there is no word."""
LATE_SAMPLES = SAMPLE_RATE * 4 // 10
"""So long after its sound, at most, a net says a word: it is trained to be right, not to be quick."""
PARTIAL_SAMPLES_MAX = SAMPLE_RATE // 2
"""A partial is repeated after so much audio even if no word changed: it says how far the audio was heard."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the streams of an engine share."""

    recognizer: Any
    model: SherpaModel
    net: CtcNet | None
    """The net once more, for probabilities; None: nobody wants them."""
    language: str
    chunk_samples: int
    window_samples: int
    """Of audio that a chunk's outcome depends on."""

    @property
    def silence(self) -> bytes:
        """After a segment's end: enough for a whole chunk to begin and be looked through when the last word is said."""
        return bytes(4 * (self.window_samples + LATE_SAMPLES))


class _Segment:
    """What is heard between two ends."""

    def __init__(self, loaded: Loaded, start_sample: int, hot_words: HotWords | None) -> None:
        self.native = loaded.recognizer.create_stream()
        self.start = start_sample
        self.accepted = 0
        """Samples of audio."""
        self.chunks = 0
        """Decoded so far."""
        self.end: int | None = None
        """Where it ends, once that was said."""
        self.reported: tuple[str, ...] = ()
        self.reported_at = start_sample
        self.biasing: tuple[CtcProbabilities, Biasing] | None = None
        if loaded.net is not None and hot_words is not None:
            self.biasing = (CtcProbabilities(loaded.net), Biasing(loaded.model, hot_words))


class SherpaStream:
    """A `BatchedStream`."""

    def __init__(
        self,
        loaded: Loaded,
        *,
        partials: bool,
        hot_words: HotWords | None,
        set_waiting: Callable[["SherpaStream", bool], None],
        run: Callable[[], None],
    ) -> None:
        """`hot_words` None: no probabilities are counted. The stream tells `set_waiting` whether it can decode."""
        self._loaded = loaded
        self._partials = partials
        self._hot_words = hot_words
        self._set_waiting = set_waiting
        self._run = run
        self._spaced = any(piece.startswith(" ") for piece in loaded.model.pieces)
        self._segment: _Segment | None = None
        self._segment_id = 0
        self._outcome: Hypothesis | Exception | None = None

    def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        pass

    def accept(self, segment_id: int, start_sample: int, pcm: bytes) -> Hypothesis | None:
        self.feed(segment_id, start_sample, pcm)
        return self._decode()

    def end_segment(self, segment_id: int, end_sample: int) -> Hypothesis:
        self.finish(segment_id, end_sample)
        final = self._decode()
        assert final is not None
        return final

    def feed(self, segment_id: int, start_sample: int, pcm: bytes) -> None:
        segment = self._segment
        if segment is None:
            segment = self._segment = _Segment(self._loaded, start_sample, self._hot_words)
        self._segment_id = segment_id
        samples = np.frombuffer(pcm, "<i2")
        if segment.accepted + len(samples) > SAMPLE_RATE * SEGMENT_SECONDS_MAX:
            raise WorkerRejected(f"segment {segment_id} is longer than {SEGMENT_SECONDS_MAX} s; end segments at pauses")
        if len(samples):
            segment.native.accept_waveform(SAMPLE_RATE, samples.astype(np.float32) / 32768)
            segment.accepted += len(samples)
            self._set_waiting(self, self._ready(segment))

    def finish(self, segment_id: int, end_sample: int) -> None:
        self._segment_id = segment_id
        segment = self._segment
        if segment is None or segment.accepted < SHORTEST_SAMPLES:
            self._end(Hypothesis(segment_id, True, end_sample, (), language=self._loaded.language))
            return
        segment.end = end_sample
        segment.native.accept_waveform(SAMPLE_RATE, np.frombuffer(self._loaded.silence, np.float32))
        assert self._ready(segment)
        self._set_waiting(self, True)

    def take(self) -> Hypothesis | None:
        outcome, self._outcome = self._outcome, None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        self._end(None)

    @property
    def native(self) -> Any:
        """The library's stream. Only while there is something to decode."""
        assert self._segment is not None
        return self._segment.native

    def prepare(self) -> bool:
        """Before the library decodes a chunk. False: it must not, this stream has failed."""
        assert self._segment is not None
        if self._segment.biasing is None:
            return True
        probabilities, biasing = self._segment.biasing
        try:
            biasing.add(probabilities.advance(self._segment.native))
        except Exception as error:
            # Whatever it is: it is this stream's, and told by its `take`.
            self.fail(error)
            return False
        return True

    def stepped(self) -> None:
        """The library has decoded a chunk."""
        assert self._segment is not None
        self._segment.chunks += 1
        self._set_waiting(self, self._ready(self._segment))

    def fail(self, error: Exception) -> None:
        """The engine failed on this stream; its next segment finds everything in order."""
        self._end(error)

    def report(self) -> None:
        """After a run that decoded chunks of this stream: say what there is to say."""
        segment = self._segment
        if segment is None:
            return
        if segment.end is not None and not self._ready(segment):
            self._end(self._final(segment, segment.end))
        elif self._partials and segment.end is None:
            self._outcome = self._partial(segment) or self._outcome

    def _ready(self, segment: _Segment) -> bool:
        ready: bool = self._loaded.recognizer.is_ready(segment.native)
        return ready

    def _decode(self) -> Hypothesis | None:
        """For who asks one stream at a time."""
        while self._segment is not None and self._ready(self._segment):
            self._run()
        return self.take()

    def _end(self, outcome: Hypothesis | Exception | None) -> None:
        self._set_waiting(self, False)
        self._segment = None
        self._outcome = outcome

    def _words(self, segment: _Segment) -> tuple[list[CtcWord], int]:
        """All words so far, and how many of them are stable."""
        result = self._loaded.recognizer.get_result_all(segment.native)
        # The library gives seconds, at 40 ms per frame whatever the model says of itself.
        frames = [round(seconds / 0.04) for seconds in result.timestamps]
        words = join_pieces(zip(result.tokens, frames, strict=True), spaced=self._spaced)
        if segment.biasing is None:
            return words, max(0, len(words) - 1)
        return segment.biasing[1].update(words, ended=segment.end is not None)

    def _partial(self, segment: _Segment) -> Hypothesis | None:
        heard, stable = self._words(segment)
        texts = tuple(word.text for word in heard)
        consumed = segment.start + min(segment.accepted, segment.chunks * self._loaded.chunk_samples)
        if texts == segment.reported and consumed - segment.reported_at < PARTIAL_SAMPLES_MAX:
            return None
        segment.reported, segment.reported_at = texts, consumed
        words = place_words(heard, segment.start, consumed, self._loaded.model.frame_samples)
        language = self._loaded.language
        return Hypothesis(self._segment_id, False, consumed, words, min(stable, len(words)), None, language)

    def _final(self, segment: _Segment, end_sample: int) -> Hypothesis:
        heard, _ = self._words(segment)
        words = place_words(heard, segment.start, end_sample, self._loaded.model.frame_samples)
        known = [word.confidence for word in words if word.confidence is not None]
        confidence = sum(known) / len(known) if known else None
        return Hypothesis(self._segment_id, True, end_sample, words, len(words), confidence, self._loaded.language)
