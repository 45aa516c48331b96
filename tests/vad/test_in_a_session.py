"""Silero's detector in whole sessions, in virtual time."""

import numpy as np
import pytest
import trio

from tests.fakes.audio import silence
from tests.fakes.client import open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from tests.fakes.telemetry import FakeTelemetry
from tests.session.hearing import recorded
from tests.vad.listening import model, noise
from voicetrio.core.config import SessionConfig
from voicetrio.vad.batches import open_room
from voicetrio.vad.silero import LAG_SAMPLES, SileroDetector

KINDS = ("vad.speech_start", "vad.speech_end", "transcript.final")


@pytest.fixture
async def silero():
    """`detector=silero(...)`: what makes detectors of one room."""
    async with open_room(model(), FakeTelemetry()) as room:

        class Detector(SileroDetector):
            def __init__(self, sensitivity: str) -> None:
                super().__init__(sensitivity, room)

        Detector.room = room
        yield Detector


def hearing(detector: type, **others):
    """A client whose recogniser does not look for words in what is no tone, for that takes its time."""
    return open_client(detector=detector, recognizer=FakeRecognizer(default=Behaviour(partials=False)), **others)


def speech() -> bytes:
    """3.7 s with a sentence in the middle."""
    return recorded()


def loud() -> tuple[int, int]:
    """Where in `speech()` somebody speaks, in milliseconds: the recording is of a synthesiser, without a room."""
    samples = np.abs(np.frombuffer(speech(), np.int16))
    (where,) = np.nonzero(samples > 0.03 * samples.max())
    return where[0] // 16, where[-1] // 16


async def hear(detector: type, pcm: bytes, *, frame: float = 0.02) -> list[dict]:
    async with hearing(detector) as client:
        client.frame = frame
        await client.play(pcm)
    return client.got(*KINDS)


async def test_speech_is_told_where_it_was_and_not_where_it_was_noticed(autojump_clock, silero):
    heard = await hear(silero, speech())
    assert [message["type"] for message in heard] == list(KINDS)
    onset, end = loud()
    assert heard[0]["timestamp_ms"] == pytest.approx(onset, abs=40)
    assert heard[1]["timestamp_ms"] == pytest.approx(end, abs=120), "the last sound fades"


async def test_frames_of_any_length_are_heard_the_same(autojump_clock, silero):
    expected = await hear(silero, speech())
    for frame in (0.033, 0.1, 1.0):
        assert await hear(silero, speech(), frame=frame) == expected, frame


async def test_only_frames_that_come_at_once_are_due_before_the_room_comes(autojump_clock, silero):
    counts = silero.room._telemetry.counts
    await hear(silero, speech())
    assert counts["vad_late"] == 0
    await hear(silero, speech(), frame=0.1)
    assert counts["vad_late"] > 0


async def test_two_sessions_share_a_room_and_do_not_change_each_others_hearing(autojump_clock, silero):
    alone = await hear(silero, speech())
    noisy = np.random.default_rng(1).integers(-20_000, 20_000, len(speech()) // 2, dtype=np.int16).tobytes()
    async with (
        hearing(silero) as one,
        hearing(silero) as other,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(one.play, speech())
        nursery.start_soon(other.play, noisy)
    assert one.got(*KINDS) == alone
    assert other.got(*KINDS) == []
    assert max(silero.room._telemetry.values["vad_batch"]) == 2


@pytest.mark.parametrize("sensitivity", ["low", "normal", "high"])
async def test_noise_is_no_speech(autojump_clock, silero, sensitivity):
    async with hearing(silero, config=SessionConfig(vad_sensitivity=sensitivity)) as client:
        await client.play(noise(5.0, -30))
    assert client.got(*KINDS) == []


async def test_after_a_mute_nothing_of_before_is_heard(autojump_clock, silero):
    async with hearing(silero) as client:
        await client.play((silence(0.5) + recorded())[: 2 * 32_000])  # into the middle of the sentence
        await client.send("tts.speak", text="x" * 20)
        await client.wait_for("tts.speaking_end")
        while client.session._body.ear.muted:
            await client.be_silent(0.1)
        muted_until = client.session._body.ear.ring.head
        await client.be_silent(1.0)
    assert [message["type"] for message in client.got(*KINDS)] == list(KINDS)
    assert client.got("vad.speech_end")[0]["timestamp_ms"] * 16 < muted_until


async def test_speech_that_begins_with_the_listening_begins_no_earlier_than_that(autojump_clock, silero):
    """The first answers of a detector with a lag are about nothing: a position before the beginning is never told."""

    class Eager(silero):
        def is_speech(self, frame: bytes) -> bool:
            return True

    async with hearing(Eager) as client:
        assert client.session._body.ear._detector.lag == LAG_SAMPLES
        await client.be_silent(0.5)
    assert client.got("vad.speech_start")[0]["timestamp_ms"] == 0


async def test_what_was_said_before_a_pause_of_the_client_is_not_heard_after_it(autojump_clock, silero):
    """A detector with a lag has not told the last of it when its client stops to send."""
    async with hearing(silero) as client:
        await client.play(speech()[: round(1.5 * 32_000)])  # into the middle of the sentence
        await client.wait_for("vad.speech_end")
        await client.be_silent(1.0)
    assert [message["type"] for message in client.got(*KINDS)] == list(KINDS)
