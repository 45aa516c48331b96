"""sherpa-onnx with a streaming WeNet CTC model: words come while they are spoken, and none is taken back.

The net hears chunks of `chunk_size` frames (of 40 ms, mostly) and a little of the next one. Greedy CTC decoding only ever
adds pieces, so all words are stable but the last, which may get more of them. A segment has a stream of its own in the
library, and silence after its end, until the net has said what it has heard: a final depends on its own audio alone.

Many streams go through the library in one call. Of version 2.0.1: within it WeNet's nets, whose attention cache has no
batch, are run one after the other; and hot words are not for CTC, see `probabilities` and `hot_words`.

Measured with the tests' tiny model, 22 recordings of 145 words: 15.2 % of words wrong, as of the same model on whole files;
11.0 with six hot words that it often misspells, 11.7 with all 98 that it knows; none of 123 right words lost to 20 hot
words that were not said, 5 to all the others at once. A stream with hot words costs two to three times as much.
"""

import re
from pathlib import Path
from typing import Any

import sherpa_onnx

from voicetrio.core.errors import WorkerRejected
from voicetrio.worker.engines.contract import HearingDescription, HearingFacts, HearingSetup, StreamOptions
from voicetrio.worker.engines.options import check_all, read_options
from voicetrio.worker.engines.sherpa.hot_words import HotWords, Speller
from voicetrio.worker.engines.sherpa.model_files import FEATURE_SAMPLES, SAMPLE_RATE, SherpaModel, find_model
from voicetrio.worker.engines.sherpa.probabilities import CtcNet
from voicetrio.worker.engines.sherpa.stream import Loaded, SherpaStream
from voicetrio.worker.errors import SetupError

OPTIONS: dict[str, str | int | float | bool] = {
    "language": "en",
    "chunk_size": 16,
    "num_left_chunks": 4,
    "hot_words_score": 1.5,
    "confidence": False,
}
"""language: the model's, as a BCP 47 primary tag: it does not say.
chunk_size: frames of the net per step; fewer are quicker to show a word, more are more accurate.
num_left_chunks: chunks before it that a step looks back at.
hot_words_score: how much less likely than what was heard a hot word may be, per piece, as a natural logarithm; 0: none
are used, and the net is loaded once, not twice.
confidence: whether words have one, also without hot words. Then every stream costs what one with hot words costs."""
CHUNKS_MAX = 64
"""Of both kinds: 2.56 s in a step, and far more than a net was trained to look back at."""
RUN_SECONDS = 0.5
"""Audio of each stream in one run. A backlog is decoded in several, so that others get their turn between them."""


def open_sherpa(setup: HearingSetup) -> "Sherpa":
    """`setup.model` is a folder, see `model_files`.

    Raises:
        SetupError: the model or a file of it is missing or not what it should be, or a setting cannot be followed.
    """
    options = _read(setup)
    return Sherpa(find_model(setup.model, setup.compute_type), setup, options)


def check_hearing(setup: HearingSetup) -> HearingFacts:
    """Raises `SetupError` as `open_sherpa`, for what can be seen before the net is loaded."""
    check_all(lambda: _read(setup), lambda: find_model(setup.model, setup.compute_type))
    options, model = _read(setup), find_model(setup.model, setup.compute_type)
    return HearingFacts(model.name, (str(options["language"]),))


def _read(setup: HearingSetup) -> dict[str, str | int | float | bool]:
    options = read_options("stt", "sherpa-onnx", setup.options, OPTIONS)
    faults = [
        f"stt.options.{name}: must be from 1 to {CHUNKS_MAX}"
        for name in ("chunk_size", "num_left_chunks")
        if not 1 <= int(options[name]) <= CHUNKS_MAX
    ]
    if not re.fullmatch(r"[a-z]{2,3}", str(options["language"])):
        faults.append('stt.options.language: must be a BCP 47 primary tag, such as "en"')
    if not 0 <= float(options["hot_words_score"]) <= 20:
        faults.append("stt.options.hot_words_score: must be from 0 to 20")
    if faults:
        raise SetupError("\n".join(faults))
    return options


