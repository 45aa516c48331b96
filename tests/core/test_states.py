"""The six states, as the specification's tables list them; written down here a second time, on purpose."""

import math

import pytest

from voicetrio.core.errors import InvalidTransitionError
from voicetrio.core.states import Lifecycle, State, StateTimeouts, Trigger

TIMEOUTS = StateTimeouts(init=30.0, silence=31.0, hold=300.0, closing=2.0)

WAY_TO = {
    State.INIT: [],
    State.ACTIVE: [Trigger.SPEECH_START],
    State.SILENCE: [Trigger.SPEECH_START, Trigger.SPEECH_END],
    State.HOLD: [Trigger.SPEECH_START, Trigger.SPEECH_END, Trigger.TIMEOUT],
    State.CLOSING: [Trigger.CLOSE],
    State.CLOSED: [Trigger.ABORT],
}

LEGAL = {
    "INIT": {"SPEECH_START": "ACTIVE", "TIMEOUT": "CLOSED", "CLOSE": "CLOSING", "ABORT": "CLOSED"},
    "ACTIVE": {"SPEECH_END": "SILENCE", "CLOSE": "CLOSING", "ABORT": "CLOSED"},
    "SILENCE": {"SPEECH_START": "ACTIVE", "TIMEOUT": "HOLD", "CLOSE": "CLOSING", "ABORT": "CLOSED"},
    "HOLD": {"SPEECH_START": "ACTIVE", "TIMEOUT": "CLOSING", "CLOSE": "CLOSING", "ABORT": "CLOSED"},
    "CLOSING": {"FLUSHED": "CLOSED", "TIMEOUT": "CLOSED", "ABORT": "CLOSED"},
    "CLOSED": {},
}


def lifecycle_in(state, *, now=100.0):
    lifecycle = Lifecycle(TIMEOUTS, now=now)
    for trigger in WAY_TO[state]:
        lifecycle.handle(trigger, now=now)
    assert lifecycle.state is state
    return lifecycle


@pytest.mark.parametrize("trigger", Trigger, ids=lambda trigger: trigger.name)
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_every_pair_is_in_the_table_or_raises_and_changes_nothing(state, trigger):
    lifecycle = lifecycle_in(state)
    target = LEGAL[state.name].get(trigger.name)
    assert lifecycle.allows(trigger) == (target is not None)
    if target is not None:
        assert lifecycle.handle(trigger, now=101.0) is State[target]
        assert lifecycle.state is State[target]
        assert lifecycle.deadline == 101.0 + TIMEOUTS.of(State[target])
    else:
        deadline = lifecycle.deadline
        with pytest.raises(InvalidTransitionError, match=f"no transition from {state.name} on {trigger.name}"):
            lifecycle.handle(trigger, now=101.0)
        assert lifecycle.state is state
        assert lifecycle.deadline == deadline


@pytest.mark.parametrize(
    ("state", "seconds", "target"),
    [
        (State.INIT, 30.0, State.CLOSED),
        (State.SILENCE, 30.0, State.HOLD),
        (State.HOLD, 300.0, State.CLOSING),
        (State.CLOSING, 2.0, State.CLOSED),
    ],
)
def test_the_default_timeouts_are_those_of_the_specification(state, seconds, target):
    lifecycle = lifecycle_in(state)
    lifecycle.configure(StateTimeouts())
    assert lifecycle.deadline == 100.0 + seconds
    assert lifecycle.handle(Trigger.TIMEOUT, now=lifecycle.deadline) is target


@pytest.mark.parametrize("state", [State.ACTIVE, State.CLOSED])
def test_speech_and_the_end_have_no_timeout(state):
    assert lifecycle_in(state).deadline == math.inf


def test_a_whole_session_from_first_speech_to_the_end():
    lifecycle = Lifecycle(TIMEOUTS, now=0.0)
    assert lifecycle.deadline == 30.0
    lifecycle.handle(Trigger.SPEECH_START, now=10.0)
    assert lifecycle.deadline == math.inf
    lifecycle.handle(Trigger.SPEECH_END, now=15.0)
    assert lifecycle.deadline == 46.0
    lifecycle.handle(Trigger.SPEECH_START, now=20.0)
    lifecycle.handle(Trigger.SPEECH_END, now=25.0)
    lifecycle.handle(Trigger.TIMEOUT, now=56.0)
    assert lifecycle.state is State.HOLD
    assert lifecycle.deadline == 356.0
    lifecycle.handle(Trigger.TIMEOUT, now=356.0)
    lifecycle.handle(Trigger.FLUSHED, now=357.0)
    assert lifecycle.state is State.CLOSED


def test_a_sign_of_life_starts_the_timeout_anew():
    lifecycle = Lifecycle(TIMEOUTS, now=0.0)
    lifecycle.rearm(now=20.0)
    assert lifecycle.deadline == 50.0
    assert lifecycle.state is State.INIT


def test_other_timeouts_count_for_the_state_that_is_already_running():
    lifecycle = Lifecycle(TIMEOUTS, now=10.0)
    lifecycle.configure(StateTimeouts(init=5.0, silence=7.0))
    assert lifecycle.deadline == 15.0
    lifecycle.handle(Trigger.SPEECH_START, now=11.0)
    lifecycle.handle(Trigger.SPEECH_END, now=12.0)
    assert lifecycle.deadline == 19.0


@pytest.mark.parametrize("state", [State.INIT, State.SILENCE, State.HOLD])
def test_nothing_is_due_while_paused_and_the_full_time_starts_after_it(state):
    lifecycle = lifecycle_in(state, now=0.0)
    lifecycle.pause()
    assert lifecycle.deadline == math.inf
    lifecycle.resume(now=1000.0)
    assert lifecycle.deadline == 1000.0 + TIMEOUTS.of(state)


def test_pauses_nest():
    lifecycle = Lifecycle(TIMEOUTS, now=0.0)
    lifecycle.pause()
    lifecycle.pause()
    lifecycle.resume(now=5.0)
    assert lifecycle.deadline == math.inf
    lifecycle.resume(now=6.0)
    assert lifecycle.deadline == 36.0


def test_a_pause_outlasts_the_moves_made_meanwhile():
    lifecycle = Lifecycle(TIMEOUTS, now=0.0)
    lifecycle.pause()
    lifecycle.handle(Trigger.SPEECH_START, now=1.0)
    lifecycle.handle(Trigger.SPEECH_END, now=2.0)
    assert lifecycle.deadline == math.inf
    lifecycle.resume(now=3.0)
    assert lifecycle.deadline == 34.0


def test_a_flush_is_bounded_even_while_paused():
    lifecycle = Lifecycle(TIMEOUTS, now=0.0)
    lifecycle.pause()
    lifecycle.handle(Trigger.CLOSE, now=10.0)
    assert lifecycle.deadline == 12.0


def test_a_resume_without_a_pause_is_our_own_bug():
    lifecycle = Lifecycle(TIMEOUTS, now=0.0)
    with pytest.raises(AssertionError):
        lifecycle.resume(now=1.0)
