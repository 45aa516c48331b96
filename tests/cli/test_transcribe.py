"""The whole command against a scripted server, on real sockets and real files: bounded, and quick, but in real time."""

import gc
import io
import json
import math
import wave
from itertools import pairwise

import pytest
import trio

from voicetrio.cli import transcribe as transcribe_module
from voicetrio.cli.transcribe import FRAME_BYTES, PATIENCE_MS, TranscribeOptions, transcribe

from .fake_server import Peer, open_fake_server

FAST = TranscribeOptions(fast=True)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


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


async def run(server, files, options=FAST, out=None, err=None):
    out, err = out or io.StringIO(), err or io.StringIO()
    code = await transcribe(files, server_url=server.url, options=options, out=out, err=err)
    return code, out.getvalue(), err.getvalue()


def hears(*texts: str):
    """A server that hears these texts, a second each, in whatever it is sent."""

    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.receive_until("session.close")
        for i, text in enumerate(texts):
            words = [
                {"word": word, "start": i + n / 10, "end": i + (n + 1) / 10, "confidence": 0.5}
                for n, word in enumerate(text.split())
            ]
            await peer.send_final(text, i * 1000, i * 1000 + 900, words=words, confidence=0.75)
        await peer.say_closed()

    return script


async def test_a_pipe_gets_the_finals_one_per_line_and_nothing_else(wav):
    async with open_fake_server(hears("hello there", "", "good bye")) as server:
        assert await run(server, [wav()]) == (0, "hello there\ngood bye\n", "")
        (peer,) = server.peers
    assert peer.path.startswith("/ws/transcribe-")
    assert bytes(peer.audio) == b"\1\0" * 8000
    assert [message["type"] for message in peer.messages] == ["session.configure", "session.close"]


async def test_the_language_is_asked_for_and_interim_words_on_a_terminal_only(wav):
    async with open_fake_server(hears("x")) as server:
        await run(server, [wav()], TranscribeOptions(language="de", fast=True))
        await run(server, [wav()], TranscribeOptions(language="de", fast=True), out=Terminal())
    first, second = (peer.messages[0] for peer in server.peers)
    patience = {"init_timeout_ms": PATIENCE_MS, "hold_timeout_ms": PATIENCE_MS}
    assert first == {"type": "session.configure", "language": "de", **patience}
    assert second == {"type": "session.configure", "language": "de", "interim": True, **patience}


async def test_several_files_have_headers_and_sessions_of_their_own(wav):
    files = [wav("a.wav"), wav("b.wav")]
    async with open_fake_server(hears("hi")) as server:
        code, out, _ = await run(server, files)
    assert (code, out) == (0, f"==> {files[0]} <==\nhi\n\n==> {files[1]} <==\nhi\n")
    assert len({peer.path for peer in server.peers}) == 2


async def test_words_are_shown_while_the_file_is_still_being_sent(wav):
    shown = trio.Event()

    class Watched(Terminal):
        def write(self, text: str) -> int:
            if "early" in text:
                shown.set()
            return super().write(text)

    async def script(peer: Peer) -> None:
        await peer.create()
        while not peer.audio:
            await peer.receive()
        await peer.send("transcript.partial", text="early", tentative="bird", segment_id="s", timestamp_ms=100)
        await shown.wait()
        assert not any(message["type"] == "session.close" for message in peer.messages)
        await peer.receive_until("session.close")
        await peer.send_final("early bird")
        await peer.say_closed()

    async with open_fake_server(script) as server:
        code, out, err = await run(server, [wav(seconds=1.0)], TranscribeOptions(), out=Watched())
    assert (code, err) == (0, "")
    assert "\x1b[1mearly\x1b[0m \x1b[2mbird\x1b[0m" in out  # bright, and dim
    assert "early bird\n" in out
    assert "\x1b[?25h" in out.splitlines()[-1]  # the cursor is given back


async def test_real_time_is_kept(wav):
    async with open_fake_server(hears("x")) as server:
        await run(server, [wav(seconds=0.5)], TranscribeOptions())
    times = server.peers[0].frame_times
    assert len(times) == 5
    assert 0.3 < times[-1] - times[0] < 2.0


async def test_a_short_last_frame_is_filled_up_to_what_the_protocol_takes(wav):
    async with open_fake_server(hears("x")) as server:
        _, out, _ = await run(server, [wav(seconds=0.101)], TranscribeOptions(format="json", fast=True))
    assert len(server.peers[0].audio) == FRAME_BYTES + 320
    assert json.loads(out)["duration_s"] == 0.101


