"""A file's audio as it is sent, frame by frame, of which the last part is kept, to be sent again after a resume.

    AudioFile -> [ kept: sent, and perhaps lost on the way | ] -> read()
                 ^ first             position ^            ^ end

Positions are bytes from the beginning of the session, exactly as they were sent: the server's audio clock, times 32.
"""

from typing import Protocol

from voicetrio.cli.media import SAMPLE_BYTES, SAMPLE_RATE
from voicetrio.cli.pacing import RATE_MAX_UNLIMITED
from voicetrio.cli.ticket import ServerLimits
from voicetrio.core.errors import VoicetrioError

FRAME_S = 0.1
"""Seconds per message: a tenth is not felt, and costs ten messages a second."""

FRAME_BYTES = int(FRAME_S * SAMPLE_RATE) * SAMPLE_BYTES

FRAME_BYTES_MIN = SAMPLE_RATE // 100 * SAMPLE_BYTES
"""10 ms, the shortest frame the protocol takes. A file's last one is filled up with silence."""

KEEP_EXTRA_S = 5.0
"""Seconds of sending that are kept beyond those that the server may lack by its own limits: what was on its way."""

BYTES_PER_MS = SAMPLE_RATE // 1000 * SAMPLE_BYTES
BYTES_PER_S = SAMPLE_RATE * SAMPLE_BYTES


class AudioGone(VoicetrioError):
    """The server asks for audio that we do not have any more, or never had."""


class Source(Protocol):
    """What of an `AudioFile` is needed."""

    async def read(self, n_bytes: int) -> bytes:
        """The next `n_bytes` of 16-bit mono PCM at 16 kHz; fewer at the end, none after it. Safe to cancel."""
        ...


class ReplayedAudio:
    """For one task at a time."""

    def __init__(self, audio: Source, *, frame_bytes: int = FRAME_BYTES) -> None:
        self._audio = audio
        self._frame_bytes = frame_bytes
        self._kept = bytearray()
        self._first = 0
        self._position = 0
        self._keep_bytes = 0
        self._file_bytes = 0

    @property
    def file_s(self) -> float:
        """Seconds of the file that have been read from it."""
        return self._file_bytes / BYTES_PER_S

    @property
    def position_s(self) -> float:
        """Seconds of audio before the next frame."""
        return self._position / BYTES_PER_S

    @property
    def position_is_end(self) -> bool:
        """Whether nothing is to be sent again."""
        return self._position == self._end

    @property
    def _end(self) -> int:
        return self._first + len(self._kept)

    def keep(self, seconds: float) -> None:
        """From now on, of what has been sent, keep the last `seconds`. To begin with none is kept."""
        self._keep_bytes = int(seconds * BYTES_PER_S)

    def keep_lacking(self, limits: ServerLimits, *, rate: float) -> None:
        """As `keep`: all that a server with these limits may lack when it is come back to. `rate`: seconds of audio that
        are sent per second at most.
        """
        lacking_s = limits.max_backlog_s + limits.resume_grace_s + KEEP_EXTRA_S
        self.keep(lacking_s * max(1.0, min(rate, RATE_MAX_UNLIMITED)))

    def go_to(self, position_ms: int) -> None:
        """Go on there: all audio before has arrived.

        Raises:
            AudioGone
        """
        position = position_ms * BYTES_PER_MS
        if not self._first <= position <= self._end:
            raise AudioGone(
                f"the server wants to go on at {position_ms / 1000:.1f} s of the audio, and there is only "
                f"{self._first / BYTES_PER_S:.1f} to {self._end / BYTES_PER_S:.1f} s to go on from"
            )
        self._position = position
        self._forget_before(position)

    async def read(self) -> bytes:
        """The next frame; empty at the end. Safe to cancel: nothing is lost."""
        self._forget_before(self._position - self._keep_bytes)
        missing = self._position + self._frame_bytes - self._end
        if missing > 0:
            pcm = await self._audio.read(missing)
            self._file_bytes += len(pcm)
            self._kept += pcm
            length = self._end - self._position
            if 0 < length < FRAME_BYTES_MIN:
                self._kept += bytes(FRAME_BYTES_MIN - length)
        begin = self._position - self._first
        frame = bytes(self._kept[begin : begin + self._frame_bytes])
        self._position += len(frame)
        return frame

    def _forget_before(self, position: int) -> None:
        if position > self._first:
            del self._kept[: position - self._first]
            self._first = position
