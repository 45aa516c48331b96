"""Times of a file against positions in its sound. Plain numbers."""

import pytest

from voicetrio.cli.media_timeline import SILENCE_S, FrameClock, Timeline

FRAME_S = 0.1


def play(clock: FrameClock, *stretches: tuple[float, int]) -> list[tuple[float, float]]:
    """Stretches of frames, each with its first timestamp. The silences that were put in: after how much sound, how much."""
    position, sound, silences = 0.0, 0.0, []
    for begin, frames in stretches:
        for number in range(frames):
            silence = clock.silence_before(begin + number * FRAME_S, position)
            if silence:
                silences.append((round(sound, 3), silence))
            position += silence + FRAME_S
            sound += FRAME_S
    return silences


def follow(*stretches: tuple[float, int], origin_s: float = 0.0, begins_anew: bool = False):
    timeline = Timeline()
    return timeline, play(FrameClock(timeline, origin_s=origin_s, begins_anew=begins_anew), *stretches)


def test_without_holes_the_times_are_those_of_the_sound():
    timeline, silences = follow((0.0, 100))
    assert (silences, timeline.start(7.0), timeline.end(10.0)) == ([], 7.0, 10.0)


def test_sound_that_begins_late_has_late_times_and_no_silence_in_front():
    timeline, silences = follow((5.0, 10))
    assert (silences, timeline.start(0.0), timeline.end(0.5)) == ([], 5.0, 5.5)


@pytest.mark.parametrize("hole_s", [0.6, 1.9, 3600.0])
def test_a_hole_is_a_short_silence_and_all_behind_it_is_later(hole_s):
    timeline, ((at, silence),) = follow((0.0, 10), (1.0 + hole_s, 10))
    assert (at, silence) == (pytest.approx(1.0), pytest.approx(min(hole_s, SILENCE_S)))
    assert timeline.end(1.0) == pytest.approx(1.0)
    assert timeline.start(1.0 + silence) == pytest.approx(1.0 + hole_s)
    assert timeline.end(1.5 + silence) == pytest.approx(1.5 + hole_s)


def test_a_jitter_of_timestamps_is_no_hole():
    timeline, silences = follow(*[(number * FRAME_S + (number % 3) * 0.02, 1) for number in range(50)])
    assert silences == []
    assert timeline.start(4.0) == 4.0


def test_a_clock_that_drifts_is_followed():
    for factor in (0.99, 1.01):
        timeline, silences = follow(*[(number * FRAME_S * factor, 1) for number in range(1000)])
        assert silences == []
        assert timeline.start(90.0) == pytest.approx(90.0 * factor, abs=0.1)


def test_timestamps_that_begin_anew_do_not_turn_the_time_back():
    timeline, silences = follow((0.0, 100), (0.0, 100), (3.0, 10))
    assert (silences, timeline.start(15.0)) == ([], pytest.approx(15.0))


def test_where_timestamps_may_begin_anywhere_the_files_own_beginning_is_0_and_a_leap_is_no_hole():
    timeline, silences = follow((1000.5, 100), (5000.0, 100), origin_s=1000.0, begins_anew=True)
    assert silences == []
    assert timeline.start(1.0) == pytest.approx(1.5)
    assert timeline.start(15.0) == pytest.approx(15.5)


def test_frames_without_a_timestamp_go_on():
    timeline = Timeline()
    clock = FrameClock(timeline, origin_s=0.0, begins_anew=False)
    assert [clock.silence_before(at, position) for at, position in ((2.0, 0.0), (None, 0.1), (None, 0.2))] == [0, 0, 0]
    assert timeline.end(0.3) == pytest.approx(2.3)
