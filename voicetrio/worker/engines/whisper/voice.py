"""Whether there is a voice in a window at all: a gate before the model, by Silero's detector in faster-whisper's package.

Sessions have a voice detector of their own, but the light one takes much music and some machines for speech, and Whisper
then writes what it likes, and is sure of it. Only audio that was not looked at yet is, and only until a voice was found:
real speech costs a few milliseconds once, and noise is never decoded.
"""

import numpy as np
from faster_whisper.vad import get_vad_model

from voicetrio.worker.engines.whisper.model import Float32Array

WINDOW_SAMPLES = 512
"""32 ms, the detector's own."""
WARM_UP = 8
"""Windows, 256 ms, at the start that prove nothing: the detector starts from silence, and takes any sudden sound for a
voice. A segment has so much audio before its speech, and what goes on later is looked at once more from so far back."""
LEAD_SAMPLES = WARM_UP * WINDOW_SAMPLES


class VoiceFinder:
    """Of the whole engine: it keeps nothing between calls."""

    def __init__(self, threshold: float) -> None:
        """`threshold`: probability of a voice that is enough, in any 32 ms; 0: everything has a voice."""
        self._threshold = threshold
        self._model = get_vad_model() if threshold > 0 else None

    def find(self, samples: Float32Array, *, lead: bool = True) -> int | None:
        """The end of the last 32 ms with a voice in 16 kHz audio, as a sample of it; None: there is no voice.

        `lead`: whether the first `LEAD_SAMPLES` are there for the detector's sake only.
        """
        if self._model is None:
            return len(samples)
        padded = np.pad(samples, (0, -len(samples) % WINDOW_SAMPLES))
        if not len(padded):
            return None
        first = WARM_UP if lead else 0
        voiced = np.flatnonzero(self._model(padded).ravel()[first:] > self._threshold)
        return min(len(samples), (first + int(voiced[-1]) + 1) * WINDOW_SAMPLES) if len(voiced) else None
