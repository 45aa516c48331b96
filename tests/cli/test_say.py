import argparse
import io
import os
import stat
import tempfile
import wave
from pathlib import Path

import pytest
import trio

from voicetrio.cli import say as say_module
from voicetrio.cli.say import say

from .fake_server import Peer, open_fake_server

RATE = 22_050
PCM = bytes(range(256)) * 100  # 12 800 samples, some 580.5 ms


async def speak(peer: Peer) -> None:
    """What a healthy server does."""
    await peer.create()
    request_id = (await peer.receive_until("tts.speak"))["request_id"]
    await peer.send_audio(b"\7\7")  # of nobody's utterance
    await peer.send("tts.speaking_start", request_id=request_id, sample_rate=RATE, text="hi", timestamp_ms=0)
    for begin in range(0, len(PCM), 999):
        await peer.send_audio(PCM[begin : begin + 999])
    await peer.send("tts.speaking_end", request_id=request_id, duration_ms=580, cancelled=False)
    while (await peer.receive_until("playback.progress"))["played_ms"] < 580:
        pass
    await peer.send("playback.completed", request_id=request_id, heard_ms=580)
    await peer.receive_until("session.close")
    await peer.say_closed()


def refuses(code: str, **fields):
    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.receive_until("tts.speak")
        await peer.send("error", code=code, message="not today", recoverable=True, **fields)
        await peer.receive()

    return script


async def run(server, output, text="hello", voice=None, speed=1.0, **rest):
    err = io.StringIO()
    code = await say(text, server_url=server.url, output=output, voice=voice, speed=speed, err=err, **rest)
    return code, err.getvalue()


def check_wav(file) -> None:
    with wave.open(file, "rb") as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (RATE, 1, 2)
        assert reader.readframes(1_000_000) == PCM


async def test_the_speech_is_written_as_a_wav_file(tmp_path):
    async with open_fake_server(speak) as server:
        assert await run(server, tmp_path / "a.wav", voice="en", speed=1.5) == (0, "")
    check_wav(str(tmp_path / "a.wav"))
    assert os.listdir(tmp_path) == ["a.wav"]
    (peer,) = server.peers
    spoken, *_, played, closed = peer.messages
    request_id = spoken.pop("request_id")
    assert spoken == {"type": "tts.speak", "text": "hello", "voice": "en", "speed": 1.5}
    assert played == {"type": "playback.progress", "request_id": request_id, "played_ms": 581}  # never less than all
    assert closed == {"type": "session.close"}


async def test_what_has_come_is_reported_as_heard_a_tenth_of_a_second_at_a_time(tmp_path):
    async with open_fake_server(speak) as server:
        await run(server, tmp_path / "a.wav")
    reports = [message for message in server.peers[0].messages if message["type"] == "playback.progress"]
    # Messages of 499.5 samples, 22.7 ms: the first at or after each tenth, rounded down; and all of it at the end.
    assert [report["played_ms"] for report in reports] == [113, 226, 339, 453, 566, 581]
    assert {report["request_id"] for report in reports} == {server.peers[0].messages[0]["request_id"]}


async def test_a_server_that_waits_until_it_was_heard_is_not_kept_waiting(tmp_path):
    ahead_ms = 200

    async def script(peer: Peer) -> None:
        await peer.create()
        request_id = (await peer.receive_until("tts.speak"))["request_id"]
        await peer.send("tts.speaking_start", request_id=request_id, sample_rate=RATE, text="hi", timestamp_ms=0)
        heard_ms = 0
        for begin in range(0, len(PCM), 1000):
            while begin / 2 / RATE * 1000 > heard_ms + ahead_ms:
                heard_ms = (await peer.receive_until("playback.progress"))["played_ms"]
            await peer.send_audio(PCM[begin : begin + 1000])
        await peer.send("tts.speaking_end", request_id=request_id, duration_ms=580, cancelled=False)
        await peer.receive_until("session.close")
        await peer.say_closed()

    async with open_fake_server(script) as server:
        assert await run(server, tmp_path / "a.wav") == (0, "")
    check_wav(str(tmp_path / "a.wav"))


async def test_what_was_not_asked_for_is_not_sent(tmp_path):
    async with open_fake_server(speak) as server:
        await run(server, str(tmp_path / "a.wav"))
    assert "voice" not in server.peers[0].messages[0]


async def test_a_dash_writes_to_standard_output():
    stdout = io.BytesIO()
    async with open_fake_server(speak) as server:
        assert await run(server, "-", stdout=stdout) == (0, "")
    check_wav(io.BytesIO(stdout.getvalue()))


def streamed(data: bytes) -> bytes:
    """The samples in a WAV whose header says that its length is not known."""
    assert (data[:4], data[8:16]) == (b"RIFF", b"WAVEfmt ")
    with wave.open(io.BytesIO(data), "rb") as reader:
        assert (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) == (RATE, 1, 2)
    assert data[36:44] == b"data\xff\xff\xff\xff"
    return data[44:]


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
async def test_standard_output_that_is_a_file_gets_a_whole_one(tmp_path, name):
    with tempfile.TemporaryFile(dir=tmp_path) as stdout:
        async with open_fake_server(speak) as server:
            assert await run(server, name, stdout=stdout) == (0, "")
        stdout.seek(0)
        check_wav(stdout)


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/{write}", "{fifo}"])
async def test_who_reads_from_a_pipe_hears_it_while_it_comes(tmp_path, name):
    heard = bytearray()
    some_heard = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.create()
        request_id = (await peer.receive_until("tts.speak"))["request_id"]
        await peer.send("tts.speaking_start", request_id=request_id, sample_rate=RATE, text="hi", timestamp_ms=0)
        await peer.send_audio(PCM[:999])
        await some_heard.wait()
        await peer.send_audio(PCM[999:])
        await peer.send("tts.speaking_end", request_id=request_id, duration_ms=580, cancelled=False)
        await peer.receive_until("session.close")
        await peer.say_closed()

    def hear(source: int | Path) -> None:
        with open(source, "rb", buffering=0) as file:
            while data := file.read(4096):
                heard.extend(data)
                if len(heard) == 44 + 999:
                    trio.from_thread.run_sync(some_heard.set)

    os.mkfifo(fifo := tmp_path / "fifo")
    read, write = os.pipe()
    stdout = io.FileIO(write, "wb")
    with trio.fail_after(20):
        async with open_fake_server(script) as server, trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, hear, fifo if name == "{fifo}" else read)
            assert await run(server, name.format(write=write, fifo=fifo), stdout=stdout) == (0, "")
            stdout.close()
    assert streamed(bytes(heard)) == PCM
    if name == "{fifo}":
        os.close(read)


