"""A WAV file that appears whole or not at all; or, where something reads while we write, as it comes.

A file is collected first, for the header of a WAV holds its length; then it is written beside its place, and moved there.
A pipe or a device can be written once and in order: its header says that the length is not known, as FFmpeg's does.
"""

import io
import os
import secrets
import stat
import struct
import wave
from pathlib import Path
from typing import BinaryIO

SAMPLE_BYTES = 2

STDOUT = frozenset({"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
"""Names of standard output. It need not be something that can be opened by a name, as when it is a socket."""

_UNKNOWN = 0xFFFFFFFF
"""Bytes: the length of what goes on until it ends."""


def _is_file(stream: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # it has no descriptor
        return False


def wav_bytes(pcm: bytes | bytearray, sample_rate: int) -> bytes:
    """`pcm` is 16-bit little-endian mono."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(SAMPLE_BYTES)
        writer.setframerate(sample_rate)
        writer.writeframes(pcm)
    return file.getvalue()


def check_place(output: Path | str) -> None:
    """To be called before the work whose result is to be written there. Raises: OSError."""
    path = Path(output)
    if str(output) in STDOUT:
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{output}: there is no such folder to write to")
    if path.is_dir():
        raise IsADirectoryError(f"{output}: that is a folder; name a file")


class WavStream:
    """A WAV in a pipe or a device. Calls block while its reader is slow. Raises: OSError."""

    def __init__(self, file: BinaryIO | io.FileIO) -> None:
        self._file = file
        self._begun = False

    def write(self, pcm: bytes, sample_rate: int) -> None:
        """16-bit little-endian mono; its reader gets it at once. `sample_rate` in Hertz, always the same."""
        if not self._begun:
            self._begun = True
            form = struct.pack("<HHIIHH", 1, 1, sample_rate, sample_rate * SAMPLE_BYTES, SAMPLE_BYTES, 8 * SAMPLE_BYTES)
            self._file.write(struct.pack("<4sI4s4sI", b"RIFF", _UNKNOWN, b"WAVE", b"fmt ", len(form)) + form)
            self._file.write(struct.pack("<4sI", b"data", _UNKNOWN))
        self._file.write(pcm)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def open_stream(output: Path | str, stdout: BinaryIO) -> "WavStream | None":
    """What is written to as the sound comes; None: `output` is or will be a file, for `write_whole`.

    Blocks until a named pipe has a reader. Raises: OSError.
    """
    if str(output) in STDOUT:
        return None if _is_file(stdout) else WavStream(stdout)
    path = Path(output)
    return WavStream(path.open("wb", buffering=0)) if path.exists() and not path.is_file() else None


def write_whole(data: bytes, output: Path | str, stdout: BinaryIO | None = None) -> None:
    """To be run in a thread. Raises: OSError; an older file is then as it was."""
    if str(output) in STDOUT and stdout is not None:
        stdout.write(data)
        stdout.flush()
        return
    if Path(output).exists() and not Path(output).is_file():
        with Path(output).open("wb") as file:  # a device or a pipe: must not be replaced by a file
            file.write(data)
        return
    path = Path(output).resolve()  # a link stays a link, and what it points to is replaced
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
