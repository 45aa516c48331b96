"""A folder of recordings with what is said in them, for benches: WAVs, and a table `transcripts.tsv`.

The table has a line with its columns' names; `file` and `text` must be among them, and `words` may be, which has each
word's time in seconds: `open:0.30-0.59 the:0.59-0.68`. Other columns are not looked at.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import trio

from voicetrio.cli.media import SAMPLE_BYTES, SAMPLE_RATE, open_audio
from voicetrio.core.errors import VoicetrioError

TABLE = "transcripts.tsv"


class RecordingsError(VoicetrioError):
    """The folder is not what a bench needs; the text says what is."""


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
        RecordingsError: there is no such folder or table, or it has faults.
        MediaError: a file cannot be read as audio.
    """
    table = Path(folder) / TABLE
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except OSError as error:
        raise RecordingsError(f"{folder}: has no {TABLE} that can be read ({error.strerror})") from None
    if not rows or not {"file", "text"} <= rows[0].keys():
        raise RecordingsError(
            f"{table}: needs the columns file and text, separated by tabs, and a line for each recording"
        )
    try:
        return [
            Recording(
                row["file"],
                trio.run(_read, str(Path(folder) / row["file"])),
                row["text"],
                tuple(_word(part) for part in (row.get("words") or "").split()),
            )
            for row in rows
        ]
    except ValueError as error:
        raise RecordingsError(f"{table}: {error}") from None


async def _read(path: str) -> bytes:
    pcm = bytearray()
    async with open_audio(path) as file:
        while piece := await file.read(SAMPLE_RATE * SAMPLE_BYTES):
            pcm += piece
    return bytes(pcm)


def _word(text: str) -> SpokenWord:
    word, _, times = text.rpartition(":")
    start, _, end = times.partition("-")
    try:
        return SpokenWord(word, float(start), float(end))
    except ValueError:
        raise ValueError("a word's time is not word:start-end in seconds") from None


def word_errors(said: str, heard: str) -> int:
    """Words to replace, insert or delete to make one text of the other (Levenshtein); capitals do not count."""
    reference, words = said.casefold().split(), heard.casefold().split()
    row = list(range(len(words) + 1))
    for place, wanted in enumerate(reference, start=1):
        diagonal, row[0] = row[0], place
        for column, word in enumerate(words, start=1):
            diagonal, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, diagonal + (wanted != word))
    return row[-1]
