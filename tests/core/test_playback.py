"""What the listener has heard, at times that are exact in binary."""

import itertools
import math
import random

import pytest

from voicetrio.core.playback import LAG_MAX, REPORT_SLACK, UNCONFIRMED_MAX, Playback, WordMark

RATE = 24_000
SECOND = RATE

TEXT = "Open the door, please."
MARKS = (WordMark(0, 4, 0), WordMark(5, 3, 6_000), WordMark(9, 4, 12_000), WordMark(15, 6, 18_000))


def started(*, seconds=0.0, marks=(), finished=False):
    """An utterance whose first audio went out at 100 s."""
    playback = Playback(RATE, now=100.0)
    playback.begin_piece(TEXT)
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
    assert playback.heard(now=102.0 + REPORT_SLACK) == SECOND, "while reports come the estimate is not mixed in"
    playback.report(3 * SECOND, now=103.0)
    assert playback.heard(now=103.0) == 3 * SECOND


def test_a_report_of_nothing_is_a_report():
    playback = started(seconds=4)
    playback.report(0, now=102.0)
    assert playback.heard(now=102.25) == 0


def test_a_report_of_more_than_was_sent_is_cut():
    playback = started(seconds=1)
    playback.report(50 * SECOND, now=100.5)
    assert playback.heard(now=100.5) == SECOND
    playback.extend(SECOND, now=100.5)
    assert playback.heard(now=100.5) == SECOND, "the lie is not kept for later audio"


def test_a_report_never_shrinks_what_was_heard():
    playback = started(seconds=2)
    playback.report(SECOND, now=101.0)
    playback.report(10, now=101.125)
    playback.report(-10, now=101.125)
    assert playback.heard(now=101.125) == SECOND


def test_a_negative_first_report_is_none_heard():
    playback = started(seconds=2)
    playback.report(-5, now=101.0)
    assert playback.heard(now=101.0) == 0


@pytest.mark.parametrize("seed", range(100))
def test_whatever_is_reported_heard_stays_between_what_was_reported_and_what_was_sent(seed):
    rng = random.Random(seed)
    playback = Playback(RATE, now=0.0)
    now, reported = 0.0, 0
    reporting = False
    for _ in range(200):
        now += rng.random() / 8
        if rng.random() < 0.3:
            playback.extend(rng.randint(0, 5_000), now=now)
        if reporting and rng.random() < 0.3:
            played = rng.randint(-10_000, 2 * playback.sent + 10)
            reported = max(reported, min(played, playback.sent))
            playback.report(played, now=now)
        assert reported <= playback.heard(now=now) <= playback.sent
        reporting = reporting or rng.random() < 0.02


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


def test_a_client_that_stops_reporting_goes_on_in_real_time_from_its_last_report():
    playback = started(seconds=3, finished=True)
    playback.report(SECOND, now=102.0)
    assert playback.heard(now=102.25) == SECOND
    assert playback.completes_at(now=102.0) == 104.0 + REPORT_SLACK
    assert playback.heard(now=103.0 + REPORT_SLACK) == 2 * SECOND
    assert playback.heard(now=104.0 + REPORT_SLACK) == 3 * SECOND


