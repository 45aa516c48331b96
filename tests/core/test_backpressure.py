"""Whether a client's audio is taken, and what it is told when it sends more than we can hear."""

import math
import random
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from voicetrio.core.backpressure import Backpressure, FramesDroppedAction, RateLimitAction

SECOND = 16_000
MS = 16
PLENTY = 10**9
MAX_BACKLOG = 10 * SECOND


def limits(backpressure):
    return [action for action in backpressure.take_actions() if isinstance(action, RateLimitAction)]


def send(backpressure, *, frame, rate=1.0, start=100.0, seconds, backlog=0):
    """Frames of `frame` seconds at so many times real time. Returns (time, action) of every action."""
    told = []
    for n in range(int(seconds * rate / frame)):
        now = start + n * frame / rate
        backpressure.admit(round(frame * SECOND), backlog=backlog, room=PLENTY, now=now)
        told += [(now, action) for action in backpressure.take_actions()]
    return told


# The rate.


@pytest.mark.parametrize("frame", [0.01, 0.02, 0.03, 0.1, 0.25, 1.0, 3.0])
@pytest.mark.parametrize("start", [0.0, 100.0, 100.099, 86_399.95])
def test_real_time_is_no_burst_however_long_the_frames_are(frame, start):
    assert send(Backpressure(), frame=frame, start=start, seconds=60) == []


@pytest.mark.parametrize("frame", [0.01, 0.02, 0.1, 0.25, 1.0])
@pytest.mark.parametrize(
    ("rate", "earliest", "latest"),
    [(1.15, math.inf, math.inf), (1.2, math.inf, math.inf), (1.3, 1.0, 6.0), (1.5, 0.5, 3.0), (2.0, 0.5, 1.1)],
)
def test_how_soon_a_client_is_told_depends_on_how_much_too_fast_it_is(frame, rate, earliest, latest):
    told = send(Backpressure(), frame=frame, rate=rate, seconds=120)
    first = told[0][0] - 100.0 if told else math.inf
    assert earliest <= first <= latest


@pytest.mark.parametrize("max_rate", [1.1, 1.2, 2.0, 5.0])
def test_the_rate_can_be_set(max_rate):
    assert send(Backpressure(max_rate=max_rate), frame=0.02, rate=max_rate * 0.98, seconds=60) == []
    assert send(Backpressure(max_rate=max_rate), frame=0.02, rate=max_rate * 1.1, seconds=10)


def test_the_rate_may_be_unlimited():
    assert send(Backpressure(max_rate=math.inf), frame=0.02, rate=50.0, seconds=10) == []


def test_nothing_is_said_in_the_first_half_second():
    backpressure = Backpressure()
    told = send(backpressure, frame=0.02, rate=10.0, seconds=0.5)
    assert told == []
    backpressure.admit(320, backlog=0, room=PLENTY, now=100.5)
    assert limits(backpressure)


def test_silence_on_the_socket_earns_nothing():
    backpressure = Backpressure()
    assert send(backpressure, frame=0.1, start=100.0, seconds=10) == []
    told = send(backpressure, frame=0.1, rate=2.0, start=170.0, seconds=2)
    assert 0.55 <= told[0][0] - 170.0 <= 1.0


def test_a_burst_in_the_middle_of_real_time_is_found():
    backpressure = Backpressure()
    assert send(backpressure, frame=0.02, start=100.0, seconds=10) == []
    told = send(backpressure, frame=0.02, rate=2.0, start=110.0, seconds=3)
    assert told[0][0] - 110.0 == pytest.approx(1.0, abs=0.1), "5 s in real time leave room for 1 s"


@pytest.mark.parametrize("held", [0.05, 0.2, 0.5, 1.0, 1.5, 1.8])
@pytest.mark.parametrize("frame", [0.01, 0.02, 0.1])
@pytest.mark.parametrize("phase", [0.0, 0.035, 0.07, 0.095])
def test_what_a_network_held_back_is_late_and_not_fast(held, frame, phase):
    backpressure = Backpressure()
    for n in range(int(40 / frame)):
        due = 100.0 + phase + n * frame
        stalled = 110.0 <= due < 110.0 + held
        now = 110.0 + held + (due - 110.0) / 50 if stalled else max(due, 110.0 + held * 1.02 if due >= 110.0 else 0)
        backpressure.admit(round(frame * SECOND), backlog=0, room=PLENTY, now=now)
    assert backpressure.due == []


