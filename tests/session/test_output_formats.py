"""Speech in the format that the client wants: rates, a telephone's codes, and that all that is counted stays right."""

import dataclasses

import numpy as np
import pytest
import trio

from tests.fakes.agent import FakeAgent
from tests.fakes.client import open_client
from tests.fakes.synthesizer import FakeSpeech, FakeSynthesizer
from voicetrio.core import g711
from voicetrio.core.config import SessionConfig, SessionLimits

TEXT = "one two three four"  # 1.8 s

FORMATS = [(8_000, "pcmu"), (8_000, "pcma"), (8_000, "pcm_s16le"), (44_100, "pcm_s16le"), (48_000, "pcm_s16le")]


def format_of(message):
    return message["sample_rate"], message["encoding"]


def spoken_in(rate, encoding, **others):
    return SessionConfig(output_sample_rate=rate, output_encoding=encoding, **others)


@pytest.mark.parametrize(("rate", "encoding"), FORMATS)
async def test_the_client_gets_what_it_asks_for_and_the_length_stays(autojump_clock, rate, encoding):
    async with open_client() as client:
        await client.send("session.configure", output_sample_rate=rate, output_encoding=encoding)
        config = (await client.wait_for("session.configured"))["config"]
        assert (config["output_sample_rate"], config["output_encoding"]) == (rate, encoding)
        await client.send("tts.speak", text=TEXT)
        await client.wait_for("playback.completed")
    assert [format_of(message) for message in client.got("tts.speaking_start")] == [(rate, encoding)]
    assert len(client.audio()) == rate * 1.8 * (2 if encoding == "pcm_s16le" else 1)
    assert client.got("tts.speaking_end")[0]["duration_ms"] == 1800
    assert client.got("playback.completed")[0]["heard_ms"] == 1800
    assert client.at("playback.completed") == [pytest.approx(1.8)]


async def test_a_client_that_asks_for_nothing_gets_the_operators_rate(autojump_clock):
    async with open_client(config=SessionConfig(output_sample_rate=16_000)) as client:
        assert client.got("session.created")[0]["config"]["output_sample_rate"] == 16_000
        await client.send("tts.speak", text=TEXT)
        await client.wait_for("playback.completed")
    assert [format_of(message) for message in client.got("tts.speaking_start")] == [(16_000, "pcm_s16le")]


async def test_a_telephones_code_brings_its_rate_with_it(autojump_clock):
    async with open_client() as client:
        await client.send("session.configure", output_encoding="pcmu")
        config = (await client.wait_for("session.configured"))["config"]
    assert (config["output_sample_rate"], config["output_encoding"]) == (8_000, "pcmu")
    assert config["input_encoding"] == "pcm_s16le", "what is heard is another matter"


async def test_a_rate_that_does_not_fit_the_code_from_before_is_refused(autojump_clock):
    async with open_client(config=spoken_in(8_000, "pcma")) as client:
        await client.send("session.configure", output_sample_rate=24_000)
        error = await client.wait_for("error")
        assert client.session.config == spoken_in(8_000, "pcma")
    assert error["message"] == (
        "session.configure: output_sample_rate: pcma comes at 8000 Hz only. Nothing was changed."
    )


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
async def test_the_codes_are_those_of_the_sound(autojump_clock, law):
    loudness = {"a": 12_000, "b": -3_000}
    synthesizer = FakeSynthesizer(sound_of=lambda text, at: loudness[text[at]])
    async with open_client(synthesizer=synthesizer, config=spoken_in(8_000, law)) as client:
        await client.send("tts.speak", text="ab")
        await client.wait_for("playback.completed")
    heard = np.frombuffer(g711.decode(law, client.audio()), "<i2").astype(int)
    assert heard[100:700] == pytest.approx(12_000, rel=0.03)
    assert heard[900:1_500] == pytest.approx(-3_000, rel=0.03)


