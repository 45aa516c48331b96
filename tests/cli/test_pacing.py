import math
import random

import pytest

from voicetrio.cli.pacing import RATE_MARGIN, Pacer, sending_rate
from voicetrio.cli.ticket import ServerLimits

FRAME_S = 0.1


def due(pacer: Pacer, frame: int) -> float:
    return pacer.due(frame * FRAME_S, FRAME_S)


def send(pacer: Pacer, frames: int, *, late=lambda: 0.0, now=0.0, first=0) -> list[float]:
    """When each goes if each is late by so much."""
    times = []
    for frame in range(first, first + frames):
        now = max(now, due(pacer, frame)) + late()
        pacer.sent(now)
        times.append(now)
    return times


def fastest(times: list[float], window_s: float = 5.0, least_s: float = 0.5) -> float:
    """The highest rate that a server measures: the audio after a window's first frame against the time since."""
    rates = [0.0]
    for last, now in enumerate(times):
        first = next(i for i, time in enumerate(times) if time >= now - window_s)
        if now - times[first] >= least_s:
            rates.append((last - first) * FRAME_S / (now - times[first]))
    return max(rates)


def test_frames_are_due_at_fixed_times_so_lateness_does_not_add_up():
    pacer = Pacer(100.0, real_time=True)
    assert [due(pacer, k) for k in (0, 1, 2)] == pytest.approx([100.0, 100.1, 100.2])
    pacer.sent(103.0)
    assert due(pacer, 36_000) == pytest.approx(100.0 + 3600.0)
    assert due(pacer, 3) < 103.1


def test_fast_frames_without_a_limit_are_due_at_once():
    pacer = Pacer(100.0, real_time=False)
    assert due(pacer, 1_000_000) == 100.0


@pytest.mark.parametrize("real_time", [True, False])
def test_nothing_is_due_during_a_hold(real_time):
    pacer = Pacer(0.0, real_time=real_time)
    pacer.hold(5.0, 2.0)
    assert min(due(pacer, k) for k in range(200)) == 7.0


def test_after_a_hold_the_pace_is_as_before_and_not_a_burst():
    pacer = Pacer(0.0, real_time=True)
    pacer.hold(1.02, 2.0)  # frame 11 would have been next, at 1.1
    assert [due(pacer, k) for k in (11, 12, 13)] == pytest.approx([3.1, 3.2, 3.3])


def test_holds_that_overlap_count_once():
    pacer = Pacer(0.0, real_time=True)
    pacer.hold(1.0, 2.0)
    pacer.hold(2.0, 2.0)  # holds till 4.0: one second more
    pacer.hold(2.5, 0.5)  # within
    assert due(pacer, 10) == pytest.approx(1.0 + 3.0)
    pacer.hold(6.0, 1.0)
    assert due(pacer, 10 + 20) == pytest.approx(3.0 + 3.0 + 1.0)


def test_a_frame_is_due_one_frame_after_the_one_before():
    pacer = Pacer(0.0, real_time=True)
    assert math.isclose(due(pacer, 8) - due(pacer, 7), FRAME_S)


@pytest.mark.parametrize("rate", [1.2, 8.0])
def test_fast_means_the_rate_and_not_more(rate):
    times = send(Pacer(0.0, real_time=False, rate=rate), 300)
    assert times[0] == 0.0
    assert fastest(times) == pytest.approx(rate)
    assert times[-1] == pytest.approx(29.9 / rate)


@pytest.mark.parametrize("real_time", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_in_no_window_is_the_rate_exceeded_however_late_frames_are(real_time, seed):
    chance = random.Random(seed)
    pacer = Pacer(0.0, real_time=real_time, rate=1.2)
    times = send(pacer, 1000, late=lambda: chance.choice([0.0] * 20 + [0.01, 0.1, 1.0, 6.0]))
    assert fastest(times) <= 1.2 * (1 + 1e-9)


def test_lateness_is_caught_up_with_at_the_rate():
    pacer = Pacer(0.0, real_time=True, rate=1.2)
    pacer.sent(3.0)  # frame 0, three seconds late
    times = send(pacer, 400, now=3.0, first=1)
    assert times[0] == pytest.approx(3.0 + 0.1 / 1.2)
    assert times[120] > 12.1  # not yet on time
    assert times[-1] == pytest.approx(40.0)  # on time


def test_a_hold_in_fast_mode_is_not_caught_up_with():
    pacer = Pacer(0.0, real_time=False, rate=1.2)
    send(pacer, 50)
    pacer.hold(5.0, 2.0)
    times = send(pacer, 50, first=50)
    assert times[0] == 7.0
    assert fastest(times) == pytest.approx(1.2)


def test_audio_that_is_sent_again_keeps_to_the_rate_too():
    pacer = Pacer(0.0, real_time=True, rate=1.2)
    times = send(pacer, 50)
    times += send(pacer, 50, now=times[-1], first=20)  # the last three seconds again
    assert fastest(times) <= 1.2 * (1 + 1e-9)


def test_the_rate_is_the_servers_with_some_margin():
    assert sending_rate(ServerLimits(1.2, 10.0, 15.0)) == pytest.approx(RATE_MARGIN * 1.2)
    assert sending_rate(ServerLimits(None, 10.0, 15.0)) == 8.0
    assert sending_rate(None) == math.inf
