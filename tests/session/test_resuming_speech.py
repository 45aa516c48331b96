"""Speech that is under way when the connection breaks: what the client lacks is sent again, or it is told what it missed.

A character is 0.1 s of speech, and has a value of its own; a line that swallows takes all and delivers nothing.
"""

import struct

import pytest
import trio

from tests.fakes.agent import FakeAgent
from tests.fakes.client import open_client
from tests.fakes.synthesizer import FakeSynthesizer
from voicetrio.core.config import SessionConfig
from voicetrio.session.line import SpeechReceived

TEXT = "one two three four five six seven eight nine ten"  # 4.8 s
CHAR = 2400


def place(_text: str, at: int) -> int:
    return 1 + at


def voice() -> FakeSynthesizer:
    return FakeSynthesizer(sound_of=place)


def swallow(client) -> int:
    """From now on the line swallows. Returns how many text frames have come."""
    client.link.pongs = False
    return client.text_frames()


def lose_from(client, sound: int, frames: int) -> None:
    """What came after so many samples, and so many text frames, never did."""
    texts, kept, samples = 0, [], 0
    for when, data in client.link.received:
        if isinstance(data, bytes):
            data = data[: 2 * max(0, sound - samples)]
            samples += len(data) // 2
            if data:
                kept.append((when, data))
        elif '"session.created"' in data:
            kept.append((when, data))
        elif texts < frames:
            texts += 1
            kept.append((when, data))
    client.link.received = kept


def whole() -> bytes:
    return b"".join(struct.pack("<h", 1 + at) * CHAR for at in range(len(TEXT)))


@pytest.mark.parametrize("samples", [0, 1, 2_400, 30_011, 48 * CHAR])
async def test_it_goes_on_with_the_very_next_sample(autojump_clock, samples):
    async with open_client(synthesizer=voice()) as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await client.wait_for("tts.speaking_start")
        frames = swallow(client)
        await trio.sleep(1.0)
        client.leave()
        lose_from(client, samples, frames)
        await trio.sleep(2.0)
        await client.come_back(received=frames, speech=SpeechReceived("a", samples))
        ending = await client.wait_for("playback.completed")
    assert client.audio() == whole(), "nothing twice, and nothing left out"
    resumed = client.got("tts.speaking_resumed")
    assert resumed == [
        {
            "type": "tts.speaking_resumed",
            "request_id": "a",
            "sample_rate": 24_000,
            "encoding": "pcm_s16le",
            "start_sample": samples,
        }
    ]
    assert ending["heard_ms"] == 4800
    assert len(client.got("tts.speaking_end")) == 1


async def test_its_end_is_told_after_the_rest_of_it(autojump_clock):
    async with open_client(synthesizer=voice()) as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await client.wait_for("tts.speaking_end")
        client.link.pongs = False
        client.leave()
        lose_from(client, CHAR, 1)
        await client.come_back(received=1, speech=SpeechReceived("a", CHAR))
        await client.wait_for("playback.completed")
        order = ["audio" if isinstance(data, bytes) else "text" for _, data in client.link.received]
        kinds = [message["type"] for message in client.got()]
    assert kinds[-3:] == ["tts.speaking_resumed", "tts.speaking_end", "playback.completed"]
    assert order[-3:] == ["audio", "text", "text"]
    assert client.audio() == whole()


async def test_one_that_never_heard_of_it_gets_all_of_it(autojump_clock):
    async with open_client(synthesizer=voice()) as client:
        client.link.pongs = False
        await client.send("tts.speak", text=TEXT, request_id="a")
        await trio.sleep(0.5)
        client.leave()
        lose_from(client, 0, 0)
        await client.come_back(received=0)
        await client.wait_for("playback.completed")
    assert client.audio() == whole()
    assert len(client.got("tts.speaking_start")) == 1


async def test_one_that_does_not_say_what_it_has_is_told_what_it_has_heard(autojump_clock):
    agent, config = FakeAgent([[TEXT]]), SessionConfig(agent="on", speak_replies=True)
    async with open_client(agent=agent, synthesizer=voice(), config=config) as client:
        client.link.pongs = False
        await client.send("user_message", content="go")
        start = await client.wait_for("tts.speaking_start")
        for tick in range(1, 11):
            await trio.sleep(0.1)
            await client.send("playback.progress", request_id=start["request_id"], played_ms=100 * tick)
        await trio.sleep(0.01)
        await client.send("tts.speak", text=TEXT, request_id="next")
        await trio.sleep(1.0)
        client.leave()
        await trio.sleep(1.0)
        await client.come_back(received=client.text_frames())
        ended = await client.wait_for("turn.ended")
        (ending,) = client.got("playback.interrupted")
        assert (ending["reason"], ending["heard_text"]) == ("disconnected", "one two")
        assert 1000 <= ending["heard_ms"] <= 1010
        assert ended["outcome"] == "interrupted"
        assert client.session.history.turns[0].heard == "one two"
        await client.wait_for("playback.completed")
    assert client.got("playback.completed")[0]["request_id"] == "next", "and the next one is said"


async def test_what_was_played_long_ago_cannot_be_asked_for(autojump_clock):
    async with open_client() as client:
        await client.send("tts.speak", text="x" * 370, request_id="a")
        for tick in range(1, 201):
            await trio.sleep(0.1)
            await client.send("playback.progress", request_id="a", played_ms=100 * tick)
        await trio.sleep(0.01)
        client.leave()
        await client.come_back(received=client.text_frames(), speech=SpeechReceived("a", 10))
        ending = await client.wait_for("playback.interrupted")
    assert (ending["reason"], ending["heard_ms"]) == ("disconnected", 20_000)


async def test_more_than_was_ever_sent_is_cut(autojump_clock):
    async with open_client(synthesizer=FakeSynthesizer(seconds_per_char=0.2)) as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await trio.sleep(1.1)
        client.leave()
        await client.come_back(received=client.text_frames(), speech=SpeechReceived("a", 10**9))
        resumed = await client.wait_for("tts.speaking_resumed")
        assert resumed["start_sample"] == 5 * CHAR
        await client.wait_for("playback.completed")
        assert len(client.audio()) == 2 * CHAR * len(TEXT)


async def test_nothing_is_heard_by_the_clock_that_has_not_arrived(autojump_clock):
    async with open_client(synthesizer=voice()) as client:
        await client.send("session.ping")
        await client.wait_for("session.pong")
        client.link.pongs = False
        await client.send("tts.speak", text=TEXT, request_id="a")
        await trio.sleep(10.0)
        assert client.got("playback.completed") == []
        await client.send("session.close")
        ending = await client.wait_for("playback.interrupted")
    assert (ending["heard_ms"], ending["heard_text"]) == (0, "")


async def test_while_nobody_is_connected_nothing_more_is_heard(autojump_clock):
    async with open_client(synthesizer=voice()) as client:
        await client.send("tts.speak", text=TEXT, request_id="a")
        await client.be_silent(1.5)
        client.leave()
        await client.over.wait()
        assert client.telemetry.counts["utterance:interrupted"] == 1
        assert client.session.history.count == 0
    assert client.end.reason == "disconnected"
