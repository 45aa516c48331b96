"""Which audio the recogniser gets, and what a replay may still ask for."""

import random

import pytest

from voicetrio.core.segments import ONSET_MARGIN, Segment, Segments


def make(*, pre_roll=4_800, max_duration=480_000):
    return Segments(pre_roll=pre_roll, max_duration=max_duration)


def test_a_segment_starts_a_pre_roll_before_the_speech():
    segments = make()
    assert segments.open is None
    segment = segments.begin(20_000)
    assert (segment.segment_id, segment.start, segment.end) == (1, 15_200, None)
    assert segments.open is segment
    assert list(segments.pending) == [segment]


def test_the_pre_roll_does_not_reach_before_the_session():
    assert make().begin(1_000).start == 0


def test_the_pre_roll_does_not_reach_into_the_segment_before():
    segments = make()
    segments.begin(20_000)
    segments.end(40_000, now=2.5)
    assert segments.begin(41_000).start == 40_000


def test_the_pre_roll_is_whole_where_there_is_room():
    segments = make()
    segments.begin(20_000)
    segments.end(40_000, now=2.5)
    assert segments.begin(44_800).start == 40_000
    segments.end(50_000, now=3.5)
    assert segments.begin(60_000).start == 55_200


def test_an_ended_segment_waits_for_its_final():
    segments = make()
    segments.begin(20_000)
    segments.end(40_000, now=2.5)
    assert segments.open is None
    assert list(segments.pending) == [Segment(1, 15_200, 40_000, 2.5)]


def test_a_split_leaves_no_hole():
    segments = make()
    segments.begin(20_000)
    following = segments.split(40_000, now=2.5)
    assert segments.open is following
    assert list(segments.pending) == [Segment(1, 15_200, 40_000, 2.5), Segment(2, 40_000)]
    segments.end(50_000, now=3.0)
    assert segments.begin(50_100).start == 50_000


def test_no_audio_is_in_two_segments_however_they_end():
    rng = random.Random(4)
    segments = make()
    covered = position = 0
    for _ in range(500):
        position += rng.randint(0, 10_000)
        if segments.open is None:
            start = segments.begin(position).start
            assert start >= covered
        elif rng.random() < 0.5:
            segments.end(position, now=0.0)
            covered = position
        else:
            assert segments.split(position, now=0.0).start == position
            covered = position


def test_what_nobody_may_hear_is_in_no_later_segment():
    segments = make()
    segments.forbid_before(18_000)
    segments.forbid_before(10_000)
    assert segments.begin(20_000).start == 18_000


def test_ending_a_segment_does_not_lift_a_ban():
    segments = make()
    segments.begin(20_000)
    segments.forbid_before(45_000)
    segments.end(40_000, now=2.5)
    assert segments.begin(46_000).start == 45_000


def test_only_an_open_segment_can_be_too_long():
    segments = make(max_duration=16_000)
    assert not segments.too_long(1_000_000)
    segments.begin(24_800)
    assert not segments.too_long(35_999)
    assert segments.too_long(36_000)
    segments.split(36_000, now=1.0)
    assert not segments.too_long(51_999)
    assert segments.too_long(52_000)
    segments.end(52_000, now=2.0)
    assert not segments.too_long(1_000_000)


def test_finals_settle_the_oldest_first():
    segments = make()
    segments.begin(20_000)
    segments.split(40_000, now=2.5)
    segments.end(60_000, now=3.75)
    assert segments.settle(1) == Segment(1, 15_200, 40_000, 2.5)
    assert segments.settle(2) == Segment(2, 40_000, 60_000, 3.75)
    assert not segments.pending


def test_a_late_repeated_or_early_final_settles_nothing():
    segments = make()
    assert segments.settle(1) is None
    segments.begin(20_000)
    assert segments.settle(1) is None, "it is still open"
    segments.split(40_000, now=2.5)
    assert segments.settle(2) is None, "1 comes first"
    segments.end(60_000, now=3.75)
    assert segments.settle(2) is None, "1 comes first"
    assert segments.settle(99) is None
    assert segments.settle(1) is not None
    assert segments.settle(1) is None, "once"
    assert [segment.segment_id for segment in segments.pending] == [2]


