"""The whole command against a scripted server, on real sockets and real files: bounded, and quick, but in real time."""

import argparse
import io
import json
import os
import wave

import numpy as np
import pytest
import trio

from voicetrio.cli import resuming, talk_conversation
from voicetrio.cli import talk as talk_module
from voicetrio.cli.talk import TalkOptions, talk
from voicetrio.cli.transcribe import PATIENCE_MS

from .fake_server import Peer, open_fake_server
from .fake_session import FakeSession

RATE = 8000
SOUND = b"\0\20" * 1600  # 0.2 s


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(talk_conversation, "SETTLE_S", 0.0)


async def listen(peer: Peer) -> None:
    await peer.create()
    await peer.receive_until("session.configure")
    await peer.send("session.configured", config={})
    while len(peer.audio) < 3200:  # 0.1 s
        await peer.receive()
    await peer.send("turn.started", turn_id="t", text="open the door", timestamp_ms=100)


async def speak(peer: Peer) -> None:
    await peer.send(
        "tts.speaking_start", request_id="u", turn_id="t", sample_rate=RATE, text="It is open.", timestamp_ms=100
    )
    await peer.send_audio(SOUND)
    await peer.send("turn.timings", turn_id="t", total_ms=600, endpointing_ms=500)


async def converse(peer: Peer) -> None:
    """What a healthy server does."""
    await listen(peer)
    await speak(peer)
    await peer.send("tts.speaking_end", request_id="u", duration_ms=200, cancelled=False)
    while (await peer.receive_until("playback.progress"))["played_ms"] < 200:
        pass
    await peer.send("playback.completed", request_id="u", heard_ms=200)
    await peer.send("turn.ended", turn_id="t", outcome="completed")
    await peer.receive_until("session.close")
    await peer.say_closed()


async def run(server, recording, options=None, output=None, out=None):
    out, err = out or io.StringIO(), io.StringIO()
    options = options or TalkOptions(wait_s=0.1)
    code = await talk(recording, server_url=server.url, output=output, options=options, out=out, err=err)
    return code, out.getvalue(), err.getvalue()


def read(path) -> tuple[int, np.ndarray]:
    with wave.open(str(path)) as reader:
        return reader.getframerate(), np.frombuffer(reader.readframes(10**9), np.int16)


async def test_a_conversation_is_printed_and_what_was_heard_is_written(wav, tmp_path):
    async with open_fake_server(converse) as server:
        code, out, err = await run(server, wav("question.wav", 0.2), output=tmp_path / "heard.wav")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "  0.00  microphone: question.wav (0.2 s)"
    assert [line[8:] for line in lines[1:]] == [
        "you    open the door",
        "agent  It is open.",
        "       heard to the end (0.20 s)",
        "answer after 0.60 s: endpointing 0.50",
    ]
    rate, samples = read(tmp_path / "heard.wav")
    assert rate == RATE
    loud = np.flatnonzero(samples)
    assert len(loud) == 1600
    assert 0.08 < loud[0] / RATE < 1.0  # when it was heard, and not at once
    assert loud[-1] - loud[0] == 1599
    assert sorted(os.listdir(tmp_path)) == ["heard.wav", "question.wav"]


async def test_the_session_is_asked_for_an_agent_that_speaks(wav):
    async with open_fake_server(converse) as server:
        await run(server, wav(seconds=0.1))
        await run(server, wav(seconds=0.1), TalkOptions(barge_in=True, language="de", wait_s=0.1))
    first, second = (peer.messages[0] for peer in server.peers)
    always = {
        "type": "session.configure",
        "agent": "on",
        "speak_replies": True,
        "init_timeout_ms": PATIENCE_MS,
        "hold_timeout_ms": PATIENCE_MS,
    }
    assert first == always
    assert second == {**always, "duplex": "barge_in", "language": "de"}
    assert len({peer.path for peer in server.peers}) == 2
    assert all(peer.path.startswith("/ws/new_talk-") for peer in server.peers)


