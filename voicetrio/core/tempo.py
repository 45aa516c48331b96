"""Speech faster or slower at the same pitch, in a stream: FFmpeg's filter `atempo`, through PyAV.

It overlaps and adds pieces of the waveform where they fit best (WSOLA: Verhelst and Roelands, "An Overlap-Add Technique
Based on Waveform Similarity (WSOLA) for High Quality Time-Scale Modification of Speech", ICASSP 1993).
"""

import math
from typing import cast

import av.error
from av.audio.frame import AudioFrame
from av.filter import Graph

from voicetrio.core.ring import SAMPLE_BYTES

_FACTOR_MIN = 0.5
"""What one `atempo` can do; slower takes several of them, one behind the other."""

_LEAST_BYTES = 64 * SAMPLE_BYTES
"""In one call of the filter: it fails where a frame would come out as less than one sample."""


class Tempo:
    """A stream of 16-bit mono PCM that is to be `factor` times as fast; 1.0: nothing is changed, nothing held.

    What was at sample n comes out at n / factor, 30 ms more or less. Some 120 ms of what goes in are held back, and less
    for fast speech. Speech of a second takes 1 to 4 ms per second that comes out.
    """

    def __init__(self, sample_rate: int, factor: float) -> None:
        """`sample_rate` in Hertz."""
        assert factor > 0
        self.factor = factor
        self._rate = sample_rate
        self._taken = 0
        self._given = 0
        self._waiting = b""
        if factor == 1:
            return
        self._graph = Graph()
        self._graph.threads = 1  # else each graph starts threads of its own, which a single filter has no use for
        self._input = self._graph.add("abuffer", sample_rate=str(sample_rate), sample_fmt="s16", channel_layout="mono")
        stages = max(1, math.ceil(math.log(factor, _FACTOR_MIN)))
        before = self._input
        for _ in range(stages):
            stage = self._graph.add("atempo", tempo=repr(factor ** (1 / stages)))
            before.link_to(stage)
            before = stage
        self._output = self._graph.add("abuffersink")
        before.link_to(self._output)
        self._graph.configure()

    def push(self, pcm: bytes, *, last: bool = False) -> bytes:
        """The audio that is ready: a whole number of samples in and out.

        `last` gives all that is left: in all as many samples as the stream's length is worth, to the nearest one. The
        object must not be used after it.
        """
        if self.factor == 1:
            return pcm
        self._taken += len(pcm) // SAMPLE_BYTES
        pcm = self._waiting + pcm
        if last:
            pcm = pcm.ljust(_LEAST_BYTES if pcm else 0, b"\0")  # what is too much is cut off below
        elif len(pcm) < _LEAST_BYTES:
            self._waiting = pcm
            return b""
        self._waiting = b""
        ready = self._filter(pcm)
        if last:
            self._input.push(None)
            left = max(0, round(self._taken / self.factor) - self._given) * SAMPLE_BYTES
            ready = (ready + self._pull())[:left].ljust(left, b"\0")
        self._given += len(ready) // SAMPLE_BYTES
        return ready

    def _filter(self, pcm: bytes) -> bytes:
        if not pcm:
            return b""
        frame = AudioFrame(format="s16", layout="mono", samples=len(pcm) // SAMPLE_BYTES)
        frame.sample_rate = self._rate
        frame.planes[0].update(pcm)
        self._input.push(frame)
        return self._pull()

    def _pull(self) -> bytes:
        pieces: list[bytes] = []
        while True:
            try:
                piece = cast("AudioFrame", self._output.pull())
            except (BlockingIOError, av.error.EOFError):  # it wants more before it says more, or there is no more
                return b"".join(pieces)
            pieces.append(bytes(memoryview(piece.planes[0])[: piece.samples * SAMPLE_BYTES]))
