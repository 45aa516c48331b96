"""What logs say of an error: where it was, and never what it held."""

import json

import pytest
import structlog

from voicetrio.cli.logs import configure_logging
from voicetrio.settings import LogSettings


@pytest.fixture(autouse=True)
def structlog_as_it_was():
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("shape", ["json", "console"])
def test_an_error_is_told_by_place_and_type_and_not_by_its_text(capsys, shape):
    configure_logging(LogSettings(level="info", format=shape))
    held = chr(0x41) * 20  # built here: the source line of a frame is shown, and may be
    try:
        raise ExceptionGroup("a session", [ValueError(held)])
    except ExceptionGroup:
        structlog.get_logger().exception("session_crashed", session_id="s")
    told = capsys.readouterr().err
    assert held not in told
    assert "builtins.ValueError" in told
    assert "test_logs.py" in told
    if shape == "json":
        assert json.loads(told)["event"] == "session_crashed"


def test_levels_below_the_configured_one_are_silent(capsys):
    configure_logging(LogSettings(level="warning", format="json"))
    structlog.get_logger().info("fine")
    structlog.get_logger().warning("odd")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["odd"]
