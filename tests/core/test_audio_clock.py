"""Ring positions on the client's own audio clock."""

import random

import pytest

from voicetrio.core.audio_clock import AudioClock


def make(*skips):
    clock = AudioClock()
    for at, samples in skips:
        clock.skip(at, samples)
    return clock


def test_while_nothing_was_dropped_the_two_clocks_are_one():
    clock = AudioClock()
    assert [clock.position(sample) for sample in (0, 1, 960_000)] == [0, 1, 960_000]
    assert clock.position(5, end=True) == 5
    assert clock.skipped == 0


def test_audio_after_a_gap_is_later_for_the_client():
    clock = make((100, 50))
    assert clock.position(99) == 99
    assert clock.position(101) == 151
    assert clock.position(180, end=True) == 230
    assert clock.skipped == 50


def test_what_begins_at_a_gap_comes_after_it_and_what_ends_there_before_it():
    clock = make((100, 50))
    assert clock.position(100) == 150
    assert clock.position(100, end=True) == 100


def test_a_gap_may_be_the_very_first_thing():
    clock = make((0, 50))
    assert clock.position(0) == 50
    assert clock.position(0, end=True) == 0


def test_gaps_add_up():
    clock = make((100, 50), (200, 7), (300, 1_000))
    assert [clock.position(sample) for sample in (50, 150, 250, 350)] == [50, 200, 307, 1_407]


def test_gaps_at_one_position_are_one_gap():
    clock = make((100, 50), (200, 10), (200, 20), (200, 30))
    assert clock.position(200, end=True) == 250
    assert clock.position(200) == 310


def test_a_gap_of_nothing_is_none():
    clock = make((100, 50), (40, 0))
    assert clock.position(50) == 50


def test_what_is_forgotten_changes_no_later_position():
    clock = make((100, 50), (200, 7), (300, 1_000))
    expected = [(clock.position(sample), clock.position(sample, end=True)) for sample in range(200, 400)]
    clock.forget_before(200)
    assert [(clock.position(sample), clock.position(sample, end=True)) for sample in range(200, 400)] == expected
    clock.forget_before(150)
    assert clock.position(200, end=True) == 250, "forgetting less than before changes nothing"


def test_a_forgotten_position_still_has_an_answer():
    clock = make((100, 50), (200, 7), (300, 1_000))
    clock.forget_before(250)
    answers = [clock.position(sample) for sample in range(400)]
    assert answers == sorted(answers)
    assert answers[0] == 57


def test_gaps_go_on_after_everything_was_forgotten():
    clock = make((100, 50))
    clock.forget_before(1_000)
    assert clock.position(1_000) == 1_050
    clock.skip(1_000, 8)
    assert clock.position(1_000) == 1_058
    assert clock.position(1_000, end=True) == 1_050
    assert clock.skipped == 58


def test_a_long_session_keeps_only_the_gaps_that_matter():
    clock = AudioClock()
    for head in range(0, 100_000, 10):
        clock.skip(head, 3)
        clock.forget_before(head - 100)
    assert len(clock._positions) == len(clock._totals) == 11
    assert clock.position(100_000) == 100_000 + 3 * 10_000


@pytest.mark.parametrize("seed", range(5))
def test_every_sample_that_was_taken_is_found_where_the_client_sent_it(seed):
    rng = random.Random(seed)
    clock = AudioClock()
    sent = []  # the client's sample, by ring position
    position = 0
    for _ in range(300):
        samples = rng.randint(0, 5)
        if rng.random() < 0.5:
            clock.skip(len(sent), samples)
        else:
            sent.extend(range(position, position + samples))
        position += samples
        if rng.random() < 0.1:
            clock.forget_before(max(0, len(sent) - 40))
    for at in range(len(sent) - 40, len(sent)):
        assert clock.position(at) == sent[at]
        assert clock.position(at + 1, end=True) == sent[at] + 1
    assert clock.position(len(sent)) == position, "and the next one lies where the client's clock is now"


def test_a_gap_before_an_earlier_one_or_of_less_than_nothing_is_our_own_bug():
    clock = make((100, 50))
    with pytest.raises(AssertionError):
        clock.skip(99, 1)
    with pytest.raises(AssertionError):
        clock.skip(200, -1)
    assert clock.position(300) == 350
