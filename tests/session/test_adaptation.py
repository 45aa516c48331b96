"""How a session adapts to the architecture of the engine that it was given."""

from itertools import pairwise

import pytest

from tests.fakes.client import open_client
from tests.fakes.recognizer import Behaviour, FakeRecognizer
from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.prompt import PROMPT_TOKENS

ENCODER_DECODER = Behaviour(architecture="encoder-decoder")


def partials(client) -> list[str]:
    return [message["text"] for message in client.got("transcript.partial")]


async def test_a_word_of_an_encoder_decoder_is_told_when_two_passes_agree_on_it(autojump_clock):
    async with open_client(recognizer=FakeRecognizer(default=ENCODER_DECODER)) as client:
        await client.say(1, 2, 3, 4)
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w2 w3 w4"]
    assert partials(client)[-1].startswith("w1 w2")
    assert all("x" not in text for text in partials(client)), "a word that only one pass has heard was never told"


async def test_the_number_of_passes_can_be_configured(autojump_clock):
    first = []
    for passes in (2, 3, 4):
        recognizer = FakeRecognizer(default=ENCODER_DECODER)
        async with open_client(recognizer=recognizer, limits=SessionLimits(min_confirm_passes=passes)) as client:
            await client.say(1, 2, 3, 4)
            await client.be_silent(1.0)
        first.append(client.at("transcript.partial")[0])
        assert client.finals()[0].split()[-1] == "w4"
    assert first == sorted(set(first)), "more passes, later words"


async def test_the_unconfirmed_rest_is_only_shown_to_those_who_asked(autojump_clock):
    recognizer = FakeRecognizer(default=ENCODER_DECODER)
    async with open_client(recognizer=recognizer, config=SessionConfig(interim=True)) as client:
        await client.say(1, 2, 3)
        await client.be_silent(1.0)
    tails = [message["tentative"] for message in client.got("transcript.partial")]
    assert any("x" in tail for tail in tails)


async def test_the_end_of_speech_flushes_what_was_not_confirmed(autojump_clock):
    recognizer = FakeRecognizer(default=Behaviour(architecture="encoder-decoder", partials=False))
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2)
        await client.be_silent(1.0)
    assert partials(client) == []
    assert client.finals() == ["w1 w2"]


async def test_the_last_final_is_the_next_segments_prompt(autojump_clock):
    recognizer = FakeRecognizer(default=ENCODER_DECODER)
    async with open_client(recognizer=recognizer) as client:
        for numbers in ((1, 2), (3,), (4, 5)):
            await client.say(*numbers)
            await client.be_silent(1.0)
    assert recognizer.prompts == [(2, "w1 w2"), (3, "w3")]


async def test_a_prompt_is_no_longer_than_half_of_the_context(autojump_clock):
    recognizer = FakeRecognizer(default=ENCODER_DECODER)
    async with open_client(recognizer=recognizer, config=SessionConfig(max_segment_seconds=50.0)) as client:
        for frame in (0.1, 0.02):
            client.frame = frame
            # Words as short as can be: 20 ms each.
            await client.play(b"".join(number.to_bytes(2, "little") * 320 for number in range(1, 301)))
            await client.be_silent(1.0)
    words = client.finals()[0].split()
    assert len(words) == 300
    assert recognizer.prompts == [(2, " ".join(words[-PROMPT_TOKENS:]))]


async def test_a_replay_gives_the_new_worker_the_same_prompt(autojump_clock):
    broken = Behaviour(architecture="encoder-decoder", break_after=16_000)
    recognizer = FakeRecognizer(behaviours=[broken], default=ENCODER_DECODER)
    async with open_client(recognizer=recognizer) as client:
        await client.say(1)
        await client.be_silent(1.0)
        await client.say(2, 3)
        await client.be_silent(1.0)
    assert client.finals() == ["w1", "w2 w3"]
    assert client.telemetry.counts["worker_recovery"] == 1
    assert recognizer.prompts == [(2, "w1"), (2, "w1")]


async def test_words_of_another_language_are_no_prompt(autojump_clock):
    recognizer = FakeRecognizer(default=ENCODER_DECODER)
    async with open_client(recognizer=recognizer) as client:
        await client.say(1)
        await client.be_silent(1.0)
        await client.send("session.configure", language="de")
        await client.say(2)
        await client.be_silent(1.0)
        await client.say(3)
        await client.be_silent(1.0)
    assert recognizer.prompts == [(3, "w2")]


@pytest.mark.parametrize("architecture", ["ctc", "streaming"])
async def test_others_partials_are_native_and_they_get_no_prompt(autojump_clock, architecture):
    recognizer = FakeRecognizer(default=Behaviour(architecture=architecture))
    async with open_client(recognizer=recognizer, config=SessionConfig(hot_words=("voicetrio",))) as client:
        for numbers in ((1, 2, 3), (4,)):
            await client.say(*numbers)
            await client.be_silent(1.0)
    assert partials(client)[:2] == ["w1", "w1 w2"], "as the engine says, without a second pass"
    assert client.finals() == ["w1 w2 w3", "w4"]
    assert recognizer.prompts == []
    assert recognizer.opened[0].hot_words == ("voicetrio",), "biased by the engine itself"


async def test_confirmed_words_stay_when_another_worker_hears_the_segment_again(autojump_clock):
    broken = Behaviour(architecture="encoder-decoder", break_after=24_000)
    recognizer = FakeRecognizer(behaviours=[broken, broken], default=ENCODER_DECODER)
    async with open_client(recognizer=recognizer) as client:
        await client.say(1, 2, 3, 4, 5)
        await client.be_silent(1.0)
    assert client.finals() == ["w1 w2 w3 w4 w5"]
    texts = partials(client)
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
