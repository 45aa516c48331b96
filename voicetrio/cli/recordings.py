"""A folder of recordings with what is said in them, for benches: WAVs, and a table `transcripts.tsv`.

The table has a line with its columns' names; `file` and `text` must be among them, and `words` may be, which has each
word's time in seconds: `open:0.30-0.59 the:0.59-0.68`. Other columns are not looked at.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import trio

from voicetrio.cli.bench_process import BenchError
from voicetrio.cli.media import SAMPLE_BYTES, SAMPLE_RATE, MediaError, open_audio

TABLE = "transcripts.tsv"


@dataclass(frozen=True, slots=True)
class SpokenWord:
    text: str
    start: float
    end: float
    """Seconds from the start of the recording."""


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    pcm: bytes
    """16-bit mono at 16 kHz."""
    text: str
    words: tuple[SpokenWord, ...]
    """Empty where the table has no times."""

    @property
    def seconds(self) -> float:
        return len(self.pcm) / SAMPLE_BYTES / SAMPLE_RATE


def load_recordings(folder: str | Path) -> list[Recording]:
    """In the table's order. Not for use inside an event loop: it starts one to decode the files.

    Raises:
        BenchError: there is no such table, it has faults, or a file cannot be read as audio; with the line.
    """
    table = Path(folder) / TABLE
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        raise BenchError(f"{table} cannot be read ({reason})") from None
    if not rows:
        raise BenchError(f"{table} names no recordings")
    if not {"file", "text"} <= rows[0].keys():
        raise BenchError(f"{table} needs the columns file and text, separated by tabs")
    return [_load(Path(folder), row, f"{table}, line {number}") for number, row in enumerate(rows, start=2)]


def _load(folder: Path, row: dict[str, str | None], place: str) -> Recording:
    name = row["file"] or ""
    try:
        pcm = trio.run(_read, str(folder / name))
    except MediaError as error:
        raise BenchError(f"{place}: file: {error}") from None
    seconds = len(pcm) / SAMPLE_BYTES / SAMPLE_RATE
    words = tuple(_word(part, seconds, place) for part in (row.get("words") or "").split())
    return Recording(name, pcm, row["text"] or "", words)


async def _read(path: str) -> bytes:
    pcm = bytearray()
    async with open_audio(path) as file:
        while piece := await file.read(SAMPLE_RATE * SAMPLE_BYTES):
            pcm += piece
        if file.warnings:
            raise MediaError("; ".join(file.warnings))
    return bytes(pcm)


def _word(text: str, seconds: float, place: str) -> SpokenWord:
    word, _, times = text.rpartition(":")
    start, _, end = times.partition("-")
    try:
        spoken = SpokenWord(word, float(start), float(end))
    except ValueError:
        spoken = SpokenWord(word, 0.0, 0.0)
    if not 0 <= spoken.start < spoken.end <= seconds:
        raise BenchError(f"{place}: words: {text!r} is not WORD:START-END in seconds of the recording")
    return spoken


def word_errors(said: str, heard: str) -> int:
    """Words to replace, insert or delete to make one text of the other (Levenshtein); capitals do not count."""
    reference, words = said.casefold().split(), heard.casefold().split()
    row = list(range(len(words) + 1))
    for place, wanted in enumerate(reference, start=1):
        diagonal, row[0] = row[0], place
        for column, word in enumerate(words, start=1):
            diagonal, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, diagonal + (wanted != word))
    return row[-1]