async def test_an_old_file_is_replaced_and_a_link_stays_one(tmp_path):
    (tmp_path / "old.wav").write_bytes(b"old")
    (tmp_path / "link.wav").symlink_to("old.wav")
    async with open_fake_server(speak) as server:
        await run(server, tmp_path / "link.wav")
    assert (tmp_path / "link.wav").is_symlink()
    check_wav(str(tmp_path / "old.wav"))


async def test_a_device_is_written_to_and_not_replaced():
    async with open_fake_server(speak) as server:
        assert await run(server, "/dev/null") == (0, "")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("code", ["tts_unavailable", "tts_rejected", "invalid_field", "unknown_voice", "text_too_long"])
async def test_an_error_is_told_and_leaves_no_file(tmp_path, code):
    (tmp_path / "a.wav").write_bytes(b"old")
    async with open_fake_server(refuses(code)) as server:
        assert await run(server, tmp_path / "a.wav") == (1, f"voicetrio: {code}: not today\n")
        assert await run(server, tmp_path / "b.wav") == (1, f"voicetrio: {code}: not today\n")
    assert os.listdir(tmp_path) == ["a.wav"]
    assert (tmp_path / "a.wav").read_bytes() == b"old"


async def test_an_error_of_the_hearing_half_does_not_stop_the_speech(tmp_path):
    async def script(peer: Peer) -> None:
        await peer.send("error", code="stt_unavailable", message="no worker", recoverable=True)
        await speak(peer)

    async with open_fake_server(script) as server:
        assert await run(server, tmp_path / "a.wav") == (0, "voicetrio: stt_unavailable: no worker\n")
    check_wav(str(tmp_path / "a.wav"))


@pytest.mark.parametrize("gone", ["broken", "closed"])
async def test_a_server_that_goes_in_the_middle_leaves_no_file(tmp_path, gone):
    async def script(peer: Peer) -> None:
        await peer.create()
        request_id = (await peer.receive_until("tts.speak"))["request_id"]
        await peer.send("tts.speaking_start", request_id=request_id, sample_rate=RATE, text="hi", timestamp_ms=0)
        await peer.send_audio(PCM)
        await (peer.break_off() if gone == "broken" else peer.say_closed("shutdown"))

    async with open_fake_server(script) as server:
        code, err = await run(server, tmp_path / "a.wav")
    assert code == 1
    assert ("lost" if gone == "broken" else "before all was said") in err
    assert os.listdir(tmp_path) == []


async def test_a_speech_broken_off_is_a_failure(tmp_path):
    async def script(peer: Peer) -> None:
        await peer.create()
        request_id = (await peer.receive_until("tts.speak"))["request_id"]
        await peer.send("tts.speaking_start", request_id=request_id, sample_rate=RATE, text="hi", timestamp_ms=0)
        await peer.send_audio(PCM)
        await peer.send("tts.speaking_end", request_id=request_id, duration_ms=1, cancelled=True)
        await peer.receive()

    async with open_fake_server(script) as server:
        code, err = await run(server, tmp_path / "a.wav")
    assert (code, os.listdir(tmp_path)) == (1, [])
    assert "broke off" in err


async def test_when_all_was_received_a_lost_goodbye_does_not_matter(tmp_path):
    async def script(peer: Peer) -> None:
        await peer.create()
        request_id = (await peer.receive_until("tts.speak"))["request_id"]
        await peer.send("tts.speaking_start", request_id=request_id, sample_rate=RATE, text="hi", timestamp_ms=0)
        await peer.send_audio(PCM)
        await peer.send("tts.speaking_end", request_id=request_id, duration_ms=580, cancelled=False)
        await peer.receive()
        await peer.break_off()

    async with open_fake_server(script) as server:
        assert await run(server, tmp_path / "a.wav") == (0, "")
    check_wav(str(tmp_path / "a.wav"))


async def test_a_silent_server_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(say_module, "SILENCE_S", 0.05)

    async def script(peer: Peer) -> None:
        await trio.sleep_forever()

    async with open_fake_server(script) as server:
        code, err = await run(server, tmp_path / "a.wav")
    assert code == 1
    assert "silent" in err


async def test_what_cannot_be_done_is_told_before_a_server_is_bothered(tmp_path):
    async with open_fake_server(speak) as server:
        assert await run(server, tmp_path / "a.wav", text=" \n") == (1, "voicetrio: there is no text to say\n")
        code, err = await run(server, tmp_path / "none" / "a.wav")
    assert (code, server.peers) == (1, [])
    assert "no such folder" in err


@pytest.mark.parametrize("text", ["0.2", "4.1", "nan", "fast"])
def test_a_speed_out_of_range_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError):
        say_module._speed(text)
