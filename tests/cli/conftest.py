import wave

import pytest


@pytest.fixture(autouse=True)
def _terminal_kind(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def wav(tmp_path):
    def write(name: str = "a.wav", seconds: float = 0.5) -> str:
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(b"\1\0" * int(16_000 * seconds))
        return str(tmp_path / name)

    return write