def test_it_counts_what_was_settled_or_given_up():
    segments = make()
    assert segments.finished == 0
    segments.begin(20_000)
    segments.split(40_000, now=2.5)
    segments.split(60_000, now=3.5)
    assert segments.finished == 0
    segments.settle(1)
    assert segments.finished == 1
    segments.abandon(70_000)
    assert segments.finished == 3, "what the open one goes on with is counted on its own"
    segments.end(80_000, now=5.0)
    segments.settle(4)
    assert segments.finished == 4


def test_giving_up_loses_the_ended_segments_and_the_open_one_goes_on_from_here():
    segments = make()
    segments.begin(20_000)
    segments.split(40_000, now=2.5)
    segments.abandon(50_000)
    assert list(segments.pending) == [Segment(3, 50_000)], "a segment of its own: words of the old part may be known"
    assert segments.open is segments.pending[0]
    assert segments.settle(1) is None
    segments.end(60_000, now=4.0)
    assert segments.settle(2) is None
    assert segments.settle(3) == Segment(3, 50_000, 60_000, 4.0)


def test_a_segment_of_which_nothing_was_told_keeps_its_id_when_it_is_given_up():
    segments = make()
    segments.begin(20_000)
    segments.abandon(50_000, renumber=False)
    assert list(segments.pending) == [Segment(1, 50_000)]


def test_after_giving_up_no_segment_reaches_back_into_what_was_given_up():
    segments = make()
    segments.begin(20_000)
    assert segments.abandon(50_000) == 50_000
    assert segments.needed_from(50_000) == 50_000
    segments.end(60_000, now=2.5)
    assert segments.abandon(61_000) == 60_000
    assert segments.begin(61_000).start == 60_000


def test_giving_up_what_has_ended_does_not_take_the_beginning_of_what_comes_next():
    segments = make()
    segments.begin(20_000)
    segments.end(40_000, now=2.5)
    assert segments.abandon(50_000) == 40_000, "speech may have begun in the audio that is not a segment's yet"
    assert not segments.pending
    assert segments.begin(49_000).start == 49_000 - segments.pre_roll


def test_a_replay_may_ask_for_the_oldest_pending_segment():
    segments = make()
    segments.begin(20_000)
    assert segments.needed_from(900_000) == 15_200
    segments.split(40_000, now=2.5)
    assert segments.needed_from(900_000) == 15_200
    segments.settle(1)
    assert segments.needed_from(900_000) == 40_000


def test_without_segments_only_the_next_pre_roll_is_needed():
    segments = make()
    assert segments.needed_from(1_000) == 0
    assert segments.needed_from(900_000) == 900_000 - 4_800 - ONSET_MARGIN
    segments.forbid_before(890_000)
    assert segments.needed_from(900_000) == 890_000


def test_an_onset_within_the_margin_finds_its_pre_roll():
    segments = make()
    needed = segments.needed_from(900_000)
    assert segments.begin(900_000 - ONSET_MARGIN).start >= needed


def test_a_second_segment_while_one_is_open_is_our_own_bug():
    segments = make()
    segments.begin(20_000)
    with pytest.raises(AssertionError):
        segments.begin(30_000)


def test_a_segment_may_be_empty():
    segments = make(pre_roll=0)
    segments.begin(20_000)
    segments.end(20_000, now=1.0)
    assert segments.settle(1) == Segment(1, 20_000, 20_000, 1.0)


@pytest.mark.parametrize("lengths", [{"pre_roll": -1}, {"max_duration": 0}])
def test_lengths_that_make_no_sense_are_our_own_bug(lengths):
    with pytest.raises(AssertionError):
        make(**lengths)


def test_an_end_without_a_segment_or_before_its_start_is_our_own_bug():
    segments = make()
    with pytest.raises(AssertionError):
        segments.end(1_000, now=0.0)
    segments.begin(20_000)
    with pytest.raises(AssertionError):
        segments.end(15_199, now=0.0)
    assert segments.open is not None
