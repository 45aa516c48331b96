"""What the listener has heard, at times that are exact in binary."""

import math
import random

import pytest

from voicetrio.core.playback import REPORT_PATIENCE, Playback, WordMark

RATE = 24_000
SECOND = RATE

TEXT = "Open the door, please."
MARKS = (WordMark(0, 4, 0), WordMark(5, 3, 6_000), WordMark(9, 4, 12_000), WordMark(15, 6, 18_000))


def started(*, seconds=0.0, marks=(), finished=False):
    """An utterance whose first audio went out at 100 s."""
    playback = Playback(RATE, now=100.0)
    playback.extend(int(seconds * RATE), marks, now=100.0)
    if finished:
        playback.finish()
    return playback


def test_without_reports_it_plays_in_real_time_from_the_first_byte():
    playback = started(seconds=2)
    assert playback.heard(now=100.0) == 0
    assert playback.heard(now=100.5) == SECOND // 2
    assert playback.heard(now=102.0) == 2 * SECOND


def test_no_more_is_heard_than_was_sent():
    playback = started(seconds=1)
    assert playback.heard(now=200.0) == SECOND
    playback.extend(SECOND, now=100.5)
    assert playback.sent == 2 * SECOND
    assert playback.heard(now=200.0) == 2 * SECOND


def test_audio_that_comes_late_is_heard_from_when_it_came():
    playback = started(seconds=1)
    playback.extend(SECOND, now=150.0)
    assert playback.heard(now=150.0) == SECOND, "the listener had a gap of 49 s"
    assert playback.heard(now=150.5) == SECOND + SECOND // 2
    playback.finish()
    assert playback.completes_at(now=150.0) == 151.0


def test_a_report_replaces_the_estimate():
    playback = started(seconds=4)
    assert playback.heard(now=102.0) == 2 * SECOND
    playback.report(SECOND, now=102.0)
    assert playback.heard(now=102.0) == SECOND
    assert playback.heard(now=103.0) == SECOND, "the estimate is not mixed in"
    playback.report(3 * SECOND, now=103.0)
    assert playback.heard(now=103.0) == 3 * SECOND


def test_a_report_of_nothing_is_a_report():
    playback = started(seconds=4)
    playback.report(0, now=102.0)
    assert playback.heard(now=103.0) == 0


def test_a_report_of_more_than_was_sent_is_cut():
    playback = started(seconds=1)
    playback.report(50 * SECOND, now=100.5)
    assert playback.heard(now=100.5) == SECOND
    playback.extend(SECOND, now=100.5)
    assert playback.heard(now=100.5) == SECOND, "the lie is not kept for later audio"


def test_a_report_never_shrinks_what_was_heard():
    playback = started(seconds=2)
    playback.report(SECOND, now=101.0)
    playback.report(10, now=101.5)
    playback.report(-10, now=101.5)
    assert playback.heard(now=101.5) == SECOND


def test_a_negative_first_report_is_none_heard():
    playback = started(seconds=2)
    playback.report(-5, now=101.0)
    assert playback.heard(now=101.0) == 0


@pytest.mark.parametrize("seed", range(100))
def test_whatever_is_reported_heard_stays_within_sent_and_grows(seed):
    rng = random.Random(seed)
    playback = Playback(RATE, now=0.0)
    now, heard = 0.0, 0
    reporting = False
    for _ in range(200):
        now += rng.random() / 8
        if rng.random() < 0.3:
            playback.extend(rng.randint(0, 5_000), now=now)
        if reporting and rng.random() < 0.3:
            playback.report(rng.randint(-10_000, 2 * playback.sent + 10), now=now)
        assert heard <= playback.heard(now=now) <= playback.sent
        heard = playback.heard(now=now)
        if not reporting and rng.random() < 0.02:
            reporting = True
            playback.report(heard, now=now)


def test_there_is_no_end_while_more_audio_may_come():
    playback = started(seconds=2)
    assert playback.completes_at(now=101.0) == math.inf
    playback.report(2 * SECOND, now=102.0)
    assert playback.completes_at(now=102.0) == math.inf


def test_without_reports_the_end_is_heard_when_the_clock_says_so():
    playback = started(seconds=2.5, finished=True)
    assert playback.completes_at(now=101.0) == 102.5
    assert playback.completes_at(now=200.0) == 102.5


def test_the_end_is_heard_when_it_is_reported():
    playback = started(seconds=2, finished=True)
    playback.report(2 * SECOND, now=105.0)
    assert playback.completes_at(now=105.0) == 105.0


def test_a_client_that_stops_reporting_is_given_its_time_and_the_patience():
    playback = started(seconds=3, finished=True)
    playback.report(SECOND, now=104.0)
    assert playback.completes_at(now=104.5) == 104.0 + 2.0 + REPORT_PATIENCE
    playback.report(SECOND, now=110.0)
    assert playback.completes_at(now=110.0) == 110.0 + 2.0 + REPORT_PATIENCE, "a stalled player is still a sign of life"


def test_no_audio_follows_the_end():
    playback = started(seconds=1, finished=True)
    with pytest.raises(AssertionError):
        playback.extend(1, now=101.0)


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        (0, ""),
        (5_999, ""),
        (6_000, "Open"),
        (11_999, "Open"),
        (12_000, "Open the"),
        (18_000, "Open the door"),
        (23_999, "Open the door"),
        (24_000, TEXT),
    ],
)
def test_heard_text_is_rounded_down_to_the_last_whole_word(heard, text):
    playback = started(seconds=1, marks=MARKS, finished=True)
    playback.report(heard, now=101.0)
    assert playback.heard_text(TEXT, now=101.0) == text


def test_the_last_word_is_whole_only_when_no_more_audio_will_come():
    playback = started(seconds=1, marks=MARKS)
    assert playback.heard_text(TEXT, now=101.0) == "Open the door"
    playback.finish()
    assert playback.heard_text(TEXT, now=101.0) == TEXT


def test_marks_may_be_ahead_of_the_audio():
    playback = started(seconds=0.25, marks=MARKS)
    assert playback.heard_text(TEXT, now=105.0) == "Open"
    playback.extend(SECOND // 4, now=105.0)
    assert playback.heard_text(TEXT, now=105.25) == "Open the"


def test_marks_may_come_in_pieces():
    playback = started(seconds=0.5, marks=MARKS[:2])
    playback.extend(SECOND // 2, MARKS[2:], now=100.25)
    assert playback.heard_text(TEXT, now=100.5) == "Open the"


def test_without_marks_a_text_is_heard_whole_or_not_at_all():
    playback = started(seconds=1, finished=True)
    assert playback.heard_text(TEXT, now=100.875) == ""
    assert playback.heard_text(TEXT, now=101.0) == TEXT


def test_a_rate_of_nothing_is_our_own_bug():
    with pytest.raises(AssertionError):
        Playback(0, now=0.0)


def test_milliseconds_are_rounded_down():
    playback = started()
    assert [playback.milliseconds(samples) for samples in (0, 23, 24, 47, 48, RATE - 1, RATE)] == [
        0,
        0,
        1,
        1,
        2,
        999,
        1000,
    ]
