"""The player in plain calls: what was heard when, to the sample."""

import random

import pytest

from voicetrio.cli.player import Player, Progress

RATE = 1000  # a sample is a millisecond


def pcm(samples: int, value: int = 1) -> bytes:
    return value.to_bytes(2, "little") * samples


def heard(player: Player) -> list[tuple[float, int]]:
    return [(round(stretch.at, 6), len(stretch.pcm) // 2) for stretch in player.heard]


@pytest.fixture
def player():
    player = Player(now=0.0)
    player.begin("u", RATE, now=0.0)
    return player


def test_sound_is_heard_in_real_time_however_early_it_came(player):
    player.feed(pcm(500), now=0.0)
    assert [player.played_ms("u", now=now) for now in (0.0, 0.1, 0.25, 0.5, 9.0)] == [0, 100, 250, 500, 500]
    assert heard(player) == [(0.0, 500)]


def test_sound_that_comes_late_leaves_a_gap_as_long_as_it_was_late(player):
    player.feed(pcm(100), now=0.0)
    player.feed(pcm(100), now=0.25)
    assert player.played_ms("u", now=0.3) == 150
    player.advance(1.0)
    assert heard(player) == [(0.0, 100), (0.25, 100)]


def test_sound_that_comes_just_in_time_leaves_none(player):
    for k in range(10):
        player.feed(pcm(100), now=k / 10)
    player.advance(2.0)
    assert heard(player) == [(0.0, 1000)]


def test_a_pause_is_a_gap_that_takes_nothing_away(player):
    player.feed(pcm(300), now=0.0)
    player.end("u", now=0.0)
    player.pause("u", now=0.1)
    assert player.played_ms("u", now=5.0) == 100
    assert player.busy(now=5.0)
    player.resume("u", now=5.0)
    assert player.played_ms("u", now=5.2) == 300
    assert not player.busy(now=5.2)
    assert heard(player) == [(0.0, 100), (5.0, 200)]


def test_what_was_not_played_can_be_thrown_away(player):
    player.feed(pcm(300), now=0.0)
    player.flush("u", now=0.1)
    assert not player.busy(now=0.1)
    assert player.played_ms("u", now=1.0) == 100
    assert not player.feed(pcm(10), now=1.0)  # what was still on its way
    assert heard(player) == [(0.0, 100)]
    assert player.take_reports(now=1.0) == []


def test_a_paused_utterance_can_be_thrown_away(player):
    player.feed(pcm(300), now=0.0)
    player.pause("u", now=0.1)
    player.flush("u", now=0.5)
    assert not player.busy(now=0.5)
    player.begin("v", RATE, now=1.0)
    player.feed(pcm(50), now=1.0)
    player.advance(2.0)
    assert heard(player) == [(0.0, 100), (1.0, 50)]


def test_the_next_utterance_waits_for_this_one(player):
    player.feed(pcm(300), now=0.0)
    player.end("u", now=0.0)
    player.begin("v", RATE, now=0.1)
    player.feed(pcm(100), now=0.1)
    assert not player.reached("v", 0, now=0.29)
    assert player.played_ms("v", now=0.3) == 0
    assert player.reached("v", 0, now=0.3)
    assert player.played_ms("v", now=0.35) == 50
    assert player.played_ms("u", now=0.35) == 300


def test_an_utterance_that_goes_on_is_not_over_when_its_sound_runs_out(player):
    player.feed(pcm(100), now=0.0)
    assert player.busy(now=1.0)
    player.end("u", now=1.0)
    assert not player.busy(now=1.0)


def test_a_place_is_reached_when_it_is_heard_or_past(player):
    player.feed(pcm(300), now=0.0)
    assert not player.reached("u", 200, now=0.199)
    assert player.reached("u", 200, now=0.2)
    assert not player.reached("u", 1000, now=0.3)
    player.end("u", now=0.3)
    assert player.reached("u", 1000, now=0.3)  # there will be no more of it
    assert player.reached("never heard of", 0, now=0.3)


def test_sound_of_nobody_is_not_played():
    player = Player(now=0.0)
    assert not player.feed(pcm(10), now=0.0)
    assert not player.busy(now=0.0)


def test_news_of_unknown_utterances_change_nothing(player):
    for call in (player.pause, player.resume, player.end, player.flush):
        call("x", now=0.0)
    player.feed(pcm(10), now=0.0)
    assert player.played_ms("u", now=1.0) == 10


def test_reports_come_every_tenth_of_a_second_and_once_at_the_end(player):
    player.feed(pcm(250), now=0.0)
    player.end("u", now=0.0)
    reports = [(k, report.played_ms) for k in range(0, 600, 15) for report in player.take_reports(now=k / 1000)]
    assert reports == [(15, 15), (120, 120), (225, 225), (255, 250)]


def test_nothing_is_reported_while_it_stands_still(player):
    player.feed(pcm(150), now=0.0)
    assert player.take_reports(now=0.1) == [Progress("u", 100)]
    assert player.take_reports(now=0.2) == [Progress("u", 150)]
    assert player.take_reports(now=0.4) == []
    player.feed(pcm(150), now=0.5)
    assert player.take_reports(now=0.51) == [Progress("u", 160)]
    player.pause("u", now=0.55)
    assert player.take_reports(now=0.55) == [Progress("u", 200)]  # where it stopped, at once
    assert player.take_reports(now=0.9) == []


def test_a_report_never_says_more_than_was_heard_and_the_last_one_never_less():
    player = Player(now=0.0)
    player.begin("u", 22_050, now=0.0)
    player.feed(pcm(12_800), now=0.0)  # 580.498... ms
    player.end("u", now=0.0)
    assert player.take_reports(now=0.5804) == [Progress("u", 580)]
    assert player.take_reports(now=1.0) == [Progress("u", 581)]


@pytest.mark.parametrize("rate", [8000, 22_050, 24_000, 44_100])
def test_ten_thousand_looks_at_it_lose_no_sample(rate):
    dice = random.Random(rate)
    player = Player(now=0.0)
    player.begin("u", rate, now=0.0)
    player.feed(pcm(10 * rate), now=0.0)
    now = 0.0
    while now < 9.99:
        now += dice.uniform(0.0, 0.002)
        player.advance(now)
        assert abs(len(player.heard[0].pcm) / 2 - now * rate if player.heard else 0.0) <= 1.01
    player.advance(11.0)
    assert heard(player) == [(0.0, 10 * rate)]


def test_half_a_sample_waits_for_its_other_half(player):
    player.feed(b"\1\0\1", now=0.0)
    player.feed(b"\0\1\0", now=0.0)
    player.advance(1.0)
    assert player.heard[0].pcm == pcm(3)


def test_the_rates_of_two_utterances_may_differ(player):
    player.feed(pcm(100), now=0.0)
    player.end("u", now=0.0)
    player.begin("v", 2 * RATE, now=0.0)
    player.feed(pcm(100), now=0.0)
    player.advance(1.0)
    assert [(round(one.at, 6), one.sample_rate, len(one.pcm)) for one in player.heard] == [
        (0.0, RATE, 200),
        (0.1, 2 * RATE, 200),
    ]


def test_after_a_cut_nothing_is_played_twice_and_nothing_is_left_out():
    player = Player(now=0.0)
    player.begin("a", 1000, now=0.0)
    player.feed(b"\x01\x00" * 300, now=0.0)
    player.end("a", now=0.0)
    player.advance(0.5)
    player.go_on("a", 200, now=1.0)
    player.feed(b"\x01\x00" * 60, now=1.0)
    player.feed(b"\x01\x00" * 40 + b"\x02\x00" * 100, now=1.0)
    player.end("a", now=1.0)
    assert player.played_ms("a", now=2.0) == 400
    assert b"".join(bytes(one.pcm) for one in player.heard) == b"\x01\x00" * 300 + b"\x02\x00" * 100


def test_after_a_cut_it_is_reported_again_how_much_was_heard(player):
    player.feed(pcm(1000), now=0.0)
    assert player.take_reports(now=0.3) == [Progress("u", 300)]
    player.pause("u", now=0.3)
    player.go_on("u", 1000, now=0.9)
    assert player.take_reports(now=0.9) == [Progress("u", 300)]
    assert player.take_reports(now=1.0) == []


def test_after_a_cut_an_end_that_was_heard_is_reported_again(player):
    player.feed(pcm(500), now=0.0)
    player.end("u", now=0.1)
    assert player.take_reports(now=0.5) == [Progress("u", 500)]
    player.go_on("u", 500, now=0.9)
    assert player.take_reports(now=0.9) == [Progress("u", 500)]
    assert player.take_reports(now=2.0) == []