@pytest.mark.parametrize("seed", range(5))
def test_jitter_is_no_burst(seed):
    rng = random.Random(seed)
    backpressure = Backpressure()
    now = 0.0
    for n in range(6_000):
        now = max(now, n * 0.02 + rng.random() * 0.3)
        backpressure.admit(320, backlog=0, room=PLENTY, now=now)
    assert backpressure.due == []


def test_a_player_may_fill_its_buffer_first():
    backpressure = Backpressure()
    for n in range(20):
        backpressure.admit(320, backlog=0, room=PLENTY, now=100.0 + n / 1000)
    assert send(backpressure, frame=0.02, start=100.02, seconds=60) == []


@pytest.mark.parametrize("seed", range(30))
def test_after_the_pause_it_asked_for_real_time_is_within_the_rate_again(seed):
    rng = random.Random(seed)
    backpressure = Backpressure()
    frame = rng.choice([0.01, 0.02, 0.1, 0.5])
    now = 1_000.0 + rng.random()
    for _ in range(50):
        rate = rng.choice([1.0, 1.3, 2.0, 5.0, 40.0])
        for _ in range(int(rng.random() * 3 * rate / frame)):
            now += frame / rate
            backpressure.admit(round(frame * SECOND), backlog=0, room=PLENTY, now=now)
            if backpressure.due:
                break
        for action in limits(backpressure):
            assert 1 <= action.delay_ms <= 5_001
            now += action.delay_ms / 1000
            assert send(backpressure, frame=frame, start=now, seconds=12) == []
            now += 12


def test_the_pause_is_as_long_as_the_burst_was_bad():
    wild = send(Backpressure(), frame=0.02, rate=8.0, seconds=1)[0][1]
    # 4 s came in 0.5 s; a window may have 4 s after (4 - 0.5) / 1.1 = 3.2 s.
    assert wild == RateLimitAction(delay_ms=pytest.approx(2_700, abs=20))


def test_no_pause_ends_before_the_client_can_be_told_again():
    mild = send(Backpressure(), frame=0.02, rate=2.0, seconds=1)[0][1]
    assert mild == RateLimitAction(delay_ms=1_000), "it was told at the first frame that was too much: 22 ms would do"


def test_no_pause_is_longer_than_the_window_remembers():
    mad = send(Backpressure(), frame=0.02, rate=1_000.0, seconds=1)[0][1]
    assert 4_500 < mad.delay_ms <= 5_001


def test_a_client_that_does_not_listen_is_told_once_a_second():
    told = send(Backpressure(), frame=0.02, rate=3.0, seconds=10)
    assert 9 <= len(told) <= 10
    assert all(later - earlier >= 1.0 for (earlier, _), (later, _) in pairwise(told))


# What a network, a lost connection or our own server held up.


def stall(backpressure, *, frame, begin, length, until=40.0, spread=0.0):
    """Real time, but nothing comes from `begin` on; then everything, at once or over `spread` seconds."""
    end = begin + length
    for n in range(int(until / frame)):
        due = 100.0 + n * frame
        now = due
        if begin <= due < end:
            now = end + spread * (due - begin) / length
        elif due >= end:
            now = max(due, end + spread)
        backpressure.admit(round(frame * SECOND), backlog=0, room=PLENTY, now=now)


