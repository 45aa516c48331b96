"""The notes in an ONNX file: pairs of texts beside the graph. Read without loading the model, which takes seconds.

A model file is one protobuf message `ModelProto` (onnx/onnx.proto). Of it we look at field 14, `metadata_props`, each
a message of two texts, key (1) and value (2), and step over the rest: the graph may be gigabytes.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

METADATA_PROPS = 14
NOTE_BYTES_MAX = 1 << 16
"""Of one pair. The notes of real models have some ten bytes each, a few a whole licence."""
FIXED = {1: 8, 5: 4}
"""Wire types of fixed length, and their bytes. Of the others, 0 is a varint and 2 has its length before it."""


def read_onnx_metadata(path: Path) -> dict[str, str]:
    """All pairs; those that are too long are left out.

    Raises:
        ValueError: this is no ONNX file, or not the whole of it.
        OSError: it cannot be read.
    """
    notes = {}
    size = path.stat().st_size
    with path.open("rb") as file:
        for number, length in _fields(file, size):
            if number == METADATA_PROPS and length <= NOTE_BYTES_MAX:
                end = file.tell() + length
                pair = {key: file.read(bytes_) for key, bytes_ in _fields(file, end)}
                notes[pair.get(1, b"").decode(errors="replace")] = pair.get(2, b"").decode(errors="replace")
                file.seek(end)
            else:
                file.seek(length, os.SEEK_CUR)
    return notes


def _fields(file: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """Number and length of each field with a length, up to a position. The caller leaves the file at the field's end."""
    while (position := file.tell()) < end:
        tag = _varint(file)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            _varint(file)
        elif wire in FIXED:
            file.seek(FIXED[wire], os.SEEK_CUR)
        elif wire == 2:
            length = _varint(file)
            if file.tell() + length > end:
                raise ValueError(f"the field at byte {position} goes on after the end")
            yield number, length
        else:
            raise ValueError(f"there is no protobuf field at byte {position}")


def _varint(file: BinaryIO) -> int:
    """Base 128, the least significant digit first; ten bytes at most."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError("it ends in the middle of a field")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError(f"there is no protobuf field before byte {file.tell()}")
