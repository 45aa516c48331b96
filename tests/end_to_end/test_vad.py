"""A real server with Silero's voice detector: music is no speech, a voice in it is, and what is broken is told."""

import sys
from pathlib import Path

import numpy as np
import pytest

from voicetrio.cli.bench_vad_noise import music

from .client import open_client
from .conftest import StartServer
from .processes import Run
from .sound import RATE, THANK_YOU, silence

pytestmark = pytest.mark.slow

SILERO = {"VOICETRIO_SESSION__VAD": "silero", "VOICETRIO_SESSION__MAX_RATE": "8"}


def in_music(pcm: bytes) -> bytes:
    """With music that is clearly there; webrtc's detector would hear a voice from its first bar on."""
    samples = np.frombuffer(pcm, np.int16) + 700 * music(len(pcm) // 2, np.random.default_rng(1))
    return samples.clip(-32_768, 32_767).astype(np.int16).tobytes()


async def test_a_voice_in_music_is_heard_and_the_music_is_not(start_server: StartServer):
    server = start_server("config/bench.toml", environment=SILERO)
    async with open_client(server.url) as client:
        await client.pour(in_music(silence(8.0)))
        await client.play(in_music(silence(1.0) + THANK_YOU.pcm + silence(1.0)))
        await client.finish()
    told = [message for _, message in client.messages if message["type"].startswith(("vad.", "transcript.final"))]
    assert [message["type"] for message in told] == ["vad.speech_start", "vad.speech_end", "transcript.final"]
    assert 9000 < told[0]["timestamp_ms"] < told[1]["timestamp_ms"] < 9000 + THANK_YOU.seconds * 1000
    windows = server.metric("voicetrio_vad_batch_windows_sum")
    assert windows >= (10.0 + THANK_YOU.seconds) * RATE / 512 - 3, "each was decided, but those that the lag keeps"
    server.stop()


def test_a_package_that_cannot_be_imported_is_told_before_anything_is_started(tmp_path: Path):
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "onnxruntime.py").write_text("raise ImportError(name='onnxruntime')\n")
    environment = {**SILERO, "VOICETRIO_SERVER__PORT": "0", "PYTHONPATH": str(tmp_path / "blocked")}
    run = Run([sys.executable, "run.py"], tmp_path / "run", environment)
    try:
        assert run.wait() == 1
        run.check_end()
    finally:
        run.kill()
    told = "session.vad: silero cannot import onnxruntime: run `python -m pip install onnxruntime onnx faster-whisper`"
    assert told in run.stderr
    assert "listening" not in run.stdout
