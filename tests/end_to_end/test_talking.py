"""Whole conversations: recordings are the user, pocketsphinx hears, espeak-ng speaks, and an agent answers."""

import json
import sys
import wave
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import trio

from tests.agent.asking import chunk
from tests.agent.http_server import open_server, stream

from .client import open_client
from .conftest import StartServer
from .processes import Run, ServerProcess
from .proxy import open_proxy
from .sound import GOOD_IDEA, RATE, RECORDINGS, THANK_YOU, Recording, silence
from .waiting import until

pytestmark = pytest.mark.slow

OPEN_THE_DOOR = next(recording for recording in RECORDINGS if recording.path.endswith("open-the-door-slt.wav"))
AUDIBLE = 300
"""Of 32767: more than rounding, less than the quietest voice."""
ANSWERED_S = 12.0
"""Between two voices: time for a whole answer to `GOOD_IDEA`, also when its connection is cut."""
HALF_AN_ANSWER = 100_000
"""Bytes: 2 of the 4 s that the answer to `GOOD_IDEA` takes."""
PAUSE_S = 2.2
"""Between two voices. The answer to `GOOD_IDEA` begins within a second on an idle machine, and takes another three."""


def voice(recording: Recording) -> bytes:
    """Without the silence around it, but for 0.15 s: words may begin and end softly."""
    samples = np.frombuffer(recording.pcm, "<i2")
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 1000)
    return samples[max(0, loud[0] - RATE * 3 // 20) : loud[-1] + RATE * 3 // 20].tobytes()


def talk(folder: Path, server: ServerProcess, recording: Path | str, *arguments: str) -> Run:
    """The command, when it has ended."""
    command = [sys.executable, "-m", "voicetrio", "talk", str(recording), "--server", server.url, *arguments]
    run = Run(command, folder, {"PYTHONUTF8": "1"})
    try:
        run.wait()
        run.check_end()
    finally:
        run.kill()
    return run


def test_a_recorded_question_is_answered_aloud(server: ServerProcess, tmp_path: Path):
    heard = tmp_path / "heard.wav"
    run = talk(tmp_path / "talk", server, OPEN_THE_DOOR.path, "-o", str(heard))
    assert run.process.returncode == 0, run.stderr
    assert run.stderr == ""
    lines = [line.split(maxsplit=2) for line in run.stdout.splitlines()]
    (asked,) = [line for line in lines if line[1] == "you"]
    (answer,) = [line for line in lines if line[1] == "agent"]
    assert asked[2] == OPEN_THE_DOOR.text
    assert answer[2] == f"You said: {OPEN_THE_DOOR.text}."
    assert any("heard to the end" in line for line in run.stdout.splitlines())
    assert any("answer after" in line and "endpointing" in line for line in run.stdout.splitlines())

    with wave.open(str(heard)) as file:
        rate, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int32)
    assert (channels, width) == (1, 2)
    begin = round((float(answer[0]) - 0.1) * rate)  # when the listener began to hear it, by what was printed
    assert np.abs(samples[:begin]).max() < AUDIBLE, "nobody spoke but the listener itself"
    loud = np.abs(samples[begin:]) > AUDIBLE
    assert loud.sum() > 0.2 * rate, "the answer can be heard"
    assert (len(loud) - np.argmax(loud[::-1]) - np.argmax(loud)) / rate > 1.5, "all of it"


async def test_a_call_whose_connection_is_cut_in_each_answer_loses_nothing_of_it(server: ServerProcess, tmp_path: Path):
    joined, heard = tmp_path / "joined.wav", tmp_path / "heard.wav"
    with wave.open(str(joined), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(silence(0.3) + voice(GOOD_IDEA) + silence(ANSWERED_S) + voice(THANK_YOU) + silence(0.5))
    folder = tmp_path / "talk"
    async with open_proxy(server.port, cut_down_after=[HALF_AN_ANSWER]) as proxy:
        command = [sys.executable, "-m", "voicetrio", "talk", str(joined), "--server", proxy.url, "--format", "json"]
        run = Run([*command, "-o", str(heard)], folder, {"PYTHONUTF8": "1"})
        try:
            await until(lambda: proxy.cuts == 1 or run.process.poll() is not None)  # the first answer is on its way
            await until(lambda: run.stdout.count('"tts.speaking_start"') == 2 or run.process.poll() is not None)
            await trio.sleep(0.1)  # the second one can be heard
            proxy.leave_client()
            assert await trio.to_thread.run_sync(run.wait, abandon_on_cancel=True) == 0, run.stderr
            run.check_end()
        finally:
            run.kill()
    assert proxy.cuts == 2
    assert run.stderr == "voicetrio: the connection was lost; going on over another one\n" * 2
    events = [json.loads(line)["event"] for line in run.stdout.splitlines()]

    def got(kind: str) -> list[dict[str, Any]]:
        return [event for event in events if event["type"] == kind]

    assert [turn["text"] for turn in got("turn.started")] == [GOOD_IDEA.text, THANK_YOU.text]
    assert [turn["outcome"] for turn in got("turn.ended")] == ["completed", "completed"]
    assert [len(got(kind)) for kind in ("tts.speaking_start", "tts.speaking_resumed", "microphone.silent")] == [2, 2, 1]
    ends, completed = got("tts.speaking_end"), got("playback.completed")
    assert [end["heard_ms"] for end in completed] == [end["duration_ms"] for end in ends]
    resumed = got("tts.speaking_resumed")[0]
    assert 0 < resumed["start_sample"] / resumed["sample_rate"] < ends[0]["duration_ms"] / 1000, "some had been lost"
    assert got("playback.interrupted") == got("error") == []

    with wave.open(str(heard)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    audible_s = np.count_nonzero(np.convolve(np.abs(samples.astype(np.int32)) > 0, np.ones(rate // 5), "same")) / rate
    spoken_s = sum(end["duration_ms"] for end in ends) / 1000
    assert audible_s == pytest.approx(spoken_s, abs=1.0), "all of both answers, and none of it twice"


def test_whoever_speaks_into_the_answer_interrupts_it_and_is_answered(server: ServerProcess, tmp_path: Path):
    joined = tmp_path / "joined.wav"
    with wave.open(str(joined), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(silence(0.3) + voice(GOOD_IDEA) + silence(PAUSE_S) + voice(THANK_YOU) + silence(0.5))
    run = talk(tmp_path / "talk", server, joined, "--barge-in", "--format", "json")
    assert run.process.returncode == 0, run.stderr
    events = [json.loads(line)["event"] for line in run.stdout.splitlines()]

    def got(*kinds: str) -> list[dict[str, Any]]:
        return [event for event in events if event["type"] in kinds]

    first, second = got("turn.started")
    assert (first["text"], second["text"]) == (GOOD_IDEA.text, THANK_YOU.text)
    assert [turn["outcome"] for turn in got("turn.ended")] == ["interrupted", "completed"]
    interrupted, completed = got("playback.interrupted", "playback.completed")
    assert (interrupted["type"], interrupted["reason"]) == ("playback.interrupted", "barge_in")
    assert f"You said: {GOOD_IDEA.text}.".startswith(interrupted["heard_text"])
    assert 0 < interrupted["heard_ms"] < 3500
    assert completed["type"] == "playback.completed"
    order = [event["type"] for event in events]
    assert order.index("playback.paused") < order.index("playback.interrupted"), "it pauses at the first sound"
    assert got("error") == []


COUNTING = ["One two three ", "four five six. ", "Seven eight nine ten. ", "Eleven twelve thirteen. "] * 5


async def test_a_chat_model_is_told_what_was_heard_of_its_interrupted_reply_and_no_word_more(
    start_server: StartServer,
):
    answers = (
        stream(*(chunk(word) for word in COUNTING), chunk(None, "stop"), b"data: [DONE]\n\n"),
        stream(chunk("<think>They thank me.</think>"), chunk("You are "), chunk("welcome.", "stop")),
    )
    async with open_server(*answers) as model:
        server = start_server(
            environment={
                "VOICETRIO_AGENT__KIND": "chat",
                "VOICETRIO_AGENT__URL": f"{model.url}/v1",
                "VOICETRIO_AGENT__MODEL": "a-model",
                "VOICETRIO_AGENT__API_KEY": "a-key",
                "VOICETRIO_AGENT__INSTRUCTIONS": "Answer briefly.",
            }
        )
        async with open_client(server.url) as client:
            await client.send("session.configure", agent="on", speak_replies=True, duplex="barge_in")
            await client.pour(GOOD_IDEA.pcm + silence(0.8))
            third = await client.wait_for("tts.speaking_text", count=2)
            # It says itself how much it has heard, so that it makes no difference how quick this machine is.
            played_ms = third["offset_ms"] - 300
            await client.send("playback.progress", request_id=third["request_id"], played_ms=played_ms)
            await client.pour(THANK_YOU.pcm + silence(0.8))
            interrupted = await client.wait_for("playback.interrupted")
            heard = interrupted["heard_text"]
            assert interrupted["heard_ms"] == played_ms
            assert heard.startswith("One two three four five six.")
            assert "One two three four five six. Seven eight nine ten.".startswith(heard)
            assert (await client.wait_for("turn.ended"))["outcome"] == "interrupted"

            end = await client.wait_for("tts.speaking_end", cancelled=False)
            await client.heard_all(end["request_id"])
            assert (await client.wait_for("turn.ended", count=2))["outcome"] == "completed"
            assert client.got("assistant_message")[-1]["content"] == "You are welcome.", "and no thought"
            assert client.got("error") == []
            await client.finish()
        first, second = model.requests
        assert first.line == "POST /v1/chat/completions HTTP/1.1"
        assert first.headers["authorization"] == "Bearer a-key"
        system = {"role": "system", "content": "Answer briefly."}
        asked = {"role": "user", "content": GOOD_IDEA.text}
        assert first.json == {"model": "a-model", "messages": [system, asked], "stream": True}
        assert second.json["messages"] == [
            system,
            asked,
            {"role": "assistant", "content": heard},
            {"role": "user", "content": THANK_YOU.text},
        ]


async def test_the_history_that_the_server_gives_its_client_is_that_of_the_conversation(server: ServerProcess):
    async with open_client(server.url) as client:
        await client.send("session.configure", agent="on")
        await client.pour(THANK_YOU.pcm + silence(0.8))
        turn_id = (await client.wait_for("turn.ended"))["turn_id"]
        token = client.got("session.created")[0]["resume_token"]
        url = f"http://127.0.0.1:{server.port}/v1/sessions/{client.session_id}/history"
        async with httpx2.AsyncClient() as http:
            assert (await http.get(url)).status_code == 401
            history = (await http.get(url, headers={"Authorization": f"Bearer {token}"})).json()
        question, answer = history["turns"]
        assert (question["source"], question["text"]) == ("voice", THANK_YOU.text)
        assert (answer["turn_id"], answer["text"], answer["outcome"]) == (turn_id, "You are welcome.", "completed")
        await client.finish()