class Sherpa:
    """A `BatchedHearing`."""

    def __init__(self, model: SherpaModel, setup: HearingSetup, options: dict[str, str | int | float | bool]) -> None:
        # One thread unless told otherwise: chunks are short, and more threads wait for each other, spinning.
        threads = setup.threads or 1
        chunk, left = int(options["chunk_size"]), int(options["num_left_chunks"])
        self._bonus = float(options["hot_words_score"])
        self._confidence = bool(options["confidence"])
        net = None
        if self._bonus or self._confidence:
            net = CtcNet(model, chunk_size=chunk, left_chunks=left, threads=threads)
        self._loaded = Loaded(
            recognizer=_load(model, setup.device, chunk, left, threads),
            model=model,
            net=net,
            language=str(options["language"]),
            chunk_samples=chunk * model.frame_samples,
            window_samples=chunk * model.frame_samples + model.numbers["right_context"] * FEATURE_SAMPLES,
        )
        self._speller = Speller(model.pieces)
        self._waiting: dict[SherpaStream, None] = {}
        """Streams that can decode, those first that could first."""
        self._rounds = max(1, round(RUN_SECONDS * SAMPLE_RATE / self._loaded.chunk_samples))

    @property
    def description(self) -> HearingDescription:
        return HearingDescription("sherpa-onnx", self._loaded.model.name, "ctc", (self._loaded.language,), SAMPLE_RATE)

    def open(self, options: StreamOptions) -> SherpaStream:
        known = self._loaded.language
        if options.language.split("-")[0].lower() not in ("", known):
            raise WorkerRejected(f"unknown language {options.language[:16]!r}; this engine's model knows: {known}")
        texts = options.hot_words if self._bonus else ()
        hot_words = HotWords(self._speller, texts, blank=self._loaded.model.blank, bonus=self._bonus)
        return SherpaStream(
            self._loaded,
            partials=options.partials,
            hot_words=hot_words if hot_words or self._confidence else None,
            set_waiting=self._set_waiting,
            run=self.run,
        )

    @property
    def has_work(self) -> bool:
        return bool(self._waiting)

    def run(self) -> None:
        """Half a second of every stream that has as much, a chunk of each at a time."""
        ran: dict[SherpaStream, None] = {}
        for _ in range(self._rounds):
            batch = [stream for stream in list(self._waiting) if stream.prepare()]
            if not batch:
                break
            try:
                self._loaded.recognizer.decode_streams([stream.native for stream in batch])
            except Exception as error:
                # The shape of a step never depends on the audio: what fails is the machine, for all of them. Where each
                # one stands now nobody can say, so they are all told, and their sessions have the audio heard again.
                for stream in batch:
                    stream.fail(error)
                break
            for stream in batch:
                stream.stepped()
            ran |= dict.fromkeys(batch)
        for stream in ran:
            stream.report()

    def _set_waiting(self, stream: SherpaStream, waiting: bool) -> None:
        """Streams tell whether they can decode."""
        if waiting:
            self._waiting.setdefault(stream)
        else:
            self._waiting.pop(stream, None)


def _load(model: SherpaModel, device: str, chunk_size: int, left_chunks: int, threads: int) -> Any:
    # Only builds for CUDA have this library; others say something on stderr and take the CPU.
    libraries = Path(sherpa_onnx.__file__).parent / "lib"
    has_cuda = any(libraries.glob("*onnxruntime_providers_cuda*"))
    if device == "cuda" and not has_cuda:
        raise SetupError(
            'stt.device: the installed sherpa-onnx is built for CPUs only; set stt.device to "auto" or "cpu", or install '
            "a build with CUDA, see https://k2-fsa.github.io/sherpa/onnx/cuda.html"
        )
    try:
        return sherpa_onnx.OnlineRecognizer.from_wenet_ctc(
            tokens=str(model.tokens),
            model=str(model.model),
            chunk_size=chunk_size,
            num_left_chunks=left_chunks,
            num_threads=threads,
            sample_rate=SAMPLE_RATE,
            provider="cuda" if has_cuda and device != "cpu" else "cpu",
        )
    except (RuntimeError, ValueError) as error:
        raise SetupError(f"stt.model: sherpa-onnx cannot load {str(model.model)!r}: {error}") from error
