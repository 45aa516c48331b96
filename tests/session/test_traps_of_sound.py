"""Traps 7 to 9 of those in test_traps.py: what the server hears of itself, of others and of the room, and what it says."""

import numpy as np
import pytest
import trio

from tests.fakes.audio import silence
from tests.fakes.client import open_client
from tests.fakes.recognizer import Behaviour
from tests.fakes.synthesizer import FakeSynthesizer
from tests.session.hearing import WatchedRecognizer, merged_words, recorded, spoken
from voicetrio.core.config import SessionConfig
from voicetrio.core.states import State
from voicetrio.vad.webrtc import WebRtcDetector

NOISE_DBFS = -62
"""Of full scale, the peaks of a quiet room through an ordinary microphone."""


def hearing() -> dict:
    """For `open_client`: the real detector, and a recogniser that keeps what it was sent."""
    recognizer = WatchedRecognizer(default=Behaviour(partials=False))
    return {"recognizer": recognizer, "detector": WebRtcDetector}


def with_noise(pcm: bytes, seed: int = 1) -> bytes:
    peak = 32_768 * 10 ** (NOISE_DBFS / 20)
    room = np.random.default_rng(seed).uniform(-peak, peak, len(pcm) // 2)
    return (np.frombuffer(pcm, np.int16) * 0.5 + room).astype(np.int16).tobytes()


# 7. A mute that ends when the synthesis does, and a detector whose clock stops meanwhile.


async def test_a_mute_ends_when_the_listener_has_heard_it_all(autojump_clock):
    async with open_client() as client:
        await client.be_silent(0.1)
        await client.say(1)
        await client.send("tts.speak", text="x" * 48)  # 4.8 s of audio, made at once
        await client.wait_for("tts.speaking_end")
        said_at = trio.current_time()
        await client.be_silent(4.7)
        assert client.session._body.ear.muted
        await client.be_silent(0.2)
        assert not client.session._body.ear.muted
        await client.say(2)
        await client.be_silent(1.0)
    assert said_at == pytest.approx(0.5)
    assert client.at("playback.completed") == [pytest.approx(0.5 + 4.8)]
    assert merged_words(client) == spoken(range(1, 2), begin=0.1) + spoken(range(2, 3), begin=5.4)
    assert client.finals() == ["w1", "w2"], "an utterance that was open is not glued to the next"
    assert [m["timestamp_ms"] for m in client.got("vad.speech_start", "vad.speech_end")] == [100, 500, 5400, 5800]


# 8. State that sessions share, and a gain that lifts the noise of a quiet room up to speech.


async def test_two_sessions_share_no_detector_and_do_not_change_each_others_hearing(autojump_clock):
    speech = silence(0.5) + recorded() + silence(1.0)
    loud = np.random.default_rng(1).integers(-20_000, 20_000, len(speech) // 2, dtype=np.int16).tobytes()
    async with open_client(**hearing()) as alone:
        await alone.play(speech)
    async with open_client(**hearing()) as one, open_client(**hearing()) as other:
        assert one.session._body.ear._detector is not other.session._body.ear._detector
        assert one.session._body.ear._decoder is not other.session._body.ear._decoder
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.play, speech)
            nursery.start_soon(other.play, loud)
    kinds = ("vad.speech_start", "vad.speech_end", "transcript.final")
    assert alone.got(*kinds) != []
    assert one.got(*kinds) == alone.got(*kinds)


async def test_no_gain_is_applied_and_a_quiet_room_does_not_delay_the_end_of_speech(autojump_clock):
    clean = silence(0.5) + recorded() + silence(1.0)
    delays = []
    for pcm in (clean, with_noise(clean)):
        async with open_client(**hearing()) as client:
            began = trio.current_time()
            await client.play(pcm)
        final = client.got("transcript.final")[-1]
        first, heard = client.recognizer.streams[-1]._audio[final["segment_id"]]
        assert bytes(heard) == pcm[2 * first : final["end_ms"] * 32], "sample by sample what was sent"
        delays.append(client.at("vad.speech_end")[-1] - began)
    assert delays[1] - delays[0] <= 0.1


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("sensitivity", ["normal", "high"])
async def test_the_noise_of_a_quiet_room_is_no_speech(autojump_clock, sensitivity, seed):
    async with open_client(**hearing(), config=SessionConfig(vad_sensitivity=sensitivity)) as client:
        await client.play(with_noise(silence(3.0), seed))
        assert client.got("vad.speech_start") == []
        assert client.session.state is State.INIT
        assert client.recognizer.opened == []


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_noise_of_a_quiet_room_is_no_speech_after_a_mute_either(autojump_clock, seed):
    async with open_client(**hearing()) as client:
        await client.play(silence(1.0))
        await client.send("tts.speak", text="hello")
        await client.play(with_noise(silence(3.0), seed))
        assert client.got("playback.completed") != []
    assert client.got("vad.speech_start") == []


# 9. A synthesis that nobody waits for any more, or that never answers, holds everything up.


async def test_while_a_synthesis_hangs_the_client_is_obeyed_and_heard(autojump_clock):
    async with open_client(synthesizer=FakeSynthesizer(hang_after_chars=0)) as client:
        await client.send("tts.speak", text="hello", request_id="a")
        await client.send("session.configure", interim=True)
        await client.wait_for("session.configured")
        assert trio.current_time() == 0.0
        await client.say(1)
        await client.be_silent(1.0)
        assert client.finals() == ["w1"]
        await client.send("tts.cancel", request_id="a")
        await client.wait_for("playback.interrupted")
        assert client.synthesizer.open_calls == 0
    assert client.got("error") == []


async def test_a_text_in_four_pieces_is_spoken_whole(autojump_clock):
    async with open_client() as client:
        for piece in ("one two", "three", "four five", "six"):
            await client.send("tts.speak", text=piece)
        await client.wait_for("playback.completed", 4)
    assert [request.text for request in client.synthesizer.asked] == ["one two", "three", "four five", "six"]
    assert [m["text"] for m in client.got("tts.speaking_start")] == ["one two", "three", "four five", "six"]
    assert len(client.audio()) == 2 * 2400 * len("one twothreefour fivesix")
