"""A long segment's passes stay bounded, and not a word of it is lost or said twice."""

import random
from itertools import pairwise

import pytest

from voicetrio.core.hypothesis import Word
from voicetrio.core.pass_window import PassWindow
from voicetrio.core.prompt import PROMPT_TOKENS

RATE = 16_000
HEAR = RATE // 2
"""Samples of a word."""


def seconds(value):
    return round(value * RATE)


def words(text, start, *, each=0.5):
    """One after the other, without a pause, from `start` seconds on."""
    return tuple(
        Word(word, seconds(start + place * each), seconds(start + (place + 1) * each))
        for place, word in enumerate(text.split())
    )


def said(some):
    return " ".join(word.text for word in some)


def window(**options):
    return PassWindow(start_sample=0, **{"trim_after": 4.0, "longest": 10.0, **options})


FIRST, SECOND = words("set a timer please", 0.2), words("open the door", 3.0)


def test_a_short_segment_is_decoded_whole_each_time():
    some = window()
    for end in (2.5, 3.0, 3.5, 4.0):
        assert some.note_pass(FIRST, [seconds(2.2)], seconds(end)) == FIRST
    assert (some.start, some.frozen, some.context) == (0, (), "")
    assert some.final(FIRST) == FIRST


def test_what_two_passes_agree_on_is_cut_off_at_the_end_of_the_models_segment():
    some = window()
    some.note_pass(FIRST + SECOND[:1], [seconds(2.5)], seconds(3.6))
    assert some.note_pass(FIRST + SECOND, [seconds(2.5), seconds(4.5)], seconds(4.6)) == FIRST + SECOND
    assert (some.start, said(some.frozen)) == (seconds(2.5), "set a timer please")
    assert some.context == "set a timer please"
    assert some.note_pass(SECOND, [], seconds(5.0)) == FIRST + SECOND
    assert some.final((*SECOND, *words("now", 4.6))) == (*FIRST, *SECOND, *words("now", 4.6))


def test_without_an_end_of_a_segment_it_is_cut_in_a_clear_pause():
    some = window()
    some.note_pass(FIRST + SECOND, [], seconds(4.1))
    some.note_pass(FIRST + SECOND, [], seconds(4.6))
    assert (some.start, some.frozen) == (seconds(2.3), FIRST)


def test_of_several_segments_that_passes_agree_on_all_are_cut_off():
    some = window()
    for end in (5.0, 5.5):
        some.note_pass(FIRST + SECOND, [seconds(2.5), seconds(4.7)], seconds(end))
    assert (some.start, some.frozen) == (seconds(4.7), FIRST + SECOND)


def test_what_only_one_pass_has_heard_or_passes_tell_differently_is_not_cut_off():
    some = window()
    ends = [seconds(2.5)]
    some.note_pass(FIRST + SECOND, ends, seconds(4.5))
    assert some.start == 0
    other = (*words("set a time ah please", 0.2, each=0.4), *SECOND)
    for number in range(6):
        some.note_pass(other if number % 2 == 0 else FIRST + SECOND, ends, seconds(5.0 + number / 2))
        assert some.start == 0
    some.note_pass(FIRST + SECOND, ends, seconds(8.0))
    assert some.frozen == FIRST


def test_more_passes_may_be_asked_for_and_one_cuts_at_once():
    some = window(min_confirm_passes=3)
    for end in (4.5, 5.0):
        some.note_pass(FIRST + SECOND, [seconds(2.5)], seconds(end))
        assert some.start == 0
    some.note_pass(FIRST + SECOND, [seconds(2.5)], seconds(5.5))
    assert some.frozen == FIRST
    some = window(min_confirm_passes=1)
    some.note_pass(FIRST + SECOND, [seconds(2.5)], seconds(4.5))
    assert some.frozen == FIRST


def test_agreement_goes_on_over_a_cut():
    some = window()
    third = words("go down", 5.5)
    some.note_pass(FIRST + SECOND, [seconds(2.5)], seconds(5.0))
    some.note_pass(FIRST + SECOND + third, [seconds(2.5)], seconds(7.0))
    assert some.frozen == FIRST
    # One more pass is enough: the one before the cut has heard the second sentence, too.
    some.note_pass(SECOND + third, [seconds(5.0)], seconds(7.5))
    assert some.frozen == FIRST + SECOND


