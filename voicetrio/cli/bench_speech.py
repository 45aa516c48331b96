"""The speech that a bench streams, and the finals that a server owes for it.

The speech is made here, by espeak-ng, so that nothing has to be recorded, shipped or downloaded. What is owed is found
by running the server's own endpointing over the audio beforehand: a final that is lost or comes twice is then noticed.
"""

import numpy as np

from voicetrio.cli.bench_frames import first_frame, frames_sent
from voicetrio.core.config import SAMPLE_RATE, SessionConfig, SessionLimits, endpoint_rule
from voicetrio.core.endpointing import FRAME_SAMPLES, Endpointer, SpeechEnded
from voicetrio.core.resampling import Resampler
from voicetrio.core.ring import SAMPLE_BYTES
from voicetrio.vad.webrtc import WebRtcDetector
from voicetrio.worker.engines.contract import PieceRequest, SpeakingSetup, SpokenChunk
from voicetrio.worker.engines.espeak import open_espeak

_SENTENCES = (
    "The north wind and the sun were disputing which was the stronger.",
    "A traveller came along, wrapped in a warm cloak.",
    "They agreed that the one who first made him take it off should be considered stronger.",
    "Then the north wind blew as hard as he could.",
    "But the more he blew, the more closely did the traveller fold his cloak around him.",
    "And so the north wind was obliged to confess.",
)
_PAUSES_S = (0.8, 1.2, 0.9, 1.1, 1.0, 0.85)
"""Seconds after each sentence: longer than the half second that ends a segment."""

_NOISE = 8
"""Amplitude, of 32767, of the noise in the pauses: no room is as quiet as zeros."""


def make_speech(frame_ms: int) -> bytes:
    """Some 25 s of 16 kHz PCM with pauses, the same in each run, that can be repeated; a whole number of frames."""
    engine = open_espeak(SpeakingSetup(voice="en-us"))
    noise = np.random.default_rng(1)
    pieces: list[bytes] = []
    for text, pause in zip(_SENTENCES, _PAUSES_S, strict=True):
        chunks: list[SpokenChunk] = []
        engine.speak(PieceRequest(text, engine.resolve_voice(""), 1.0, pause_after=False), chunks.append)
        spoken = b"".join(chunk.pcm for chunk in chunks)
        pieces.append(Resampler(engine.description.sample_rate, SAMPLE_RATE).push(spoken, last=True))
        quiet = noise.integers(-_NOISE, _NOISE + 1, round(pause * SAMPLE_RATE), np.int16)
        pieces.append(quiet.tobytes())
    pcm = b"".join(pieces)
    frame_bytes = frame_ms * SAMPLE_RATE // 1000 * SAMPLE_BYTES
    return pcm + bytes(-len(pcm) % frame_bytes)


def expected_ends(pcm: bytes) -> tuple[list[int], int | None]:
    """When, in ms, the segments of this audio end by a pause, and the end of one that is open when it stops."""
    config, limits = SessionConfig(), SessionLimits()
    detector = WebRtcDetector(config.vad_sensitivity)
    endpointer = Endpointer(endpoint_rule(config.vad_sensitivity, limits.end_silence))
    size = FRAME_SAMPLES * SAMPLE_BYTES
    ends = [
        endpointer.position * 1000 // SAMPLE_RATE
        for at in range(0, len(pcm) - size + 1, size)
        if isinstance(endpointer.push(detector.is_speech(pcm[at : at + size])), SpeechEnded)
    ]
    return ends, len(pcm) // SAMPLE_BYTES * 1000 // SAMPLE_RATE if endpointer.speaking else None


def session_audio(pcm: bytes, session: int, sessions: int, *, seconds: float, frame_ms: int) -> bytes:
    """All that the client sends in this session."""
    size = frame_ms * SAMPLE_RATE // 1000 * SAMPLE_BYTES
    start = first_frame(session, sessions, len(pcm) // size) * size
    total = frames_sent(seconds, frame_ms) * size
    return (pcm[start:] + pcm * (total // len(pcm) + 1))[:total]
