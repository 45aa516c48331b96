"""Audio from clients into what a session hears, and speech into what a client plays: decoding and resampling.

The resampler is soxr's streaming one (band-limited, no clicks at the borders of frames).
G.711 is decoded by table: 256 codes, ITU-T G.711, the tables computed from the definition of the code.
"""

import numpy as np
import numpy.typing as npt
import soxr

from voicetrio.core.config import SAMPLE_RATE, InputEncoding
from voicetrio.core.errors import RemoteError

Int16Array = npt.NDArray[np.int16]


def _mu_law_table() -> Int16Array:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _a_law_table() -> Int16Array:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = (code & 0x70) >> 4
    mantissa = (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


_TABLES: dict[InputEncoding, Int16Array] = {"pcmu": _mu_law_table(), "pcma": _a_law_table()}


class InputDecoder:
    """Frames of a client's audio, of any length, to 16 kHz PCM bytes. Keeps the resampler's state between frames."""

    def __init__(self, encoding: InputEncoding, sample_rate: int) -> None:
        self._table = _TABLES.get(encoding)
        self._sample_bytes = 2 if self._table is None else 1
        self._skip = 0
        self.received = 0
        """Samples taken in, at the client's rate."""
        self._resampler = None if sample_rate == SAMPLE_RATE else Resampler(sample_rate, SAMPLE_RATE)

    def decode(self, frame: bytes) -> bytes:
        """What this frame adds, little-endian 16-bit at 16 kHz.

        A resampler works in blocks: some of what was sent comes out with a later frame, up to 40 ms at 24, 44.1 and
        48 kHz, 58 ms at 32 kHz, 115 ms at 8 kHz.

        Raises:
            RemoteError: the frame is not a whole number of samples. Nothing of it was taken.
        """
        if self._table is None and len(frame) % 2:
            raise RemoteError(
                "invalid_audio",
                f"a binary frame of {len(frame)} bytes is not a whole number of 16-bit samples; "
                "this frame was not used. Send little-endian 16-bit mono PCM in frames of an even length.",
            )
        if self._skip > 0:
            frame, self._skip = frame[self._skip :], max(0, self._skip - len(frame))
        self.received += len(frame) // self._sample_bytes
        if self._table is None:
            return frame if self._resampler is None else self._resampler.push(frame)
        pcm = self._table[np.frombuffer(frame, np.uint8)].tobytes()
        return pcm if self._resampler is None else self._resampler.push(pcm)

    def skip(self, samples: int) -> None:
        """Ignore the next so many samples: the client repeats them."""
        assert samples >= 0
        self._skip = samples * self._sample_bytes

    def flush(self) -> bytes:
        """The audio that the resampler still holds; the decoder must not be used after it."""
        return b"" if self._resampler is None else self._resampler.push(b"", last=True)


class Resampler:
    """A stream of 16-bit mono PCM from one rate to another, in Hertz."""

    def __init__(self, source: int, target: int) -> None:
        # "HQ" (20 bit): its error lies below 16 bits, it costs about 5 us per 20 ms, and LQ is not quicker here.
        self._stream = soxr.ResampleStream(source, target, 1, dtype="int16", quality="HQ")

    def push(self, pcm: bytes, *, last: bool = False) -> bytes:
        """The audio that is ready; `last` flushes what the filter still holds."""
        result: bytes = self._stream.resample_chunk(np.frombuffer(pcm, np.int16), last=last).tobytes()
        return result