def test_a_cut_is_never_inside_a_word():
    some = window()
    # The model's segment ends where "timer" is spoken by its own account.
    for end in (4.2, 4.2, 4.2):
        some.note_pass(words("set a timer please open the door now", 0.2), [seconds(1.5)], seconds(end))
    assert some.start == 0
    # Times that are wrong by a second have no pause beside them: a stretched word is no place either.
    some = window()
    stretched = (*words("set a", 0.2), Word("timer", seconds(1.2), seconds(3.0)), *SECOND)
    for _ in range(3):
        some.note_pass(stretched, [seconds(3.0)], SECOND[-1].end_sample)
    assert some.start == 0


def test_a_cut_is_not_far_behind_its_last_word_for_the_next_may_have_begun():
    some = window()
    for end in (4.5, 5.0):
        some.note_pass(FIRST, [seconds(4.4)], seconds(end))
    assert seconds(2.2) < some.start <= seconds(2.7)


def test_silence_is_left_behind_and_half_a_word_at_its_end_is_not():
    some = window()
    for number in range(1, 100):
        assert some.note_pass((), [], number * HEAR) == ()
        assert number * HEAR - some.start <= seconds(4.5)
        assert number * HEAR - some.start >= min(number * HEAR, seconds(2))
    assert some.final(words("hello", 49.0)) == words("hello", 49.0)


def test_whatever_the_passes_say_no_window_is_longer_than_the_longest():
    some = window()
    rng = random.Random(1)
    end = 0
    for number in range(1, 400):
        end = min(some.limit, end + HEAR)
        start = some.start
        noise = [Word(f"{rng.random()}", place, place + HEAR) for place in range(start, end - HEAR, HEAR)]
        whole = some.note_pass(noise, [], end)
        assert len(whole) >= len(some.frozen)
        assert end - some.start < seconds(10), number
        if end - start >= seconds(10):
            assert end - some.start >= seconds(2)
    assert end > seconds(100)


def test_a_window_that_is_too_long_is_cut_in_its_latest_pause():
    some = window()
    text = (*words("a b c d e f g", 0.2), *words("h i j", 4.0), *words("k l m n", 5.8))
    some.note_pass((*text, *words("o", 9.3)), [], seconds(10))
    # Behind "n" are 1.5 s of silence, but less than 2 s would be left behind the middle of them.
    assert said(some.frozen) == "a b c d e f g h i j k l m n"
    assert some.start == seconds(8)
    assert said(some.note_pass(words("o p", 9.3), [], seconds(10.5))) == f"{said(some.frozen)} o p"


def test_one_endless_word_does_not_stop_it():
    some = window()
    some.note_pass([Word("oh", 0, seconds(10))], [], seconds(10))
    assert some.start == seconds(8)
    assert said(some.final(words("yes", 9))) == "oh yes"


def test_what_a_prompt_makes_a_model_say_again_is_left_out():
    some = cut_window()
    again = (*words("timer please", 2.5, each=0.1), *SECOND)
    assert said(some.note_pass(again, [], seconds(5.0))) == "set a timer please open the door"
    assert said(some.final(again)) == "set a timer please open the door"


def test_a_word_that_was_cut_in_two_is_said_once():
    some = window()
    some.freeze(words("go to seven", 0.0), seconds(1.4))
    assert said(some.final((Word("seven", seconds(1.4), seconds(1.6)), *words("please", 1.8)))) == "go to seven please"


def test_who_repeats_himself_is_heard_twice():
    some = window()
    some.freeze(words("seven", 0.0), seconds(0.5))
    assert said(some.final(words("seven five", 0.5))) == "seven seven five"
    # Also behind one that was given a long silence.
    some = window()
    some.freeze([Word("four", 0, seconds(2.4))], seconds(2.4))
    assert said(some.final(words("four", 2.4))) == "four four"
    # Also when the times say nothing, if an earlier pass has heard both.
    some = window()
    text = (*words("seven", 0.0), *words("seven five one", 1.0))
    for end in (4.5, 5.0):
        some.note_pass(text, [seconds(0.7)], seconds(end))
    assert said(some.frozen) == "seven"
    squeezed = (Word("seven", some.start, some.start + 160), *words("five one", 1.5))
    assert said(some.final(squeezed)) == "seven seven five one"


def test_times_never_run_back_at_the_joint():
    some = cut_window()
    late = (Word("open", 0, 100), *SECOND[1:])
    whole = some.final(late)
    assert said(whole) == "set a timer please open the door"
    assert all(one.end_sample <= other.start_sample for one, other in pairwise(whole))


