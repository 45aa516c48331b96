"""`voicetrio bench vad`: how well the voice detectors find speech in noise, and what a frame costs.

    recordings + noise ──> each detector ──> the server's endpointing ──> against what was said when

Everything is computed here and now: no server, no real time. Speech is brought to one level, a noise is added that is
so many decibels weaker, and a second and a half of it stand before and after each recording.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from voicetrio.cli.bench import Progress
from voicetrio.cli.bench_process import BenchError
from voicetrio.cli.bench_vad_noise import STEADY, Samples, babble_of
from voicetrio.cli.bench_vad_report import Alarm, Cost, Figures, Judged, as_json, table
from voicetrio.cli.bench_vad_truth import Recording, Score, read_recordings, segments
from voicetrio.core.config import SAMPLE_RATE
from voicetrio.core.endpointing import FRAME_SAMPLES
from voicetrio.core.ring import SAMPLE_BYTES
from voicetrio.metrics.silent import SilentTelemetry
from voicetrio.session.ports import VoiceDetector
from voicetrio.settings import ConfigError
from voicetrio.vad.batches import BatchRoom
from voicetrio.vad.silero import SileroDetector
from voicetrio.vad.silero_model import load_model
from voicetrio.vad.webrtc import WebRtcDetector

SNRS_DB = (20, 10, 5, 0)
"""Speech to noise. 20: a quiet office. 10: a car. 0: as loud as the voice."""

_LEVEL_DBFS = -26.0
"""Of speech, its root mean square in full scale: the nominal level of telephony (ITU-T P.56), with room for peaks."""

_ALARM_DBFS = _LEVEL_DBFS - 10
"""Of noise in which nobody speaks."""

_AROUND_S = 1.5
_ALONE_S = 60

_FRAME_BYTES = FRAME_SAMPLES * SAMPLE_BYTES
_BATCHES = (8, 32, 100)
_COST_S = 4
_REPEATS = 3
"""The quickest counts: the others were disturbed."""

_WANTED = """voicetrio bench vad: name a FOLDER of recordings. It holds WAV files (16 kHz, 16 bit, mono) and
transcripts.tsv, a table with tabs between its columns and their names in the first line: file, text, words. The truth
is in words, as "go:0.45-0.69 right:0.69-1.06", in seconds; where it is empty or missing, what is loud in the recording
counts as speech, which is right for recordings without any noise of their own."""


def _pcm(samples: Samples) -> bytes:
    return (samples * 32_768).round().clip(-32_768, 32_767).astype("<i2").tobytes()


class Detectors:
    """Makes those of one kind, and lets them hear, many at once, as a gateway would."""

    def __init__(self, name: str, make: Callable[[str], VoiceDetector], decide: Callable[[], int] | None) -> None:
        self.name = name
        self._make = make
        self._decide = decide

    def hear(self, audio: Sequence[bytes]) -> tuple[int, list[list[bool]]]:
        """Whole frames for each session, fed in step. Returns the detectors' lag and their answers."""
        detectors = [self._make("normal") for _ in audio]
        told: list[list[bool]] = [[] for _ in audio]
        for at in range(0, max(map(len, audio)) - _FRAME_BYTES + 1, _FRAME_BYTES):
            for detector, pcm, answers in zip(detectors, audio, told, strict=True):
                if at + _FRAME_BYTES <= len(pcm):
                    answers.append(detector.is_speech(pcm[at : at + _FRAME_BYTES]))
            while self._decide is not None and self._decide() > 0:
                pass
        return detectors[0].lag, told

    def cost_us(self, pcm: bytes, sessions: int) -> float:
        """Microseconds of CPU time for a frame of one of so many sessions."""
        audio = [pcm] * sessions
        frames = len(pcm) // _FRAME_BYTES * sessions
        best = float("inf")
        for _ in range(_REPEATS):
            began = time.process_time()
            self.hear(audio)
            best = min(best, time.process_time() - began)
        return best / frames * 1e6


def open_all() -> list[Detectors]:
    """Raises: ConfigError, where what silero needs is not installed."""
    room = BatchRoom(load_model(), SilentTelemetry())
    return [
        Detectors("webrtc", WebRtcDetector, None),
        Detectors("silero", partial(SileroDetector, room=room), room.decide),
    ]


