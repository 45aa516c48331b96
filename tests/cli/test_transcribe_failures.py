"""What `transcribe` makes of servers that fail, and of files that cannot be read."""

import gc
import json

import pytest
import trio

from voicetrio.cli import transcribe_file
from voicetrio.cli.transcribe import TranscribeOptions

from .fake_server import Peer, open_fake_server
from .transcribing import Terminal, hears, run


async def test_an_error_that_can_be_lived_with_is_told_and_no_failure(wav):
    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.send("error", code="invalid_field", message="no such language", recoverable=True)
        await peer.receive_until("session.close")
        await peer.send_final("still here")
        await peer.say_closed()

    async with open_fake_server(script) as server:
        code, out, err = await run(server, [wav()])
    assert (code, out) == (0, "still here\n")
    assert "invalid_field: no such language" in err


async def test_a_transcript_with_a_hole_is_a_failure_and_printed(wav):
    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.send("session.frames_dropped", dropped_ms=1100, timestamp_ms=0, message="too fast")
        await peer.send("session.frames_dropped", dropped_ms=150, timestamp_ms=2000, message="too fast")
        await peer.receive_until("session.close")
        await peer.send_final("still here")
        await peer.say_closed()

    file = wav()
    async with open_fake_server(script) as server:
        code, out, err = await run(server, [file])
        assert (code, out) == (1, "still here\n")
        assert err.splitlines() == [
            f"voicetrio: {file}: the server drops audio: too fast",
            f"voicetrio: {file}: 1.2 s of the audio are missing: the server dropped them",
        ]
        _, out, _ = await run(server, [file], TranscribeOptions(format="json", fast=True))
    assert "1.2 s of the audio are missing" in json.loads(out)["error"]


async def test_a_hole_is_told_beside_another_failure(wav):
    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.send("session.frames_dropped", dropped_ms=1000, message="too fast")
        await peer.send("error", code="stt_gone", message="no worker left", recoverable=False)
        await peer.say_closed("error")

    async with open_fake_server(script) as server:
        code, _, err = await run(server, [wav(seconds=60.0)], TranscribeOptions())
    assert code == 1
    assert "1.0 s of the audio are missing" in err.splitlines()[1]
    assert err.endswith("stt_gone: no worker left\n")


async def test_after_a_failure_the_next_file_is_heard(wav):
    calls = 0

    async def script(peer: Peer) -> None:
        nonlocal calls
        calls += 1
        await peer.create()
        if calls == 1:
            await peer.receive()
            await peer.send_final("half")
            await peer.send("error", code="stt_gone", message="no worker left", recoverable=False)
            await peer.say_closed("error")
            await peer.connection.aclose(1013)
        else:
            await peer.receive_until("session.close")
            await peer.send_final("whole")
            await peer.say_closed()

    files = [wav("a.wav", 30.0), wav("b.wav")]
    async with open_fake_server(script) as server:
        code, out, err = await run(server, files)
    assert code == 1
    assert out == f"==> {files[0]} <==\nhalf\n\n==> {files[1]} <==\nwhole\n"
    assert err == f"voicetrio: {files[0]}: stt_gone: no worker left\n"


async def test_a_server_that_dies_in_the_middle_is_a_failure_and_what_was_heard_is_kept(wav):
    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.receive()
        await peer.send_final("the first half")
        await peer.break_off()

    async with open_fake_server(script) as server:
        code, out, err = await run(server, [wav(seconds=60.0)], TranscribeOptions(format="json"))
    value = json.loads(out)
    assert code == 1
    assert value["text"] == "the first half"
    assert "lost" in value["error"]
    assert err.endswith("the connection to the server was lost\n")


async def test_an_end_that_nobody_asked_for_is_a_failure(wav):
    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.receive()
        await peer.say_closed("idle")

    async with open_fake_server(script) as server:
        code, _, err = await run(server, [wav(seconds=60.0)], TranscribeOptions())
    assert code == 1
    assert "before the whole file was sent" in err


async def test_a_server_that_creates_no_session_is_given_up(wav, monkeypatch):
    monkeypatch.setattr(transcribe_file, "CREATED_S", 0.05)

    async def script(peer: Peer) -> None:
        await peer.receive()

    async with open_fake_server(script) as server:
        code, _, err = await run(server, [wav()])
    assert code == 1
    assert "silent" in err


async def test_a_server_that_never_ends_is_given_up(wav, monkeypatch):
    monkeypatch.setattr(transcribe_file, "END_SILENCE_S", 0.05)

    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.receive_until("session.close")
        await peer.receive()

    async with open_fake_server(script) as server:
        code, _, err = await run(server, [wav()])
    assert code == 1
    assert "silent" in err


async def test_files_that_are_no_audio_are_told_without_a_session(wav, tmp_path):
    bad = tmp_path / "bad.txt"
    bad.write_text("no sound")
    missing = str(tmp_path / "missing.wav")
    good = wav()
    async with open_fake_server(hears("fine")) as server:
        code, out, err = await run(server, [str(bad), missing, good])
    assert code == 1
    assert out.endswith(f"==> {good} <==\nfine\n")
    assert len(server.peers) == 1
    assert str(bad) in err.splitlines()[0]
    assert missing in err.splitlines()[1]


async def test_cancelling_leaves_at_once_and_gives_the_terminal_back(wav):
    out = Terminal()
    scope = trio.CancelScope()
    told = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.receive()
        scope.cancel()
        await peer.receive_until("session.cancel")
        told.set()

    async with open_fake_server(script) as server:
        with scope:
            await run(server, [wav(seconds=60.0)], TranscribeOptions(), out=out)
        assert scope.cancelled_caught
        await told.wait()
    assert out.getvalue().rfind("\x1b[?25h") > out.getvalue().rfind("\x1b[?25l")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # see test_native_client
async def test_a_refused_session_is_a_failure(wav):
    async with open_fake_server(hears(), refuse=(503, b"all slots are taken")) as server:
        code, out, err = await run(server, [wav()])
    assert (code, out) == (1, "")
    assert "HTTP 503 (all slots are taken)" in err
    gc.collect()
