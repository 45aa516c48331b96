"""The features of a segment that grows, without computing any of them twice.

A pass over 8 s has 800 frames, of which the pass half a second before had 750. Their power is kept; only what depends on
the whole window, the clamp to 80 dB below its loudest band, is done anew for each pass. What comes out is what
faster-whisper's extractor makes of the same audio at once, but for rounding.

    frame t: samples [160 t - 200, 160 t + 200), the audio mirrored at the segment's start, zeros behind its end
"""

import numpy as np

from voicetrio.worker.engines.whisper.model import Float32Array, WhisperModel

HOP = 160
"""Samples from one frame to the next, 10 ms."""
REACH = 200
"""Samples that a frame reaches to either side of its middle: half of Whisper's 25 ms."""


class MelFrames:
    """Of one segment. Frames are counted from its start."""

    def __init__(self, model: WhisperModel) -> None:
        self._model = model
        self._samples = np.zeros(0, np.float32)
        """What frames to come need, from sample `HOP * self._end - REACH` on; mirrored audio before the start."""
        self._begun = False
        self._first = 0
        self._power: Float32Array = np.zeros((0, 0), np.float32)
        """(bands, frames), from frame `_first` on."""

    @property
    def _end(self) -> int:
        return self._first + int(self._power.shape[1])

    def append(self, samples: Float32Array) -> None:
        """More audio, 16 kHz, -1 to 1."""
        self._samples = np.concatenate((self._samples, samples))
        if not self._begun:
            if len(self._samples) <= REACH:
                return
            self._samples = np.concatenate((self._samples[REACH:0:-1], self._samples))
            self._begun = True
        count = (len(self._samples) - 2 * REACH) // HOP + 1
        if count > 0:
            power = self._model.mel_power(self._samples[: (count - 1) * HOP + 2 * REACH])
            self._power = np.concatenate((self._power, power), axis=1) if self._power.size else power
            self._samples = self._samples[count * HOP :]

    def drop_before(self, frame: int) -> None:
        if self._first < frame <= self._end:
            self._power = self._power[:, frame - self._first :]
            self._first = frame

    def features(self, first: int, end: int) -> Float32Array:
        """(bands, end - first): the frames of a window. Behind the end of the audio so far there are zeros."""
        missing = end - self._end
        power = self._power[:, first - self._first : end - self._first]
        if missing > 0:
            length = (missing - 1) * HOP + 2 * REACH
            rest = np.pad(self._samples[:length], (0, max(0, length - len(self._samples))))
            tail = self._model.mel_power(rest)
            power = np.concatenate((power, tail), axis=1) if power.size else tail
        return self._model.log_mel(power)
