"""What a session can be told, and how much evidence of speech each sensitivity wants."""

import json

import pytest

from voicetrio.core.config import SAMPLE_RATE, SessionConfig, SessionLimits, endpoint_rule
from voicetrio.core.endpointing import EndpointRule
from voicetrio.core.messages import Configure, parse_client_message
from voicetrio.core.ring import CAPACITY_SAMPLES
from voicetrio.core.states import StateTimeouts

CHANGED = SessionConfig(
    language="de-AT",
    model="faster-whisper small",
    input_sample_rate=8_000,
    input_encoding="pcma",
    output_sample_rate=8_000,
    output_encoding="pcmu",
    vad_sensitivity="high",
    timeouts=StateTimeouts(init=1.5, silence=0.1, hold=86_400.0, closing=3.0),
    max_segment_seconds=12.345,
    hot_words=("Voicetrio", "Brünn"),
    enable_partial_transcripts=False,
    interim=True,
    duplex="barge_in",
    voice="anna",
)


def test_a_session_that_was_told_nothing_has_the_documented_values():
    assert SAMPLE_RATE == 16_000
    assert SessionConfig().as_message() == {
        "language": "",
        "model": "",
        "input_sample_rate": 16_000,
        "input_encoding": "pcm_s16le",
        "output_sample_rate": 24_000,
        "output_encoding": "pcm_s16le",
        "vad_sensitivity": "normal",
        "init_timeout_ms": 30_000,
        "silence_timeout_ms": 30_000,
        "hold_timeout_ms": 300_000,
        "closing_timeout_ms": 2_000,
        "max_segment_duration_ms": 30_000,
        "hot_words": [],
        "enable_partial_transcripts": True,
        "interim": False,
        "duplex": "mute",
        "barge_in_min_ms": 500,
        "agent": "off",
        "speak_replies": False,
        "turn_min_delay_ms": 500,
        "turn_max_delay_ms": 1500,
        "voice": "",
    }


def test_the_protocol_sees_times_in_whole_milliseconds():
    message = CHANGED.as_message()
    assert message["init_timeout_ms"] == 1500
    assert message["silence_timeout_ms"] == 100
    assert message["hold_timeout_ms"] == 86_400_000
    assert message["max_segment_duration_ms"] == 12_345
    assert all(isinstance(value, int) for name, value in message.items() if name.endswith("_ms"))


def test_the_protocol_sees_every_value_by_its_name():
    message = CHANGED.as_message()
    names = "language input_sample_rate input_encoding vad_sensitivity enable_partial_transcripts interim duplex voice"
    names += " output_sample_rate output_encoding"
    assert {name: message[name] for name in names.split()} == {
        "language": "de-AT",
        "input_sample_rate": 8_000,
        "input_encoding": "pcma",
        "output_sample_rate": 8_000,
        "output_encoding": "pcmu",
        "vad_sensitivity": "high",
        "enable_partial_transcripts": False,
        "interim": True,
        "duplex": "barge_in",
        "voice": "anna",
    }
    assert message["hot_words"] == ["Voicetrio", "Brünn"]


@pytest.mark.parametrize("config", [SessionConfig(), CHANGED])
def test_what_the_server_says_is_what_a_client_may_say(config):
    message = config.as_message()
    parsed = parse_client_message(json.dumps({"type": "session.configure", **message}))
    assert parsed.model_dump(mode="json", exclude={"type"}) == message


def test_the_server_tells_every_value_that_can_be_configured():
    assert set(SessionConfig().as_message()) == set(Configure.model_fields) - {"type"}


@pytest.mark.parametrize(
    ("sensitivity", "rule"),
    [
        ("low", EndpointRule(start_voiced=6, start_window=8, end_window=25, end_voiced=2)),
        ("normal", EndpointRule(start_voiced=4, start_window=6, end_window=25, end_voiced=2)),
        ("high", EndpointRule(start_voiced=3, start_window=5, end_window=25, end_voiced=2)),
    ],
)
def test_half_a_second_of_silence_is_25_frames_of_which_2_may_be_false_alarms(sensitivity, rule):
    assert endpoint_rule(sensitivity, 0.5) == rule


def test_normal_is_what_an_endpointer_does_by_itself():
    assert endpoint_rule("normal", SessionLimits().end_silence) == EndpointRule()


@pytest.mark.parametrize(
    ("end_silence", "frames", "false_alarms"), [(0.0, 5, 0), (0.11, 6, 0), (1.0, 50, 4), (0.3, 15, 1)]
)
def test_the_end_window_follows_the_silence_but_is_never_less_than_100_ms(end_silence, frames, false_alarms):
    rule = endpoint_rule("normal", end_silence)
    assert (rule.end_window, rule.end_voiced) == (frames, false_alarms)


def test_the_ring_holds_the_longest_segment_and_a_recovery_by_default():
    seconds = SessionConfig().max_segment_seconds + SessionLimits().recovery_timeout + SessionLimits().pre_roll
    assert seconds * SAMPLE_RATE < 0.9 * CAPACITY_SAMPLES