async def test_json_has_one_event_per_line(wav):
    async with open_fake_server(converse) as server:
        code, out, _ = await run(server, wav(seconds=0.1), TalkOptions(format="json", wait_s=0.1))
    assert code == 0
    values = [json.loads(line) for line in out.splitlines()]
    assert all(value.keys() == {"at", "event"} for value in values)
    assert values[0]["event"]["type"] == "microphone.opened"
    assert values[-1]["event"]["type"] == "session.closed"


async def test_nothing_understood_is_a_failure(wav, tmp_path):
    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.receive_until("session.configure")
        await peer.send("session.configured", config={})
        await peer.receive_until("session.close")
        await peer.say_closed()

    async with open_fake_server(script) as server:
        code, out, err = await run(server, wav(seconds=0.1), output=tmp_path / "heard.wav")
    assert code == 1
    assert err == "voicetrio: nothing was understood: no turn began within 0.1 s\n"
    assert len(out.splitlines()) == 1
    assert not read(tmp_path / "heard.wav")[1].any()  # that is what was heard


@pytest.mark.parametrize(("outcome", "words"), [("completed", "nothing was answered aloud"), ("failed", "aloud")])
async def test_an_answer_that_nobody_hears_is_a_failure(wav, outcome, words):
    async def script(peer: Peer) -> None:
        await listen(peer)
        await peer.send("turn.ended", turn_id="t", outcome=outcome)
        await peer.receive_until("session.close")
        await peer.say_closed()

    async with open_fake_server(script) as server:
        code, _, err = await run(server, wav(seconds=0.1))
    assert code == 1
    assert words in err


async def test_an_error_is_a_failure_though_all_was_answered(wav):
    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.receive_until("session.configure")
        await peer.send("session.configured", config={})
        await peer.send("error", code="stt_unavailable", message="back in a moment", recoverable=True)
        await peer.send("turn.started", turn_id="t", text="open the door", timestamp_ms=100)
        await speak(peer)
        await peer.send("tts.speaking_end", request_id="u", duration_ms=200, cancelled=False)
        await peer.send("playback.completed", request_id="u", heard_ms=200)
        await peer.send("turn.ended", turn_id="t", outcome="completed")
        await peer.receive_until("session.close")
        await peer.say_closed()

    async with open_fake_server(script) as server:
        code, out, err = await run(server, wav(seconds=0.1))
    assert (code, err) == (1, "voicetrio: stt_unavailable: back in a moment\n")
    assert "heard to the end" in out


async def test_a_server_without_an_agent_is_told(wav, tmp_path):
    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.receive_until("session.configure")
        await peer.send("error", code="unsupported", message="no agent", recoverable=True)
        await peer.receive_until("session.cancel")

    async with open_fake_server(script) as server:
        code, out, err = await run(server, wav(seconds=0.1), output=tmp_path / "heard.wav")
    assert (code, out, err) == (1, "", "voicetrio: unsupported: no agent\n")
    assert not (tmp_path / "heard.wav").exists()  # there was no call


async def test_a_call_that_is_cut_goes_on_and_all_of_it_is_written(wav, tmp_path, monkeypatch):
    monkeypatch.setattr(resuming, "RETRY_S", 0.01)
    kept = FakeSession()

    async def script(peer: Peer) -> None:
        await kept.enter(peer, lost_ms=40)
        if len(server.peers) == 1:
            await kept.send("session.configured", config={})
            await kept.receive_audio(100)
            await kept.send("turn.started", turn_id="t", text="open the door", timestamp_ms=100)
            await kept.send("tts.speaking_start", request_id="u", turn_id="t", sample_rate=RATE, text="It is open.")
            await peer.send_audio(SOUND)
            await kept.receive_until("playback.progress")
            await kept.send("tts.speaking_text", lost=True, request_id="u", turn_id="t", text="Come in.", offset_ms=200)
            await peer.break_off()
            return
        assert (peer.query["utterance"], peer.query["samples"]) == ("u", "1600")
        await kept.send("tts.speaking_resumed", request_id="u", sample_rate=RATE, start_sample=1600)
        await peer.send_audio(SOUND)
        await kept.send("tts.speaking_end", request_id="u", duration_ms=400, cancelled=False)
        while kept.messages[-1].get("played_ms") != 400:
            await kept.receive()
        await kept.send("playback.completed", request_id="u", heard_ms=400)
        await kept.send("turn.ended", turn_id="t", outcome="completed")
        await kept.receive_until("session.close")
        await kept.end()

    async with open_fake_server(script) as server:
        code, out, err = await run(server, wav(seconds=0.3), output=tmp_path / "heard.wav")
        assert len({peer.path.partition("?")[0] for peer in server.peers}) == 1
    assert (code, err) == (0, "voicetrio: the connection was lost; going on over another one\n")
    assert [out.count(words) for words in ("It is open.", "Come in.", "heard to the end (0.40 s)")] == [1, 1, 1]
    assert np.count_nonzero(read(tmp_path / "heard.wav")[1]) == 3200
    assert bytes(kept.audio).startswith(b"\1\0" * 4800)  # and silence after it
    assert not any(kept.audio[9600:])


