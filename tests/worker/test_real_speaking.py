"""The worker with espeak-ng."""

import pytest
import trio

from voicetrio.worker.config import WorkerConfig

from .worker_client import open_worker, until

CONFIG = WorkerConfig(listen="127.0.0.1:0", stt_engine="none", tts_slots=2)
TEXT = "Speech that takes a while, since it has several sentences. Each of them is ordinary; none is short. " * 20


def seconds_of(replies) -> float:
    return sum(len(reply.pcm) for reply in replies) / 2 / replies[0].sample_rate_hz


async def test_the_first_sound_comes_long_before_the_last():
    with trio.fail_after(30):
        async with open_worker(CONFIG) as client, client.synthesize(TEXT) as stream:
            began = trio.current_time()
            assert (await stream.receive()).pcm
            first = trio.current_time() - began
            while await stream.receive() is not None:
                pass
            assert first < 0.3 * (trio.current_time() - began)


async def test_marks_point_at_the_words_of_the_whole_text():
    with trio.fail_after(30):
        async with open_worker(CONFIG) as client:
            replies = await client.speak(TEXT)
            marks = [mark for reply in replies for mark in reply.marks]
            spoken = [TEXT[mark.text_offset : mark.text_offset + mark.text_length].strip(",.;") for mark in marks]
            words = TEXT.replace(",", "").replace(".", "").replace(";", "").split()
            # In order, and nearly all: the library runs some words together, such as "a while", and marks only the first.
            rest = iter(words)
            assert all(word in rest for word in spoken)
            assert len(spoken) > 0.8 * len(words)
            assert [mark.start_sample for mark in marks] == sorted(mark.start_sample for mark in marks)
            assert marks[-1].start_sample < sum(len(reply.pcm) for reply in replies) // 2
            # No word begins at the wrong place by more than the words are long: the middle one is about in the middle.
            middle = marks[len(marks) // 2].start_sample / (sum(len(reply.pcm) for reply in replies) / 2)
            assert middle == pytest.approx(0.5, abs=0.05)


async def test_a_call_that_is_cancelled_stops_and_frees_its_slot():
    with trio.fail_after(30):
        async with open_worker(CONFIG) as client:
            async with client.synthesize(TEXT * 8) as stream:
                await stream.receive()
            with trio.fail_after(1):
                await until(client.has_slots_in_use)
            assert await client.speak("and on")


async def test_two_at_once_are_both_whole_and_a_short_one_does_not_wait_for_a_long_one():
    with trio.fail_after(30):
        async with open_worker(CONFIG) as client:
            alone = await client.speak(TEXT * 2)
            finished = []
            spoken = {}

            async def speak(text: str) -> None:
                spoken[text] = await client.speak(text)
                finished.append(text)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(speak, TEXT * 2)
                await trio.sleep(0.05)
                nursery.start_soon(speak, "A short one.")
            assert finished == ["A short one.", TEXT * 2]
            # Not the samples: a voice has some chance in it, and never says a thing twice in the same way.
            assert seconds_of(spoken[TEXT * 2]) == pytest.approx(seconds_of(alone), rel=0.02)


async def test_voice_and_speed_change_the_sound():
    text = "Voices and speeds are chosen per call."
    with trio.fail_after(30):
        async with open_worker(CONFIG) as client:
            usual = await client.speak(text)
            assert seconds_of(await client.speak(text, speed=2.0)) == pytest.approx(seconds_of(usual) / 2, rel=0.05)
            assert seconds_of(await client.speak(text, voice="de")) != pytest.approx(seconds_of(usual), rel=0.05)
            assert seconds_of(await client.speak(text, voice="en-us")) == pytest.approx(seconds_of(usual), rel=0.02)
            assert (await client.describe()).tts.default_voice == "en-us"


async def test_markup_in_a_text_is_harmless():
    with trio.fail_after(30):
        async with open_worker(CONFIG) as client:
            for text in ("<speak>", "[[h@loU]]", "a\0b", "\u0301", "😀"):
                await client.speak(text)
            assert await client.speak("") == []
