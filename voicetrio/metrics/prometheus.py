"""The session's telemetry as Prometheus metrics. Labels are few and fixed; there is never a session id in one.

Buckets follow what a person notices: below 0.1 s is at once, 1 s is a pause, 5 s is an outage.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_DELAY_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0)
"""Seconds: from our own delay alone (10 ms) to the recovery timeout."""

_DURATION_BUCKETS = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200)
"""Seconds: from a single utterance to a meeting."""

_CONFIDENCE_BUCKETS = tuple(round(0.1 * tenth, 1) for tenth in range(1, 11))

_END_REASONS = frozenset(
    {"client_closed", "cancelled", "disconnected", "going_away", "internal_error", "slow_client", "timed_out"}
)


class PrometheusTelemetry:
    """One per process, with a registry of its own, so that two in one process (tests) do not collide."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._active = Gauge("stt_active_sessions", "Sessions that are open now", registry=registry)
        self._duration = Histogram(
            "stt_session_duration_seconds", "Total session duration", registry=registry, buckets=_DURATION_BUCKETS
        )
        self._ended = Counter(
            "voicetrio_sessions_ended_total", "Sessions by how they ended", ["reason"], registry=registry
        )
        self._vad = Counter("stt_vad_events_total", "VAD events by type", ["type"], registry=registry)
        self._ttfb = Histogram(
            "stt_ttfb_seconds", "Speech start to first partial", registry=registry, buckets=_DELAY_BUCKETS
        )
        self._final = Histogram(
            "stt_final_delay_seconds", "Speech end to final on the wire", registry=registry, buckets=_DELAY_BUCKETS
        )
        self._confidence = Histogram(
            "stt_confidence_avg", "Average confidence of a final", registry=registry, buckets=_CONFIDENCE_BUCKETS
        )
        self._muted = Counter("stt_muted_frames_total", "Frames dropped while muted", registry=registry)
        self._forced = Counter("stt_segments_force_committed_total", "Ring buffer force commits", registry=registry)
        self._recoveries = Counter("stt_worker_recoveries_total", "Worker crash recoveries", registry=registry)
        self._lost = Counter("voicetrio_segments_lost_total", "Segments given up untranscribed", registry=registry)
        self._errors = Counter("voicetrio_client_errors_total", "Errors told to clients", ["code"], registry=registry)
        self._refused = Counter(
            "voicetrio_connections_refused_total", "Refused at the door", ["why"], registry=registry
        )
        self._utterances = Counter(
            "voicetrio_utterances_total", "Utterances by outcome", ["outcome"], registry=registry
        )
        self._speech = Histogram(
            "voicetrio_tts_first_audio_seconds", "Request to first audio", registry=registry, buckets=_DELAY_BUCKETS
        )
        self._ready = Gauge("voicetrio_workers_ready", "Workers that are serving", registry=registry)
        self._restarts = Counter("voicetrio_worker_restarts_total", "Local worker restarts", registry=registry)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def session_opened(self) -> None:
        self._active.inc()

    def session_closed(self, reason: str, seconds: float) -> None:
        self._active.dec()
        self._duration.observe(seconds)
        self._ended.labels(reason if reason in _END_REASONS else "violation").inc()

    def vad_event(self, kind: str) -> None:
        self._vad.labels(kind).inc()

    def first_partial(self, seconds: float) -> None:
        self._ttfb.observe(seconds)

    def final_written(self, seconds: float) -> None:
        self._final.observe(seconds)

    def confidence(self, value: float) -> None:
        self._confidence.observe(value)

    def muted_frame(self) -> None:
        self._muted.inc()

    def force_commit(self) -> None:
        self._forced.inc()

    def worker_recovery(self) -> None:
        self._recoveries.inc()

    def client_error(self, code: str) -> None:
        self._errors.labels(code).inc()

    def segment_lost(self) -> None:
        self._lost.inc()

    def utterance(self, outcome: str) -> None:
        self._utterances.labels(outcome).inc()

    def first_speech(self, seconds: float) -> None:
        self._speech.observe(seconds)

    def connection_refused(self, why: str) -> None:
        self._refused.labels(why).inc()

    def workers_ready(self, count: int) -> None:
        self._ready.set(count)

    def worker_restarted(self) -> None:
        self._restarts.inc()