@pytest.mark.parametrize("length", [0.5, 2.1, 4.9, 5.1, 9.0, 29.0])
@pytest.mark.parametrize("frame", [0.02, 0.1, 1.0])
@pytest.mark.parametrize("phase", [0.0, 0.055, 0.999])
@pytest.mark.parametrize("spread", [0.0, 0.4, 3.0])
def test_what_stood_still_is_not_the_clients_fault(length, frame, phase, spread):
    for warm_up in (0.0, 0.3, 8.0) if length < 10 else (1.0, 8.0):
        backpressure = Backpressure(started=100.0 - frame)
        stall(backpressure, frame=frame, begin=100.0 + warm_up + phase, length=length, until=70.0, spread=spread)
        assert backpressure.due == []


@pytest.mark.parametrize("seed", range(100))
def test_stalls_one_after_the_other_are_not_the_clients_fault(seed):
    rng = random.Random(seed)
    frame = rng.choice([0.01, 0.02, 0.1, 0.5, 1.0])
    backpressure = Backpressure(started=100.0)
    end = 100.0  # of a stall
    begin = end + rng.random() * 8  # of the next
    due = 100.0
    now = 0.0
    while due < 160.0:
        due += frame
        if due >= begin:
            end = begin + 0.5 + rng.random() * 8.5
            begin = end + rng.random() * 8
        now = max(now + 0.000_1, due, end)
        backpressure.admit(round(frame * SECOND), backlog=0, room=PLENTY, now=now)
        assert backpressure.due == []


def test_who_speaks_long_after_it_came_has_not_been_held_up():
    assert not burst(Backpressure(started=91.0), at=100.0, seconds=9.0)
    assert burst(Backpressure(started=89.0), at=100.0, seconds=9.0)


def burst(backpressure, *, at, seconds):
    """So many seconds of audio within 50 ms, and then 4 s in real time. Whether the client was told."""
    frames = int(seconds / 0.02)
    for n in range(frames):
        backpressure.admit(320, backlog=0, room=PLENTY, now=at + n * 0.05 / frames)
    told = limits(backpressure)
    return bool(told + send(backpressure, frame=0.02, start=at + 0.05, seconds=4))


def test_more_than_was_held_up_is_a_burst():
    backpressure = Backpressure()
    send(backpressure, frame=0.02, seconds=8)
    assert not burst(backpressure, at=117.0, seconds=9.0)
    send(backpressure, frame=0.02, start=121.05, seconds=8)
    assert burst(backpressure, at=135.0, seconds=12.0), "6 s were held up"


def test_what_was_held_up_is_made_up_for_once():
    backpressure = Backpressure()
    send(backpressure, frame=0.02, seconds=8)
    assert not burst(backpressure, at=117.0, seconds=9.0)
    assert burst(backpressure, at=121.1, seconds=4.0)


@pytest.mark.parametrize("rate", [1.3, 2.0, 8.0])
def test_who_is_too_fast_in_the_long_run_is_told_so_as_soon_as_it_has_made_up_for_a_stall(rate):
    backpressure = Backpressure()
    send(backpressure, frame=0.02, seconds=8)
    told = send(backpressure, frame=0.02, rate=rate, start=118.0, seconds=60)
    caught_up = 10.0 / (rate - 1)
    assert caught_up - 0.5 <= told[0][0] - 118.0 <= caught_up + 6.0


# The backlog.


