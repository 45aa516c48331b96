"""The audio of one open segment, from its last trim on: samples, features, and whether there is a voice in it.

Positions are absolute samples. Trims lie on the grid of feature frames, which begins with the segment.
"""

import numpy as np

from voicetrio.core.errors import WorkerRejected
from voicetrio.worker.engines.whisper.mel import HOP, MelFrames
from voicetrio.worker.engines.whisper.model import Float32Array, WhisperModel
from voicetrio.worker.engines.whisper.voice import LEAD_SAMPLES, VoiceFinder

SAMPLE_RATE = 16_000
SECONDS_MAX = 300
"""Of audio that is kept: six times the longest segment of a session. A client that never ends one is refused."""


class SegmentAudio:
    def __init__(self, start: int, model: WhisperModel, voice: VoiceFinder) -> None:
        self._origin = self._start = start
        self._pcm = bytearray()
        self._mel = MelFrames(model)
        self._voice = voice
        self._looked_to = start
        """Audio before this sample was searched for a voice."""
        self._voice_at = -1
        """Where the last voice that was found ends."""

    @property
    def start(self) -> int:
        """The first sample that is kept."""
        return self._start

    @property
    def end(self) -> int:
        return self._start + len(self._pcm) // 2

    def append(self, pcm: bytes) -> None:
        """Raises `WorkerRejected`, for a segment that is longer than any can be."""
        if len(self._pcm) + len(pcm) > 2 * SAMPLE_RATE * SECONDS_MAX:
            raise WorkerRejected(f"a segment of more than {SECONDS_MAX} s: it has to be ended before")
        self._pcm += pcm
        self._mel.append(_floats(pcm))

    def drop_before(self, sample: int) -> None:
        """What lies before is not needed any more. Up to 10 ms behind it are dropped, too: trims lie in silence."""
        sample = self._origin + -(-(sample - self._origin) // HOP) * HOP
        if sample > self._start:
            del self._pcm[: 2 * (sample - self._start)]
            self._start = sample
            self._mel.drop_before((sample - self._origin) // HOP)

    def samples(self, end: int) -> Float32Array:
        """From `start` to `end`, -1 to 1."""
        return self._between(self._start, end)

    def features(self, end: int) -> Float32Array:
        """Of the same, (bands, frames)."""
        first = (self._start - self._origin) // HOP
        return self._mel.features(first, first + (end - self._start) // HOP)

    def has_voice(self, end: int) -> bool:
        """Whether there is one from `start` to `end`. What was searched once is not searched again."""
        if self._voice_at <= self._start and self._looked_to < end:
            start = max(self._start, self._looked_to - LEAD_SAMPLES)
            # Behind a trim nothing is left that was searched before, and the very start may be a word.
            trimmed = start > self._looked_to - LEAD_SAMPLES and start > self._origin
            found = self._voice.find(self._between(start, end), lead=not trimmed)
            self._looked_to = end
            if found is not None:
                self._voice_at = start + found
        return self._voice_at > self._start

    def _between(self, start: int, end: int) -> Float32Array:
        return _floats(self._pcm[2 * (start - self._start) : 2 * (end - self._start)])


def _floats(pcm: bytes | bytearray) -> Float32Array:
    return np.frombuffer(pcm, np.int16).astype(np.float32) / np.float32(32768)