def cut_window():
    some = window()
    for end in (4.5, 5.0):
        some.note_pass(FIRST + SECOND, [seconds(2.5)], seconds(end))
    assert said(some.frozen) == "set a timer please"
    return some


def test_frozen_words_of_a_whole_window_stand_and_the_next_begins_behind_them():
    some = window()
    assert some.freeze(FIRST, seconds(3.0)) == FIRST
    assert some.freeze(SECOND, seconds(2.0)) == FIRST + SECOND
    assert (some.start, some.frozen) == (seconds(3.0), FIRST + SECOND)


def test_passes_before_a_frozen_window_agree_on_nothing_behind_it():
    some = window()
    some.note_pass(FIRST, [], seconds(3.0))
    some.freeze(FIRST, seconds(3.0))
    again = words("set a timer please", 3.2)
    some.note_pass(again, [seconds(5.4)], seconds(8.0))
    assert some.start == seconds(3.0)
    some.note_pass(again, [seconds(5.4)], seconds(8.5))
    assert some.frozen == FIRST + again


def test_the_context_is_no_longer_than_a_prompt():
    some = window()
    some.freeze(words(" ".join(f"w{number}" for number in range(1000)), 0.0), seconds(500))
    assert len(some.context.split()) == PROMPT_TOKENS
    assert some.context.endswith("w998 w999")


@pytest.mark.parametrize("options", [{"min_confirm_passes": 0}, {"trim_after": 0}, {"trim_after": 11}, {"longest": 4}])
def test_limits_that_make_no_sense_are_bugs(options):
    with pytest.raises(AssertionError):
        window(**options)


def speech(rng, *, pauses):
    """Two minutes of words of 0.2 to 0.6 s, with pauses (or none, then nobody draws breath)."""
    at, spoken = 0, []
    vocabulary = [f"w{number}" for number in range(rng.choice((3, 50)))]
    while at < seconds(120):
        at += rng.randint(seconds(0.3), seconds(1.5)) if pauses and rng.random() < 0.15 else 0
        length = rng.randint(seconds(0.2), seconds(0.6))
        spoken.append(Word(rng.choice(vocabulary), at, at + length))
        at += length
    return spoken


def decode(rng, spoken, start, end, number):
    """What a model that hears well says: half a word is a word, what it hears last may be wrong; times are 50 ms off."""
    heard, border = [], start
    for word in spoken:
        inside = min(word.end_sample, end) - max(word.start_sample, start)
        if 2 * inside < word.end_sample - word.start_sample:
            continue
        first = max(border, min(end, word.start_sample + rng.randint(-800, 800)))
        border = max(first, min(end, word.end_sample + rng.randint(-800, 800)))
        late = end - word.end_sample < seconds(0.5)
        heard.append(Word(f"x{number}" if late and rng.random() < 0.5 else word.text, first, border))
    ends = [one.end_sample for one, other in pairwise(heard) if other.start_sample - one.end_sample > seconds(0.4)]
    return heard, ends


@pytest.mark.parametrize("pauses", [True, False])
@pytest.mark.parametrize("seed", range(40))
def test_a_long_speech_is_told_word_for_word_from_bounded_windows(seed, pauses):
    rng = random.Random(seed)
    spoken = speech(rng, pauses=pauses)
    some = PassWindow(start_sample=0)
    end, number, decoded, kept = 0, 0, 0, ()
    last = spoken[-1].end_sample + seconds(1)
    while end < last:
        end = min(some.limit, last, end + rng.randint(seconds(0.3), seconds(2)))
        number += 1
        decoded += end - some.start
        heard, ends = decode(rng, spoken, some.start, end, number)
        whole = some.note_pass(heard, ends, end)
        assert whole[: len(kept)] == kept
        assert some.frozen[: len(kept)] == kept
        kept = some.frozen
        assert all(one.end_sample <= other.start_sample for one, other in pairwise(whole))
        if pauses:
            inside = [w for w in spoken if w.start_sample + 800 < some.start < w.end_sample - 800]
            assert not inside, f"cut in {inside}"
    heard, _ = decode(rng, spoken, some.start, last + seconds(1), number)
    final = some.final(heard)
    assert said(final) == said(spoken)
    assert decoded <= (seconds(13) if pauses else seconds(28)) * number
