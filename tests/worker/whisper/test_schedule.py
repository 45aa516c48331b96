"""Whose turn it is, and how much audio a pass waits for."""

from dataclasses import dataclass

import pytest

from voicetrio.worker.engines.whisper.schedule import BUSY_MAX, STEP_MAX, Schedule


@dataclass
class Stream:
    since: int
    new: float = 0.0
    ended: bool = False


def test_a_stream_waits_for_a_step_of_new_audio():
    early, late = Stream(1, 0.49), Stream(2, 0.5)
    assert Schedule(8, 0.5).due([early, late]) == [late]


def test_an_end_waits_for_nothing():
    ended = Stream(1, 0.0, ended=True)
    assert Schedule(8, 0.5).due([ended]) == [ended]


def test_those_that_wait_longest_come_first_and_the_rest_next_time():
    streams = [Stream(since, 1.0) for since in (5, 3, 9, 1)]
    schedule = Schedule(3, 0.5)
    assert [stream.since for stream in schedule.due(streams)] == [1, 3, 5]


def test_nobody_waits_for_ever():
    # Twenty streams, a batch of four, and new audio for all after each pass: each has its turn in every fifth.
    streams = [Stream(since, 1.0) for since in range(20)]
    schedule = Schedule(4, 0.5)
    last = dict.fromkeys(range(20), 0)
    clock = 20
    for turn in range(1, 101):
        for stream in schedule.due(streams):
            name = streams.index(stream)
            assert turn - last[name] <= 5
            last[name] = turn
            clock += 1
            stream.since = clock
    assert min(last.values()) >= 95


def test_the_step_is_the_least_while_there_is_time_for_everything():
    schedule = Schedule(8, 0.5)
    schedule.note(4, 0.1)
    assert schedule.step(4) == 0.5


def test_the_step_grows_with_the_load_so_that_partials_leave_time_for_finals():
    schedule = Schedule(8, 0.5)
    for _ in range(50):
        schedule.note(8, 0.8)  # 0.1 s for each stream
    assert schedule.step(8) == pytest.approx(8 * 0.1 / BUSY_MAX)
    assert schedule.step(16) == pytest.approx(16 * 0.1 / BUSY_MAX)
    assert schedule.step(1000) == STEP_MAX


def test_the_step_shrinks_again_when_passes_become_quicker():
    schedule = Schedule(8, 0.5)
    schedule.note(8, 4.0)
    assert schedule.step(8) > 4 * 0.99
    for _ in range(50):
        schedule.note(8, 0.08)
    assert schedule.step(8) == 0.5


def test_streams_that_have_ended_are_not_a_load_for_partials():
    schedule = Schedule(8, 0.5)
    schedule.note(1, 0.35)
    talking = Stream(1, 0.5)
    assert schedule.due([talking, Stream(2, ended=True)]) == [talking, Stream(2, ended=True)]
    assert schedule.due([talking, Stream(2, 0.1)]) == []
