"""A WAV file that appears whole or not at all.

The audio is collected first, for the header of a WAV holds its length; then the file is written beside its place, and
moved there.
"""

import io
import os
import secrets
import wave
from pathlib import Path

SAMPLE_BYTES = 2


def wav_bytes(pcm: bytes | bytearray, sample_rate: int) -> bytes:
    """`pcm` is 16-bit little-endian mono."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(SAMPLE_BYTES)
        writer.setframerate(sample_rate)
        writer.writeframes(pcm)
    return file.getvalue()


def write_whole(data: bytes, output: Path | str) -> None:
    """To be run in a thread. Raises: OSError; an older file is then as it was."""
    path = Path(output).resolve()  # a link stays a link, and what it points to is replaced
    if path.exists() and not path.is_file():
        path.write_bytes(data)  # a device or a pipe: must not be replaced by a file
        return
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
