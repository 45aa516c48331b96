"""From arguments to an exit code, with the server's part (`embedded.open_server`) played by a scripted one."""

import argparse
import sys
import types
from contextlib import asynccontextmanager

import pytest
import trio

from voicetrio.cli import say, transcribe, with_server
from voicetrio.cli.native_client import ServerUnreachable
from voicetrio.cli.with_server import run_with_server

from .fake_server import open_fake_server
from .test_say import check_wav, speak


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser()
    subparsers = parser.add_subparsers(required=True)
    transcribe.add_parser(subparsers)
    say.add_parser(subparsers)
    return parser


@pytest.fixture
def embedded(monkeypatch):
    """Stands in for what finds or starts a server; remembers what it was asked for."""
    asked = types.SimpleNamespace(calls=[])

    @asynccontextmanager
    async def open_server(config_files, server, err):
        asked.calls.append((config_files, server))
        async with open_fake_server(speak) as fake:
            yield fake.url

    monkeypatch.setattr(with_server, "open_server", open_server)
    return asked


def test_say_runs_to_its_file(parser, embedded, tmp_path):
    args = parser.parse_args(
        ["say", "hello", "-o", str(tmp_path / "a.wav"), "--config", "a.toml", "--config", "b.toml"]
    )
    assert args.command(args) == 0
    check_wav(str(tmp_path / "a.wav"))
    assert embedded.calls == [(["a.toml", "b.toml"], None)]


def test_transcribe_tells_of_a_missing_file(parser, embedded, capsys):
    args = parser.parse_args(["transcribe", "/none.wav", "--server", "ws://x:1"])
    assert args.command(args) == 1
    assert capsys.readouterr().err == "voicetrio: /none.wav: cannot be opened (No such file or directory)\n"
    assert embedded.calls == [([], "ws://x:1")]


def test_subtitles_are_of_one_file(parser, embedded, capsys):
    args = parser.parse_args(["transcribe", "a.wav", "b.wav", "--format", "srt"])
    assert args.command(args) == 2
    assert "one file at a time" in capsys.readouterr().err


def test_a_wav_is_not_written_to_a_terminal(parser, embedded, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    args = parser.parse_args(["say", "hello"])
    assert args.command(args) == 2
    assert embedded.calls == []


def test_a_server_that_is_not_found_is_told_in_one_line(embedded, capsys):
    async def command(url: str) -> int:
        await trio.lowlevel.checkpoint()
        raise ExceptionGroup("in a nursery", [ServerUnreachable("nobody is there")])

    assert run_with_server(argparse.Namespace(config=[], server=None), command) == 1
    assert capsys.readouterr().err == "voicetrio: nobody is there\n"


def test_an_interrupt_is_one_for_main_however_deep_it_was(embedded):
    async def command(url: str) -> int:
        await trio.lowlevel.checkpoint()
        raise BaseExceptionGroup("in a nursery", [KeyboardInterrupt()])

    with pytest.raises(KeyboardInterrupt):
        run_with_server(argparse.Namespace(config=[], server=None), command)
