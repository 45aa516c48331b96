"""The engine: streams, their schedule, and one decoder for all of them."""

import itertools
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from voicetrio.core.errors import WorkerRejected
from voicetrio.worker.engines.contract import HearingDescription, HearingFacts, HearingSetup, StreamOptions
from voicetrio.worker.engines.options import check_all, read_options
from voicetrio.worker.engines.whisper.audio import SAMPLE_RATE, SegmentAudio
from voicetrio.worker.engines.whisper.decoder import FULL_WINDOW, Decoded, Decoder, DecoderOptions, Window
from voicetrio.worker.engines.whisper.gate import Thresholds
from voicetrio.worker.engines.whisper.loading import check
from voicetrio.worker.engines.whisper.model import WhisperModel
from voicetrio.worker.engines.whisper.schedule import Schedule
from voicetrio.worker.engines.whisper.stream import WhisperStream
from voicetrio.worker.engines.whisper.voice import VoiceFinder
from voicetrio.worker.errors import SetupError

LONGEST = 28.0
"""Seconds of the longest pass: a little less than the model's window, which ends at 30."""
DEFAULTS: dict[str, str | int | float | bool] = {
    "batch_size": 16,
    "beam_size": 1,
    "step": 0.5,
    "windows": "10 15 30",
    "temperatures": "0 0.2 0.4 0.6 0.8 1",
    "no_speech_threshold": 0.6,
    "log_probability_threshold": -1.0,
    "compression_threshold": 2.4,
    "voice_threshold": 0.3,
    "trim_after": 8.0,
    "device_index": 0,
}


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The engine's own options, found to be sound."""

    decoding: DecoderOptions
    schedule: Schedule
    voice: float
    trim_after: float
    device_index: int


def open_whisper(setup: HearingSetup) -> "Whisper":
    """Takes as long as the model takes to load.

    Raises:
        SetupError: an option is wrong, or the model cannot be loaded. It names the setting.
    """
    chosen = _read(setup)
    model = WhisperModel(setup, chosen.device_index)
    return Whisper(model, chosen.decoding, chosen.schedule, VoiceFinder(chosen.voice), chosen.trim_after)


def check_hearing(setup: HearingSetup) -> HearingFacts:
    """Raises `SetupError` as `open_whisper`, for what can be seen before the model is loaded."""
    index = setup.options.get("device_index", DEFAULTS["device_index"])
    check_all(lambda: _read(setup), lambda: check(setup, index if type(index) is int else 0))
    return HearingFacts(check(setup, _read(setup).device_index))


def _read(setup: HearingSetup) -> _Chosen:
    """Raises `SetupError` with all that is wrong with the options."""
    options = read_options("stt", "faster-whisper", setup.options, DEFAULTS)
    batch_max, step, beam = int(options["batch_size"]), float(options["step"]), int(options["beam_size"])
    trim_after, voice = float(options["trim_after"]), float(options["voice_threshold"])
    windows = _numbers("windows", options)
    temperatures = _numbers("temperatures", options)
    soundness = {
        "batch_size: must be 1 to 256": 1 <= batch_max <= 256,
        "step: must be 0.1 to 10 seconds": 0.1 <= step <= 10,
        f"windows: must be ascending numbers from 1 to {FULL_WINDOW:g} in a text, ending with {FULL_WINDOW:g}": (
            windows and windows[0] >= 1 and windows[-1] == FULL_WINDOW
        ),
        "temperatures: must be ascending numbers from 0 to 2 in a text, beginning with 0": (
            temperatures and temperatures[0] == 0 and temperatures[-1] <= 2
        ),
        "beam_size: must be 1 to 16": 1 <= beam <= 16,
        f"trim_after: must be 4 to {LONGEST:g} seconds": 4 <= trim_after <= LONGEST,
        "voice_threshold: must be a probability, 0 to 1; 0 turns this gate off": 0 <= voice < 1,
    }
    faults = [f"stt.options.{text}" for text, sound in soundness.items() if not sound]
    if faults:
        raise SetupError("\n".join(faults))
    thresholds = Thresholds(
        float(options["no_speech_threshold"]),
        float(options["log_probability_threshold"]),
        float(options["compression_threshold"]),
    )
    decoding = DecoderOptions(windows=windows, beam_size=beam, temperatures=temperatures, thresholds=thresholds)
    return _Chosen(decoding, Schedule(batch_max, step), voice, trim_after, int(options["device_index"]))


