"""When a conversation is over, and what came of it, in plain calls."""

import pytest

from voicetrio.cli.talk_conversation import SETTLE_S, Conversation

WAIT_S = 10.0


class Told:
    """A conversation that is told messages at given times; over at given times."""

    def __init__(self) -> None:
        self.conversation = Conversation(wait_s=WAIT_S)

    def at(self, now: float, kind: str, **fields) -> "Told":
        self.conversation.note({"type": kind, **fields}, now=now)
        return self

    def recording_ended(self, now: float) -> "Told":
        self.conversation.recording_ended(now=now)
        return self

    def over(self, now: float, *, playing: bool = False) -> bool:
        return self.conversation.over(now=now, playing=playing)


@pytest.fixture
def asked():
    """One question, and its turn."""
    told = Told().at(0.2, "vad.speech_start", timestamp_ms=100).at(1.5, "vad.speech_end", timestamp_ms=1000)
    told.at(1.6, "transcript.final", text="hello", start_ms=0, end_ms=1500)
    return told.at(1.7, "turn.started", turn_id="t", text="hello")


@pytest.fixture
def answered(asked):
    """Its answer was heard."""
    asked.at(2.0, "tts.speaking_start", request_id="u", turn_id="t")
    asked.conversation.sounded()
    asked.at(2.1, "tts.speaking_end", request_id="u").at(3.0, "playback.completed", request_id="u")
    return asked.at(3.0, "turn.ended", turn_id="t", outcome="completed")


def test_it_is_over_when_all_has_ended(answered):
    assert not answered.over(4.0)
    answered.recording_ended(4.0)
    assert not answered.over(4.0 + SETTLE_S - 0.01)  # a last word may be on its way
    assert answered.over(4.0 + SETTLE_S)
    assert answered.conversation.answered == 1


def test_it_is_not_over_while_a_turn_goes_on(asked):
    asked.recording_ended(2.0)
    assert not asked.over(1000.0)
    asked.at(1000.0, "turn.ended", turn_id="t", outcome="failed")
    assert asked.over(1000.0)
    assert (asked.conversation.answered, asked.conversation.failed) == (0, True)


def test_it_is_not_over_while_something_is_played(answered):
    answered.recording_ended(3.0)
    assert not answered.over(5.0, playing=True)
    answered.at(5.0, "tts.speaking_start", request_id="v", turn_id=None)
    assert not answered.over(500.0)  # of no turn of ours, and to be heard all the same
    answered.at(500.0, "playback.interrupted", request_id="v")
    assert answered.over(500.0)


def test_speech_is_waited_for_until_its_final_and_its_turn_have_come(answered):
    answered.recording_ended(5.0)
    answered.at(5.1, "vad.speech_start", timestamp_ms=4000)
    assert not answered.over(7.0)
    answered.at(7.0, "vad.speech_end", timestamp_ms=5000)
    assert not answered.over(8.0)
    answered.at(8.0, "transcript.final", text="and then", start_ms=4000, end_ms=5500)
    assert not answered.over(9.0)
    answered.at(9.0, "turn.started", turn_id="t2", text="and then")
    assert not answered.over(100.0)
    answered.at(100.0, "turn.ended", turn_id="t2", outcome="completed")
    assert answered.over(100.0)


def test_the_first_final_of_speech_that_was_cut_is_not_its_last(answered):
    answered.recording_ended(5.0)
    answered.at(5.1, "vad.speech_start", timestamp_ms=4000).at(7.0, "vad.speech_end", timestamp_ms=5000)
    answered.at(7.1, "transcript.final", text="", start_ms=4000, end_ms=4500)
    assert not answered.over(8.0)
    answered.at(8.0, "transcript.final", text="", start_ms=4500, end_ms=5500)
    assert answered.over(8.0)


def test_a_segment_that_was_lost_is_not_waited_for(answered):
    answered.recording_ended(5.0)
    answered.at(5.1, "vad.speech_start", timestamp_ms=4000).at(7.0, "vad.speech_end", timestamp_ms=5000)
    answered.at(8.0, "error", code="stt_lost", message="gone", start_ms=4000, end_ms=5500)
    assert answered.over(8.0)
    assert answered.conversation.faults == 1


@pytest.mark.parametrize("last", ["vad.speech_start", "vad.speech_end", "transcript.partial", "transcript.final"])
def test_what_comes_to_nothing_is_waited_for_only_so_long(answered, last):
    answered.recording_ended(5.0)
    answered.at(5.1, "vad.speech_start", timestamp_ms=4000)
    answered.at(7.0, last, timestamp_ms=5000, text="mhm", end_ms=4999)
    assert not answered.over(7.0 + WAIT_S - 0.01)
    assert answered.over(7.0 + WAIT_S)


def test_without_any_turn_it_is_over_after_the_wait():
    told = Told().recording_ended(2.0)
    assert not told.over(2.0 + WAIT_S - 0.01)
    assert told.over(2.0 + WAIT_S)
    assert told.conversation.turns == {}


def test_two_finals_may_make_one_turn():
    told = Told().recording_ended(0.0)
    told.at(1.0, "transcript.final", text="open", end_ms=1).at(1.5, "transcript.final", text="the door", end_ms=2)
    assert told.conversation.unasked == ["open", "the door"]
    told.at(2.0, "turn.started", turn_id="t", text="open the door").at(2.0, "turn.ended", turn_id="t", outcome="x")
    assert told.conversation.unasked == []
    assert told.over(2.0)


def test_a_turn_without_sound_is_not_answered(asked):
    asked.at(2.0, "turn.ended", turn_id="t", outcome="completed")
    assert asked.conversation.answered == 0


def test_sound_of_no_turn_answers_none(asked):
    asked.conversation.sounded()
    asked.at(2.0, "tts.speaking_start", request_id="u", turn_id="of somebody else")
    asked.conversation.sounded()
    assert asked.conversation.answered == 0


def test_what_is_not_known_changes_nothing(answered):
    answered.recording_ended(5.0).at(9.0, "something.new", turn_id="t").at(9.0, "turn.ended", turn_id="x", outcome="y")
    answered.at(9.0, "playback.completed", request_id="x").at(9.0, "error")
    assert answered.over(9.0)


def test_after_a_cut_it_is_not_over_before_the_recording_has_ended_once_more(answered):
    answered.recording_ended(4.0)
    answered.conversation.recording_goes_on()
    assert not answered.over(1000.0)
    answered.recording_ended(1000.0)
    assert not answered.over(1000.0)
    assert answered.over(1000.0 + SETTLE_S)
