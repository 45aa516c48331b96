"""The contract of engines that speak: in plain calls, and through a real worker."""

from itertools import pairwise
from pathlib import Path

import pytest
import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from tests.worker.worker_client import open_worker, until
from voicetrio.core.errors import WorkerRejected
from voicetrio.worker.config import WorkerConfig
from voicetrio.worker.engines.contract import PieceRequest, SpeakingEngine, SpokenChunk

TEST_TIMEOUT = 60.0
SLOT_TIMEOUT = 2.0
STREAMS = 8
TEXT = "the quick brown fox jumps over the lazy dog and runs away"


def speak(engine: SpeakingEngine, text: str, speed: float = 1.0, voice: str = "") -> list[SpokenChunk]:
    chunks: list[SpokenChunk] = []
    engine.speak(PieceRequest(text, engine.resolve_voice(voice), speed, True), chunks.append)
    marks = [mark for chunk in chunks for mark in chunk.marks]
    for mark in marks:
        assert 0 <= mark.text_offset < mark.text_offset + mark.text_length <= len(text)
        assert 0 <= mark.start_sample <= samples_of(chunks)
    for one, other in pairwise(marks):
        assert one.start_sample <= other.start_sample
        assert one.text_offset < other.text_offset
    assert all(len(chunk.pcm) % 2 == 0 for chunk in chunks)
    return chunks


def samples_of(chunks: list[SpokenChunk]) -> int:
    return sum(len(chunk.pcm) for chunk in chunks) // 2


def test_the_description_is_what_a_gateway_can_use(speaking):
    description = speaking.engine.description
    assert description.engine == speaking.case.name
    assert 8_000 <= description.sample_rate <= 48_000
    assert speaking.engine.resolve_voice("") == speaking.engine.resolve_voice(description.default_voice)
    assert all(voice.name and voice.language for voice in description.voices)
    assert len({voice.name for voice in description.voices}) == len(description.voices)


def test_marks_are_at_their_words_and_in_order(speaking):
    text = "Hello brave 😀 world, it costs 42 dollars. Über uns."
    chunks = speak(speaking.engine, text)
    assert samples_of(chunks) > 0
    marks = [mark for chunk in chunks for mark in chunk.marks]
    if not speaking.engine.description.word_marks:
        return
    spoken = [text[mark.text_offset : mark.text_offset + mark.text_length].strip(".,") for mark in marks]
    expected = ["Hello", "brave", "world", "it", "costs", "42", "dollars", "Über", "uns"]
    assert [word for word in spoken if word != "😀"] == expected
    assert marks[-1].start_sample < samples_of(chunks)


def test_speed_changes_the_length(speaking):
    tolerance = speaking.case.speed_tolerance
    usual = samples_of(speak(speaking.engine, TEXT))
    for speed in (0.5, 2.0, 4.0):
        assert samples_of(speak(speaking.engine, TEXT, speed)) == pytest.approx(usual / speed, rel=tolerance)


@pytest.mark.parametrize(
    "text", ["", " ", "...", "<b>", "[[h@loU]]", "\0", "a\0b", "\ud800", "😀", "7" * 200, "\n\n", "早", "a" * 1000]
)
def test_any_text_can_be_spoken(speaking, text):
    speak(speaking.engine, text)


def test_markup_is_read_out_and_not_obeyed(speaking):
    assert samples_of(speak(speaking.engine, "<mark> [[h@loU]]")) > samples_of(speak(speaking.engine, "mark"))


def test_what_emit_raises_stops_the_engine(speaking):
    calls = []

    def emit(chunk: SpokenChunk) -> None:
        calls.append(chunk)
        raise KeyError("stop")

    text = "one two three four " * 10
    with pytest.raises(KeyError):
        speaking.engine.speak(PieceRequest(text, speaking.engine.resolve_voice(""), 1.0, True), emit)
    assert len(calls) == 1
    assert samples_of(speak(speaking.engine, "and on it goes")) > 0


def test_what_was_said_before_changes_nothing(speaking):
    before = speak(speaking.engine, TEXT)
    speak(speaking.engine, "Something else, at another pace!", 3.0)
    after = speak(speaking.engine, TEXT)
    assert samples_of(after) == pytest.approx(samples_of(before), rel=speaking.case.speed_tolerance)
    assert after == before or not speaking.case.exact


def test_unknown_voices_are_answered_with_known_ones(speaking):
    with pytest.raises(WorkerRejected, match=speaking.engine.description.default_voice[:2]):
        speaking.engine.resolve_voice("nobody")
    for voice in speaking.engine.description.voices:
        assert speaking.engine.resolve_voice(voice.name)


def config(case, tmp_path: Path, slots: int) -> WorkerConfig:
    setup = case.setup
    return WorkerConfig(
        listen=f"unix:{tmp_path}/w.sock",
        stt_engine="none",
        tts_engine=case.name,
        tts_voice=setup.voice,
        tts_model=setup.model,
        tts_device=setup.device,
        tts_options=setup.options,
        tts_slots=slots,
    )


@pytest.mark.slow
async def test_eight_texts_at_once_are_each_spoken_as_alone(speaking_case, tmp_path):
    texts = [f"This is text number {number}. {TEXT}." for number in range(STREAMS)]
    with trio.fail_after(TEST_TIMEOUT):
        async with open_worker(config(speaking_case, tmp_path, STREAMS)) as client:
            alone = [await client.speak(text) for text in texts]
            spoken: dict[int, list[object]] = {}

            async def speak_one(number: int) -> None:
                spoken[number] = await client.speak(texts[number])

            async with trio.open_nursery() as nursery:
                for number in range(STREAMS):
                    nursery.start_soon(speak_one, number)
            for number in range(STREAMS):
                if speaking_case.exact:
                    assert spoken[number] == alone[number]
                lengths = [sum(len(reply.pcm) for reply in replies) for replies in (spoken[number], alone[number])]
                assert lengths[0] == pytest.approx(lengths[1], rel=speaking_case.speed_tolerance)
            await until(client.has_slots_in_use)


@pytest.mark.slow
async def test_a_call_that_is_left_frees_its_slot_and_stops_the_engine(speaking_case, tmp_path):
    with trio.fail_after(TEST_TIMEOUT):
        async with open_worker(config(speaking_case, tmp_path, 1)) as client:
            async with client.synthesize(f"{TEXT}. " * 100) as stream:
                assert (await stream.receive()).pcm
            with trio.fail_after(SLOT_TIMEOUT):
                await until(client.has_slots_in_use)
            assert await client.speak("and on it goes")


@pytest.mark.slow
async def test_a_voice_that_is_refused_is_told_and_takes_no_slot(speaking_case, tmp_path):
    with trio.fail_after(TEST_TIMEOUT):
        async with open_worker(config(speaking_case, tmp_path, 1)) as client:
            default = (await client.describe()).tts.default_voice
            with pytest.raises(GRPCError, match=default[:2]) as caught:
                await client.speak("hello", voice="nobody")
            assert caught.value.status is Status.INVALID_ARGUMENT
            assert await client.speak("hello", voice=default)
