"""What engines are given to hear: recordings with what is said in them, tones, noise and silence. 16-bit mono PCM."""

import csv
import wave
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

RATE = 16_000
"""Hertz: what the gateway sends, and so what an engine has to take."""
RECORDINGS = Path(__file__).parents[1] / "recordings"

LOW_TONES, HIGH_TONES = (697, 770, 852, 941), (1209, 1336, 1477)
KEYS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "star", "zero", "pound"]
"""Of a telephone, row by row: each row has a low tone and each column a high one (ITU-T Q.23)."""


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    pcm: bytes
    text: str
    """What the engine should hear in it."""


def read_recordings(folder: Path, column: str = "text", files: tuple[str, ...] = ()) -> list[Recording]:
    """The recordings that a folder's transcripts.tsv lists (its columns: `file`, and `column`), or `files` of them.

    Raises:
        ValueError: one is not 16-bit mono PCM at 16 kHz, or the table lacks a column.
    """
    with (folder / "transcripts.tsv").open(newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    found = []
    for row in rows:
        if "file" not in row or column not in row:
            raise ValueError(f"{folder / 'transcripts.tsv'}: there is no column 'file', or no column {column!r}")
        if not files or row["file"] in files:
            found.append(Recording(row["file"], read_wave(folder / row["file"]), row[column]))
    return found


def read_wave(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE):
            raise ValueError(f"{path}: has to be 16-bit mono PCM at {RATE} Hz")
        return file.readframes(file.getnframes())


def silence(seconds: float) -> bytes:
    return bytes(2 * round(RATE * seconds))


def noise(seconds: float, amplitude: float, seed: int = 1) -> bytes:
    """White noise; `amplitude` is its root mean square, of 32768."""
    dice = np.random.default_rng(seed)
    return np.clip(dice.normal(0, amplitude, round(RATE * seconds)), -32768, 32767).astype("<i2").tobytes()


def trimmed(recording: Recording, before: float, after: float) -> Recording:
    """Without its first and its last seconds."""
    return replace(
        recording, pcm=recording.pcm[2 * round(before * RATE) : len(recording.pcm) - 2 * round(after * RATE)]
    )


def half_a_minute(recordings: list[Recording]) -> Recording:
    """30 s of them one after the other. Not one of them again and again: a recogniser may hold that for a loop."""
    pcm, texts = b"", []
    while len(pcm) < 2 * 30 * RATE:
        for recording in recordings:
            pcm += recording.pcm
            texts.append(recording.text)
    return Recording("half a minute", pcm[: 2 * 30 * RATE], " ".join(texts))


def dialled(keys: str, tone_ms: int = 120, pause_ms: int = 80) -> Recording:
    """A telephone's keys, by their words, each for `tone_ms`; in a quiet room."""
    seconds = np.arange(RATE * tone_ms // 1000) / RATE
    parts = [np.zeros(RATE // 5)]
    for word in keys.split():
        row, column = divmod(KEYS.index(word), 3)
        tones = (LOW_TONES[row], HIGH_TONES[column])
        parts += [sum(4000 * np.sin(2 * np.pi * hertz * seconds) for hertz in tones), np.zeros(RATE * pause_ms // 1000)]
    sound = np.concatenate([*parts, np.zeros(RATE // 5)])
    room = np.random.default_rng(len(sound)).normal(0, 20, len(sound))
    return Recording(keys, (sound + room).astype("<i2").tobytes(), keys)
