"""The section [livekit]: what is wrong with it is told with its key and never with its value."""

from pathlib import Path

import pytest

from voicetrio.cli.compose import token_config
from voicetrio.settings import ConfigError, load_settings

SECRET = "a-secret-that-nobody-may-see-0123456789"
ALL = {
    "VOICETRIO_LIVEKIT__URL": "wss://livekit.example.org",
    "VOICETRIO_LIVEKIT__API_KEY": "devkey",
    "VOICETRIO_LIVEKIT__API_SECRET": SECRET,
}


def faults(**changes: str | None) -> list[str]:
    """What is wrong with all three and these changes; None takes one away."""
    environ = {**ALL, **{f"VOICETRIO_LIVEKIT__{name}": value for name, value in changes.items()}}
    with pytest.raises(ConfigError) as caught:
        load_settings([], {name: value for name, value in environ.items() if value is not None})
    assert SECRET not in str(caught.value)
    return [fault.removeprefix("environment VOICETRIO_LIVEKIT__") for fault in caught.value.faults]


def test_without_keys_there_are_no_tokens():
    settings = load_settings([], {"VOICETRIO_LIVEKIT__AGENT_NAME": "voicetrio"})
    assert not settings.livekit.configured
    assert token_config(settings) is None


def test_keys_from_the_environment():
    settings = load_settings([], {**ALL, "VOICETRIO_LIVEKIT__SHARED_ROOMS": '["lobby"]'})
    config = token_config(settings)
    assert config is not None
    assert (config.server_url, config.api_key, config.api_secret) == tuple(ALL.values())
    assert (config.ttl, config.per_minute, config.agent_name) == (900, 60, "")
    assert config.shared_rooms == ("lobby",)


def test_keys_from_files(tmp_path: Path):
    key, secret, file = tmp_path / "key", tmp_path / "secret", tmp_path / "voicetrio.toml"
    key.write_text("devkey\n")
    secret.write_text(SECRET + "\n")
    file.write_text(
        f"[livekit]\nurl = 'ws://127.0.0.1:7880/'\napi_key_file = '{key}'\napi_secret_file = '{secret}'\n"
        "token_ttl = 60\nagent_name = 'voicetrio'\nshared_rooms = ['a', 'b c']\ntokens_per_minute = 7\n"
    )
    settings = load_settings([file], {})
    assert SECRET not in repr(settings)
    config = token_config(settings)
    assert config is not None
    assert (config.server_url, config.api_key, config.api_secret) == ("ws://127.0.0.1:7880", "devkey", SECRET)
    assert (config.ttl, config.per_minute, config.agent_name) == (60, 7, "voicetrio")
    assert config.shared_rooms == ("a", "b c")
    secret.unlink()
    with pytest.raises(ConfigError, match=r"livekit\.api_secret_file: cannot be read any more"):
        token_config(settings)


@pytest.mark.parametrize(
    ("missing", "fault"),
    [
        (("URL",), "api_key and api_secret need url, too"),
        (("API_KEY",), "url and api_secret need api_key, too"),
        (("API_SECRET",), "url and api_key need api_secret, too"),
        (("API_KEY", "API_SECRET"), "url needs api_key and api_secret, too"),
        (("URL", "API_SECRET"), "api_key needs url and api_secret, too"),
        (("URL", "API_KEY"), "api_secret needs url and api_key, too"),
    ],
)
def test_all_three_or_none(missing: tuple[str, ...], fault: str):
    (found,) = faults(**dict.fromkeys(missing))
    assert fault in found


def test_a_file_counts_as_its_key(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    (found,) = faults(API_SECRET=None, API_SECRET_FILE=str(secret), URL=None)
    assert "api_key and api_secret_file need url, too" in found
    (found,) = faults(API_SECRET_FILE=str(secret))
    assert found.endswith("api_secret and api_secret_file are both set: give it in one place")


@pytest.mark.parametrize("secret", ["short", "x" * 31])
def test_a_short_secret_is_refused(secret: str, tmp_path: Path):
    text = "the secret must have at least 32 bytes: make one with `openssl rand -base64 32`"
    assert faults(API_SECRET=secret) == [f"API_SECRET: {text}"]
    file = tmp_path / "secret"
    file.write_text(secret + "\n" * 40)
    assert faults(API_SECRET=None, API_SECRET_FILE=str(file)) == [f"API_SECRET_FILE: {text}"]
    assert load_settings([], {**ALL, "VOICETRIO_LIVEKIT__API_SECRET": "x" * 32}).livekit.configured


def test_files_that_hold_no_key(tmp_path: Path):
    empty, binary, lines = tmp_path / "empty", tmp_path / "binary", tmp_path / "lines"
    empty.write_text("\n")
    binary.write_bytes(b"\xff" * 40)
    lines.write_text(f"{SECRET}\n{SECRET}\n")
    for file, text in (
        (empty, "must hold one line of printable ASCII without spaces"),
        (lines, "must hold one line of printable ASCII without spaces"),
        (binary, "cannot be read as a text file"),
        (tmp_path, "cannot be read as a text file"),
        (tmp_path / "none", "cannot be read as a text file"),
    ):
        assert faults(API_SECRET=None, API_SECRET_FILE=str(file)) == [f"API_SECRET_FILE: {text}"]
        assert faults(API_KEY=None, API_KEY_FILE=str(file)) == [f"API_KEY_FILE: {text}"]


@pytest.mark.parametrize(
    "url",
    [
        *["livekit.example.org", "https://livekit.example.org", "ws://", "wss:///x", "wss://user:pw@host", "ws://h:0"],
        *["ws://h:99999", "wss://[", "wss://h?access_token=x", "wss://h#x", "wss://h h", "wss://h\n"],
    ],
)
def test_addresses_that_are_none(url: str):
    assert faults(URL=url) == ["URL: must be an address like wss://livekit.example.org, without a password in it"]


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("API_KEY", "two words", "must be printable ASCII without spaces"),
        ("API_SECRET", "x" * 40 + "é", "must be printable ASCII without spaces"),
        ("TOKEN_TTL", "59", "must be at least 60"),
        ("TOKEN_TTL", "86401", "must be at most 86400"),
        ("TOKEN_TTL", "nan", "must be a finite number"),
        ("TOKENS_PER_MINUTE", "0", "must be at least 1"),
        ("TOKENS_PER_MINUTE", "100001", "must be at most 100000"),
        ("AGENT_NAME", "x" * 129, "must be 1 to 128 printable characters, without spaces around them"),
        ("SHARED_ROOMS", '["lobby", ""]', "must be 1 to 128 printable characters, without spaces around them"),
        ("SHARED_ROOMS", '[" lobby"]', "must be 1 to 128 printable characters, without spaces around them"),
        ("SHARED_ROOMS", "[1]", "item 1: must be a string (is an integer)"),
        ("SHARED_ROOMS", '"lobby"', "must be an array (is a string)"),
    ],
)
def test_wrong_values(key: str, value: str, fault: str):
    assert faults(**{key: value}) == [f"{key}: {fault}"]
