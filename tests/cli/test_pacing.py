import math

import pytest

from voicetrio.cli.transcribe import FRAME_S, Pacer


def test_frames_are_due_at_fixed_times_so_lateness_does_not_add_up():
    pacer = Pacer(100.0, real_time=True)
    assert [pacer.due(k) for k in (0, 1, 2)] == pytest.approx([100.0, 100.1, 100.2])
    assert pacer.due(36_000) == pytest.approx(100.0 + 3600.0)


def test_fast_frames_are_due_at_once():
    pacer = Pacer(100.0, real_time=False)
    assert pacer.due(1_000_000) == 100.0


@pytest.mark.parametrize("real_time", [True, False])
def test_nothing_is_due_during_a_hold(real_time):
    pacer = Pacer(0.0, real_time=real_time)
    pacer.hold(5.0, 2.0)
    assert min(pacer.due(k) for k in range(200)) == 7.0


def test_after_a_hold_the_pace_is_as_before_and_not_a_burst():
    pacer = Pacer(0.0, real_time=True)
    pacer.hold(1.02, 2.0)  # frame 11 would have been next, at 1.1
    assert [pacer.due(k) for k in (11, 12, 13)] == pytest.approx([3.1, 3.2, 3.3])


def test_holds_that_overlap_count_once():
    pacer = Pacer(0.0, real_time=True)
    pacer.hold(1.0, 2.0)
    pacer.hold(2.0, 2.0)  # holds till 4.0: one second more
    pacer.hold(2.5, 0.5)  # within
    assert pacer.due(10) == pytest.approx(1.0 + 3.0)
    pacer.hold(6.0, 1.0)
    assert pacer.due(10 + 20) == pytest.approx(3.0 + 3.0 + 1.0)


def test_a_frame_is_due_one_frame_after_the_one_before():
    pacer = Pacer(0.0, real_time=True)
    assert math.isclose(pacer.due(8) - pacer.due(7), FRAME_S)
