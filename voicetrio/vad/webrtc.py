"""WebRTC's voice activity detector: a small Gaussian mixture model, about 2 us per 20 ms frame.

It hears voice-like energy, not words: steady noise fools it sometimes, which the endpointing's windows absorb.
"""

import webrtcvad

from voicetrio.core.config import SAMPLE_RATE

_AGGRESSIVENESS = {"low": 3, "normal": 2, "high": 1}
"""By sensitivity. 0 to 3; the higher, the surer it wants to be before it says speech."""

_WARM_UP = 5
"""Frames, 100 ms. A new detector takes the noise of any room for speech until it has heard about so much of it. Who does
speak goes on for longer, and the pre-roll of a segment reaches back beyond this."""


class WebRtcDetector:
    """One session's detector; it adapts to what it hears."""

    lag = 0

    def __init__(self, sensitivity: str) -> None:
        self._vad = webrtcvad.Vad(_AGGRESSIVENESS[sensitivity])
        self._warm_up = _WARM_UP

    def is_speech(self, frame: bytes) -> bool:
        """20 ms at 16 kHz."""
        voiced: bool = self._vad.is_speech(frame, SAMPLE_RATE)
        if self._warm_up > 0:
            self._warm_up -= 1
            return False
        return voiced
