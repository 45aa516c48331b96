"""`voicetrio transcribe` and `voicetrio say` where no server runs: they start one for the call."""

import sys
import wave
from pathlib import Path

import pytest

from .processes import ROOT, Run
from .sound import RATE, SAYABLE, SAYING_SPEED, THANK_YOU, resampled, silence
from .test_hypercorn import free_port

pytestmark = pytest.mark.slow


def voicetrio(folder: Path, *arguments: str) -> Run:
    """A command that has ended, after which nothing was left."""
    run = Run([sys.executable, "-m", "voicetrio", *arguments], folder, {"VOICETRIO_SERVER__PORT": str(free_port())})
    try:
        run.wait()
        run.check_end()
    finally:
        run.kill()
    return run


def test_a_recording_a_corrupt_file_and_what_was_said_before(tmp_path: Path):
    said, corrupt = tmp_path / "said.wav", tmp_path / "corrupt.wav"
    text = SAYABLE[0]
    run = voicetrio(tmp_path / "say", "say", text, "-o", str(said), "--speed", str(SAYING_SPEED))
    assert run.process.returncode == 0, run.stderr
    assert "starting one for this call" in run.stderr
    with wave.open(str(said)) as file:
        rate, pcm = file.getframerate(), file.readframes(file.getnframes())
    assert rate == 24_000
    padded = tmp_path / "padded.wav"
    with wave.open(str(padded), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(silence(0.3) + resampled(pcm, rate, RATE) + silence(0.3))
    corrupt.write_bytes(b"RIFF\x10\0\0\0WAVEfmt " + bytes(range(256)))

    run = voicetrio(tmp_path / "transcribe", "transcribe", "--fast", THANK_YOU.path, str(corrupt), str(padded))
    assert run.process.returncode == 1
    lines = run.stdout.splitlines()
    assert THANK_YOU.text in lines
    assert text in lines
    (complaint,) = [line for line in run.stderr.splitlines() if "corrupt.wav" in line]
    assert complaint.startswith("voicetrio: ")


def test_transcribe_needs_no_server(tmp_path: Path):
    run = voicetrio(tmp_path / "run", "transcribe", "--fast", THANK_YOU.path)
    assert run.process.returncode == 0, run.stderr
    assert run.stdout == THANK_YOU.text + "\n"
    assert "starting one for this call" in run.stderr


def test_they_use_the_server_that_is_named_and_say_when_there_is_none(tmp_path: Path):
    port = free_port()
    run = voicetrio(tmp_path / "run", "transcribe", "--server", f"ws://127.0.0.1:{port}", str(ROOT / THANK_YOU.path))
    assert run.process.returncode == 1
    assert f"127.0.0.1:{port}" in run.stderr
