"""What cannot be served is said before anything is started, and nothing is left running."""

import socket
import sys
from pathlib import Path

import pytest

from .processes import Run

pytestmark = pytest.mark.slow


def refuse(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and stderr of `run.py`, which must end by itself."""
    run = Run([sys.executable, "run.py", *arguments], folder, environment)
    try:
        code = run.wait()
        run.check_end()
    finally:
        run.kill()
    assert "listening" not in run.stdout
    return code, run.stderr


def test_an_engine_that_there_is_not(tmp_path: Path):
    for setting in ("stt", "tts"):
        code, said = refuse(
            tmp_path / setting,
            environment={f"VOICETRIO_{setting.upper()}__ENGINE": "nonsense", "VOICETRIO_SERVER__PORT": "0"},
        )
        assert code == 2
        assert f"VOICETRIO_{setting.upper()}__ENGINE: there is no engine 'nonsense'" in said


def test_a_voice_that_there_is_not(tmp_path: Path):
    environment = {"VOICETRIO_TTS__VOICE": "nobody", "VOICETRIO_SERVER__PORT": "0"}
    code, said = refuse(tmp_path / "run", environment=environment)
    assert code == 2
    assert "VOICETRIO_TTS__VOICE: unknown voice 'nobody'" in said


def test_engines_and_values_are_told_together(tmp_path: Path):
    config = tmp_path / "broken.toml"
    config.write_text('[server]\nport = "high"\n[stt]\nengine = "nope"\n[tts]\nvoice = "nobody"\n')
    code, said = refuse(tmp_path / "run", "--config", str(config))
    assert code == 2
    for place in ("broken.toml:2: server.port: ", "broken.toml:4: stt.engine: ", "broken.toml:6: tts.voice: "):
        assert sum(place in line for line in said.splitlines()) == 1, said


def test_a_port_that_is_taken(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, said = refuse(tmp_path / "run", environment={"VOICETRIO_SERVER__PORT": port})
    assert code == 2
    assert "server.port" in said
    assert port in said


def test_a_broken_configuration_is_told_all_at_once(tmp_path: Path):
    config = tmp_path / "broken.toml"
    config.write_text(
        '[server]\nport = "high"\nmax_sessions = -1\n[stt]\nmoddel = "x"\n[session]\nend_silence = 99.0\n'
    )
    code, said = refuse(tmp_path / "run", "--config", str(config))
    assert code == 2
    for key in ("server.port", "server.max_sessions", "stt.moddel", "session.end_silence"):
        assert sum(key in line and "broken.toml" in line for line in said.splitlines()) == 1, said


def test_a_configuration_that_is_no_toml_or_is_not_there(tmp_path: Path):
    config = tmp_path / "broken.toml"
    config.write_text("[server\nport")
    for name, file in (("no-toml", config), ("no-file", tmp_path / "missing.toml")):
        code, said = refuse(tmp_path / name, "--config", str(file))
        assert code == 2
        assert file.name in said
