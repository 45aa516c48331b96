"""A batched engine that hears what `instant` hears, so that each lost, doubled or foreign sample changes a word.

Tests set how it decodes: how many streams a run takes, how many runs a final needs, and which streams fail. A hook is
called in the middle of each run, when the batch is chosen: whatever it does happens while the engine is busy.
"""

from collections.abc import Callable

from voicetrio.core.errors import WorkerRejected
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.worker.engines.contract import HearingDescription, HearingSetup, StreamOptions
from voicetrio.worker.engines.instant import InstantHearing, InstantStream
from voicetrio.worker.engines.options import read_options
from voicetrio.worker.engines.registry import EngineEntry

BATCH_MAX, FINAL_RUNS = 4, 2
FAILING = "fail"
"""A hot word that makes every run fail on its stream."""
SEGMENT_SECONDS_MAX = 60


class FakeBatched:
    description = HearingDescription("batched", "checksum", "ctc", ("en",), 16_000)

    def __init__(self, batch_max: int = BATCH_MAX, final_runs: int = FINAL_RUNS) -> None:
        self._batch_max = batch_max
        self.final_runs = final_runs
        self.on_run: Callable[[list[str]], None] = lambda batch: None
        """Called in each run, with the session ids of its batch."""
        self.waiting: list[FakeBatchedStream] = []
        """Streams with work, those that wait longest first."""

    @property
    def has_work(self) -> bool:
        return bool(self.waiting)

    def open(self, options: StreamOptions) -> "FakeBatchedStream":
        return FakeBatchedStream(self, options, InstantHearing().open(options))

    def run(self) -> None:
        batch, self.waiting = self.waiting[: self._batch_max], self.waiting[self._batch_max :]
        self.on_run([stream.session_id for stream in batch])
        for stream in batch:
            stream.decode()


class FakeBatchedStream:
    def __init__(self, engine: FakeBatched, options: StreamOptions, heard: InstantStream) -> None:
        self.session_id = options.session_id
        self._engine = engine
        self._heard = heard
        self._fails = FAILING in options.hot_words
        self._samples = 0
        self._fed: list[tuple[int, int, bytes]] = []
        self._ending: tuple[int, int] | None = None
        self._runs_left = 0
        self._answer: Hypothesis | Exception | None = None

    def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        pass

    def feed(self, segment_id: int, start_sample: int, pcm: bytes) -> None:
        self._samples += len(pcm) // 2
        if self._samples > SEGMENT_SECONDS_MAX * self._engine.description.sample_rate:
            raise WorkerRejected(f"segment {segment_id} is longer than {SEGMENT_SECONDS_MAX} s")
        self._fed.append((segment_id, start_sample, pcm))
        self._wait()

    def finish(self, segment_id: int, end_sample: int) -> None:
        self._ending = segment_id, end_sample
        self._runs_left = self._engine.final_runs
        self._wait()

    def take(self) -> Hypothesis | None:
        answer, self._answer = self._answer, None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def accept(self, segment_id: int, start_sample: int, pcm: bytes) -> Hypothesis | None:
        self.feed(segment_id, start_sample, pcm)
        self._engine.run()
        return self.take()

    def end_segment(self, segment_id: int, end_sample: int) -> Hypothesis:
        self.finish(segment_id, end_sample)
        while True:
            self._engine.run()
            if (heard := self.take()) is not None and heard.final:
                return heard

    def close(self) -> None:
        self._heard.close()
        self._engine.waiting = [stream for stream in self._engine.waiting if stream is not self]

    def decode(self) -> None:
        """One run's work on this stream."""
        if self._fails:
            self._fed.clear()
            self._answer = RuntimeError("the model is out of memory")
            return
        for segment_id, start_sample, pcm in self._fed:
            self._answer = self._heard.accept(segment_id, start_sample, pcm)
        self._fed.clear()
        if self._ending is None:
            return
        self._runs_left -= 1
        if self._runs_left > 0:
            self._wait()
        else:
            self._answer = self._heard.end_segment(*self._ending)
            self._samples, self._ending = 0, None

    def _wait(self) -> None:
        if self not in self._engine.waiting:
            self._engine.waiting.append(self)


def open_batched(setup: HearingSetup) -> FakeBatched:
    options = read_options("stt", "batched", setup.options, {"batch_max": BATCH_MAX, "final_runs": FINAL_RUNS})
    return FakeBatched(int(options["batch_max"]), int(options["final_runs"]))


ENTRY = EngineEntry(__name__, "open_batched", own_process=True, batched=True)
