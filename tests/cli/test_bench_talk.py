import argparse
import gc
import io
import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import trio

from voicetrio.cli import bench, bench_talk, bench_talk_server, bench_talk_turn
from voicetrio.cli.bench import Progress
from voicetrio.cli.bench_process import BenchError
from voicetrio.cli.bench_talk_report import TalkFigures, as_json, table
from voicetrio.cli.bench_talk_server import open_talk_server
from voicetrio.cli.bench_talk_turn import Answer, NoAnswer, ask, frames
from voicetrio.cli.talk_microphone import FRAME_BYTES

from .fake_server import Peer, open_fake_server

PARTS = {
    "endpointing_ms": 500.0,
    "final_ms": 50.0,
    "turn_ms": 1.0,
    "agent_ms": 10.0,
    "piece_ms": 2.0,
    "audio_ms": 47.0,
    "total_ms": 610.0,
}

LOUD = np.full(1600, 1000, np.int16).tobytes()  # 0.1 s at 16 kHz
QUIET = np.full(800, 100, np.int16).tobytes()


# -- the report -----------------------------------------------------------------------------------------------------


def figures(*unanswered: str) -> TalkFigures:
    answers = [Answer(600.0 + n, {**PARTS, "total_ms": 590.0 + n}) for n in range(10)]
    return TalkFigures(tuple(reversed(answers)), unanswered)


def cells(text: str) -> dict[str, list[str]]:
    return {" ".join(line.split()[:-3]): line.split()[-3:] for line in text.splitlines() if len(line.split()) > 3}


def test_the_table_tells_each_part():
    lines = cells(table(figures(), "the title"))
    assert lines["voice to voice, by the client"] == ["604", "608", "609"]
    assert lines["the same, by the server"] == ["594", "598", "599"]
    assert lines["end of speech decided"] == ["500", "500", "500"]
    assert lines["first sound"] == ["47", "47", "47"]
    assert table(figures(), "the title").splitlines()[0] == "the title"
    assert "10 of 10 turns were answered" in table(figures(), "")


def test_turns_without_an_answer_are_counted_with_their_reasons():
    some = figures("no turn began", "no sound came", "no turn began")
    assert table(some, "").splitlines()[-3:] == [
        "10 of 13 turns were answered",
        "  2 without an answer: no turn began",
        "  1 without an answer: no sound came",
    ]
    assert (some.passed, figures().passed) == (False, True)


def test_parts_that_were_not_told_are_a_dash_and_null():
    some = TalkFigures((Answer(600.0, {"total_ms": 590.0}),), ())
    assert cells(table(some, ""))["final there"] == ["-", "-", "-"]
    value = json.loads(json.dumps(as_json(some), allow_nan=False))
    assert value["delay_ms"]["final"] == {"p50": None, "p90": None, "max": None}
    assert value["delay_ms"]["voice_to_voice"] == {"p50": 600.0, "p90": 600.0, "max": 600.0}
    assert (value["turns"], value["answered"], value["unanswered"], value["passed"]) == (1, 1, [], True)


def test_nothing_answered_is_still_a_report():
    nothing = TalkFigures((), ("no turn began",))
    assert "nan" not in table(nothing, "")
    assert not json.loads(json.dumps(as_json(nothing), allow_nan=False))["passed"]


# -- one turn -------------------------------------------------------------------------------------------------------


def test_the_end_of_the_speech_is_its_last_loud_sample():
    sent, last = frames(LOUD + QUIET * 3)
    lead = round(bench_talk_turn.LEAD_S / 0.02)
    assert last == lead + 4  # 0.1 s are five frames
    assert all(len(frame) == FRAME_BYTES for frame in sent)
    assert b"".join(sent).startswith(bytes(lead * FRAME_BYTES) + LOUD + QUIET)


def test_the_loudest_negative_sample_is_loud():
    _, last = frames(b"\0\x80")
    assert last == round(bench_talk_turn.LEAD_S / 0.02)


