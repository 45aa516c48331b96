"""An utterance's audio, from the first sample that may still be asked for to the last that was made.

What a socket has taken may have to be sent again, so nothing is forgotten before it was surely played. Positions are
samples from the utterance's beginning, in whatever encoding the client gets. Pure.
"""

from collections import deque


class KeptAudio:
    def __init__(self, sample_bytes: int) -> None:
        self._sample_bytes = sample_bytes
        self._parts: deque[tuple[int, bytes]] = deque()
        self._made = 0
        self._size = 0

    @property
    def made(self) -> int:
        """One past the last sample."""
        return self._made

    @property
    def kept_from(self) -> int:
        """The first sample that can still be read; `made` if there is none."""
        return self._parts[0][0] if self._parts else self._made

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._size

    def append(self, audio: bytes) -> None:
        assert len(audio) % self._sample_bytes == 0, "half a sample"
        if audio:
            self._parts.append((self._made, audio))
            self._made += len(audio) // self._sample_bytes
            self._size += len(audio)

    def forget_before(self, sample: int) -> None:
        """What lies before will not be asked for; whole parts of it go."""
        while self._parts and self._end(self._parts[0]) <= sample:
            self._size -= len(self._parts.popleft()[1])

    def read(self, start: int, end: int) -> bytes:
        """From `start` on, what is there up to `end` at most: whole parts if one fits, so that little is copied.

        `start` must not lie before `kept_from`.
        """
        assert start >= self.kept_from, "that is not kept any more"
        found: list[bytes] = []
        for part in self._parts:
            if self._end(part) <= start:
                continue
            if found and self._end(part) > end:
                break
            first, audio = part
            if first >= end:
                break
            cut = audio[(max(start, first) - first) * self._sample_bytes : (end - first) * self._sample_bytes]
            found.append(cut)
        return found[0] if len(found) == 1 else b"".join(found)

    def _end(self, part: tuple[int, bytes]) -> int:
        return part[0] + len(part[1]) // self._sample_bytes
