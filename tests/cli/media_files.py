"""Files as recorders, editors and broken disks make them."""

import math
from fractions import Fraction

import av
import numpy as np
from av.stream import Disposition

RATE = 48_000


def tone(seconds: float, hz: float = 440, rate: int = RATE) -> np.ndarray:
    return (10_000 * np.sin(2 * math.pi * hz * np.arange(round(rate * seconds)) / rate)).astype("<i2")


def encode(container, stream, pcm: np.ndarray, at_s: float, rate: int = RATE) -> None:
    size = stream.codec_context.frame_size or 960
    resampler = av.AudioResampler(format=stream.format.name, layout=stream.layout.name, rate=rate, frame_size=size)
    for begin in range(0, len(pcm) // size * size, size):
        frame = av.AudioFrame.from_ndarray(pcm[begin : begin + size].reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), round(at_s * rate) + begin
        for piece in resampler.resample(frame):
            piece.pts, piece.time_base = round(at_s * rate) + begin, Fraction(1, rate)
            for packet in stream.encode(piece):
                container.mux(packet)


def write(path, parts, *, codec: str = "libopus", layout: str = "mono", rate: int = RATE, **options) -> str:
    """`parts`: sounds, each with the time at which it begins, in seconds."""
    with av.open(str(path), "w", **options) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        for at_s, pcm in parts:
            encode(container, stream, pcm, at_s, rate)
        for packet in stream.encode(None):
            container.mux(packet)
    return str(path)


def write_tracks(path, tracks: list[tuple[float, Disposition, dict[str, str]]]) -> str:
    """A Matroska file with a track of a second for each: its tone in Hertz, what it is for, and its tags."""
    with av.open(str(path), "w", format="matroska") as container:
        streams = []
        for _, disposition, tags in tracks:
            stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
            stream.disposition = disposition
            stream.metadata.update(tags)
            streams.append(stream)
        for stream, (hz, _, _) in zip(streams, tracks, strict=True):
            encode(container, stream, tone(1.0, hz), 0.0)
    return str(path)