@pytest.mark.parametrize("speech", [b"", QUIET])
def test_a_question_without_sound_is_none(speech):
    with pytest.raises(NoAnswer):
        frames(speech)


@pytest.fixture
def _quick(monkeypatch):
    monkeypatch.setattr(bench_talk_turn, "LEAD_S", 0.0)
    monkeypatch.setattr(bench_talk_turn, "ANSWER_S", 0.2)
    monkeypatch.setattr(bench_talk_turn, "TIMINGS_S", 0.05)


async def listen(peer: Peer) -> None:
    """Until the question has come."""
    await peer.create()
    await peer.receive_until("session.configure")
    await peer.send("session.configured", config={})
    while len(peer.audio) < len(LOUD):
        await peer.receive()


async def answer(peer: Peer, **timings) -> None:
    await listen(peer)
    await trio.sleep(0.05)
    await peer.send("turn.started", turn_id="t", text="open")
    await peer.send("tts.speaking_start", request_id="u", turn_id="t", sample_rate=8000, text="yes")
    await peer.send_audio(b"\1\0" * 80)
    await peer.send("turn.timings", turn_id="t", **(PARTS | timings))
    await peer.receive_until("session.cancel")


@pytest.mark.usefixtures("_quick")
async def test_the_delay_is_from_the_end_of_the_speech_to_the_first_sound():
    async with open_fake_server(answer) as server:
        found = await ask(server.url, LOUD + QUIET)
        (peer,) = server.peers
    assert 50 <= found.measured_ms < 150
    assert found.parts_ms == PARTS
    configure = {"type": "session.configure", "agent": "on", "speak_replies": True}
    assert peer.messages[0] == configure
    assert peer.path.startswith("/ws/new_bench-")
    assert 0.07 <= peer.frame_times[4] - peer.frame_times[0] < 0.2  # in real time


@pytest.mark.usefixtures("_quick")
async def test_parts_that_are_null_or_never_come_are_left_out():
    async def silent(peer: Peer) -> None:
        await listen(peer)
        await peer.send_audio(b"\1\0" * 80)
        await peer.receive_until("session.cancel")

    async def null(peer: Peer) -> None:
        await answer(peer, final_ms=None)

    async with open_fake_server(null) as server:
        assert "final_ms" not in (await ask(server.url, LOUD)).parts_ms
    async with open_fake_server(silent) as server:
        assert (await ask(server.url, LOUD)).parts_ms == {}


def says(*messages: dict, then: str = "session.cancel"):
    async def script(peer: Peer) -> None:
        await listen(peer)
        for message in messages:
            await peer.send(**message)
        await peer.receive_until(then)

    return script


STARTED = {"kind": "turn.started", "turn_id": "t", "text": "open"}
FAILED = {"kind": "error", "code": "agent_failed", "message": "not today", "recoverable": True}


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "no turn began"),
        ([{"kind": "transcript.final", "text": ""}], "no word was recognised"),
        ([STARTED], "no sound came"),
        ([STARTED, {"kind": "turn.ended", "outcome": "completed"}], "the turn ended without a sound: completed"),
        ([STARTED, FAILED, {"kind": "turn.ended", "outcome": "failed"}], "agent_failed: not today"),
        ([{**FAILED, "recoverable": False}], "agent_failed: not today"),
        ([{"kind": "session.closed", "reason": "shutdown"}], "the server ended the session"),
    ],
)
async def test_why_there_is_no_answer_is_told(messages, reason):
    async with open_fake_server(says(*messages)) as server:
        with pytest.raises(NoAnswer) as caught:
            await ask(server.url, LOUD)
    assert str(caught.value) == reason


@pytest.mark.usefixtures("_quick")
async def test_an_answer_before_the_end_of_the_question_is_none():
    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.receive_until("session.configure")
        await peer.send("session.configured", config={})
        await peer.send_audio(b"\1\0" * 80)
        await peer.receive_until("session.cancel")

    async with open_fake_server(script) as server:
        with pytest.raises(NoAnswer, match="before its end"):
            await ask(server.url, LOUD * 3)