def _scenes(recordings: Sequence[Recording]) -> Iterator[tuple[str, int | None, list[bytes]]]:
    """Name of the noise, decibels, and the audio of all recordings with it."""
    yield "none", None, [_mixed(recording, None, 0.0) for recording in recordings]
    for number, name in enumerate((*STEADY, "babble")):
        for snr_db in SNRS_DB:
            audio: list[bytes] = []
            for index, recording in enumerate(recordings):
                others = [other.samples for other in recordings if other is not recording]
                make = STEADY[name] if name in STEADY else babble_of(others or [recording.samples])
                length = len(recording.samples) + 2 * round(_AROUND_S * SAMPLE_RATE)
                noise = make(length, np.random.default_rng((number, index)))
                audio.append(_mixed(recording, noise, snr_db))
            yield name, snr_db, audio


def _mixed(recording: Recording, noise: Samples | None, snr_db: float) -> bytes:
    level = 10 ** (_LEVEL_DBFS / 20)
    around = np.zeros(round(_AROUND_S * SAMPLE_RATE))
    speech = recording.samples * level / np.sqrt(recording.speech_power)
    mixed = np.concatenate([around, speech, around])
    if noise is not None:
        mixed += noise * level * 10 ** (-snr_db / 20)
    return _pcm(mixed)


def measure(recordings: Sequence[Recording], detectors: Sequence[Detectors], progress: Progress) -> Figures:
    offset = round(_AROUND_S * SAMPLE_RATE)
    judged: list[Judged] = []
    for noise, snr_db, audio in _scenes(recordings):
        progress.show(f"{noise} {'' if snr_db is None else f'{snr_db} dB'}")
        for detector in detectors:
            score = Score()
            lag, told = detector.hear(audio)
            for recording, pcm, voiced in zip(recordings, audio, told, strict=True):
                score.add(recording, offset, len(pcm) // SAMPLE_BYTES, segments(voiced, lag=lag))
            judged.append(Judged(detector.name, noise, snr_db, score))
    alarms = _alarms(recordings, detectors, progress)
    progress.show("what a frame costs")
    pcm = _mixed(recordings[0], None, 0.0)[: _COST_S * SAMPLE_RATE * SAMPLE_BYTES]
    webrtc, silero = detectors
    costs = [Cost("webrtc", 1, webrtc.cost_us(pcm, 8)), Cost("silero", 1, silero.cost_us(pcm, 1))]
    costs += [Cost("silero", size, silero.cost_us(pcm, size)) for size in _BATCHES]
    progress.show("")
    return Figures(tuple(judged), tuple(alarms), tuple(costs))


def _alarms(recordings: Sequence[Recording], detectors: Sequence[Detectors], progress: Progress) -> Iterator[Alarm]:
    babble = babble_of([recording.samples for recording in recordings])
    for number, (name, make) in enumerate({**STEADY, "babble": babble}.items()):
        progress.show(f"{name} alone")
        noise = make(_ALONE_S * SAMPLE_RATE, np.random.default_rng(number))
        pcm = _pcm(noise * 10 ** (_ALARM_DBFS / 20))
        for detector in detectors:
            lag, told = detector.hear([pcm])
            found = segments(told[0], lag=lag)
            heard = sum(one.span[1] - one.span[0] for one in found) / SAMPLE_RATE
            yield Alarm(detector.name, name, len(found) * 60 / _ALONE_S, heard / _ALONE_S)


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`subparsers` are those of `voicetrio bench`."""
    parser = subparsers.add_parser(
        "vad",
        help="measure how well the voice detectors find speech in noise",
        description="Add noises to recordings whose speech is known, and tell what each voice detector misses, what it "
        "takes for speech, how long it takes to be sure, and what a frame costs.",
        epilog="Exit code: 0, or 2 where nothing can be measured.",
    )
    parser.add_argument("folder", metavar="FOLDER", nargs="*", help="of WAV files and transcripts.tsv")
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="write a JSON object instead of a table"
    )
    parser.set_defaults(command=run_bench_vad)


def run_bench_vad(args: argparse.Namespace) -> int:
    """Returns the exit code."""
    if not args.folder:
        print(_WANTED, file=sys.stderr)
        return 2
    progress = Progress(sys.stderr)
    try:
        recordings = [recording for folder in args.folder for recording in read_recordings(Path(folder))]
        figures = measure(recordings, open_all(), progress)
    except (BenchError, ConfigError) as error:
        progress.show("")
        print(f"voicetrio bench vad: {error}", file=sys.stderr)
        return 2
    print(json.dumps(as_json(figures)) if args.json else table(figures, _title(recordings)), flush=True)
    return 0


def _title(recordings: Sequence[Recording]) -> str:
    seconds = sum(len(recording.samples) for recording in recordings) / SAMPLE_RATE
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.release()}"
    return f"{len(recordings)} recordings, {seconds:.0f} s, sensitivity normal; {machine}"
