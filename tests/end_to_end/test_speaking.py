"""The server speaks: at once, heard by itself only when somebody plays it back, and deaf only while it is being heard."""

from contextlib import AsyncExitStack

import pytest
import trio

from .client import Client, open_client
from .processes import ServerProcess
from .raw_client import OPCODE_TEXT, frame, open_raw_session
from .sound import LONG_TEXT, RATE, SAYABLE, SAYING_SPEED, THANK_YOU, closest, silence

pytestmark = pytest.mark.slow


async def test_what_the_server_says_it_understands(server: ServerProcess):
    exact = 0
    async with open_client(server.url) as client:
        for text in SAYABLE:
            pcm = await client.make_speech(text, speed=SAYING_SPEED)
            assert 0.3 < len(pcm) / 2 / RATE < 4
            await client.pour(silence(0.3) + pcm + silence(0.8))
            final = await client.wait_for("transcript.final", count=SAYABLE.index(text) + 1)
            assert closest(final["text"], SAYABLE) == text
            exact += final["text"] == text
        await client.finish()
    assert exact >= len(SAYABLE) - 1


async def test_a_telephone_is_spoken_to_and_heard_in_its_own_code(server: ServerProcess):
    pause = b"\xff" * 4000
    async with open_client(server.url) as client:
        await client.send("session.configure", input_encoding="pcmu", output_encoding="pcmu")
        config = (await client.wait_for("session.configured"))["config"]
        assert (config["input_sample_rate"], config["output_sample_rate"]) == (8000, 8000)
        # Those that survive a telephone's 4 kHz: pocketsphinx's model was made with 8.
        for number, text in enumerate(("are you ready", "where are you", "i love you"), start=1):
            first = len(client.audio)
            request_id = await client.ask_speech(text, speed=SAYING_SPEED)
            end = await client.wait_for("tts.speaking_end", request_id=request_id)
            start = client.got("tts.speaking_start", request_id=request_id)[0]
            assert (start["sample_rate"], start["encoding"]) == (8000, "pcmu")
            codes = b"".join(piece for _, piece in client.audio[first:])
            assert end["duration_ms"] == len(codes) // 8
            await client.heard_all(request_id)
            await client.wait_for("playback.completed", request_id=request_id)
            line = pause + codes + 2 * pause
            for position in range(0, len(line), 160):
                await client.session.send_audio(line[position : position + 160])
            final = await client.wait_for("transcript.final", count=number)
            assert closest(final["text"], SAYABLE) == text
        await client.finish()


async def test_a_sentence_that_is_hard_to_understand_is_understood_in_part(server: ServerProcess):
    said = "she said that it was a very good idea"
    async with open_client(server.url) as client:
        pcm = await client.make_speech(said, speed=0.9)
        await client.pour(silence(0.3) + pcm)
        heard = await client.finish()
        assert len({*said.split()} & {*heard.split()}) >= 5, heard


async def test_the_first_audio_comes_long_before_the_whole_text_is_synthesised(server: ServerProcess):
    async with open_client(server.url) as client:
        asked_at = trio.current_time()
        request_id = await client.ask_speech(LONG_TEXT)
        first_at = await client.wait_audio()
        assert client.got("tts.speaking_end") == []
        while not client.got("tts.speaking_end"):
            await client.heard_all(request_id)  # else the rest would come as it is heard, which takes two minutes
            await trio.sleep(0.02)
        ((end_at, end),) = client.timed("tts.speaking_end")
        assert first_at - asked_at < (end_at - asked_at) / 2
        start = client.got("tts.speaking_start")[0]
        assert start["text"] == LONG_TEXT
        assert (start["request_id"], end["request_id"]) == (request_id, request_id)
        audio_ms = sum(len(pcm) for _, pcm in client.audio) / 2 * 1000 / start["sample_rate"]
        assert end["duration_ms"] == pytest.approx(audio_ms, abs=1)
        assert audio_ms > 120_000
        assert not end["cancelled"]
        await client.heard_all(request_id)
        await client.wait_for("playback.completed", request_id=request_id)


async def test_what_is_stopped_was_heard_in_part(server: ServerProcess):
    async with open_client(server.url) as client:
        request_id = await client.ask_speech(LONG_TEXT)
        await client.wait_audio()
        await trio.sleep(1.0)
        assert client.got("tts.speaking_end", "playback.completed") == [], "it is still being heard"
        await client.send("tts.cancel")
        interrupted = await client.wait_for("playback.interrupted", request_id=request_id)
        assert 0 < interrupted["heard_ms"] < 20_000
        assert LONG_TEXT.startswith(interrupted["heard_text"])
        assert len(interrupted["heard_text"]) < 400