@pytest.mark.usefixtures("_quick")
async def test_a_server_that_refuses_or_goes_away_gives_no_answer():
    async def broken(peer: Peer) -> None:
        await listen(peer)
        await peer.break_off()

    async def no_agent(peer: Peer) -> None:
        await peer.create()
        await peer.receive_until("session.configure")
        await peer.send("error", code="unsupported", message="no agent", recoverable=True)
        await peer.receive_until("session.cancel")

    async with open_fake_server(broken) as server:
        with pytest.raises(NoAnswer, match="lost"):
            await ask(server.url, LOUD)
    async with open_fake_server(no_agent) as server:
        with pytest.raises(NoAnswer, match="unsupported: no agent"):
            await ask(server.url, LOUD)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # see test_native_client
async def test_a_refused_session_gives_no_answer():
    async with open_fake_server(answer, refuse=(503, b"full")) as server:
        with pytest.raises(NoAnswer, match="503"):
            await ask(server.url, LOUD)
    gc.collect()


# -- the run --------------------------------------------------------------------------------------------------------


async def say_question(peer: Peer) -> None:
    await peer.create()
    spoken = await peer.receive_until("tts.speak")
    assert spoken["text"] == bench_talk.QUESTION
    request_id = spoken["request_id"]
    await peer.send("tts.speaking_start", request_id=request_id, sample_rate=16_000, text="", timestamp_ms=0)
    await peer.send_audio(LOUD)
    await peer.send("tts.speaking_end", request_id=request_id, duration_ms=100, cancelled=False)
    await peer.receive_until("session.close")
    await peer.say_closed()


@pytest.mark.usefixtures("_quick")
async def test_the_question_is_spoken_by_the_server_and_the_first_turn_is_not_counted():
    async def script(peer: Peer) -> None:
        if peer.path.startswith("/ws/session-"):
            await say_question(peer)
        elif len(server.peers) == 4:
            await says()(peer)
        else:
            await answer(peer, total_ms=float(len(server.peers)))

    async with open_fake_server(script) as server:
        found = await bench_talk.measure(server.url, 3, Progress(io.StringIO()))
    assert [one.parts_ms["total_ms"] for one in found.answers] == [3.0, 5.0]
    assert found.unanswered == ("no turn began",)


async def test_a_server_that_cannot_speak_the_question_ends_the_bench():
    async def script(peer: Peer) -> None:
        await peer.create()
        await peer.receive_until("tts.speak")
        await peer.send("error", code="tts_unavailable", message="no voice", recoverable=True)
        await peer.receive()

    async with open_fake_server(script) as server:
        with pytest.raises(BenchError, match="no voice"):
            await bench_talk.measure(server.url, 3, Progress(io.StringIO()))


# -- the command ----------------------------------------------------------------------------------------------------


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    bench.add_parser(parser.add_subparsers(required=True))
    return parser.parse_args(["bench", *words])


def test_bench_without_talk_is_what_it_was():
    args = parse("--sessions", "1,2", "--seconds", "5", "--frame-ms", "40", "--json")
    assert (args.command, args.sessions, args.seconds, args.frame_ms, args.json) == (
        bench.run_bench,
        [1, 2],
        5.0,
        40,
        True,
    )
    assert parse().command == bench.run_bench


def test_bench_talk_has_its_own_arguments():
    args = parse("talk", "--turns", "3", "--config", "a.toml", "--config", "b.toml")
    assert (args.command, args.turns, args.config, args.json) == (
        bench_talk.run_bench_talk,
        3,
        ["a.toml", "b.toml"],
        False,
    )
    assert parse("talk").turns == 10
    assert parse("talk", "--json").json
    assert parse("--json", "talk").json


