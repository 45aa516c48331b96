"""Real speech through a real socket, real gRPC and real pocketsphinx."""

import itertools
from collections.abc import Iterator
from functools import partial

import pytest
import trio

from .client import Client, open_client
from .processes import ServerProcess
from .sound import (
    GOOD_IDEA,
    RECORDINGS,
    SAYABLE,
    SAYING_SPEED,
    THANK_YOU,
    Recording,
    closest,
    mu_law,
    resampled,
    silence,
)

pytestmark = pytest.mark.slow


def frames_of(pcm: bytes, lengths_ms: tuple[float, ...]) -> Iterator[bytes]:
    """Frames of these lengths, over and over."""
    start = 0
    for length_ms in itertools.cycle(lengths_ms):
        if start >= len(pcm):
            return
        end = start + 2 * round(16 * length_ms)
        yield pcm[start:end]
        start = end


async def test_words_come_while_the_recording_is_still_being_sent(server: ServerProcess):
    async with open_client(server.url) as client:
        await client.play(GOOD_IDEA.pcm)
        all_sent_at = trio.current_time()
        assert await client.finish() == GOOD_IDEA.text
        first_at, first = client.timed("transcript.partial")[0]
        assert first_at < all_sent_at
        assert first["text"]
        assert GOOD_IDEA.text.startswith(first["text"])
        assert [kind for kind in client.kinds() if kind != "transcript.partial"] == [
            "session.created",
            "vad.speech_start",
            "vad.speech_end",
            "transcript.final",
            "session.closed",
        ]


async def test_recordings_in_frames_of_any_length_are_understood(server: ServerProcess):
    lengths = [(10,), (37,), (1000,), (11.0625, 950, 10, 333.3125, 64)]

    async def stream(recording: Recording, lengths_ms: tuple[float, ...]) -> None:
        async with open_client(server.url) as client:
            await client.play_frames(frames_of(recording.pcm, lengths_ms))
            assert await client.finish() == recording.text
            check_times(client, recording)

    async with trio.open_nursery() as nursery:
        for recording, lengths_ms in zip(RECORDINGS, lengths, strict=True):
            nursery.start_soon(stream, recording, lengths_ms)


def check_times(client: Client, recording: Recording) -> None:
    (final,) = client.got("transcript.final")
    (began,) = client.got("vad.speech_start")
    (ended,) = client.got("vad.speech_end")
    length_ms = recording.seconds * 1000
    assert 0 <= final["start_ms"] <= began["timestamp_ms"] < ended["timestamp_ms"] <= final["end_ms"] <= length_ms
    assert began["timestamp_ms"] - final["start_ms"] <= 320, "some pre-roll, but not the session's whole past"
    durations = [word["end"] - word["start"] for word in final["words"]]
    assert all(0.03 <= duration <= 1.5 for duration in durations), durations
    assert all(0.0 <= word["confidence"] <= 1.0 for word in final["words"])
    spoken = final["words"][-1]["end"] - final["words"][0]["start"]
    assert 1.0 < spoken <= recording.seconds, "the words are spread over the speech"
    (closed,) = client.got("session.closed")
    assert closed["total_duration_ms"] == pytest.approx(length_ms, abs=2)
    assert closed["segments_transcribed"] == 1


async def test_ten_sessions_at_once_get_each_its_own_transcript(server: ServerProcess):
    speeches = [(recording.pcm, recording.text) for recording in RECORDINGS]
    async with open_client(server.url) as client:
        for text in SAYABLE:
            pcm = await client.make_speech(text, speed=SAYING_SPEED)
            speeches.append((silence(0.3) + pcm + silence(0.7), text))
    heard: dict[int, str] = {}

    async def stream(number: int, pcm: bytes) -> None:
        async with open_client(server.url, f"one-of-ten-{number}") as client:
            await client.play(pcm + silence(0.8), frame_ms=20 + number)
            await client.wait_for("transcript.final")  # a close is not that patient with a worker that serves ten
            heard[number] = await client.finish()
            assert {*client.kinds()} <= {
                "session.created",
                "session.rate_limit",  # on a machine that is busy with other things, too
                "session.hold",  # where the last final takes half a minute
                "vad.speech_start",
                "vad.speech_end",
                "transcript.partial",
                "transcript.final",
                "session.closed",
            }

    async with trio.open_nursery() as nursery:
        for number, (pcm, _) in enumerate(speeches):
            nursery.start_soon(stream, number, pcm)
    texts = [text for _, text in speeches]
    assert [heard[number] for number in range(4)] == texts[:4], "the recordings are always the same"
    assert [closest(heard[number], texts) for number in range(10)] == texts


async def test_several_sentences_in_one_session_are_several_finals(server: ServerProcess):
    async with open_client(server.url) as client:
        for recording in (THANK_YOU, GOOD_IDEA):
            await client.pour(recording.pcm + silence(0.8))
        await client.wait_for("transcript.final", count=2)
        await client.pour(THANK_YOU.pcm)  # and this one has no silence after it
        await client.finish()
        texts = [message["text"] for message in client.got("transcript.final")]
        assert texts == [THANK_YOU.text, GOOD_IDEA.text, THANK_YOU.text]


@pytest.mark.parametrize(
    ("settings", "encode", "rate", "width"),
    [
        ({"input_sample_rate": 48_000}, partial(resampled, rate=16_000, new_rate=48_000), 48_000, 2),
        (
            {"input_encoding": "pcmu", "input_sample_rate": 8000},
            lambda pcm: mu_law(resampled(pcm, 16_000, 8000)),
            8000,
            1,
        ),
    ],
    ids=["48 kHz", "mu-law"],
)
async def test_other_rates_and_encodings_are_understood_too(server: ServerProcess, settings, encode, rate, width):
    recording = GOOD_IDEA
    data = encode(recording.pcm)
    async with open_client(server.url) as client:
        await client.send("session.configure", **settings)
        configured = await client.wait_for("session.configured")
        assert settings.items() <= configured["config"].items()
        size = rate // 50 * width
        for start in range(0, len(data), size):
            await client.session.send_audio(data[start : start + size])
        assert await client.finish() == recording.text
        (closed,) = client.got("session.closed")
        assert closed["total_duration_ms"] == pytest.approx(recording.seconds * 1000, abs=5)


async def test_a_cancelled_session_drops_what_it_heard(server: ServerProcess):
    async with open_client(server.url) as client:
        await client.pour(THANK_YOU.pcm)
        await client.wait_for("vad.speech_start")
        await client.send("session.cancel")
        await client.ended.wait()
        assert client.got("transcript.final") == []
        assert client.got()[-1]["reason"] == "cancelled"
        assert client.session.close_code == 1000