async def test_a_rate_limit_is_obeyed(wav):
    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.receive()
        await peer.send("session.rate_limit", delay_ms=300, message="slow down")
        await peer.receive_until("session.close")
        await peer.say_closed()

    async with open_fake_server(script) as server:
        code, _, _ = await run(server, [wav(seconds=0.5)], TranscribeOptions())
    assert code == 0
    times = server.peers[0].frame_times
    assert max(b - a for a, b in pairwise(times)) > 0.28
    assert 0.6 < times[-1] - times[0] < 3.0  # 0.4 s of frames and 0.3 s of waiting


async def test_json_tells_everything(wav):
    file = wav()
    async with open_fake_server(hears("one two", "", "three")) as server:
        code, out, _ = await run(server, [file, file], TranscribeOptions(format="json", fast=True))
    assert code == 0
    lines = out.splitlines()
    assert len(lines) == 2
    value = json.loads(lines[0])
    assert (value["file"], value["duration_s"], value["text"]) == (file, 0.5, "one two three")
    assert [segment["text"] for segment in value["segments"]] == ["one two", "", "three"]
    assert value["segments"][0] == {
        "id": "s",
        "start": 0.0,
        "end": 0.9,
        "text": "one two",
        "confidence": 0.75,
        "words": [
            {"word": "one", "start": 0.0, "end": 0.1, "confidence": 0.5},
            {"word": "two", "start": 0.1, "end": 0.2, "confidence": 0.5},
        ],
    }


async def test_subtitles(wav):
    async with open_fake_server(hears("a < b", "bye")) as server:
        _, srt, _ = await run(server, [wav()], TranscribeOptions(format="srt", fast=True))
        _, vtt, _ = await run(server, [wav()], TranscribeOptions(format="vtt", fast=True))
    # The one word of the second takes 0.1 s, which would not be seen.
    assert srt == "1\n00:00:00,000 --> 00:00:00,300\na < b\n\n2\n00:00:01,000 --> 00:00:01,200\nbye\n\n"
    assert vtt == "WEBVTT\n\n00:00:00.000 --> 00:00:00.300\na &lt; b\n\n00:00:01.000 --> 00:00:01.200\nbye\n\n"


async def test_an_error_that_can_be_lived_with_is_told_and_no_failure(wav):
    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.send("error", code="invalid_field", message="no such language", recoverable=True)
        await peer.send("session.frames_dropped", dropped_ms=120, message="too fast")
        await peer.receive_until("session.close")
        await peer.send_final("still here")
        await peer.say_closed()

    async with open_fake_server(script) as server:
        code, out, err = await run(server, [wav()])
    assert (code, out) == (0, "still here\n")
    assert "invalid_field: no such language" in err
    assert "dropped 120 ms of audio: too fast" in err


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
    monkeypatch.setattr(transcribe_module, "CREATED_S", 0.05)

    async def script(peer: Peer) -> None:
        await peer.receive()

    async with open_fake_server(script) as server:
        code, _, err = await run(server, [wav()])
    assert code == 1
    assert "silent" in err


async def test_a_server_that_never_ends_is_given_up(wav, monkeypatch):
    monkeypatch.setattr(transcribe_module, "END_SILENCE_S", 0.05)

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


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # see test_native_client
async def test_a_refused_session_is_a_failure(wav):
    async with open_fake_server(hears(), refuse=(503, b"all slots are taken")) as server:
        code, out, err = await run(server, [wav()])
    assert (code, out) == (1, "")
    assert "HTTP 503 (all slots are taken)" in err
    gc.collect()


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


async def test_the_bar_is_on_stderr_when_only_that_is_a_terminal(wav):
    err = Terminal()
    async with open_fake_server(hears("long")) as server:
        code, out, _ = await run(server, [wav("long.wav", 30.0)], err=err)
        assert (code, out) == (0, "long\n")
        assert "long.wav" in err.getvalue()
        assert "%" in err.getvalue()
        err = Terminal()
        await run(server, [wav("short.wav", 5.0)], err=err)
        assert err.getvalue() == ""


async def test_a_long_file_at_full_speed_arrives_whole(wav):
    async with open_fake_server(hears("x")) as server:
        code, _, _ = await run(server, [wav(seconds=300.0)])
    assert code == 0
    assert len(server.peers[0].audio) == 300 * 32_000
    assert len(server.peers[0].frame_times) == math.ceil(300 / 0.1)