@pytest.mark.parametrize("words", [["--turns", "0"], ["--turns", "x"], ["--turns", "10001"]])
def test_bad_usage(words, capsys):
    with pytest.raises(SystemExit) as ended:
        parse("talk", *words)
    assert ended.value.code == 2
    capsys.readouterr()


@pytest.mark.parametrize(("unanswered", "code"), [((), 0), (("no turn began",), 1)])
@pytest.mark.parametrize("as_object", [True, False])
def test_the_exit_code_tells_whether_all_was_answered(monkeypatch, capsys, unanswered, code, as_object):
    @contextmanager
    def open_talk_server(config_files):
        assert config_files == ["a.toml"]
        yield "ws://x:1"

    async def measure(server_url, turns, progress):
        await trio.lowlevel.checkpoint()
        assert (server_url, turns) == ("ws://x:1", 10)
        return figures(*unanswered)

    monkeypatch.setattr(bench_talk, "open_talk_server", open_talk_server)
    monkeypatch.setattr(bench_talk, "measure", measure)
    args = parse("talk", "--config", "a.toml", *(["--json"] if as_object else []))
    assert args.command(args) == code
    out = capsys.readouterr().out
    if as_object:
        assert json.loads(out)["answered"] == 10
    else:
        assert "10 turns, one at a time, a.toml" in out
        assert f"10 of {10 + len(unanswered)} turns were answered" in out


def test_a_server_that_does_not_start_is_told(monkeypatch, capfd):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    args = parse("talk")
    assert args.command(args) == 1
    assert "the server could not be started" in capfd.readouterr().err


# -- the server's process -------------------------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch):
    """Stands in for the server's process: remembers how it was started and stopped."""
    calls = []

    class FakeProcess:
        stdout = io.StringIO("voicetrio 0.1.0 is listening on http://127.0.0.1:4711\n")

        def __init__(self, command, *, env, stdout, text):
            calls.append((command[1:], env))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            calls.append("left")

        def send_signal(self, number):
            calls.append(number)

        def wait(self, seconds):
            calls.append("waited")

    monkeypatch.setattr(bench_talk_server.subprocess, "Popen", FakeProcess)
    monkeypatch.setenv("VOICETRIO_AGENT__API_KEY", "key")
    monkeypatch.setenv("VOICETRIO_SERVER__PORT", "8000")
    return calls


def test_without_settings_the_environment_counts_for_nothing(started):
    with open_talk_server([]) as url:
        assert url == "ws://127.0.0.1:4711"
    (command, environment), *ended = started
    assert command == ["-m", "voicetrio", "serve"]
    assert environment["VOICETRIO_SERVER__PORT"] == "0"
    assert "VOICETRIO_AGENT__API_KEY" not in environment
    assert ended == [signal.SIGTERM, "waited", "left"]


def test_with_settings_it_counts(started):
    with open_talk_server(["a.toml", "b.toml"]):
        pass
    command, environment = started[0]
    assert command == ["-m", "voicetrio", "serve", "--config", "a.toml", "--config", "b.toml"]
    assert (environment["VOICETRIO_AGENT__API_KEY"], environment["VOICETRIO_SERVER__PORT"]) == ("key", "0")


def test_the_server_is_stopped_when_the_bench_fails(started):
    with pytest.raises(ZeroDivisionError), open_talk_server([]):
        _ = 1 / 0
    assert started[1:] == [signal.SIGTERM, "waited", "left"]


def test_a_server_that_does_not_stop_is_killed(started, monkeypatch):
    def wait(self, seconds):
        raise subprocess.TimeoutExpired("serve", seconds)

    monkeypatch.setattr(bench_talk_server.subprocess.Popen, "wait", wait)
    monkeypatch.setattr(
        bench_talk_server.subprocess.Popen, "kill", lambda self: started.append("killed"), raising=False
    )
    with open_talk_server([]):
        pass
    assert started[1:] == [signal.SIGTERM, "killed", "left"]
