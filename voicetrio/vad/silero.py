"""One session's ear for voice by Silero's model: collects frames into windows, and answers with a fixed lag.

    frame 0   1   2   3   4   5   6   7   8      20 ms each
    window  0  |  1  |  2   |  3  |  4  |        32 ms each: five windows are eight frames

The answer to a frame is that of the window which holds the last sample of the frame three before it. So there are 20 to
40 ms between a window's last sample and the first answer that needs it, in which it can be decided together with those of
other sessions. A window that has not been by then (its audio came faster than that) is decided at once. As a window's
result is a function of the audio alone, the answers are the same either way.
"""

from collections import deque
from typing import Protocol

from voicetrio.core.endpointing import FRAME_SAMPLES
from voicetrio.core.ring import SAMPLE_BYTES
from voicetrio.vad.silero_model import CONTEXT_SAMPLES, FIRST_STATE, WINDOW_BYTES, WINDOW_SAMPLES, State

LAG_SAMPLES = 3 * FRAME_SAMPLES
"""60 ms. With two frames some windows would be needed in the moment in which they are complete."""

_THRESHOLDS = {"low": 0.7, "normal": 0.5, "high": 0.3}
"""By sensitivity: the probability from which a window is speech. 0.5 is what the model was trained for."""

_HYSTERESIS = 0.15
"""So much less is enough for speech to go on, as in the model's own examples: it wavers in quiet syllables."""

_NO_CONTEXT = bytes(CONTEXT_SAMPLES * SAMPLE_BYTES)
_STEP_BYTES = WINDOW_SAMPLES * SAMPLE_BYTES


class Room(Protocol):
    """Where windows of many sessions are decided together."""

    def submit(self, detector: "SileroDetector") -> None:
        """A detector has a window more to be decided. Called from inside `is_speech`: it must only note it."""
        ...

    def decide_now(self, detector: "SileroDetector") -> None:
        """The oldest window of this detector is due: decide it before this returns."""
        ...


class SileroDetector:
    """To be fed by one session; cheap to make."""

    lag = LAG_SAMPLES

    def __init__(self, sensitivity: str, room: Room) -> None:
        self._threshold = _THRESHOLDS[sensitivity]
        self._room = room
        self._audio = _NO_CONTEXT
        """What is not in a whole window yet, with the context before it."""
        self._position = 0
        self._waiting: deque[bytes] = deque()
        """Whole windows that are not decided: one at most, and for a moment two, for then the first one is due."""
        self._state = FIRST_STATE
        self._decided = 0
        """Windows so far."""
        self._going_on = False
        self._answers: deque[bool] = deque()
        """Of windows that are decided and not due."""
        self._due = 0
        """The next window that an answer needs."""
        self._voiced = False

    def is_speech(self, frame: bytes) -> bool:
        """20 ms at 16 kHz."""
        self._audio += frame
        self._position += FRAME_SAMPLES
        if len(self._audio) >= WINDOW_BYTES:
            self._waiting.append(self._audio[:WINDOW_BYTES])
            self._audio = self._audio[_STEP_BYTES:]
            self._room.submit(self)
        if self._position - LAG_SAMPLES > self._due * WINDOW_SAMPLES:  # at most one window a frame
            self._due += 1
            if not self._answers:
                self._room.decide_now(self)
            self._voiced = self._answers.popleft()
        return self._voiced

    def next_window(self) -> tuple[int, bytes, State]:
        """The oldest window that is not decided: its number, its audio, the state before it. There is one after `submit`."""
        return self._decided, self._waiting[0], self._state

    def accept(self, number: int, voice: float, state: State) -> None:
        """The probability of voice in window `number`, and the state after it. One that is decided already is ignored."""
        if number != self._decided:
            return
        self._waiting.popleft()
        self._decided += 1
        self._state = state
        self._going_on = voice >= (self._threshold - _HYSTERESIS if self._going_on else self._threshold)
        self._answers.append(self._going_on)