async def test_a_call_that_is_cut_and_not_kept_is_over_and_what_was_heard_is_written(wav, tmp_path):
    async def script(peer: Peer) -> None:
        await listen(peer)
        await speak(peer)
        await peer.receive_until("playback.progress")
        await peer.break_off()

    async with open_fake_server(script) as server:
        code, out, err = await run(server, wav(seconds=0.1), output=tmp_path / "heard.wav")
        assert len(server.peers) == 1
    assert code == 1
    assert err == "voicetrio: the connection to the server was lost\n"
    assert "It is open." in out
    assert read(tmp_path / "heard.wav")[1].any()


async def test_an_interrupt_still_writes_what_was_heard(wav, tmp_path):
    class Interrupted(io.StringIO):
        def write(self, text: str) -> int:
            if "agent" in text:
                raise KeyboardInterrupt
            return super().write(text)

    async with open_fake_server(converse) as server:
        with pytest.raises(BaseException) as caught:  # however deep it was
            await run(server, wav("a.wav", 0.1), output=tmp_path / "heard.wav", out=Interrupted())
    assert "KeyboardInterrupt" in repr(caught.value)
    assert len(read(tmp_path / "heard.wav")[1]) > 0
    assert sorted(os.listdir(tmp_path)) == ["a.wav", "heard.wav"]


async def test_what_cannot_be_done_is_told_before_the_call(wav, tmp_path):
    async with open_fake_server(converse) as server:
        code, _, err = await run(server, "/none.wav")
        assert (code, err) == (1, "voicetrio: /none.wav: cannot be opened (No such file or directory)\n")
        code, _, err = await run(server, wav(), output=tmp_path / "none" / "a.wav")
        assert (code, "no such folder" in err) == (1, True)
        code, _, err = await run(server, wav(), output=tmp_path)
        assert (code, "that is a folder" in err) == (1, True)
        assert server.peers == []


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    talk_module.add_parser(parser.add_subparsers(required=True))
    return parser.parse_args(["talk", *words])


def test_the_arguments_reach_the_call(monkeypatch):
    calls = []

    async def talk(recording, **rest):
        await trio.lowlevel.checkpoint()
        calls.append((recording, rest["output"], rest["options"]))
        return 7

    monkeypatch.setattr(talk_module, "talk", talk)
    args = parse("a.ogg", "-o", "b.wav", "--barge-in", "--language", "de", "--format", "json", "--wait", "2.5")
    args.server = "ws://x:1"
    assert args.command(args) == 7
    options = TalkOptions(barge_in=True, language="de", format="json", wait_s=2.5)
    assert calls == [("a.ogg", "b.wav", options)]


@pytest.mark.parametrize("words", [["--wait", "0"], ["--wait", "nan"], ["--wait", "soon"], ["--format", "srt"], []])
def test_bad_usage(words, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(*(["a.wav", *words] if words else []))
    assert ended.value.code == 2
    capsys.readouterr()


def test_the_help_tells_of_barge_in(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    assert "unless --barge-in is given" in " ".join(capsys.readouterr().out.split())
