"""G.711, the two codes of telephones: 8 bits a sample, as 256 values for each code and one code for each of 65,536 values.

From ITU-T Recommendation G.711 (11/88), tables 1a to 2b. Samples of 16 bits are rounded as the reference code of ITU-T
G.191 (Software Tools Library, `alaw_compress` and `ulaw_compress`) does it: the bits below those that the law has, 2 for
mu-law and 4 for A-law, are cut off the one's complement magnitude, and what is louder than mu-law's last segment becomes
its loudest code.

The mu-law has two zeros; an encoder says the positive one, 0xFF, and never 0x7F. Every other code that is decoded is
encoded as itself again.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

RATE = 8_000
"""Hertz. The only rate that the Recommendation knows."""

Law = Literal["pcmu", "pcma"]
"""Mu-law (North America, Japan) and A-law (everywhere else), by the names that RTP gives them (RFC 3551)."""

_Int16Array = npt.NDArray[np.int16]
_Uint8Array = npt.NDArray[np.uint8]


def decode(law: Law, codes: bytes) -> bytes:
    """16-bit little-endian PCM, two bytes for each code."""
    return _VALUES[law][np.frombuffer(codes, np.uint8)].tobytes()


def encode(law: Law, pcm: bytes) -> bytes:
    """A code for each sample of 16-bit little-endian PCM.

    Raises:
        ValueError: half a sample.
    """
    return _CODES[law][np.frombuffer(pcm, np.uint16)].tobytes()


def _mu_law_values() -> _Int16Array:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _a_law_values() -> _Int16Array:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = (code & 0x70) >> 4
    mantissa = (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _samples() -> _Int16Array:
    """Every sample, in the order of its two bytes as an unsigned number."""
    return np.arange(65_536, dtype=np.uint16).view(np.int16)


def _segment(magnitude: npt.NDArray[np.int32], lowest: int) -> npt.NDArray[np.int32]:
    """How often a magnitude can be halved before it is below `lowest`: its segment, 0 to 7."""
    return np.searchsorted(lowest << np.arange(7), magnitude, side="right").astype(np.int32)


def _mu_law_codes() -> _Uint8Array:
    sample = _samples().astype(np.int32)
    magnitude = np.minimum((np.where(sample < 0, ~sample, sample) >> 2) + 33, 0x1FFF)
    segment = _segment(magnitude, 64)
    mantissa = (magnitude >> (segment + 1)) & 0x0F
    code = ~(segment << 4 | mantissa) & 0x7F
    codes: _Uint8Array = np.where(sample < 0, code, code | 0x80).astype(np.uint8)
    return codes


def _a_law_codes() -> _Uint8Array:
    sample = _samples().astype(np.int32)
    magnitude = np.where(sample < 0, ~sample, sample) >> 4
    segment = _segment(magnitude, 16)
    mantissa = (magnitude >> np.maximum(segment - 1, 0)) & 0x0F
    code = segment << 4 | mantissa
    codes: _Uint8Array = np.where(sample < 0, code ^ 0x55, code ^ 0xD5).astype(np.uint8)
    return codes


_VALUES: dict[Law, _Int16Array] = {"pcmu": _mu_law_values(), "pcma": _a_law_values()}
_CODES: dict[Law, _Uint8Array] = {"pcmu": _mu_law_codes(), "pcma": _a_law_codes()}