def test_a_last_report_that_is_a_little_short_is_soon_made_up_for():
    playback = started(seconds=3, finished=True)
    playback.report(3 * SECOND - RATE // 1000, now=103.0)
    assert playback.completes_at(now=103.0) == pytest.approx(103.0 + 0.001 + REPORT_SLACK)


def test_a_client_that_reports_to_be_late_is_believed():
    playback = started(seconds=3, finished=True)
    for tick in range(80):
        playback.report(SECOND, now=101.0 + tick / 10)
        assert playback.heard(now=101.1 + tick / 10) == SECOND
        assert playback.completes_at(now=101.0 + tick / 10) == pytest.approx(103.0 + tick / 10 + REPORT_SLACK)


def test_a_client_that_reports_the_same_again_and_again_gets_no_more_time_than_that():
    playback = started(seconds=3, finished=True)
    for tick in range(150):
        playback.report(SECOND, now=101.0 + tick / 10)
        assert playback.completes_at(now=101.0 + tick / 10) <= max(103.0 + LAG_MAX, 101.0 + tick / 10)
    assert playback.heard(now=103.0 + LAG_MAX) == 3 * SECOND


def test_after_a_gap_a_reporter_has_its_time_for_the_new_audio():
    playback = started(seconds=1)
    playback.report(SECOND, now=101.0)
    playback.extend(SECOND, now=150.0)
    playback.finish()
    assert playback.heard(now=150.0) == SECOND, "and not all of it, for the lag is that of this audio"
    assert playback.completes_at(now=150.0) == 151.0 + REPORT_SLACK


def test_while_the_player_is_paused_nothing_is_heard_and_there_is_no_end():
    playback = started(seconds=2, finished=True)
    playback.pause(now=100.5)
    assert playback.paused
    assert playback.heard(now=130.0) == SECOND // 2
    assert playback.completes_at(now=130.0) == math.inf
    playback.resume(now=130.0)
    assert playback.heard(now=130.5) == SECOND
    assert playback.completes_at(now=130.5) == 131.5


def test_a_pause_gives_a_reporter_as_much_more_time():
    playback = started(seconds=2, finished=True)
    playback.report(SECOND // 2, now=100.5)
    playback.pause(now=100.5)
    assert playback.heard(now=100.5 + 2 * LAG_MAX) == SECOND // 2
    playback.resume(now=105.5)
    assert playback.completes_at(now=105.5) == 107.0 + REPORT_SLACK


def test_a_player_that_does_not_pause_may_hear_the_end_all_the_same():
    playback = started(seconds=2, finished=True)
    playback.pause(now=100.5)
    playback.report(2 * SECOND, now=102.0)
    assert playback.completes_at(now=102.0) == 102.0


def test_audio_that_comes_while_all_was_heard_and_paused_waits_for_the_player():
    playback = started(seconds=1)
    playback.pause(now=105.0)
    playback.extend(SECOND, now=106.0)
    assert playback.heard(now=110.0) == SECOND
    playback.resume(now=110.0)
    assert playback.heard(now=110.5) == SECOND + SECOND // 2


def test_pausing_twice_or_going_on_without_a_pause_changes_nothing():
    playback = started(seconds=2)
    playback.resume(now=100.5)
    playback.pause(now=100.5)
    playback.pause(now=101.5)
    playback.resume(now=102.5)
    playback.resume(now=103.0)
    assert playback.heard(now=103.0) == SECOND


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
        (18_000, "Open the door,"),
        (23_999, "Open the door,"),
        (24_000, TEXT),
    ],
)
def test_heard_text_is_rounded_down_to_the_last_whole_word(heard, text):
    playback = started(seconds=1, marks=MARKS, finished=True)
    playback.report(heard, now=101.0)
    assert playback.heard_text(now=101.0) == text


def test_the_last_word_is_whole_only_when_no_more_audio_will_come():
    playback = started(seconds=1, marks=MARKS)
    assert playback.heard_text(now=101.0) == "Open the door,"
    playback.finish()
    assert playback.heard_text(now=101.0) == TEXT


def test_marks_may_be_ahead_of_the_audio():
    playback = started(seconds=0.25, marks=MARKS)
    assert playback.heard_text(now=105.0) == "Open"
    playback.extend(SECOND // 4, now=105.0)
    assert playback.heard_text(now=105.25) == "Open the"


def test_marks_may_come_in_pieces():
    playback = started(seconds=0.5, marks=MARKS[:2])
    playback.extend(SECOND // 2, MARKS[2:], now=100.25)
    assert playback.heard_text(now=100.5) == "Open the"


def test_without_marks_a_text_is_heard_whole_or_not_at_all():
    playback = started(seconds=1, finished=True)
    assert playback.heard_text(now=100.875) == ""
    assert playback.heard_text(now=101.0) == TEXT


def pieces(*, marks=True):
    """Two pieces of a second; the words of each begin at its quarters."""
    playback = Playback(RATE, now=100.0)
    for text in ("one two three four", "five six seven eight"):
        playback.begin_piece(text)
        starts = [text.index(word) for word in text.split()]
        found = [WordMark(at, len(text[at:].split()[0]), i * 6_000) for i, at in enumerate(starts)]
        playback.extend(SECOND, tuple(found) if marks else (), now=100.0)
    return playback


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        (5_999, ""),
        (6_000, "one"),
        (23_999, "one two three"),
        (24_000, "one two three four"),
        (29_999, "one two three four"),
        (30_000, "one two three four five"),
        (47_999, "one two three four five six seven"),
    ],
)
def test_words_are_counted_over_all_pieces(heard, text):
    playback = pieces()
    playback.report(heard, now=105.0)
    assert playback.heard_text(now=105.0) == text


