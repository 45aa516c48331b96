"""What a client can ask for and get wrong: each mistake is told, and nothing else happens."""

import pytest
import trio

from tests.fakes.audio import RATE, silence, word
from tests.fakes.client import open_client


async def test_configure_answers_with_all_effective_values(autojump_clock):
    async with open_client() as client:
        await client.send("session.configure", language="de", hot_words=["Hamburg"], interim=True, voice="anna")
        answer = await client.wait_for("session.configured")
    assert answer["config"]["language"] == "de"
    assert answer["config"]["hot_words"] == ["Hamburg"]
    assert answer["config"]["input_sample_rate"] == 16_000
    assert set(answer["config"]) == set(client.got("session.created")[0]["config"])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"language": "xx"}, "unknown_language"),
        ({"voice": "nobody"}, "unknown_voice"),
        ({"input_sample_rate": 7}, "invalid_field"),
        ({"input_encoding": "pcmu", "input_sample_rate": 16_000}, "invalid_field"),
        ({"output_encoding": "pcma", "output_sample_rate": 24_000}, "invalid_field"),
        ({"output_encoding": "mp3"}, "invalid_field"),
        ({"output_sample_rate": 48_001}, "invalid_field"),
        ({"duplex": "both"}, "invalid_field"),
    ],
)
async def test_a_configuration_that_cannot_be_had_changes_nothing(autojump_clock, fields, code):
    async with open_client() as client:
        before = client.session.config
        await client.send("session.configure", interim=True, **fields)
        error = await client.wait_for("error")
        assert (error["code"], error["recoverable"]) == (code, True)
        assert client.session.config == before
        assert client.got("session.configured") == []


@pytest.mark.parametrize(
    ("text", "code"),
    [("hello", "invalid_json"), ("[1]", "invalid_message"), ('{"type":"x"}', "unknown_type"), ("", "invalid_json")],
)
async def test_a_message_that_is_none_is_told_and_the_session_goes_on(autojump_clock, text, code):
    async with open_client() as client:
        await client.outbox.send(text)
        await client.wait_for("error")
        await client.say(1)
        await client.be_silent(1.0)
    assert [m["code"] for m in client.got("error")] == [code]
    assert client.finals() == ["w1"]


@pytest.mark.parametrize("size", [1, 639, 641, 3_333])
async def test_frames_cut_anywhere_lose_no_sample(autojump_clock, size):
    said = word(1) + silence(1.0)
    async with open_client() as client:
        for begin in range(0, len(said), size):
            await client.outbox.send(said[begin : begin + size])
            await trio.sleep(size / 2 / RATE)
        await client.send("session.close")
        closed = await client.wait_for("session.closed")
    assert client.got("error") == []
    assert client.finals() == ["w1"]
    assert closed["total_duration_ms"] == len(said) // 2 * 1000 // RATE


async def test_half_a_sample_of_another_encoding_is_forgotten(autojump_clock):
    async with open_client() as client:
        await client.outbox.send(b"\x00\x00\x07")
        await client.send("session.configure", input_sample_rate=8_000)
        await client.send("session.configure", input_sample_rate=RATE)
        await client.say(1)
        await client.be_silent(1.0)
    assert client.got("error") == []
    assert client.finals() == ["w1"]


async def test_a_message_beyond_the_limit_ends_the_session_with_1009(autojump_clock):
    async with open_client() as client:
        await client.outbox.send(bytes(10_000_000))
        await client.wait_for("session.closed")
    assert [m["code"] for m in client.got("error")] == ["message_too_large"]
    assert client.link.closed == (1009, "message_too_large")


async def test_a_long_message_below_the_limit_is_heard(autojump_clock):
    async with open_client() as client:
        await client.outbox.send(silence(1.0) + word(1) + silence(3.0) + word(2) + silence(20.0))
        await client.wait_for("transcript.final", 2)
    assert client.finals() == ["w1", "w2"]


async def test_an_empty_binary_message_is_harmless(autojump_clock):
    async with open_client() as client:
        await client.outbox.send(b"")
        await client.say(1)
        await client.outbox.send(b"")
        await client.be_silent(1.0)
    assert client.finals() == ["w1"]
    assert client.got("error") == []


@pytest.mark.parametrize(("encoding", "rate"), [("pcm_s16le", 48_000), ("pcm_s16le", 8000), ("pcmu", 8000)])
async def test_the_input_format_can_change_in_mid_stream(autojump_clock, encoding, rate):
    async with open_client() as client:
        await client.say(1)
        await client.be_silent(1.0)
        await client.send("session.configure", input_encoding=encoding, input_sample_rate=rate)
        await client.wait_for("session.configured")
        quiet = b"\xff" if encoding == "pcmu" else b"\x00\x00"
        for _ in range(50):
            await client.outbox.send(quiet * (rate // 50))
        await trio.sleep(0.01)
        assert client.session._body.now_ms() == pytest.approx(2400, abs=120)
    assert client.finals()[0] == "w1"
