"""What is asked of the model for a batch of windows, and what becomes of its answers."""

from itertools import pairwise

import numpy as np
import pytest

from voicetrio.worker.engines.whisper.decoder import Decoder, DecoderOptions, Window
from voicetrio.worker.engines.whisper.gate import Thresholds

from .fake_model import FakeModel, said

OPTIONS = DecoderOptions((10.0, 30.0), 1, (0.0, 0.4, 0.8), Thresholds())


def window(item: int, seconds: float = 3.0, *, language="en", context=(), thorough=True) -> Window:
    return Window(np.full(round(16_000 * seconds), item / 1000, np.float32), language, tuple(context), thorough)


def decode(model: FakeModel, *windows: Window, options=OPTIONS):
    return Decoder(model, options).decode(windows)


def texts(decoded) -> list[str]:
    return [" ".join(word.text for word in one.words) for one in decoded]


def test_all_windows_of_a_length_go_through_the_model_at_once():
    model = FakeModel(lambda item, seconds, temperature: said(f"item {item}"))
    decoded = decode(model, *(window(item, 1 + item) for item in range(1, 8)))
    assert texts(decoded) == [f"item {item}" for item in range(1, 8)]
    assert model.encoded == [(7, 1000)]
    assert [asked.items for asked in model.asked] == [[1, 2, 3, 4, 5, 6, 7]]
    assert model.aligned == [("en", 7)]


def test_each_window_is_the_shortest_that_its_audio_fits_in():
    model = FakeModel(lambda item, seconds, temperature: said(f"in {seconds:g}"))
    assert texts(decode(model, window(1, 10.0), window(2, 10.1), window(3, 30.0))) == ["in 10", "in 30", "in 30"]
    assert sorted(model.encoded) == [(1, 1000), (2, 3000)]


def test_prompts_of_one_length_share_a_batch_and_the_end_of_the_context_is_kept():
    model = FakeModel(lambda item, seconds, temperature: said("yes"))
    lengths = (0, 15, 16, 20, 64, 222, 223)
    decode(model, *(window(1 + place, context=range(length)) for place, length in enumerate(lengths)))
    assert model.encoded == [(7, 1000)]
    assert [(asked.items, len(asked.prompts[0]) - 1) for asked in model.asked] == [
        ([1, 2], 0),
        ([3, 4], 16),
        ([5, 6], 64),
        ([7], 223),
    ]
    assert model.asked[1].prompts[1] == [*range(4, 20), -1]


def test_what_one_window_gets_does_not_depend_on_the_others():
    def answer(item, seconds, temperature):
        return said(
            f"item {item} in {seconds:g} at {temperature:g}", log=-2.0 if item == 2 and temperature < 0.8 else -0.1
        )

    windows = [window(1, 4), window(2, 12, context=range(30)), window(3, 25), window(4, 2, context=range(100))]
    together = decode(FakeModel(answer), *windows)
    assert together == [decode(FakeModel(answer), one)[0] for one in windows]


def test_the_language_is_detected_where_none_is_given():
    model = FakeModel(lambda *_: said("ja"), languages=("de", "en"), multilingual=True)
    first, second = decode(model, window(1, language=""), window(2, language="en"))
    assert (first.language, second.language) == ("de", "en")
    assert [asked.prompts for asked in model.asked] == [[[-1], [-2]]]
    assert sorted(model.aligned) == [("de", 1), ("en", 1)]


def test_an_english_model_is_not_asked_for_the_language():
    assert decode(FakeModel(lambda *_: said("yes")), window(1, language=""))[0].language == "en"


def test_improbable_text_is_tried_in_the_whole_window_and_then_hotter():
    def answer(item, seconds, temperature):
        return said(f"{seconds:g} at {temperature:g}", log=-0.5 if temperature == 0.8 else -1.5)

    model = FakeModel(answer)
    assert texts(decode(model, window(1), window(2))) == ["30 at 0.8", "30 at 0.8"]
    assert [(asked.frames // 50, asked.temperature) for asked in model.asked] == [
        (10, 0),
        (30, 0),
        (30, 0.4),
        (30, 0.8),
    ]


def test_only_what_failed_is_tried_again():
    def answer(item, seconds, temperature):
        return said("fine", log=-1.5 if item == 2 and seconds < 30 else -0.1)

    model = FakeModel(answer)
    assert texts(decode(model, window(1), window(2), window(3))) == ["fine"] * 3
    assert [asked.items for asked in model.asked] == [[1, 2, 3], [2]]


def test_what_fails_every_time_is_thrown_away():
    decoded = decode(FakeModel(lambda *_: said("a guess", log=-1.5)), window(1))[0]
    assert decoded.words == ()
    assert decoded.gated == ("log_probability",)


def test_a_partial_is_not_tried_again():
    model = FakeModel(lambda *_: said("a guess", log=-1.5))
    assert decode(model, window(1, thorough=False))[0].gated == ("log_probability",)
    assert len(model.asked) == 1


def test_silence_is_not_tried_again():
    model = FakeModel(lambda *_: said("thank you", log=-1.5, no_speech=0.9))
    decoded = decode(model, window(1))[0]
    assert (decoded.words, decoded.gated) == ((), ("no_speech",))
    assert len(model.asked) == 1


def test_nothing_said_is_no_fault():
    decoded = decode(FakeModel(lambda *_: said("", log=-3.0, no_speech=0.9)), window(1))[0]
    assert (decoded.words, decoded.gated) == ((), ())


def test_a_loop_is_cut():
    words = " ".join(f"go on number {place} " + "round and round " * (place == 3) for place in range(4))
    looping = words + " and so" * 6
    model = FakeModel(lambda *_: said(looping))
    options = DecoderOptions((30.0,), 1, (0.0,), Thresholds(compression=9.0))
    decoded = decode(model, window(1, 20), options=options)[0]
    assert " ".join(word.text for word in decoded.words).split() == [*words.split(), "and", "so"]
    assert decoded.gated == ("repetition",)


def test_words_lie_in_the_window_and_follow_each_other():
    model = FakeModel(lambda *_: said("one two three four five six seven eight nine ten"))
    words = decode(model, window(1, 2.0))[0].words
    assert all(0 <= word.start <= word.end <= 2.0 for word in words)
    assert all(one.end <= other.start for one, other in pairwise(words))


def test_where_the_model_stopped_is_told():
    decoded = decode(FakeModel(lambda *_: said("first sentence", end=2.4, stop=True)), window(1, 6))[0]
    assert decoded.stopped_at == pytest.approx(2.4)
    assert decoded.segment_ends == pytest.approx((2.4,))
    assert decode(FakeModel(lambda *_: said("all of it", end=2.4)), window(1, 6))[0].stopped_at is None
