"""A caller's whole audio, made so that any stretch of it tells which it is, to the sample.

Silence is zeros. Every millisecond of speech is 16 samples of one value, and no other millisecond of the run has that
value; values count up, and leave one out between two words. So whatever a recogniser got, it can say which parts of
which words it was, and a lost, repeated, moved or cut stretch shows as such. A cough is -1 throughout: too short to be
speech, it may or may not be in a segment.

All that the simulation sends is cut at whole milliseconds, and the session cuts at frames: a border that does not fall
on a whole millisecond is a lost or invented sample. Only where a caller's frames are cut anywhere, and then lost with its
connection or given up, may a segment begin within a millisecond, which then counts as this segment's: see `pad_first`.
"""

from dataclasses import dataclass

import numpy as np

SAMPLES_PER_MS = 16
BYTES_PER_MS = 32
COUGH_MS = 40
"""Of a cough: no sensitivity takes it for speech."""

COUGH = -1
"""The value of every sample of a cough."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """Values `first` to `stop` (not included), at these milliseconds of the tape."""

    first: int
    stop: int
    start_ms: int

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.stop - self.first


class Tape:
    def __init__(self, stretches: tuple[tuple[str, int], ...], first_value: int) -> None:
        parts: list[np.ndarray] = []
        words: list[SpokenWord] = []
        position, value = 0, first_value
        for kind, ms in stretches:
            if kind == "word":
                parts.append(np.arange(value, value + ms, dtype=np.int16))
                words.append(SpokenWord(value, value + ms, position))
                value += ms + 1
            else:
                parts.append(np.full(ms, COUGH if kind == "cough" else 0, dtype=np.int16))
            position += ms
        assert value <= 32_767, "more speech than 16-bit samples can tell apart"
        self.length_ms = position
        self.words = words
        self._pcm = np.repeat(np.concatenate(parts), SAMPLES_PER_MS).tobytes()

    def pcm(self, start_ms: int, stop_ms: int) -> bytes:
        return self._pcm[start_ms * BYTES_PER_MS : stop_ms * BYTES_PER_MS]


@dataclass(slots=True)
class Piece:
    """A stretch of one word as a recogniser got it: values, and where they lay by what it was told."""

    first: int
    stop: int
    start_sample: int

    @property
    def end_sample(self) -> int:
        return self.start_sample + (self.stop - self.first) * SAMPLES_PER_MS

    @property
    def text(self) -> str:
        return "cough" if self.first < 0 else f"{self.first}-{self.stop}"


class Misaligned(Exception):
    """Audio that was not cut at whole milliseconds."""


def read_pieces(pcm: bytes, start_sample: int, pieces: list[Piece]) -> None:
    """Read the speech in `pcm`, which follows at `start_sample`, and add it to `pieces`.

    Raises:
        Misaligned: somewhere a sample is missing or too much.
    """
    if len(pcm) % BYTES_PER_MS:
        raise Misaligned(f"{len(pcm)} bytes from sample {start_sample} are not whole milliseconds")
    if pcm.count(0) == len(pcm):
        return
    rows = np.frombuffer(pcm, np.int16).reshape(-1, SAMPLES_PER_MS)
    values = rows[:, 0].astype(np.int32)
    if (rows != rows[:, :1]).any():
        raise Misaligned(f"audio from sample {start_sample} is shifted within a millisecond")
    borders = np.flatnonzero((np.diff(values) != 1) | (values[:-1] <= 0)) + 1
    starts = [0, *borders.tolist()]
    for start, stop in zip(starts, [*starts[1:], len(values)], strict=True):
        first = int(values[start])
        if first != 0:
            _add(pieces, Piece(first, first + stop - start, start_sample + start * SAMPLES_PER_MS))


def pad_first(pcm: bytes) -> bytes | None:
    """Audio of a segment from its beginning, with the whole of its first millisecond. None: where that ends is not in it."""
    samples = np.frombuffer(pcm, np.int16)
    changes = np.flatnonzero(np.diff(samples))
    if len(changes) == 0:
        return None
    return pcm[:2] * (-(int(changes[0]) + 1) % SAMPLES_PER_MS) + pcm


def _add(pieces: list[Piece], piece: Piece) -> None:
    last = pieces[-1] if pieces else None
    joins = last is not None and last.end_sample == piece.start_sample
    if last is not None and joins and (last.stop == piece.first or (last.first < 0 and piece.first < 0)):
        last.stop += piece.stop - piece.first
    else:
        pieces.append(piece)


def parse_piece(text: str) -> tuple[int, int] | None:
    """The values of a word as `Piece.text` wrote it; None for a cough."""
    if text == "cough":
        return None
    first, _, stop = text.partition("-")
    return int(first), int(stop)