def test_pieces_without_marks_count_whole():
    playback = pieces(marks=False)
    playback.report(47_999, now=105.0)
    assert playback.heard_text(now=105.0) == "one two three four"
    playback.report(48_000, now=105.0)
    assert playback.heard_text(now=105.0) == "one two three four", "there may be more of the second one"
    playback.finish()
    assert playback.heard_text(now=105.0) == "one two three four five six seven eight" == playback.text


def test_a_piece_that_was_cut_short_is_not_heard_whole():
    playback = pieces()
    playback.report(48_000, now=105.0)
    playback.finish(whole=False)
    assert playback.completes_at(now=105.0) == 105.0
    assert playback.heard_text(now=105.0) == "one two three four five six seven"


@pytest.mark.parametrize("seed", range(200))
def test_whatever_happens_no_word_is_heard_whose_audio_was_not(seed):
    rng = random.Random(seed)
    playback = Playback(RATE, now=0.0)
    now, words = 0.0, []
    for number in range(60):
        match rng.randrange(6):
            case 0:
                playback.begin_piece(f"w{number}")
                words.append((f"w{number}", playback.sent))
            case 1 if words:
                playback.extend(rng.randrange(5_000), now=now)
            case 2:
                playback.report(rng.randint(-1_000, playback.sent + 30_000), now=now)
            case 3:
                playback.pause(now=now)
            case 4:
                playback.resume(now=now)
            case _:
                now += rng.random() * rng.choice((0.05, 0.5, 15.0))
        heard = playback.heard(now=now)
        assert heard <= playback.sent, seed
        ended = [word for word, following in itertools.pairwise(words) if following[1] <= heard]
        assert playback.heard_text(now=now).split() == [word for word, _ in ended], seed


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


def test_without_reports_a_player_is_expected_where_the_clock_says():
    playback = started(seconds=2)
    assert playback.expected_at(SECOND, now=100.2) == 101.0


def test_a_player_that_reports_is_expected_to_go_on_from_there():
    playback = started(seconds=4)
    playback.report(SECOND, now=101.5)
    assert playback.expected_at(SECOND, now=101.5) == 101.5
    assert playback.expected_at(2 * SECOND, now=101.5) == 102.5
    assert playback.expected_at(2 * SECOND, now=120.0) == 102.5, "also if it has stopped to report"


def test_nobody_is_expected_to_play_faster_than_in_real_time():
    playback = started(seconds=4)
    playback.report(3 * SECOND, now=100.1)
    assert playback.expected_at(4 * SECOND, now=100.1) == 104.0