def test_the_backlog_counts_whatever_the_rate_is():
    backpressure = Backpressure(max_rate=math.inf)
    backpressure.admit(320, backlog=MAX_BACKLOG // 2, room=PLENTY, now=100.0)
    assert backpressure.due == []
    backpressure.admit(320, backlog=MAX_BACKLOG // 2 + 320, room=PLENTY, now=100.02)
    # 5.02 s wait, and the 0.04 s that just came are expected once more before the client stops: 2.5 s may be left.
    assert backpressure.take_actions() == [RateLimitAction(delay_ms=2_560)]


def test_the_delay_counts_what_comes_before_the_client_has_heard_us():
    backpressure = Backpressure(max_rate=math.inf)
    backpressure.admit(320, backlog=6 * SECOND, room=PLENTY, now=100.0)
    assert limits(backpressure) == [RateLimitAction(delay_ms=3_520)]
    for n in range(100):
        backpressure.admit(320, backlog=7 * SECOND, room=PLENTY, now=100.0 + n / 500)
    backpressure.admit(320, backlog=6 * SECOND, room=PLENTY, now=104.0)
    assert limits(backpressure) == [RateLimitAction(delay_ms=3_500 + 2_000)]

    for n in range(100):
        backpressure.admit(320, backlog=6 * SECOND, room=PLENTY, now=110.0 + n / 50)
    assert limits(backpressure)[-1] == RateLimitAction(delay_ms=pytest.approx(3_500 + 1_000, abs=40)), "1 s in 1 s"


def test_a_backlog_in_the_first_half_second_is_no_matter_of_the_rate():
    backpressure = Backpressure()
    for n in range(80):
        backpressure.admit(1_600, backlog=0, room=PLENTY, now=100.0 + n / 2_000)
    backpressure.admit(1_600, backlog=5 * SECOND + 1_600, room=PLENTY, now=100.45)
    assert limits(backpressure) == [RateLimitAction(delay_ms=2_700)], "8 s at once would need more"


def test_what_comes_before_the_client_has_heard_us_is_not_thought_to_be_endless():
    backpressure = Backpressure(max_rate=math.inf)
    for n in range(100):
        backpressure.admit(1_600, backlog=0, room=PLENTY, now=100.0 + n / 1000)
    backpressure.admit(1_600, backlog=9 * SECOND, room=PLENTY, now=100.1)
    assert limits(backpressure) == [RateLimitAction(delay_ms=6_500 + 4_000)]


@pytest.mark.parametrize(
    ("rate", "backlog", "delay_ms"),
    [
        (8.0, 0, 2_700),
        (8.0, 4 * SECOND, 4_000 + 2_000 - 2_500),
        (8.0, 6 * SECOND, 6_000 + 2_000 - 2_500),
        (20.0, 0, 4_500),
        (20.0, 2 * SECOND, 4_500),
    ],
)
def test_the_larger_of_the_two_delays_is_told(rate, backlog, delay_ms):
    backpressure = Backpressure()
    assert send(backpressure, frame=0.02, rate=rate, seconds=0.5) == []
    backpressure.admit(320, backlog=backlog, room=PLENTY, now=100.5)
    assert limits(backpressure) == [RateLimitAction(delay_ms=pytest.approx(delay_ms, abs=450))]


# Dropping.


def test_audio_is_dropped_where_the_backlog_would_be_too_long():
    backpressure = Backpressure()
    assert backpressure.admit(320, backlog=MAX_BACKLOG - 320, room=PLENTY, now=100.0)
    assert not backpressure.admit(320, backlog=MAX_BACKLOG - 319, room=PLENTY, now=100.02)
    assert backpressure.total_dropped_samples == 320


def test_audio_is_dropped_where_the_ring_has_no_room():
    backpressure = Backpressure()
    assert backpressure.admit(320, backlog=0, room=320, now=100.0)
    assert not backpressure.admit(320, backlog=0, room=319, now=100.02)
    assert not backpressure.admit(320, backlog=0, room=319, now=100.04)
    assert backpressure.admit(320, backlog=0, room=320, now=100.06)


def test_a_few_long_gaps_rather_than_many_short_ones():
    backpressure = Backpressure()
    assert not backpressure.admit(320, backlog=MAX_BACKLOG, room=PLENTY, now=100.0)
    assert not backpressure.admit(320, backlog=MAX_BACKLOG - 320, room=PLENTY, now=100.02)
    assert not backpressure.admit(320, backlog=8 * SECOND + 1, room=PLENTY, now=101.0)
    assert backpressure.admit(320, backlog=8 * SECOND, room=PLENTY, now=101.1)
    assert backpressure.admit(320, backlog=9 * SECOND, room=PLENTY, now=101.2), "the gap is over"


def drops(backpressure):
    return [action for action in backpressure.take_actions() if isinstance(action, FramesDroppedAction)]


def test_the_end_of_a_gap_is_told():
    backpressure = Backpressure()
    for n in range(10):
        assert not backpressure.admit(320, backlog=MAX_BACKLOG, room=PLENTY, now=100.0 + n / 50)
    assert drops(backpressure) == []
    assert backpressure.admit(320, backlog=0, room=PLENTY, now=100.2)
    assert drops(backpressure) == [FramesDroppedAction(dropped_ms=200, dropped_samples=3_200)]
    assert backpressure.flush() is None


def test_a_long_gap_is_told_once_a_second():
    backpressure = Backpressure()
    told = []
    for n in range(251):
        backpressure.admit(320, backlog=MAX_BACKLOG, room=PLENTY, now=100.0 + n / 50)
        told += drops(backpressure)
    assert [action.dropped_ms for action in told] == [1_020, 1_000, 1_000, 1_000, 1_000]


def test_gaps_in_quick_succession_are_told_together():
    backpressure = Backpressure()
    told = []
    for n in range(200):  # 2 s
        backpressure.admit(160, backlog=MAX_BACKLOG if n % 2 == 0 else 0, room=PLENTY, now=100.0 + n / 100)
        told += drops(backpressure)
    assert [action.dropped_ms for action in told] == [10, 500]
    assert backpressure.flush() == FramesDroppedAction(dropped_ms=490, dropped_samples=490 * MS)


def test_what_was_held_back_for_the_cooldown_is_told_after_it():
    backpressure = Backpressure()
    told = []
    for n in range(200):  # 4 s; dropped in the first 40 ms and at 200 ms
        backlog = MAX_BACKLOG if n in (0, 1, 10) else 0
        backpressure.admit(320, backlog=backlog, room=PLENTY, now=100.0 + n / 50)
        told += [(n, action.dropped_ms) for action in drops(backpressure)]
    assert told == [(2, 40), (52, 20)]


def test_what_is_not_due_can_be_asked_for():
    backpressure = Backpressure()
    assert backpressure.flush() is None
    backpressure.admit(320, backlog=MAX_BACKLOG, room=PLENTY, now=100.0)
    assert backpressure.flush() == FramesDroppedAction(dropped_ms=20, dropped_samples=320)
    assert backpressure.flush() is None
    assert not backpressure.admit(320, backlog=9 * SECOND, room=PLENTY, now=100.02), "the gap goes on"


@pytest.mark.parametrize("seed", range(10))
def test_what_was_told_adds_up_to_what_was_dropped(seed):
    rng = random.Random(seed)
    backpressure = Backpressure()
    backlog = dropped = 0
    now = 100.0
    told = []
    for _ in range(20_000):
        now += rng.random() * 0.1
        backlog = max(0, backlog - rng.randint(0, 400))
        samples = rng.randint(1, 1_000)
        room = rng.choice([PLENTY, PLENTY, PLENTY, 500])
        if backpressure.admit(samples, backlog=backlog, room=room, now=now):
            assert samples <= room
            backlog += samples
        else:
            dropped += samples
        assert backlog <= MAX_BACKLOG
        told += drops(backpressure)
        if rng.random() < 0.001:
            told.append(backpressure.flush())
    told = [action for action in [*told, backpressure.flush()] if action is not None]
    assert dropped > 1_000 * SECOND / 16
    assert all(action.dropped_ms > 0 for action in told)
    assert sum(action.dropped_ms for action in told) == dropped // MS
    assert dropped - MS < sum(action.dropped_samples for action in told) <= dropped
    assert backpressure.total_dropped_samples == dropped


def test_forty_seconds_at_once_give_a_handful_of_actions_and_keep_ten_seconds():
    backpressure = Backpressure()
    backlog = 0
    for n in range(400):
        if backpressure.admit(1_600, backlog=backlog, room=60 * SECOND - backlog, now=100.0 + n / 8_000):
            backlog += 1_600
    assert backlog == MAX_BACKLOG
    (action,) = backpressure.take_actions()
    assert isinstance(action, RateLimitAction)
    assert backpressure.flush() == FramesDroppedAction(dropped_ms=30_000, dropped_samples=30 * SECOND)


# Whole clients and workers.


@dataclass
class Run:
    """A client with more to send than time, and a worker; both in seconds of audio per second."""

    rate: float
    frame: float
    worker: float
    reaction: float = 0.0
    seed: int | None = None  # of a reaction that is different every time
    obeys: bool = True
    seconds: float = 120.0
    taken: int = 0
    longest_backlog: int = 0
    told: list[float] = field(default_factory=list)
    lost: int = 0

    def __post_init__(self):
        rng = random.Random(self.seed)
        backpressure = Backpressure()
        samples = round(self.frame * SECOND)
        now = last = 100.0
        backlog = 0.0
        pauses = []  # from, until
        while now < 100.0 + self.seconds:
            backlog = max(0.0, backlog - (now - last) * self.worker * SECOND)
            last = now
            waiting = math.ceil(backlog)
            if backpressure.admit(samples, backlog=waiting, room=60 * SECOND - waiting, now=now):
                backlog += samples
                self.taken += samples
            self.longest_backlog = max(self.longest_backlog, math.ceil(backlog))
            for action in backpressure.take_actions():
                if isinstance(action, RateLimitAction):
                    self.told.append(now)
                    heard = now + self.reaction * (1.0 if self.seed is None else rng.random())
                    pauses.append((heard, heard + action.delay_ms / 1000))
            now += self.frame / self.rate
            while self.obeys and pauses and now >= pauses[0][0]:
                now = max(now, pauses.pop(0)[1])
        self.lost = backpressure.total_dropped_samples


IN_SCOPE = [
    (rate, reaction) for rate in (2.0, 5.0, 20.0) for reaction in (0.0, 0.1, 0.19, 0.3) if rate * reaction < 4.0
]
"""Less than 40 % of the largest backlog is under way when the client hears that it is too fast."""


@pytest.mark.parametrize("frame", [0.02, 0.1])
@pytest.mark.parametrize("worker", [0.6, 1.0, 1.3, 4.0])
@pytest.mark.parametrize(("rate", "reaction"), IN_SCOPE)
def test_a_client_that_obeys_loses_nothing(rate, reaction, frame, worker):
    run = Run(rate=rate, frame=frame, worker=worker, reaction=reaction)
    assert run.lost == 0
    assert len(run.told) <= run.seconds
    through = run.taken / SECOND / run.seconds
    assert through >= 0.75 * min(worker, 1.0), "and it gets most of what the worker can do, up to real time"
    if worker >= 1.3 and rate == 2.0:
        assert 0.9 <= through <= 1.35


@pytest.mark.parametrize("frame", [0.02, 0.1, 1.0])
@pytest.mark.parametrize("worker", [0.0, 0.6, 1.0, 1.3])
@pytest.mark.parametrize("rate", [1.0, 2.0, 20.0])
def test_a_client_that_does_not_obey_fills_the_backlog_and_no_more(rate, frame, worker):
    run = Run(rate=rate, frame=frame, worker=worker, obeys=False, seconds=60)
    assert run.longest_backlog <= MAX_BACKLOG
    assert (run.lost > 0) is (rate > worker)
    assert all(later - earlier >= 1.0 for earlier, later in pairwise(run.told))


@pytest.mark.parametrize("seed", range(8))
def test_it_need_not_obey_equally_soon_every_time(seed):
    rate, reaction = [(12.0, 0.3), (8.0, 0.3), (20.0, 0.19), (5.0, 0.3)][seed % 4]
    assert Run(rate=rate, frame=0.02, worker=[0.6, 4.0][seed % 2], reaction=reaction, seed=seed).lost == 0


def test_a_client_in_real_time_at_a_worker_in_real_time_hears_nothing_of_all_this():
    run = Run(rate=1.0, frame=0.02, worker=1.0)
    assert run.told == []
    assert run.lost == 0


# Our own bugs.


@pytest.mark.parametrize("bounds", [{"max_rate": 1.0}, {"max_rate": 0.0}, {"max_backlog": 0}])
def test_bounds_that_make_no_sense_are_our_own_bug(bounds):
    with pytest.raises(AssertionError):
        Backpressure(**bounds)
