"""How a transcript is shown while it grows: on a terminal, or to the next program in a pipe.

    a terminal  finals scroll up; below them the words of this moment, confirmed bright, tentative dim, and a bar
    a pipe      finals only, each flushed as it comes, without an escape code; the bar on stderr if that is a terminal

Which text a final becomes is the writer's part (`new_writer`), where it appears is the view's (`open_view`).
Writing may block the event loop while a pipe is full: then there is nothing better to do than to wait for its reader.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from voicetrio.cli.subtitles import VTT_HEADER, CueCutter, Segment, srt_cue, vtt_cue

Format = Literal["text", "json", "srt", "vtt"]

BAR_S = 10.0
"""Seconds of audio from which on a bar is worth its line."""

REDRAW_S = 0.1
"""Seconds between two moves of the bar: in fast mode frames go out by the thousand."""


@dataclass(slots=True)
class Transcript:
    """What one file came to. `error` is why it is not complete."""

    file: str
    duration_s: float | None = None
    segments: list[Segment] = field(default_factory=list)
    error: str | None = None
    warnings: list[str] = field(default_factory=list)
    """What of the file could not be used, or of what came of it looks wrong. Each names the file."""

    @property
    def is_empty(self) -> bool:
        return not any(segment.text for segment in self.segments)

    def as_json(self) -> dict[str, Any]:
        texts = (segment.text for segment in self.segments)
        value: dict[str, Any] = {
            "file": self.file,
            "duration_s": None if self.duration_s is None else round(self.duration_s, 3),
            "text": " ".join(text for text in texts if text),
            "segments": [_segment_json(segment) for segment in self.segments],
        }
        if self.warnings:
            value["warnings"] = self.warnings
        return value if self.error is None else {**value, "error": self.error}


def _segment_json(segment: Segment) -> dict[str, Any]:
    return {
        "id": segment.id,
        "start": segment.start_s,
        "end": segment.end_s,
        "text": segment.text,
        "confidence": segment.confidence,
        "words": [
            {"word": word.text, "start": word.start_s, "end": word.end_s, "confidence": word.confidence}
            for word in segment.words
        ],
    }


class Writer(Protocol):
    """One output format: the text to write at each point of a file. Made anew for each file."""

    def begin(self) -> str: ...
    def final(self, segment: Segment) -> str: ...
    def end(self, transcript: Transcript) -> str: ...


class _TextWriter:
    def begin(self) -> str:
        return ""

    def final(self, segment: Segment) -> str:
        return f"{segment.text}\n" if segment.text else ""

    def end(self, transcript: Transcript) -> str:
        return ""


class _JsonWriter(_TextWriter):
    """One line per file, failed ones included: a program wants to find each of its files in the output."""

    def final(self, segment: Segment) -> str:
        return ""

    def end(self, transcript: Transcript) -> str:
        text = json.dumps(transcript.as_json(), ensure_ascii=False)
        # A file name that is not UTF-8 has surrogates in it (PEP 383), which have no other place in a JSON document.
        return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


class _SrtWriter(_TextWriter):
    def __init__(self) -> None:
        self._cutter = CueCutter()
        self._number = 0

    def final(self, segment: Segment) -> str:
        text = ""
        for cue in self._cutter.cut(segment):
            self._number += 1
            text += srt_cue(self._number, cue)
        return text


class _VttWriter(_TextWriter):
    def __init__(self) -> None:
        self._cutter = CueCutter()

    def begin(self) -> str:
        return VTT_HEADER

    def final(self, segment: Segment) -> str:
        return "".join(map(vtt_cue, self._cutter.cut(segment)))


_WRITERS: dict[Format, type[_TextWriter]] = {
    "text": _TextWriter,
    "json": _JsonWriter,
    "srt": _SrtWriter,
    "vtt": _VttWriter,
}


def new_writer(output_format: Format) -> Writer:
    return _WRITERS[output_format]()


class TranscriptView:
    """Where the texts of one file appear. Made by `open_view`. `live` is None where nothing may move."""

    def __init__(self, out: TextIO, err: TextIO, live: Live | None, bar: Progress | None, task: TaskID) -> None:
        self._out, self._err, self._live, self._bar, self._task = out, err, live, bar, task
        self._words = Text()
        self._drawn_at = float("-inf")

    def write(self, text: str) -> None:
        """Output proper."""
        self._print(self._out, text)

    def note(self, text: str) -> None:
        """A line for the person at the terminal, or for the log: stderr."""
        self._print(self._err, f"{text}\n")

    def _print(self, target: TextIO, text: str) -> None:
        if not text:
            return
        if self._live is not None and target.isatty():
            # By way of the console that draws the moving part, which is then drawn again below. If stdout and stderr
            # are two different terminals, this is the wrong one; nobody does that.
            self._live.console.print(Text(text.removesuffix("\n")), soft_wrap=True)
        else:
            target.write(text)
            target.flush()

    def words(self, confirmed: str, tentative: str) -> None:
        """The words of this moment; none of them once they have become a final."""
        if self._live is None or not self._out.isatty():
            return
        gap = " " if confirmed and tentative and not tentative[0].isspace() else ""
        self._words = Text.assemble((confirmed, "bold"), gap, (tentative, "dim"))
        self._draw()

    def progress(self, sent_s: float, *, now: float) -> None:
        """How much of the file has been sent, in seconds of audio; `now` in seconds of any clock."""
        if self._live is None or self._bar is None or now < self._drawn_at + REDRAW_S:
            return
        self._drawn_at = now
        self._bar.update(self._task, completed=sent_s)
        self._draw()

    def _draw(self) -> None:
        assert self._live is not None
        parts = [part for part in (self._words, self._bar) if part]
        self._live.update(Group(*parts), refresh=True)


@contextmanager
def open_view(out: TextIO, err: TextIO, *, title: str, duration_s: float | None) -> Iterator[TranscriptView]:
    """A view for one file. Leaving it, in whatever way, gives the terminal back as it was."""
    wants_bar = duration_s is not None and duration_s > BAR_S
    screen = out if out.isatty() else err if wants_bar and err.isatty() else None
    if screen is None:
        yield TranscriptView(out, err, None, None, TaskID(0))
        return
    console = Console(file=screen)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, auto_refresh=False)
    task = bar.add_task(title, total=duration_s)
    # No refreshing thread, and no hands on sys.stdout: whoever prints here does it through the view.
    with Live(
        console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as live:
        yield TranscriptView(out, err, live, bar if wants_bar else None, task)
