"""PNG files for the repository: of a picture of text, 256 colours are all that an eye can tell apart."""

import struct
import zlib
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

COLOURS = 256


def shrink(path: Path) -> None:
    """Write the PNG at `path` anew, with a palette: the most frequent colours as they are, others as the nearest of them."""
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    height, width, _ = picture.shape
    found, places, counts = np.unique(picture.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    palette = found[np.argsort(counts)[::-1][:COLOURS]]
    distances = ((found[:, None].astype(np.int32) - palette[None].astype(np.int32)) ** 2).sum(axis=2)
    pixels = distances.argmin(axis=1).astype(np.uint8)[places].reshape(height, width)
    path.write_bytes(_png(pixels, palette))


def _png(pixels: NDArray[np.uint8], palette: NDArray[np.uint8]) -> bytes:
    height, width = pixels.shape
    rows = np.hstack([np.zeros((height, 1), np.uint8), pixels])  # each row begins with its filter: none
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits, with a palette
    chunks = [
        (b"IHDR", header),
        (b"PLTE", palette.tobytes()),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