async def test_an_utterance_keeps_its_format_to_its_end_and_the_next_has_the_new_one(autojump_clock):
    synthesizer = FakeSynthesizer(seconds_per_char=0.05)
    async with open_client(synthesizer=synthesizer) as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await client.send("tts.speak", text=TEXT, request_id="b")
        await client.wait_for("tts.speaking_start")
        await client.send("session.configure", output_encoding="pcmu")
        await client.wait_for("playback.completed")
        assert len(client.audio()) == 24_000 * 2 * 1.8
        await client.wait_for("playback.completed", 2)
    assert [format_of(message) for message in client.got("tts.speaking_start")] == [
        (24_000, "pcm_s16le"),
        (8_000, "pcmu"),
    ]
    assert len(client.audio()) == 24_000 * 2 * 1.8 + 8_000 * 1.8
    assert [message["heard_ms"] for message in client.got("playback.completed")] == [1800, 1800]


async def test_a_reply_keeps_its_format_through_all_of_its_pieces(autojump_clock):
    agent = FakeAgent([["This is the first sentence. ", "This is the second sentence. ", "And the third one, too."]])
    config = SessionConfig(agent="on", speak_replies=True)
    limits = SessionLimits(max_ahead=0.5)
    async with open_client(agent=agent, config=config, limits=limits) as client:
        await client.send("user_message", content="go")
        await client.wait_for("tts.speaking_start")
        await client.send("session.configure", output_encoding="pcma")
        await client.wait_for("playback.completed")
    texts = client.spoken()
    assert len(texts) == 3
    assert [message["offset_ms"] for message in client.got("tts.speaking_text")] == [
        100 * len(texts[0]),
        100 * len(texts[0] + texts[1]),
    ]
    assert len(client.audio()) == 24_000 * 2 * len("".join(texts)) / 10


@pytest.mark.parametrize("rate", [8_000, 22_050, 24_000])
async def test_what_a_telephone_has_heard_of_the_words_is_known(autojump_clock, rate):
    async with open_client(synthesizer=FakeSynthesizer(rate=rate), config=spoken_in(8_000, "pcmu")) as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await trio.sleep(0.85)  # "one two " is 0.8 s
        await client.send("tts.cancel", request_id="a")
        await client.wait_for("playback.interrupted")
    (cut,) = client.got("playback.interrupted")
    assert (cut["heard_ms"], cut["heard_text"]) == (850, "one two")
    assert client.got("tts.speaking_end")[0]["duration_ms"] == 1800


async def test_the_reports_of_a_telephone_count_in_its_own_samples(autojump_clock):
    async with open_client(config=spoken_in(8_000, "pcma")) as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await trio.sleep(0.5)
        for _ in range(25):
            await client.send("playback.progress", request_id="a", played_ms=100)
            await trio.sleep(0.1)
        assert client.got("playback.completed") == [], "by the clock it would have ended at 1.8 s"
        await client.send("playback.progress", request_id="a", played_ms=1800)
        await client.wait_for("playback.completed")
    assert client.at("playback.completed") == [pytest.approx(3.0)]


async def test_a_slow_telephone_holds_the_synthesis_back(autojump_clock):
    limits = SessionLimits(max_queued_audio_bytes=8_000)
    async with open_client(limits=limits, config=spoken_in(8_000, "pcmu")) as client:
        client.link.reading = trio.Event()
        await client.send("tts.speak", text="x" * 300)
        await trio.sleep(1.0)
        assert 7_000 < client.session._body.outbox._audio_bytes <= 8_000
        client.link.reading.set()
        await client.wait_for("playback.completed")
    assert len(client.audio()) == 8_000 * 30


@pytest.mark.parametrize("rate", [16_000, 24_000])
async def test_speech_with_half_a_sample_fails_and_the_session_goes_on(autojump_clock, monkeypatch, rate):
    receive = FakeSpeech.receive

    async def broken(speech):
        audio = await receive(speech)
        return audio and dataclasses.replace(audio, pcm=audio.pcm + b"\x00")

    monkeypatch.setattr(FakeSpeech, "receive", broken)
    async with open_client(synthesizer=FakeSynthesizer(rate=rate)) as client:
        await client.send("tts.speak", text=TEXT)
        with trio.fail_after(1.0):
            error = await client.wait_for("error")
        await client.say(1)
        await client.be_silent(1.0)
    assert error["code"] == "tts_failed"
    assert "not a whole number of 16-bit samples" in error["message"]
    assert client.finals() == ["w1"]
