"""Any audio file in, 16 kHz mono 16-bit PCM out, piece by piece.

What the file is (WAV, MP3, Opus in a video, ...) is FFmpeg's business, by way of PyAV; everything after this file knows
one format only. A file of ten hours costs no more memory than one of ten seconds.

    file -> thread: demux, decode, resample (a piece of `PIECE_S`) -> buffer -> read(n)

Decoding blocks, on the disk and on the processor, so it never happens in the event loop. A file that is damaged or cut
off is used as far as it goes, and `warnings` says so.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from voicetrio.cli.media_container import MediaError, choose_track, describe_tracks, is_cut, open_container
from voicetrio.cli.media_decoder import SAMPLE_BYTES, SAMPLE_RATE, Decoder
from voicetrio.cli.media_timeline import Timeline

__all__ = ["SAMPLE_BYTES", "SAMPLE_RATE", "AudioFile", "MediaError", "open_audio"]

PIECE_S = 2.0
"""Seconds of audio decoded per trip to the thread: 64 kB, so that a trip's cost (some 50 us) is paid rarely."""


class AudioFile:
    """An audio file that is open. Made by `open_audio`; for one task at a time."""

    def __init__(self, path: str, decoder: Decoder) -> None:
        self.path = path
        self.duration_s = decoder.declared_s
        """What the file says of its length, in seconds; None if it does not say. Good for a progress bar only."""
        self.tracks = ""
        """The file's sound tracks, a line for each; empty if there is only one."""
        self.track = 1
        """The number of the one that is read."""
        self._decoder = decoder
        self._buffer = bytearray()
        self._pieces = decoder.pieces()
        self._ended = False
        # One token: two threads must never meet in one FFmpeg container.
        self._limiter = trio.CapacityLimiter(1)

    @property
    def timeline(self) -> Timeline:
        """Times in the file of all that has been read."""
        return self._decoder.timeline

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the file; complete when all has been read. Each names the file."""
        return [f"{self.path}: {fault}" for fault in self._decoder.faults]

    async def read(self, n_bytes: int) -> bytes:
        """The next `n_bytes` of PCM; fewer at the end, none after it. Safe to cancel: nothing is lost."""
        assert n_bytes > 0
        while len(self._buffer) < n_bytes and not self._ended:
            await trio.to_thread.run_sync(self._decode_piece, limiter=self._limiter)
        chunk = bytes(self._buffer[:n_bytes])
        del self._buffer[:n_bytes]
        return chunk

    def _decode_piece(self) -> None:
        """Runs in a thread. Appends to the buffer only here, while the reader waits for us."""
        goal_bytes = len(self._buffer) + int(PIECE_S * SAMPLE_RATE) * SAMPLE_BYTES
        for pcm in self._pieces:
            self._buffer += pcm
            if len(self._buffer) >= goal_bytes:
                return
        self._ended = True

    async def _begin(self) -> None:
        """Raises: MediaError."""
        await trio.to_thread.run_sync(self._decode_piece, limiter=self._limiter)
        if not self._buffer:
            why = f": {faults[0]}" if (faults := self._decoder.faults) else ""
            raise MediaError(f"{self.path}: holds no sound that can be decoded{why}")


@asynccontextmanager
async def open_audio(path: str, *, track: int | None = None) -> AsyncIterator[AudioFile]:
    """Open `path` and decode its first piece, so that a file which is no audio fails here.

    `track` is the number of a sound track, from 1 on; None: the one that a player would play.

    Raises:
        MediaError: there is no such file or track, or it holds no sound that can be decoded.
    """
    container = await trio.to_thread.run_sync(open_container, path)
    try:
        chosen = choose_track(path, container, track)
        cut = await trio.to_thread.run_sync(is_cut, path)
        audio = AudioFile(path, Decoder(container, chosen, cut=cut))
        audio.track = container.streams.audio.index(chosen) + 1
        if len(container.streams.audio) > 1:
            audio.tracks = describe_tracks(container)
        await audio._begin()
        yield audio
    finally:
        container.close()  # of a file opened for reading: frees memory, waits for nothing
