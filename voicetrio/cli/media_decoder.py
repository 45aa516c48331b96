"""From a container's packets to 16 kHz mono 16-bit PCM, and to the times in the file that it stands for. All blocks."""

from collections.abc import Iterator

import av
import av.error
import numpy as np

from voicetrio.cli.media_container import reason_of
from voicetrio.cli.media_timeline import FrameClock, Timeline

SAMPLE_RATE = 16_000
"""Samples per second of what comes out: the server's own rate, so that it need not resample again."""

SAMPLE_BYTES = 2

_BEGINS_ANEW = 0x0200
"""AVFMT_TS_DISCONT: timestamps may begin anywhere, and anew, as in what is cut out of a broadcast."""

_KNOWS_LENGTH = {"wav", "w64", "aiff", "flac", "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "asf", "caf", "au"}
"""Formats that say how long they are in their headers. What others have is FFmpeg's guess."""

_MISSING_S = 1.0
"""Seconds that a file may be shorter than its header says: headers are rounded, and codecs have delays."""


class Decoder:
    def __init__(self, container: "av.container.InputContainer", track: "av.AudioStream", *, cut: bool = False) -> None:
        """`cut`: it is known that the end of the file is missing."""
        self.timeline = Timeline()
        self.faults: list[str] = []
        """What is wrong with the file, as far as it was read, each as a part of a sentence."""
        self._container = container
        self._cut = cut
        self._track = track
        begins_anew = bool(container.format.flags & _BEGINS_ANEW)
        origin = container.start_time if begins_anew and container.start_time is not None else 0
        self._clock = FrameClock(self.timeline, origin_s=origin / av.time_base, begins_anew=begins_anew)
        self._form: tuple[str, str, int] | None = None
        self._resampler = _new_resampler()
        self._base = 0
        """Samples that had come out before this resampler."""
        self._taken = 0
        """Samples that this resampler has been given, at the file's rate."""
        self._decoded_s = 0.0
        self._bad_packets = 0
        self._last_was_bad = self._last_failed = False
        self._first_bad_s = 0.0

    @property
    def declared_s(self) -> float | None:
        """Seconds of sound that the file says it has. None: it does not say."""
        track, container = self._track, self._container
        if track.duration is not None and track.time_base is not None and track.duration > 0:
            return float(track.duration * track.time_base)
        return container.duration / av.time_base if container.duration is not None and container.duration > 0 else None

    @property
    def _position(self) -> float:
        """Samples that have come out, those included that the resampler still holds."""
        return self._base + (self._taken * SAMPLE_RATE / self._form[2] if self._form is not None else 0)

    def pieces(self) -> Iterator[bytes]:
        """PCM, one decoded frame at a time. A packet that cannot be decoded is left out, as players do. Never fails."""
        try:
            for packet in self._container.demux(self._track):
                yield from self._decode(packet)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self.faults.append(f"it is damaged at {self._now_s():.1f} s and was used up to there ({reason_of(error)})")
        yield from self._finish()
        if not self.faults:
            self._note_end()
        if self._bad_packets:
            count = self._bad_packets
            self.faults.append(f"damaged packets were left out: {count}, the first at {self._first_bad_s:.1f} s")

    def _decode(self, packet: "av.Packet[av.AudioStream]") -> Iterator[bytes]:
        # Of the last one nothing is said here: it may be where the file ends, or where it is cut off.
        if self._last_was_bad and packet.size:
            self._first_bad_s = self._first_bad_s if self._bad_packets else self._now_s()
            self._bad_packets += 1
        self._last_was_bad = packet.is_corrupt or (self._last_was_bad and not packet.size)
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            self._last_was_bad = self._last_failed = True
            return
        self._last_failed = self._last_failed and not packet.size
        for frame in frames:
            if frame.samples:
                yield from self._take(frame)

    def _take(self, frame: av.AudioFrame) -> Iterator[bytes]:
        self._decoded_s += frame.samples / frame.sample_rate
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._form:  # it may change on the way, as in a chain of Ogg streams
            yield from self._finish()
            self._form = form
        silence_s = self._clock.silence_before(frame.time, self._position / SAMPLE_RATE)
        if silence_s:
            yield from self._finish()
            self._form = form
            silence = round(silence_s * SAMPLE_RATE)
            self._base += silence
            yield bytes(silence * SAMPLE_BYTES)
        frame.pts = None  # we count samples: the resampler would object to timestamps that jump
        self._taken += frame.samples
        yield from map(_pcm, self._resampler.resample(_mixable(frame)))

    def _finish(self) -> Iterator[bytes]:
        """What the resampler still holds; the next frame begins with a new one."""
        if self._form is None:
            return
        self._base, self._taken, self._form = round(self._position), 0, None
        resampler, self._resampler = self._resampler, _new_resampler()
        yield from map(_pcm, resampler.resample(None))

    def _now_s(self) -> float:
        return self.timeline.end(self._position / SAMPLE_RATE)

    def _note_end(self) -> None:
        if (declared_s := self._length_if_short()) is not None:
            self.faults.append(
                f"it is cut off: it ends at {self._now_s():.1f} s and says that it has {declared_s:.1f} s"
            )
        elif self._last_failed or self._cut:
            self.faults.append(f"it is cut off: it ends at {self._now_s():.1f} s")

    def _length_if_short(self) -> float | None:
        """How much sound there should be, in seconds, if there is less."""
        declared_s = self.declared_s if self._container.format.name in _KNOWS_LENGTH else None
        if declared_s is None:
            return None
        if self._track.duration is None and len(self._container.streams) > 1:
            return None  # how long the file is; its sound may be shorter than its picture
        has_s = self._decoded_s if self._track.duration is not None else self._now_s()
        return declared_s if has_s < declared_s - _MISSING_S else None


def _new_resampler() -> av.AudioResampler:
    return av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)


def _mixable(frame: av.AudioFrame) -> av.AudioFrame:
    """Channels of which nobody knows where they belong, as in recordings of ten microphones, all count alike."""
    if not frame.layout.name.endswith(" channels"):
        return frame
    channels = frame.to_ndarray()
    if not frame.format.is_planar:
        channels = channels.reshape(frame.samples, -1).T
    mixed = channels.mean(axis=0, dtype=np.float64).astype(channels.dtype).reshape(1, -1)
    mono = av.AudioFrame.from_ndarray(mixed, format=frame.format.packed.name, layout="mono")
    mono.sample_rate = frame.sample_rate
    return mono


def _pcm(frame: av.AudioFrame) -> bytes:
    return bytes(memoryview(frame.planes[0])[: frame.samples * SAMPLE_BYTES])  # a plane is padded at its end
