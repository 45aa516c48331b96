"""The engine: streams, their schedule, and one decoder for all of them."""

import itertools
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from voicetrio.core.errors import WorkerRejected
from voicetrio.worker.engines.contract import HearingDescription, HearingSetup, StreamOptions
from voicetrio.worker.engines.options import read_options
from voicetrio.worker.engines.whisper.audio import SAMPLE_RATE, SegmentAudio
from voicetrio.worker.engines.whisper.decoder import FULL_WINDOW, Decoded, Decoder, DecoderOptions, Window
from voicetrio.worker.engines.whisper.gate import Thresholds
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


def open_whisper(setup: HearingSetup) -> "Whisper":
    """Takes as long as the model takes to load.

    Raises:
        SetupError: an option is wrong, or the model cannot be loaded. It names the setting.
    """
    options = read_options("stt", "faster-whisper", setup.options, DEFAULTS)
    batch_max = int(options["batch_size"])
    step = float(options["step"])
    if not 1 <= batch_max <= 256:
        raise SetupError("stt.options.batch_size: must be 1 to 256")
    if not 0.1 <= step <= 10:
        raise SetupError("stt.options.step: must be 0.1 to 10 seconds")
    decoding = DecoderOptions(
        windows=_numbers("windows", options, least=1, most=FULL_WINDOW, last=FULL_WINDOW),
        beam_size=int(options["beam_size"]),
        temperatures=_numbers("temperatures", options, least=0, most=2, first=0),
        thresholds=Thresholds(
            float(options["no_speech_threshold"]),
            float(options["log_probability_threshold"]),
            float(options["compression_threshold"]),
        ),
    )
    if not 1 <= decoding.beam_size <= 16:
        raise SetupError("stt.options.beam_size: must be 1 to 16")
    trim_after = float(options["trim_after"])
    if not 4 <= trim_after <= LONGEST:
        raise SetupError(f"stt.options.trim_after: must be 4 to {LONGEST:g} seconds")
    voice = float(options["voice_threshold"])
    if not 0 <= voice < 1:
        raise SetupError("stt.options.voice_threshold: must be a probability, 0 to 1; 0 turns this gate off")
    return Whisper(
        WhisperModel(setup, int(options["device_index"])),
        decoding,
        Schedule(batch_max, step),
        VoiceFinder(voice),
        trim_after,
    )


def _numbers(
    name: str,
    options: dict[str, str | int | float | bool],
    *,
    least: float,
    most: float,
    first: float | None = None,
    last: float | None = None,
) -> tuple[float, ...]:
    """A list of ascending numbers in a text; `first`, `last`: what it must begin or end with."""
    try:
        numbers = tuple(float(part) for part in str(options[name]).split())
    except ValueError:
        numbers = ()
    sound = numbers and numbers == tuple(sorted(set(numbers))) and least <= numbers[0] and numbers[-1] <= most
    if not sound or (first is not None and numbers[0] != first) or (last is not None and numbers[-1] != last):
        ends = f", beginning with {first:g}" if first is not None else f", ending with {last:g}"
        raise SetupError(f"stt.options.{name}: must be ascending numbers from {least:g} to {most:g} in a text{ends}")
    return numbers


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