def _numbers(name: str, options: dict[str, str | int | float | bool]) -> tuple[float, ...]:
    """A list of ascending numbers in a text; empty: it is none."""
    try:
        numbers = tuple(float(part) for part in str(options[name]).split())
    except ValueError:
        return ()
    return numbers if numbers == tuple(sorted(set(numbers))) else ()


class Whisper:
    """A `BatchedHearing`."""

    def __init__(
        self, model: WhisperModel, decoding: DecoderOptions, schedule: Schedule, voice: VoiceFinder, trim_after: float
    ) -> None:
        """`trim_after`: seconds of a segment after which a pass does not get all of it any more."""
        self._model = model
        self._voice = voice
        self._decoder = Decoder(model, decoding)
        self._schedule = schedule
        self._streams: list[WhisperStream] = []
        self._ticks = itertools.count(1)
        self.context_max = model.context_max
        self.trim_after = trim_after
        self.decoded_seconds = 0.0
        """Of audio that the model was given, its padding not counted: for benches."""

    @property
    def description(self) -> HearingDescription:
        return HearingDescription(
            "faster-whisper", self._model.name, "encoder-decoder", self._model.languages, SAMPLE_RATE
        )

    def open(self, options: StreamOptions) -> WhisperStream:
        language = options.language.split("-")[0].lower()
        if language and language not in self._model.languages:
            known = ", ".join(self._model.languages)
            raise WorkerRejected(f"unknown language {options.language[:16]!r}; this model knows: {known}")
        stream = WhisperStream(self, options, language, lambda: next(self._ticks))
        self._streams.append(stream)
        return stream

    def forget(self, stream: WhisperStream) -> None:
        if stream in self._streams:
            self._streams.remove(stream)

    def new_audio(self, start: int) -> SegmentAudio:
        """For a segment that begins at this sample."""
        return SegmentAudio(start, self._model, self._voice)

    def tokens(self, text: str) -> list[int]:
        return self._model.tokens(text)

    @property
    def has_work(self) -> bool:
        return bool(self._due())

    def is_due(self, stream: WhisperStream) -> bool:
        return stream in self._due()

    def run(self) -> None:
        self._run(self._due())

    def run_for(self, stream: WhisperStream) -> None:
        """One pass over this stream alone."""
        self._run([stream])

    def _due(self) -> list[WhisperStream]:
        return self._schedule.due([one for one in self._streams if one.open and (one.ended or one.wants_partials)])

    def _run(self, streams: Sequence[WhisperStream]) -> None:
        work: list[tuple[WhisperStream, Window]] = []
        for stream in streams:
            with _failing(stream):
                window = stream.next_window()
                if window is None:
                    stream.note_silence()
                else:
                    work.append((stream, window))
        if not work:
            return
        self.decoded_seconds += sum(window.seconds for _, window in work)
        began = time.perf_counter()
        for (stream, _), decoded in zip(work, self._decode([window for _, window in work]), strict=True):
            with _failing(stream):
                if isinstance(decoded, Exception):
                    raise decoded
                stream.note(decoded)
        self._schedule.note(len(work), time.perf_counter() - began)

    def _decode(self, windows: Sequence[Window]) -> Sequence[Decoded | Exception]:
        """All at once; if the model fails on that, one by one: a window's trouble is not the others'."""
        try:
            return self._decoder.decode(windows)
        except Exception as error:
            if len(windows) == 1:
                return [error]
            traceback.print_exception(error)
        return [result for window in windows for result in self._decode([window])]


@contextmanager
def _failing(stream: WhisperStream) -> Iterator[None]:
    """What the block raises is this stream's failure, and no other's: the process would else end for all of them."""
    try:
        yield
    except Exception as error:
        stream.fail(error)
