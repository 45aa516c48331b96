"""What `/metrics` shows: names, types, labels from the start, and borders where something is decided."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest

import voicetrio
from tests.metrics.scrape import scrape
from voicetrio.metrics.prometheus import PrometheusTelemetry

SPECIFIED = {
    "stt_ttfb_seconds": "histogram",
    "stt_final_delay_seconds": "histogram",
    "stt_active_sessions": "gauge",
    "stt_vad_events_total": "counter",
    "stt_session_duration_seconds": "histogram",
    "stt_segments_force_committed_total": "counter",
    "stt_confidence_avg": "histogram",
    "stt_worker_recoveries_total": "counter",
    "stt_muted_frames_total": "counter",
}
"""The table of the specification: names and types."""


def test_the_nine_of_the_specification_have_its_names_and_types_and_no_other_begins_like_them():
    types = scrape(PrometheusTelemetry()).types
    assert {name: kind for name, kind in types.items() if name.startswith("stt_")} == SPECIFIED
    assert all(name.startswith(("stt_", "voicetrio_")) for name in types)


def test_the_type_lines_are_those_that_prometheus_reads():
    lines = PrometheusTelemetry().render().decode().splitlines()
    for name, kind in SPECIFIED.items():
        assert f"# TYPE {name} {kind}" in lines


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("stt_vad_events_total", {"speech_start", "speech_end"}),
        ("voicetrio_utterances_total", {"completed", "interrupted", "failed"}),
        (
            "voicetrio_sessions_ended_total",
            {
                *("client_closed", "cancelled", "disconnected", "timed_out"),
                *("going_away", "slow_client", "internal_error", "violation"),
            },
        ),
        (
            "voicetrio_connections_refused_total",
            {"origin", "bad_session_id", "in_use", "going_away", "overloaded"},
        ),
    ],
)
def test_label_values_are_there_before_anything_has_happened(name, values):
    shown = scrape(PrometheusTelemetry()).labels(name)
    assert values <= set(shown)
    assert set(shown.values()) == {0.0}


def test_the_types_of_vad_events_are_exactly_two():
    assert set(scrape(PrometheusTelemetry()).labels("stt_vad_events_total")) == {"speech_start", "speech_end"}


def test_every_error_code_of_the_source_is_there_before_the_first_error():
    told = {"overloaded", "worker_unavailable", "recognizer_rejected", "tts_rejected", "tts_failed"}  # by exceptions
    for file in Path(voicetrio.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(
                    func=ast.Name("RemoteError") | ast.Attribute(attr="post_error" | "client_error"),
                    args=[ast.Constant(value=str(code)), *_],
                ):
                    told.add(code)
    missing = told - set(scrape(PrometheusTelemetry()).labels("voicetrio_client_errors_total"))
    assert not missing, "to be added to _ERROR_CODES in voicetrio/metrics/prometheus.py"
    assert len(told) > 15, "the source is still searched"


def test_an_end_that_a_client_brought_about_by_breaking_a_rule_is_a_violation():
    telemetry = PrometheusTelemetry()
    telemetry.session_opened()
    telemetry.session_closed("message_too_large", 2.0)
    ended = scrape(telemetry).labels("voicetrio_sessions_ended_total")
    assert ended.pop("violation") == 1.0
    assert set(ended.values()) == {0.0}


@pytest.mark.parametrize(
    ("name", "borders"),
    [
        ("stt_final_delay_seconds", {0.01, 0.05}),  # the budgets for p50 and p99
        ("voicetrio_worker_recovery_seconds", {0.5, 10.0}),  # budget and limit
    ],
)
def test_a_budget_is_a_border(name, borders):
    assert borders <= set(scrape(PrometheusTelemetry()).borders(name))


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("stt_ttfb_seconds", 0.1, 20.0),
        ("stt_final_delay_seconds", 0.002, 20.0),  # 10 s until a worker is found silent, 10 s to find another
        ("stt_session_duration_seconds", 1.0, 8 * 3600.0),
        ("stt_confidence_avg", 0.2, 1.0),
        ("voicetrio_worker_recovery_seconds", 0.1, 10.0),
        ("voicetrio_tts_first_audio_seconds", 0.01, 60.0),
    ],
)
def test_the_borders_hold_what_the_value_can_be(name, least, most):
    borders = scrape(PrometheusTelemetry()).borders(name)
    assert borders[0] <= least
    assert borders[-1] >= most
    assert len(borders) <= 16, "each is a series of its own"


def test_sessions_that_a_timeout_ended_are_told_apart_from_conversations():
    borders = scrape(PrometheusTelemetry()).borders("stt_session_duration_seconds")
    assert any(30.0 + 2.0 <= border < 60.0 for border in borders), "nobody spoke: INIT, and a farewell"
    assert any(10.0 + 30.0 + 300.0 <= border < 500.0 for border in borders), "a few words, SILENCE, and HOLD"


def test_confidences_are_told_apart_best_near_one():
    borders = [0.0, *scrape(PrometheusTelemetry()).borders("stt_confidence_avg")]
    widths = [round(above - below, 6) for below, above in pairwise(borders)]
    assert borders[-1] == 1.0
    assert widths == sorted(widths, reverse=True)


def test_what_is_counted_beyond_the_specification():
    telemetry = PrometheusTelemetry()
    telemetry.audio_dropped(1.5)
    telemetry.audio_dropped(0.25)
    telemetry.rate_limited()
    telemetry.session_resumed()
    telemetry.audio_flows_again(0.2)
    telemetry.segment_lost()
    telemetry.client_error("overloaded")
    telemetry.connection_refused("origin")
    telemetry.workers_ready(2)
    telemetry.worker_restarted()
    telemetry.worker_frozen()
    telemetry.worker_started(1.5)
    seen = scrape(telemetry)
    assert seen.value("voicetrio_audio_dropped_seconds_total") == 1.75
    assert seen.value("voicetrio_rate_limits_total") == 1
    assert seen.value("voicetrio_sessions_resumed_total") == 1
    assert seen.value("voicetrio_worker_recovery_seconds_count") == 1
    assert seen.value("voicetrio_worker_recovery_seconds_sum") == 0.2
    assert seen.value("voicetrio_segments_lost_total") == 1
    assert seen.value("voicetrio_client_errors_total", code="overloaded") == 1
    assert seen.value("voicetrio_connections_refused_total", why="origin") == 1
    assert seen.value("voicetrio_workers_ready") == 2
    assert seen.value("voicetrio_worker_restarts_total") == 1
    assert seen.value("voicetrio_worker_freezes_total") == 1
    assert seen.value("voicetrio_worker_start_seconds_sum") == 1.5


def test_two_in_one_process_do_not_share_anything():
    one, other = PrometheusTelemetry(), PrometheusTelemetry()
    one.session_opened()
    assert scrape(one).value("stt_active_sessions") == 1
    assert scrape(other).value("stt_active_sessions") == 0


def test_a_reason_of_somebody_elses_engine_is_another_one_and_no_new_label():
    telemetry = PrometheusTelemetry()
    telemetry.hallucination_gated("compression")
    telemetry.hallucination_gated("what was said")
    counted = scrape(telemetry).labels("voicetrio_hallucinations_gated_total")
    assert {why: count for why, count in counted.items() if count} == {"compression": 1, "other": 1}
