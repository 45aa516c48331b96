"""The microphone of a call: a recording in real time, and then silence, for as long as the call goes on.

    recording ─> and silence ─> ReplayedAudio ─> read() ... due() ─> the connection

It keeps its time whatever happens to the connection: what could not be sent while there was none goes out after it, as
quickly as the server takes audio, until the microphone has caught up. So a moment of the recording and what is heard in
it stay side by side.
"""

import math
from typing import Protocol

from voicetrio.cli.media import SAMPLE_BYTES, SAMPLE_RATE
from voicetrio.cli.pacing import Pacer, sending_rate
from voicetrio.cli.replay import BYTES_PER_S, ReplayedAudio
from voicetrio.cli.ticket import ResumeTicket

FRAME_S = 0.02
"""Seconds of audio per message, as telephones have it: what waits for a frame to be full comes on top of every answer."""

FRAME_BYTES = round(FRAME_S * SAMPLE_RATE) * SAMPLE_BYTES


class Recording(Protocol):
    """What of an `AudioFile` is needed."""

    path: str
    duration_s: float | None

    async def read(self, n_bytes: int) -> bytes: ...


class _ThenSilence:
    """A recording, and after it silence without an end."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._bytes = 0
        self.duration_s = math.inf
        """Seconds of the recording; known when all of it has been read."""

    async def read(self, n_bytes: int) -> bytes:
        pcm = b""
        if self.duration_s == math.inf:
            pcm = await self._recording.read(n_bytes)
            self._bytes += len(pcm)
            if len(pcm) < n_bytes:
                self.duration_s = self._bytes / BYTES_PER_S
        return pcm.ljust(n_bytes, b"\0")


class Microphone:
    """For one task at a time. `read` a frame, wait until it is `due`, tell when it was `sent`, and so on."""

    def __init__(self, recording: Recording) -> None:
        self.path, self.duration_s = recording.path, recording.duration_s
        self._source = _ThenSilence(recording)
        self._audio = ReplayedAudio(self._source, frame_bytes=FRAME_BYTES)
        self._rate = math.inf
        self._pacer = Pacer(math.inf, real_time=True)
        self._begin_s = 0.0

    def connected(self, ticket: ResumeTicket, next_audio_ms: int) -> None:
        """A connection is there, for the first time or again: go on at that place of the audio.

        Raises:
            AudioGone: it is not kept any more, or was never sent.
        """
        self._rate = sending_rate(ticket.limits)
        if ticket.valid and ticket.limits is not None:
            self._audio.keep_lacking(ticket.limits, rate=self._rate)
        self._audio.go_to(next_audio_ms)

    def open(self, now: float) -> None:
        """Its time begins."""
        self._pacer = Pacer(now, real_time=True, rate=self._rate)

    async def read(self) -> bytes:
        """The next frame. Safe to cancel: after a cut all goes on where the server says."""
        self._begin_s = self._audio.position_s
        return await self._audio.read()

    @property
    def silent(self) -> bool:
        """Whether the frame that was read last comes after the recording's end."""
        return self._begin_s >= self._source.duration_s

    def due(self) -> float:
        """When to send the frame that was read last."""
        return self._pacer.due(self._begin_s, FRAME_S)

    def sent(self, now: float) -> None:
        self._pacer.sent(now)

    def hold(self, now: float, delay_s: float) -> None:
        """The server wants nothing for `delay_s` from now."""
        self._pacer.hold(now, delay_s)
