"""Finals into subtitles: cues that can be read, in SubRip or WebVTT.

Pure: segments in, cues out, text out. Cues are cut as the finals come, so that the subtitles of a long recording need
neither its end nor much memory. Times are float seconds in segments, as in the protocol, and int milliseconds in cues.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from voicetrio.cli.media_timeline import Timeline
from voicetrio.cli.subtitle_lines import split_word, wrap

LINES_MAX = 2
CUE_MS_MAX = 7_000
"""What broadcasters agree on: more lines, or a longer cue, and it is read twice or not at all."""

CUE_MS_MIN = 200
"""A cue that is on for less is not seen at all. Only words without a length get here."""

PAUSE_MS = 1_500
"""A pause in speech that ends a cue: what is said after it must not be read before it is heard."""


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start_s: float
    end_s: float
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A `transcript.final`. Its words may be missing, and may lack the punctuation that its text has."""

    id: str | int | None
    start_s: float
    end_s: float
    text: str
    confidence: float | None = None
    words: tuple[Word, ...] = ()

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "Segment":
        words = tuple(
            Word(str(word["word"]), float(word["start"]), float(word["end"]), word.get("confidence"))
            for word in message.get("words") or ()
        )
        return cls(
            id=message.get("segment_id"),
            start_s=message.get("start_ms", 0) / 1000,
            end_s=message.get("end_ms", 0) / 1000,
            text=str(message.get("text", "")).strip(),
            confidence=message.get("confidence"),
            words=words,
        )

    def on(self, timeline: Timeline) -> "Segment":
        """The same with the times of a file, where it has those of the sound that was read from it."""
        return replace(
            self,
            start_s=timeline.start(self.start_s),
            end_s=timeline.end(self.end_s),
            words=tuple(
                replace(word, start_s=timeline.start(word.start_s), end_s=timeline.end(word.end_s))
                for word in self.words
            ),
        )


@dataclass(frozen=True, slots=True)
class Cue:
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """The least that a cue is made of: a word with what follows it up to the next, or a part of a very long one."""

    text: str
    start_ms: int
    end_ms: int


class CueCutter:
    """Cuts segments into cues. It remembers where the last cue ended, so that no two overlap."""

    def __init__(self) -> None:
        self._end_ms = 0

    def cut(self, segment: Segment) -> list[Cue]:
        """The cues of a segment; none if it has no text."""
        cues: list[Cue] = []
        group: list[_Piece] = []
        for piece in _pieces(segment):
            if group and not _belongs(piece, group):
                cues.append(self._cue(group))
                group = []
            group.append(piece)
        if group:
            cues.append(self._cue(group))
        return cues

    def _cue(self, group: list[_Piece]) -> Cue:
        start_ms = max(group[0].start_ms, self._end_ms)
        end_ms = max(piece.end_ms for piece in group)
        self._end_ms = max(min(end_ms, start_ms + CUE_MS_MAX), start_ms + CUE_MS_MIN)
        return Cue(start_ms, self._end_ms, tuple(wrap("".join(piece.text for piece in group))))


def _belongs(piece: _Piece, group: list[_Piece]) -> bool:
    """Whether a cue of this group and this piece can still be read in its time."""
    return (
        piece.end_ms - group[0].start_ms <= CUE_MS_MAX
        and piece.start_ms - group[-1].end_ms < PAUSE_MS
        and len(wrap("".join([*(earlier.text for earlier in group), piece.text]))) <= LINES_MAX
    )


def _pieces(segment: Segment) -> Iterator[_Piece]:
    """The segment's text in timed pieces. Put together again, they are the text."""
    for word in _words_with_gaps(segment):
        start_ms, end_ms = round(max(0.0, word.start_s) * 1000), round(max(0.0, word.end_s) * 1000)
        end_ms = max(start_ms, end_ms)
        # A word may be longer than a line: scripts without spaces, addresses. Its parts share its time by length.
        parts = split_word(word.text)
        chars, done = sum(map(len, parts)), 0
        for part in parts:
            part_start_ms = start_ms + (end_ms - start_ms) * done // chars
            done += len(part)
            yield _Piece(part, part_start_ms, start_ms + (end_ms - start_ms) * done // chars)


def _words_with_gaps(segment: Segment) -> list[Word]:
    """Words whose texts carry the spaces and the punctuation that follow them in the segment's text."""
    if not segment.words:
        return _spread(segment)
    starts: list[int] = []
    position = 0
    for word in segment.words:
        found = segment.text.find(word.text.strip(), position)
        if found < 0:
            # The text was written differently from its words, as with numbers: then the words are all we have.
            return [Word(f"{word.text.strip()} ", word.start_s, word.end_s) for word in segment.words]
        starts.append(found)
        position = found + len(word.text.strip())
    starts[0] = 0
    bounds = pairwise([*starts, len(segment.text)])
    return [
        Word(segment.text[begin:end], word.start_s, word.end_s)
        for word, (begin, end) in zip(segment.words, bounds, strict=True)
    ]


def _spread(segment: Segment) -> list[Word]:
    """Words that the engine gave no times: the segment's time, shared out by length."""
    texts = re.findall(r"\S+\s*", segment.text)
    seconds_per_char = (segment.end_s - segment.start_s) / max(1, len(segment.text))
    words: list[Word] = []
    done = 0
    for text in texts:
        start_s = segment.start_s + done * seconds_per_char
        done += len(text)
        words.append(Word(text, start_s, segment.start_s + done * seconds_per_char))
    return words


def _timestamp(ms: int, decimal_mark: str) -> str:
    hours, rest = divmod(ms, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds, rest = divmod(rest, 1_000)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{decimal_mark}{rest:03d}"


def srt_cue(number: int, cue: Cue) -> str:
    """A SubRip block; numbers start at 1. SubRip has no escapes: only its own arrow must not appear in the text."""
    text = "\n".join(cue.lines).replace("-->", "->")
    return f"{number}\n{_timestamp(cue.start_ms, ',')} --> {_timestamp(cue.end_ms, ',')}\n{text}\n\n"


VTT_HEADER = "WEBVTT\n\n"


def vtt_cue(cue: Cue) -> str:
    text = "\n".join(cue.lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"{_timestamp(cue.start_ms, '.')} --> {_timestamp(cue.end_ms, '.')}\n{text}\n\n"
