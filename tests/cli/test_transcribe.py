"""The whole command against a scripted server, on real sockets and real files: bounded, and quick, but in real time."""

import json
import math
import os
import re
from itertools import pairwise

import pytest
import trio
from av.stream import Disposition

from voicetrio.cli.replay import FRAME_BYTES
from voicetrio.cli.transcribe import PATIENCE_MS, TranscribeOptions

from .fake_server import Peer, open_fake_server
from .media_files import tone, write, write_tracks
from .transcribing import Terminal, hears, run


async def test_a_pipe_gets_the_finals_one_per_line_and_nothing_else(wav):
    async with open_fake_server(hears("hello there", "", "good bye")) as server:
        assert await run(server, [wav()]) == (0, "hello there\ngood bye\n", "")
        (peer,) = server.peers
    assert peer.path.startswith("/ws/session-")
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


async def test_fast_keeps_to_the_rate_that_the_server_takes(wav):
    async def script(peer: Peer) -> None:
        await peer.create(limits={"max_rate": 10.0, "max_backlog_ms": 10_000, "resume_grace_ms": 15_000})
        await peer.receive_until("session.close")
        await peer.say_closed()

    async with open_fake_server(script) as server:
        code, _, _ = await run(server, [wav(seconds=5.0)])
    assert code == 0
    times = server.peers[0].frame_times
    assert len(times) == 50
    assert 0.95 * 4.9 / 10.0 < times[-1] - times[0] < 3.0


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


async def test_times_are_those_of_the_file(tmp_path):
    path = write(tmp_path / "late.mkv", [(5.0, tone(2.0)), (20.0, tone(2.0))])
    async with open_fake_server(hears("one", "two", "three", "four", "five", "six")) as server:
        code, out, err = await run(server, [path], TranscribeOptions(format="srt", fast=True))
    assert (code, err) == (0, "")
    # Two seconds of sound, two of the silence that stands for 13 s, and two of sound.
    starts = [60 * int(m) + float(f"{s}.{ms}") for m, s, ms in re.findall(r"(\d\d):(\d\d),(\d+) -->", out)]
    assert [starts[0], starts[1], starts[-1]] == pytest.approx([5, 6, 21], abs=0.05)


@pytest.mark.parametrize("output_format", ["text", "json"])
async def test_a_file_without_speech_is_no_failure_and_told(wav, output_format):
    async with open_fake_server(hears()) as server:
        code, out, err = await run(server, [path := wav()], TranscribeOptions(format=output_format, fast=True))
    assert (code, err) == (0, f"voicetrio: {path}: no speech was heard in it\n")
    if output_format == "json":
        assert json.loads(out)["warnings"] == [f"{path}: no speech was heard in it"]


async def test_several_tracks_are_told_and_one_is_chosen(tmp_path):
    path = write_tracks(
        tmp_path / "a.mkv", [(300, Disposition(0), {}), (500, Disposition.default, {"language": "ger"})]
    )
    async with open_fake_server(hears("hello")) as server:
        told = await run(server, [path])
        chosen = await run(server, [path], TranscribeOptions(track=1, fast=True))
        missing = await run(server, [path], TranscribeOptions(track=3, fast=True))
    assert told[:2] == (0, "hello\n")
    assert "another one than track 2:\n  1: nothing is said of it\n  2: ger, default\n" in told[2]
    assert chosen == (0, "hello\n", "")
    assert missing[0] == 1
    assert "has no sound track 3" in missing[2]


async def test_a_file_that_is_cut_off_is_transcribed_with_a_warning(wav):
    os.truncate(path := wav(seconds=4.0), 64_044)
    async with open_fake_server(hears("hello")) as server:
        code, out, err = await run(server, [path])
    assert (code, out, err) == (0, "hello\n", f"voicetrio: {path}: it is cut off: it ends at 2.0 s\n")


async def test_a_file_name_that_is_not_utf8_is_a_name_like_others(wav):
    path = os.fsdecode(os.fsencode(wav()) + b"\xe9.wav")
    os.rename(wav(), path)
    async with open_fake_server(hears("hello")) as server:
        code, out, _ = await run(server, [path], TranscribeOptions(format="json", fast=True))
    assert code == 0
    assert json.loads(out.encode("utf-8"))["file"] == path
