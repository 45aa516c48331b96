"""When somebody starts and stops speaking, from one yes or no per frame.

A voice detector is wrong now and then, so one frame decides nothing: speech starts when enough of the last few frames
are voiced, and ends when hardly any of the last half second are. The onset that is reported is the first voiced
frame of the window that decided, not the moment of the decision; likewise the end is the end of the last voiced frame.

The history is one int used as a shift register: a push costs a shift, a mask and a popcount, and allocates nothing.
"""

from dataclasses import dataclass

FRAME_SAMPLES = 320
"""20 ms at 16 kHz: the frame the detectors here are asked about."""


@dataclass(frozen=True, slots=True)
class EndpointRule:
    """Counts are frames of 20 ms."""

    start_voiced: int = 4
    """So many voiced frames ..."""
    start_window: int = 6
    """... among the last so many start speech: 80 ms of 120 ms, longer than a click, shorter than a syllable."""
    end_window: int = 25
    """500 ms: longer than the pauses inside a sentence, mostly; every millisecond of it is felt as delay."""
    end_voiced: int = 2
    """At most so many voiced frames in the end window: the detector's false alarms in a quiet room."""

    def __post_init__(self) -> None:
        assert 0 < self.start_voiced <= self.start_window
        assert 0 <= self.end_voiced < self.end_window


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    at_sample: int
    """The first voiced sample."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    at_sample: int
    """One past the last voiced sample."""


class Endpointer:
    """Turns voiced frames into starts and ends. Frames must be pushed in order and without a gap."""

    def __init__(self, rule: EndpointRule, *, at_sample: int = 0) -> None:
        self._rule = rule
        self._mask = (1 << max(rule.start_window, rule.end_window)) - 1
        self._start_mask = (1 << rule.start_window) - 1
        self._end_mask = (1 << rule.end_window) - 1
        self.reset(at_sample=at_sample)

    @property
    def speaking(self) -> bool:
        return self._speaking

    @property
    def position(self) -> int:
        """One past the last sample pushed."""
        return self._position

    def reset(self, *, at_sample: int) -> None:
        """Forget what was heard; the next frame begins at `at_sample`."""
        self._history = 0
        self._speaking = False
        self._position = at_sample
        self._last_voiced_end = at_sample
        self._frames_in_speech = 0
        self.voiced_frames = 0
        """Of the speech that goes on, or of the last one."""

    def push(self, voiced: bool) -> SpeechStarted | SpeechEnded | None:
        """One more frame of `FRAME_SAMPLES` samples."""
        self._history = ((self._history << 1) | voiced) & self._mask
        self._position += FRAME_SAMPLES
        if voiced:
            self._last_voiced_end = self._position
        if not self._speaking:
            recent = self._history & self._start_mask
            if not voiced or recent.bit_count() < self._rule.start_voiced:
                return None
            self._speaking = True
            self._frames_in_speech = recent.bit_length()
            self.voiced_frames = recent.bit_count()
            return SpeechStarted(at_sample=self._position - recent.bit_length() * FRAME_SAMPLES)
        self._frames_in_speech += 1
        self.voiced_frames += voiced
        if self._frames_in_speech < self._rule.end_window:
            return None
        if voiced or (self._history & self._end_mask).bit_count() > self._rule.end_voiced:
            return None
        self._speaking = False
        self._history = 0
        return SpeechEnded(at_sample=self._last_voiced_end)
