"""`voicetrio token`: for operators, who have the keys."""

import argparse
import re

import pytest
from livekit import api

from voicetrio.cli import token
from voicetrio.settings import Settings

KEY, SECRET, URL = "devkey", "a-secret-that-nobody-may-see-0123456789", "wss://livekit.example.org"


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the command with keys in its environment; returns the exit code, stdout and stderr."""
    for section, info in Settings.model_fields.items():
        for key in info.annotation.model_fields:
            monkeypatch.delenv(f"VOICETRIO_{section}__{key}".upper(), raising=False)
    for name, value in (("URL", URL), ("API_KEY", KEY), ("API_SECRET", SECRET)):
        monkeypatch.setenv(f"VOICETRIO_LIVEKIT__{name}", value)
    parser = argparse.ArgumentParser()
    token.add_parser(parser.add_subparsers(required=True))

    def run(*words: str) -> tuple[int, str, str]:
        args = parser.parse_args(["token", *words])
        code = args.command(args)
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


def claims(text: str) -> api.access_token.Claims:
    return api.TokenVerifier(KEY, SECRET).verify(text.strip())


def test_any_room_may_be_named(run):
    code, out, err = run("test-room", "--identity", "ann", "--name", "Анна")
    assert code == 0
    assert out.count("\n") == 1
    found = claims(out)
    assert (found.video.room, found.identity, found.name) == ("test-room", "ann", "Анна")
    assert err == f"{URL}: room test-room, identity ann, to join within 900 s\n"


def test_room_and_identity_are_made_up(run):
    code, out, err = run()
    assert code == 0
    found = claims(out)
    assert re.fullmatch("room-[0-9a-f]{12}", found.video.room)
    assert re.fullmatch("user-[0-9a-f]{12}", found.identity)
    assert found.video.room in err
    assert claims(run()[1]).video.room != found.video.room


def test_settings_files_count(run, tmp_path):
    file = tmp_path / "a.toml"
    file.write_text("[livekit]\nagent_name = 'voicetrio'\ntoken_ttl = 60\n")
    code, out, err = run("--config", str(file))
    assert code == 0
    assert claims(out).room_config.agents[0].agent_name == "voicetrio"
    assert "60 s" in err


def test_without_keys_it_says_what_to_set(run, monkeypatch):
    for name in ("URL", "API_KEY", "API_SECRET"):
        monkeypatch.delenv(f"VOICETRIO_LIVEKIT__{name}")
    code, out, err = run("test-room")
    assert (code, out) == (2, "")
    for name in ("livekit.url", "livekit.api_key", "livekit.api_secret", "VOICETRIO_LIVEKIT__API_SECRET"):
        assert name in err


def test_wrong_settings_and_wrong_names_are_told(run, monkeypatch):
    code, out, err = run("a\nb")
    assert (code, out) == (1, "")
    assert err == "voicetrio: room_name: must be printable, on one line, without spaces around it\n"
    monkeypatch.setenv("VOICETRIO_LIVEKIT__API_SECRET", "short")
    code, out, err = run("test-room")
    assert (code, out) == (2, "")
    assert "at least 32 bytes" in err
    assert "short" not in err
