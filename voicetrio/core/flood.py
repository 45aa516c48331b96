"""What one connection may send: how many frames, in how many pieces, and how much. Pure: time is an argument.

A message's length says little about its cost: a million empty fragments are one empty message, and a frame of two bytes
costs as much to take apart as one of 20 ms of audio. So each kind of frame has an allowance (a token bucket) that an honest
client cannot use up: it fills at a rate beyond any microphone's, and holds what comes at once when a connection, or this
server, has stood still for a minute. Whoever uses one up is not served any more.
"""

import math
from dataclasses import dataclass

from voicetrio.core.allowance import Allowance
from voicetrio.core.errors import RemoteError

STALL = 60.0
"""Seconds of a client's frames that may come at once: as much audio as a session's ring holds."""

AUDIO_FRAMES = 400
"""A second, at real time. The shortest that anybody records are the 128 samples of an AudioWorklet: 375 a second."""

TEXT_FRAMES = 50
"""A second: `playback.progress` ten times, and whatever somebody types or asks to be said."""

CONTROL_FRAMES = 10
"""A second, pings and pongs: heartbeats come each second at most."""

FRAGMENTS = 1024
"""Of one message: the largest one in pieces of 1 KiB. Proxies that cut messages do it at 4 KiB and more."""

TEXT_BYTES = 65_536
"""A second; 4 MB at once. Nobody types more, and reading JSON costs far more than taking in audio."""

AUDIO_BYTES = 96_000
"""A second, at real time: 48 kHz PCM, the most that a session can be set to hear."""

AUDIO_FRAME_BYTES = 80
"""The shortest frame of audio that the protocol has: 10 ms of a telephone's codes."""

SHORT_FRAMES = 4
"""Frames of audio that a shorter one counts as: at real time there are 100 such frames of 10 ms, and not 400."""


@dataclass(frozen=True, slots=True)
class FloodRules:
    """What all connections of a server are held to."""

    max_message_bytes: int = 1_048_576
    """Of one message, as `session.max_message_bytes`."""
    max_rate: float = 1.2
    """Times real time that audio may come at, as `session.max_rate`: where files are heard quickly, more frames come."""


class FloodGuard:
    """Of one connection. Each method raises `RemoteError`, which is not recoverable, for what is too much."""

    def __init__(self, rules: FloodRules) -> None:
        pace = max(1.0, rules.max_rate)
        self._max_message = rules.max_message_bytes
        self._files = pace == math.inf
        self._audio_frames = Allowance(AUDIO_FRAMES * (1.0 if self._files else pace), STALL)
        self._text_frames = Allowance(TEXT_FRAMES, STALL)
        self._control_frames = Allowance(CONTROL_FRAMES, STALL)
        self._text_bytes = Allowance(TEXT_BYTES, STALL)
        # Twice what the session would hear: who only hurries is told so by the session, and loses audio, not the session.
        self._audio_bytes = Allowance(AUDIO_BYTES * 2 * pace, STALL)
        self._fragments = 0
        self._length = 0

    def data(self, length: int, *, text: bool, frame_ends: bool, message_ends: bool, now: float) -> None:
        """A piece of a text or audio message has come: a frame, or a part of a long one."""
        self._length += length
        if self._length > self._max_message:
            raise _refusal(
                "message_too_large",
                f"a message of more than {self._max_message} bytes; send audio in frames of 10 ms to 1 s",
                1009,
            )
        if frame_ends:
            self._count(text, now)
        bytes_left = self._text_bytes if text else self._audio_bytes
        if not bytes_left.take(length, now=now):
            kind = "text" if text else "audio"
            raise _refusal("too_much_data", f"more {kind} came than any client has to send in so short a time")
        if message_ends:
            self._fragments = self._length = 0

    def _count(self, text: bool, now: float) -> None:
        self._fragments += 1
        if self._fragments > FRAGMENTS:
            raise _refusal("too_many_fragments", f"a message in more than {FRAGMENTS} fragments; send it as one")
        if text:
            taken = self._text_frames.take(1, now=now)
        elif self._length < AUDIO_FRAME_BYTES:
            taken = self._audio_frames.take(SHORT_FRAMES, now=now)
        else:
            taken = self._files or self._audio_frames.take(1, now=now)
        if not taken:
            raise _refusal(
                "too_many_frames", "too many frames in too short a time; send audio in frames of 10 ms to 1 s"
            )

    def control(self, *, now: float) -> None:
        """A ping or a pong has come."""
        if not self._control_frames.take(1, now=now):
            raise _refusal("too_many_control_frames", "too many pings or pongs in too short a time")


def _refusal(code: str, message: str, close_code: int = 1008) -> RemoteError:
    return RemoteError(code, message, recoverable=False, close_code=close_code)