async def hears(client: Client) -> None:
    """What is said now is understood, and is not mixed with anything from before."""
    count = len(client.got("transcript.final"))
    await client.pour(THANK_YOU.pcm + silence(0.8))
    final = await client.wait_for("transcript.final", count=count + 1)
    assert final["text"] == THANK_YOU.text
    assert len(client.got("transcript.final")) == count + 1


async def test_while_the_server_is_heard_nobody_else_is(server: ServerProcess):
    async with open_client(server.url) as client:
        request_id = await client.ask_speech("This is being said, and nobody listens to you.")
        end = await client.wait_for("tts.speaking_end")
        end_at = trio.current_time()
        await client.play(THANK_YOU.pcm[: 2 * RATE], frame_ms=20)  # all is sent, but it is still being played
        assert client.got("playback.completed") == []
        await client.pour(THANK_YOU.pcm)
        completed = await client.wait_for("playback.completed", request_id=request_id)
        first_at = await client.wait_audio()
        played = trio.current_time() - first_at
        assert played > end["duration_ms"] / 1000 - 0.5, "as long as the listener needs"
        assert trio.current_time() - end_at > 1.0
        assert completed["heard_ms"] == end["duration_ms"]
        assert client.got("vad.speech_start", "transcript.partial", "transcript.final") == []

        await hears(client)
        muted_ms = (2 * RATE + len(THANK_YOU.pcm)) / 32
        assert client.got("transcript.final")[0]["start_ms"] >= muted_ms, "the clock went on while nobody was heard"


async def test_speech_that_the_server_talks_over_is_still_transcribed_up_to_there(server: ServerProcess):
    async with open_client(server.url) as client:
        await client.pour(THANK_YOU.pcm)
        await client.wait_for("vad.speech_start")
        request_id = await client.ask_speech("Excuse me.")
        assert (await client.wait_for("transcript.final"))["text"] == THANK_YOU.text
        await client.wait_for("tts.speaking_end", request_id=request_id)
        await client.heard_all(request_id)
        await client.wait_for("playback.completed", request_id=request_id)
        await hears(client)


async def test_after_an_error_in_speaking_the_client_is_heard(server: ServerProcess):
    async with open_client(server.url) as client:
        await client.send("tts.speak", text="Hello.", voice="nobody-has-this-voice")
        error = await client.wait_for("error")
        assert error["code"] == "unknown_voice"
        assert error["recoverable"]
        assert "voice" in error["message"]
        assert "en-us" in error["message"] or "which has" in error["message"]
        await hears(client)
        await client.send("tts.speak", text="   ")
        assert (await client.wait_for("error", count=2))["code"] == "invalid_field"
        await client.send("tts.speak", text="x" * 5000)
        assert (await client.wait_for("error", count=3))["code"] == "text_too_long"
        await hears(client)
        assert client.got("tts.speaking_start") == []


async def test_clients_that_do_not_take_their_speech_keep_nobody_from_being_heard(server: ServerProcess):
    speak = frame(OPCODE_TEXT, f'{{"type": "tts.speak", "text": "{LONG_TEXT}"}}'.encode())
    async with AsyncExitStack() as stack:
        for number in range(3):
            deaf = await stack.enter_async_context(open_raw_session(server.port, f"deaf-{number}", receive_buffer=4096))
            stack.callback(deaf.reset)
            await deaf.send(speak)
        async with open_client(server.url) as client:
            await client.pour(THANK_YOU.pcm)
            assert await client.finish() == THANK_YOU.text


async def test_after_a_cancelled_utterance_the_client_is_heard(server: ServerProcess):
    async with open_client(server.url) as client:
        first = await client.ask_speech(LONG_TEXT)
        second = await client.ask_speech("This one waits for its turn.")
        await client.wait_audio()
        await client.send("tts.cancel")
        await client.wait_for("playback.interrupted", request_id=first)
        await client.wait_for("playback.interrupted", request_id=second)
        received = len(client.audio)
        await hears(client)
        assert len(client.audio) == received, "no audio of a cancelled utterance comes later"
        ends = [(m["request_id"], m["reason"]) for m in client.got("playback.interrupted", "playback.completed")]
        assert ends == [(first, "cancelled"), (second, "cancelled")]
        (end,) = client.got("tts.speaking_end")
        assert (end["request_id"], end["cancelled"]) == (first, True)

        third = await client.ask_speech("And then it speaks again.")
        await client.wait_for("tts.speaking_end", request_id=third)
        await client.heard_all(third)
        await client.wait_for("playback.completed", request_id=third)
        await hears(client)


async def test_speech_that_is_closed_on_has_its_ending_too(server: ServerProcess):
    async with open_client(server.url) as client:
        await client.ask_speech(LONG_TEXT)
        await client.wait_audio()
        await client.finish()
        (interrupted,) = client.got("playback.interrupted")
        assert interrupted["reason"] == "closed"
