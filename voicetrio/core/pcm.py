"""Audio from clients into what a session hears, and speech into what a client plays: codes and rates, both ways."""

from voicetrio.core import g711
from voicetrio.core.config import SAMPLE_RATE, AudioFormat
from voicetrio.core.resampling import Resampler


class InputDecoder:
    """Frames of a client's audio to 16 kHz PCM bytes. Keeps the resampler's state between frames.

    Frames may be of any length, cut anywhere: the first byte of a sample waits for its second one in the next frame.
    """

    def __init__(self, form: AudioFormat) -> None:
        self._form = form
        self._skip = 0
        self._half = b""
        self.received = 0
        """Samples taken in, at the client's rate."""
        self._resampler = Resampler(form.sample_rate, SAMPLE_RATE)

    def decode(self, frame: bytes) -> bytes:
        """What this frame adds, little-endian 16-bit at 16 kHz.

        A resampler holds back a little: 4 ms of what was sent at 8 kHz, 2 ms at 48 kHz, come out with the next frame.
        """
        if self._half or len(frame) % self._form.sample_bytes:
            frame = self._whole(frame)
        if self._skip > 0:
            frame, self._skip = frame[self._skip :], max(0, self._skip - len(frame))
        self.received += len(frame) // self._form.sample_bytes
        law = self._form.encoding
        return self._resampler.push(frame if law == "pcm_s16le" else g711.decode(law, frame))

    def _whole(self, frame: bytes) -> bytes:
        frame = self._half + frame
        whole = len(frame) - len(frame) % self._form.sample_bytes
        self._half = frame[whole:]
        return frame[:whole]

    def skip(self, samples: int) -> None:
        """Ignore the next so many samples: the client repeats them, from the beginning of a sample on."""
        assert samples >= 0
        self._half = b""
        self._skip = samples * self._form.sample_bytes

    def flush(self) -> bytes:
        """The audio that the resampler still holds; the decoder must not be used after it. Half a sample is no audio."""
        return self._resampler.push(b"", last=True)


class OutputEncoder:
    """Speech, 16-bit PCM at the rate of the voice that made it, to what a client plays. Keeps the resampler's state."""

    def __init__(self, source: int, form: AudioFormat) -> None:
        """`source` in Hertz."""
        self._form = form
        self.ratio = form.sample_rate / source
        """Samples that the client gets for one of the voice's."""
        self._resampler = Resampler(source, form.sample_rate)

    def encode(self, pcm: bytes) -> bytes:
        """What this piece adds, in the client's format. A resampler holds back up to 4 ms for the next one.

        Raises:
            ValueError: half a sample. Nothing of it was taken.
        """
        return self._coded(self._resampler.push(pcm))

    def flush(self) -> bytes:
        """The speech that the resampler still holds; the encoder must not be used after it."""
        return self._coded(self._resampler.push(b"", last=True))

    def _coded(self, pcm: bytes) -> bytes:
        law = self._form.encoding
        return pcm if law == "pcm_s16le" else g711.encode(law, pcm)