def test_a_player_that_is_paused_is_not_expected_to_go_on():
    playback = started(seconds=4)
    playback.report(SECOND // 2, now=100.5)
    playback.pause(now=100.5)
    assert playback.expected_at(SECOND, now=101.0) == math.inf
    playback.resume(now=103.0)
    assert playback.expected_at(SECOND, now=103.0) == 103.5
    playback.pause(now=103.5)
    playback.report(SECOND, now=105.0)
    playback.resume(now=106.0)
    assert playback.expected_at(2 * SECOND, now=106.0) == 107.0


# -- lines that swallow, and clients that come back ----------------------------------------------------------------------


def test_what_a_socket_took_is_not_heard_until_it_has_arrived():
    playback = Playback(RATE, now=100.0, confirms=True)
    playback.begin_piece(TEXT)
    playback.extend(4 * SECOND, now=100.0)
    playback.finish()
    assert playback.heard(now=110.0) == 0
    assert playback.completes_at(now=110.0) == 104.0 + UNCONFIRMED_MAX, "nothing waits for ever"
    playback.arrived(2 * SECOND, now=110.0)
    assert playback.heard(now=110.0) == 0, "it cannot have played it before it came"
    assert playback.heard(now=111.0) == SECOND
    assert playback.heard(now=120.0) == 2 * SECOND
    playback.arrived(4 * SECOND, now=120.0)
    assert playback.completes_at(now=120.0) == 122.0


def test_a_reporter_that_falls_silent_is_taken_to_play_only_what_has_arrived():
    playback = Playback(RATE, now=100.0, confirms=True)
    playback.begin_piece(TEXT)
    playback.extend(4 * SECOND, now=100.0)
    playback.arrived(SECOND, now=100.0)
    playback.report(SECOND // 2, now=100.5)
    assert playback.heard(now=105.0) == SECOND


def test_while_nobody_is_connected_the_estimate_stands_still_at_the_last_sign_of_life():
    playback = started(seconds=4, finished=True)
    playback.lose(alive_at=101.0)
    assert playback.heard(now=103.0) == SECOND
    assert playback.completes_at(now=103.0) == math.inf
    assert playback.expected_at(2 * SECOND, now=103.0) == math.inf


def test_a_client_that_comes_back_has_played_at_most_what_it_has():
    playback = started(seconds=4, finished=True)
    playback.lose(alive_at=101.0)
    playback.go_on(2 * SECOND, confirms=False, now=110.0)
    assert playback.heard(now=110.0) == 2 * SECOND, "its player went on"
    assert playback.completes_at(now=110.0) == math.inf, "some has to be sent again"
    assert (playback.reach, playback.sent) == (2 * SECOND, 4 * SECOND)
    playback.extend(2 * SECOND, now=111.0)
    assert playback.completes_at(now=111.0) == 113.0
    assert playback.sent == 4 * SECOND


def test_a_report_of_more_than_the_client_can_have_is_cut():
    playback = started(seconds=4)
    playback.lose(alive_at=100.0)
    playback.go_on(SECOND, confirms=False, now=100.5)
    playback.report(4 * SECOND, now=100.5)
    assert playback.heard(now=100.5) == SECOND


@pytest.mark.parametrize(
    ("text", "mark", "heard"),
    [
        ("I can't do that", 5, "I"),
        ("I can't do that", 6, "I"),
        ("it costs $1,250.00 today", 12, "it costs"),
        ("it costs $1,250.00 today", 19, "it costs $1,250.00"),
        ("at 10:30am, then", 6, "at"),
        ("see https://example.com/a_b?x=1. Yes", 20, "see"),
        ("Café naïve", 5, "Café"),
        ("今日は元気です。", 3, "今日は"),
        ("「日本」です", 3, "「日"),
        ("「日本」です", 4, "「日本」"),
        ("สวัสดีครับ", 1, "ส"),
        ("สวัสดีครับ", 2, "ส"),
        ("สวัสดีครับ", 3, "สวั"),
        ("see 日本語 now", 5, "see 日"),
    ],
)
def test_marks_inside_of_words_count_for_no_part_of_them(text, mark, heard):
    playback = Playback(RATE, now=100.0)
    playback.begin_piece(text)
    playback.extend(SECOND, (WordMark(0, 1, 0), WordMark(mark, 1, 12_000)), now=100.0)
    assert playback.heard_text(now=100.5) == heard


@pytest.mark.parametrize("seed", range(100))
def test_heard_text_is_a_growing_beginning_of_whole_tokens_none_of_which_is_still_sounding(seed):
    rng = random.Random(seed)
    tokens = ["".join(rng.choice("ab'$,.:/-1é") for _ in range(rng.randint(1, 8))) for _ in range(rng.randint(1, 12))]
    text = " ".join(tokens)
    places = sorted(rng.sample(range(len(text)), rng.randint(1, len(text))))  # as espeak does: also inside of words
    sounds = sorted(rng.randrange(RATE) for _ in places)
    marks = tuple(WordMark(place, 1, sound) for place, sound in zip(places, sounds, strict=True))
    playback = Playback(RATE, now=100.0)
    playback.begin_piece(text)
    playback.extend(SECOND, marks, now=100.0)
    before = ""
    for step in range(101):
        heard = playback.heard_text(now=100.0 + step / 100)
        assert heard.startswith(before)
        count = len(heard.split())
        assert heard == " ".join(tokens[:count])
        after = [sound for place, sound in zip(places, sounds, strict=True) if place >= len(heard)]
        assert not heard or min(after) <= playback.heard(now=100.0 + step / 100), "its sound has not ended"
        before = heard
