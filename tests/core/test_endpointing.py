"""Speech drawn as text: `#` is a voiced frame of 20 ms, `.` one that is not."""

import random

import pytest

from voicetrio.core.endpointing import FRAME_SAMPLES, Endpointer, EndpointRule, SpeechEnded, SpeechStarted

RULE = EndpointRule(start_voiced=4, start_window=6, end_window=25, end_voiced=2)


def push_all(endpointer, frames):
    """What happened, with positions in frames, and in which frame of this drawing it was said."""
    happened = []
    for index, frame in enumerate(frames):
        match endpointer.push(frame == "#"):
            case SpeechStarted(at_sample):
                happened.append((index, "started", at_sample / FRAME_SAMPLES))
            case SpeechEnded(at_sample):
                happened.append((index, "ended", at_sample / FRAME_SAMPLES))
    return happened


def hear(frames, rule=RULE):
    return push_all(Endpointer(rule), frames)


def test_the_rule_drawn_here_is_the_default():
    assert EndpointRule() == RULE


def test_a_frame_is_20_ms():
    assert FRAME_SAMPLES == 0.020 * 16_000


@pytest.mark.parametrize("click", ["#", "##", "###", "##.#", "#.#..#", "#.....###"])
def test_a_click_does_not_start_speech(click):
    assert hear("." * 10 + click + "." * 40) == []


def test_clicks_that_never_come_close_together_do_not_start_speech():
    assert hear("##...." * 200) == []


def test_speech_starts_with_the_fourth_voiced_frame_and_is_told_from_the_first():
    assert hear("..." + "####") == [(6, "started", 3)]


def test_the_onset_is_the_first_voiced_frame_of_the_window_that_decided():
    assert hear("..#.#.##") == [(7, "started", 2)]
    assert hear("#.....####") == [(9, "started", 6)]


def test_speech_from_the_very_first_frame_starts_at_zero():
    assert hear("####") == [(3, "started", 0)]


def test_the_end_is_that_of_the_last_voiced_frame():
    # 23 silent frames: then only two of the last 25 are voiced.
    assert hear("..." + "#" * 40 + "." * 22) == [(6, "started", 3)]
    assert hear("..." + "#" * 40 + "." * 60) == [(6, "started", 3), (65, "ended", 43)]


def test_the_shortest_speech_ends_too():
    assert hear("####" + "." * 60) == [(3, "started", 0), (26, "ended", 4)]


def test_flicker_inside_speech_does_not_end_it():
    assert hear("####" + "#......" * 300) == [(3, "started", 0)]


def test_a_pause_inside_a_sentence_does_not_end_it():
    assert hear("#" * 20 + "." * 20 + "#" * 20) == [(3, "started", 0)]


def test_false_alarms_in_silence_do_not_keep_speech_open():
    happened = hear("#" * 40 + ("." * 11 + "#") * 100)
    assert happened[:2] == [(3, "started", 0), (64, "ended", 64)]
    assert len(happened) == 2


def test_more_than_false_alarms_keep_it_open():
    assert hear("#" * 40 + ("." * 7 + "#") * 100) == [(3, "started", 0)]


def test_a_voiced_frame_is_never_where_speech_ends():
    generous = EndpointRule(start_voiced=2, start_window=3, end_window=10, end_voiced=3)
    assert hear("##" + "......." + "#" + ".", generous) == [(1, "started", 0), (10, "ended", 10)]


def test_a_rule_that_forgives_many_false_alarms_still_gives_speech_its_full_end_window():
    generous = EndpointRule(start_voiced=2, start_window=3, end_window=10, end_voiced=2)
    assert hear("##" + "." * 20, generous) == [(1, "started", 0), (9, "ended", 2)]


def test_what_was_heard_before_an_end_does_not_help_the_next_start():
    endpointer = Endpointer(RULE)
    assert push_all(endpointer, "#" * 30 + "." * 22 + "#.") == [(3, "started", 0), (53, "ended", 53)]
    assert push_all(endpointer, "###..") == []


def test_speech_can_start_again_right_after_an_end():
    happened = hear("#" * 30 + "." * 23 + "####" + "." * 30)
    assert happened == [(3, "started", 0), (52, "ended", 30), (56, "started", 53), (79, "ended", 57)]


def test_it_says_whether_somebody_speaks_and_how_far_it_has_heard():
    endpointer = Endpointer(RULE, at_sample=16_000)
    assert (endpointer.speaking, endpointer.position) == (False, 16_000)
    assert push_all(endpointer, "####") == [(3, "started", 50)]
    assert (endpointer.speaking, endpointer.position) == (True, 16_000 + 4 * FRAME_SAMPLES)
    push_all(endpointer, "." * 23)
    assert not endpointer.speaking


def test_a_reset_forgets_speech_and_history_and_goes_on_elsewhere():
    endpointer = Endpointer(RULE)
    push_all(endpointer, "#" * 10)
    endpointer.reset(at_sample=100 * FRAME_SAMPLES)
    assert (endpointer.speaking, endpointer.position) == (False, 100 * FRAME_SAMPLES)
    assert push_all(endpointer, "###" + "." * 40) == []
    assert push_all(endpointer, "####" + "." * 23) == [(3, "started", 143), (26, "ended", 147)]


@pytest.mark.parametrize(
    "counts",
    [
        {"start_voiced": 0},
        {"start_voiced": 7, "start_window": 6},
        {"end_voiced": -1},
        {"end_voiced": 25, "end_window": 25},
    ],
)
def test_a_rule_that_could_never_start_or_end_is_refused(counts):
    with pytest.raises(AssertionError):
        EndpointRule(**counts)


def expect(rule, frames):
    """The same by lists and sums, without a shift register."""
    happened = []
    speaking, since, onset = False, 0, 0
    for index, frame in enumerate(frames):
        heard = frames[since : index + 1]
        if not speaking:
            window = heard[-rule.start_window :]
            if window.count("#") >= rule.start_voiced:
                speaking, onset = True, index + 1 - len(window) + window.index("#")
                happened.append((index, "started", onset))
            continue
        whole = index + 1 - onset >= rule.end_window
        if whole and frame == "." and heard[-rule.end_window :].count("#") <= rule.end_voiced:
            happened.append((index, "ended", since + heard.rindex("#") + 1))
            speaking, since = False, index + 1
    return happened


@pytest.mark.parametrize("seed", range(200))
def test_it_agrees_with_counting_by_hand(seed):
    rng = random.Random(seed)
    start_window, end_window = rng.randint(1, 8), rng.randint(1, 30)
    rule = EndpointRule(rng.randint(1, start_window), start_window, end_window, rng.randint(0, end_window - 1))
    frames = ""
    while len(frames) < 1500:
        likely = rng.choice([0.02, 0.3, 0.9])
        frames += "".join("#" if rng.random() < likely else "." for _ in range(rng.randint(1, 80)))
    happened = hear(frames, rule)
    assert happened == expect(rule, frames)
    positions = [position for _, _, position in happened]
    assert positions == sorted(positions)
