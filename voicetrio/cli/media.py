"""Any audio file in, 16 kHz mono 16-bit PCM out, piece by piece.

What the file is (WAV, MP3, Opus in a video, ...) is FFmpeg's business, by way of PyAV; everything after this file knows
one format only. A file of ten hours costs no more memory than one of ten seconds.

    file -> thread: demux, decode, resample (a piece of `PIECE_S`) -> buffer -> read(n)

Decoding blocks, on the disk and on the processor, so it never happens in the event loop.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import av.error
import trio

from voicetrio.core.errors import VoicetrioError

SAMPLE_RATE = 16_000
"""Samples per second of what `read` gives: the server's own rate, so that it need not resample again."""

SAMPLE_BYTES = 2

PIECE_S = 2.0
"""Seconds of audio decoded per trip to the thread: 64 kB, so that a trip's cost (some 50 us) is paid rarely."""


class MediaError(VoicetrioError):
    """The file cannot be read as audio, or not to its end. The text names the file and the reason."""


class AudioFile:
    """An audio file that is open. Made by `open_audio`; for one task at a time."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.duration_s: float | None = None
        """What the file says of its length, in seconds; None if it does not say. Good for a progress bar only."""
        self._buffer = bytearray()
        self._pieces: Iterator[bytes] | None = None
        self._ended = False
        self._damage: MediaError | None = None
        # One token: two threads must never meet in one FFmpeg container.
        self._limiter = trio.CapacityLimiter(1)

    async def read(self, n_bytes: int) -> bytes:
        """The next `n_bytes` of PCM; fewer at the end, none after it.

        Raises:
            MediaError: the file is damaged here; all that lay before has been given out.

        Safe to cancel: nothing is lost.
        """
        assert n_bytes > 0
        while len(self._buffer) < n_bytes and not self._ended:
            await trio.to_thread.run_sync(self._decode_piece, limiter=self._limiter)
        chunk = bytes(self._buffer[:n_bytes])
        del self._buffer[:n_bytes]
        if not chunk and self._damage is not None:
            raise self._damage
        return chunk

    def _decode_piece(self) -> None:
        """Runs in a thread. Appends to the buffer only here, while the reader waits for us."""
        assert self._pieces is not None
        goal_bytes = len(self._buffer) + int(PIECE_S * SAMPLE_RATE) * SAMPLE_BYTES
        try:
            for pcm in self._pieces:
                self._buffer += pcm
                if len(self._buffer) >= goal_bytes:
                    return
        except (av.error.FFmpegError, OSError, ValueError) as error:
            # Told only once the reader has come this far: what could be decoded is worth having.
            self._damage = MediaError(f"{self.path}: damaged, it cannot be read to its end ({_reason(error)})")
        self._ended = True


@asynccontextmanager
async def open_audio(path: str) -> AsyncIterator[AudioFile]:
    """Open `path` and decode its first piece, so that a file which is no audio fails here.

    Raises:
        MediaError: there is no such file, or it holds no sound that can be decoded.
    """
    audio = AudioFile(path)
    container = await trio.to_thread.run_sync(_open_container, path)
    try:
        stream = container.streams.audio[0]
        if stream.duration is not None and stream.time_base is not None and stream.duration > 0:
            audio.duration_s = float(stream.duration * stream.time_base)
        elif container.duration is not None and container.duration > 0:
            audio.duration_s = container.duration / av.time_base
        audio._pieces = _decode(container, stream)
        await trio.to_thread.run_sync(audio._decode_piece, limiter=audio._limiter)
        if not audio._buffer:
            raise MediaError(f"{path}: holds no sound that can be decoded") from audio._damage
        yield audio
    finally:
        container.close()  # of a file opened for reading: frees memory, waits for nothing


def _open_container(path: str) -> "av.container.InputContainer":
    try:
        if Path(path).stat().st_size == 0 and Path(path).is_file():
            raise MediaError(f"{path}: the file is empty")
        # "file:" keeps a name with a colon from being taken for a network address, and keeps a playlist file from
        # making us fetch one.
        container = av.open(f"file:{path}", mode="r")
    except av.error.InvalidDataError:
        raise MediaError(f"{path}: not an audio file, or a damaged one") from None
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{path}: cannot be opened ({_reason(error)})") from None
    if not container.streams.audio:
        container.close()
        raise MediaError(f"{path}: not an audio file (nothing in it can be heard)")
    return container


def _decode(container: "av.container.InputContainer", stream: "av.AudioStream") -> Iterator[bytes]:
    """PCM, one decoded frame at a time. A packet that cannot be decoded is left out, as players do."""
    resampler = _new_resampler()
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            frame.pts = None  # we count samples; the timestamps of some recorders jump, and the resampler would object
            try:
                resampled = resampler.resample(frame)
            except ValueError:
                # The format changed on the way, as in a chain of Ogg streams: the resampler is made for one format.
                yield from map(_pcm, resampler.resample(None))
                resampler = _new_resampler()
                resampled = resampler.resample(frame)
            yield from map(_pcm, resampled)
    yield from map(_pcm, resampler.resample(None))


def _new_resampler() -> av.AudioResampler:
    return av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)


def _pcm(frame: av.AudioFrame) -> bytes:
    return bytes(frame.planes[0])[: frame.samples * SAMPLE_BYTES]  # a plane is padded at its end


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
