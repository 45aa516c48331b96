"""Not one sample is lost, doubled or shifted: the engine's words are checksums of the half seconds it was given, and
each is compared with the audio that was sent."""

import itertools

import pytest
import trio

from voicetrio.worker.engines.instant import WORD_BYTES, word_for

from .client import Client, Message, open_client
from .processes import ServerProcess
from .sound import GOOD_IDEA, THANK_YOU, silence

pytestmark = pytest.mark.slow

SPEECH = silence(0.5) + GOOD_IDEA.pcm + THANK_YOU.pcm + silence(0.5)
MS_BYTES = 32


def words_of(pcm: bytes, final: Message) -> list[str]:
    """What the engine must have heard in the part of the audio that this final is about."""
    part = pcm[final["start_ms"] * MS_BYTES : final["end_ms"] * MS_BYTES]
    return [word_for(index, part[at : at + WORD_BYTES]) for index, at in enumerate(range(0, len(part), WORD_BYTES))]


def check_finals(client: Client, pcm: bytes) -> list[Message]:
    finals = client.got("transcript.final")
    for final in finals:
        assert final["text"].split() == words_of(pcm, final)
    return finals


@pytest.mark.parametrize("frame_ms", [10, 20, 37, 61.3125, 1000])
async def test_every_sample_arrives_whatever_the_frames(exact_server: ServerProcess, frame_ms: float):
    size = round(frame_ms * 16) * 2
    async with open_client(exact_server.url) as client:
        for start in range(0, len(SPEECH), size):
            await client.session.send_audio(SPEECH[start : start + size])
        await client.finish()
        check_finals(client, SPEECH)
        assert extent(client) == await undisturbed_extent(exact_server)


def extent(client: Client) -> list[tuple[int, int]]:
    return [(message["start_ms"], message["end_ms"]) for message in client.got("transcript.final")]


async def undisturbed_extent(exact_server: ServerProcess) -> list[tuple[int, int]]:
    async with open_client(exact_server.url) as client:
        await client.pour(SPEECH)
        await client.finish()
        return extent(client)


async def test_a_commit_in_the_middle_of_speech_loses_nothing(exact_server: ServerProcess):
    undisturbed = await undisturbed_extent(exact_server)
    begin, end = undisturbed[0]
    middle = (begin + end) // 2 * MS_BYTES
    async with open_client(exact_server.url) as client:
        await client.pour(SPEECH[:middle])
        await client.send("input_audio_buffer.commit")
        await client.wait_for("transcript.final")  # it does not wait for the end of the speech
        await client.pour(SPEECH[middle:])
        await client.finish()
        first, second, *others = check_finals(client, SPEECH)
        assert (first["start_ms"], second["end_ms"]) == (begin, end)
        assert first["end_ms"] == second["start_ms"] == middle // MS_BYTES
        assert len(others) == len(undisturbed) - 1


async def test_a_commit_without_speech_is_harmless(exact_server: ServerProcess):
    async with open_client(exact_server.url) as client:
        await client.send("input_audio_buffer.commit")
        await client.pour(SPEECH)
        await client.send("input_audio_buffer.commit")
        await client.send("input_audio_buffer.commit")
        await client.finish()
        check_finals(client, SPEECH)
        assert client.got("error") == []


async def test_the_last_final_comes_even_if_the_client_closes_in_mid_word(exact_server: ServerProcess):
    pcm = SPEECH[: 2000 * MS_BYTES]
    async with open_client(exact_server.url) as client:
        await client.pour(pcm)
        await client.finish()
        (final,) = check_finals(client, pcm)
        assert final["end_ms"] == 2000, "up to the very last sample"


async def test_speech_longer_than_a_segment_is_cut_without_a_hole(exact_server: ServerProcess):
    pcm = silence(0.5) + 4 * GOOD_IDEA.pcm[: 2 * 16_000 * 3]
    async with open_client(exact_server.url) as client:
        await client.send("session.configure", max_segment_duration_ms=1000)
        await client.pour(pcm)
        await client.finish()
        finals = check_finals(client, pcm)
        cuts = [(a["end_ms"], b["start_ms"]) for a, b in itertools.pairwise(finals)]
        assert sum(end == start for end, start in cuts) >= 5
        assert all(final["end_ms"] - final["start_ms"] <= 1600 for final in finals)


async def test_many_sessions_at_once_get_each_its_own(exact_server: ServerProcess):
    async def stream(number: int) -> None:
        # Another sample in each: no session's checksums are those of another one.
        pcm = SPEECH[: 32_000 * 2] + number.to_bytes(2, "little") * 160 + SPEECH[32_000 * 2 :]
        async with open_client(exact_server.url) as client:
            for start in range(0, len(pcm), 640 + 2 * number):
                await client.session.send_audio(pcm[start : start + 640 + 2 * number])
            await client.finish()
            assert check_finals(client, pcm)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(stream, number)
