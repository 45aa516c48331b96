"""The session's telemetry as Prometheus metrics. Labels are few and fixed; there is never a session id in one.

Every label value that is known in advance is there from the start, at 0: a counter that appears with its first event
hides that event from `rate()`. The nine of the specification begin with `stt_`, and so does `voicetrio_streams_moved_total`.
"""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from voicetrio.metrics import buckets
from voicetrio.session import endings

_VAD_EVENTS = ("speech_start", "speech_end")
_END_REASONS = tuple(end.reason for end in vars(endings).values() if isinstance(end, endings.End))
_VIOLATION = "violation"
"""The end of a session whose client sent what ends sessions; `voicetrio_client_errors_total` tells what it was."""
_OUTCOMES = ("completed", "interrupted", "failed")
_TURNS = ("completed", "interrupted", "failed", "cancelled", "withdrawn")
_BARGE_INS = ("confirmed", "false_alarm")
_REFUSALS = (
    "address_full",
    "bad_request",
    "bad_session_id",
    "going_away",
    "in_use",
    "origin",
    "overloaded",
    "session_over",
    "wrong_token",
)
_CUTS = (
    "message_too_large",
    "no_pong",
    "protocol_error",
    "too_many_control_frames",
    "too_many_fragments",
    "too_many_frames",
    "too_much_data",
)
_TOKENS = (
    "issued",
    "bad_request",
    "not_configured",
    "origin",
    "rate_limited",
    "room_refused",
    "room_taken",
    "too_large",
    "too_slow",
)
_ADMIN_REFUSALS = ("wrong_key", "too_many")
_GATED = ("no_voice", "no_speech", "log_probability", "compression", "repetition", "other")
_ERROR_CODES = (
    "agent_answer_too_long",
    "agent_bad_message",
    "agent_bad_session_id",
    "agent_broken",
    "agent_busy",
    "agent_empty",
    "agent_event_too_large",
    "agent_failed",
    "agent_filtered",
    "agent_malformed",
    "agent_not_found",
    "agent_silent",
    "agent_tool_call",
    "agent_unauthorized",
    "agent_unreachable",
    "duplicate_request",
    "final_timeout",
    "invalid_field",
    "invalid_json",
    "invalid_message",
    "message_too_large",
    "overloaded",
    "recognizer_failed",
    "recognizer_rejected",
    "reply_too_long",
    "text_too_long",
    "too_many_control_frames",
    "too_many_fragments",
    "too_many_frames",
    "too_many_messages",
    "too_much_data",
    "tts_failed",
    "tts_queue_full",
    "tts_rejected",
    "unknown_language",
    "unknown_model",
    "unknown_request",
    "unknown_type",
    "unknown_voice",
    "worker_unavailable",
)


class PrometheusTelemetry:
    """One per process, with a registry of its own, so that two in one process (tests) do not collide."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        # The nine of the specification.
        self._ttfb = self._histogram(
            "stt_ttfb_seconds", "Detected start of speech to its first partial", buckets.FIRST_PARTIAL
        )
        self._final = self._histogram(
            "stt_final_delay_seconds", "Decided end of speech to its final written to the socket", buckets.FINAL_DELAY
        )
        self._active = self._gauge("stt_active_sessions", "Sessions that are open now")
        self._vad = self._counters("stt_vad_events_total", "Starts and ends of speech", "type", _VAD_EVENTS)
        self._duration = self._histogram(
            "stt_session_duration_seconds", "Sessions' lives, from start to end", buckets.SESSION_DURATION
        )
        self._forced = self._counter(
            "stt_segments_force_committed_total", "Segments cut because the ring buffer was 90 % full"
        )
        self._confidence = self._histogram(
            "stt_confidence_avg", "Finals' mean confidence, where the engine gives one", buckets.CONFIDENCE
        )
        self._recoveries = self._counter(
            "stt_worker_recoveries_total", "Worker streams that broke with speech waiting, and were replaced"
        )
        self._muted = self._counter("stt_muted_frames_total", "Clients' frames dropped because the server spoke")
        # Ours.
        self._gated = self._counters(
            "voicetrio_hallucinations_gated_total", "Texts of segments that were thrown away, by why", "why", _GATED
        )
        self._moved = self._counter(
            "voicetrio_streams_moved_total", "Worker streams left in mid-segment, because their worker was stopping"
        )
        self._ended = self._counters(
            "voicetrio_sessions_ended_total", "Sessions by how they ended", "reason", (*_END_REASONS, _VIOLATION)
        )
        self._resumed = self._counter("voicetrio_sessions_resumed_total", "Sessions that went on with a new socket")
        self._recovery = self._histogram(
            "voicetrio_worker_recovery_seconds",
            "A worker stream's break to the first replayed audio on another",
            buckets.WORKER_RECOVERY,
        )
        self._lost = self._counter("voicetrio_segments_lost_total", "Segments given up untranscribed")
        self._dropped = self._counter(
            "voicetrio_audio_dropped_seconds_total",
            "Seconds of clients' audio dropped because the server was behind",
        )
        self._limited = self._counter(
            "voicetrio_rate_limits_total", "Times that a client was asked to send more slowly"
        )
        self._errors = self._counters("voicetrio_client_errors_total", "Errors told to clients", "code", _ERROR_CODES)
        self._refused = self._counters(
            "voicetrio_connections_refused_total", "Connections refused at the door", "why", _REFUSALS
        )
        self._cut = self._counters(
            "voicetrio_connections_cut_total",
            "WebSockets that the server ended, by what their client did",
            "why",
            _CUTS,
        )
        self._accept_failures = self._counter(
            "voicetrio_accept_failures_total", "Failed attempts to accept a connection, as with too many open files"
        )
        self._tokens = self._counters(
            "voicetrio_tokens_total", "Requests for LiveKit tokens by what became of them", "outcome", _TOKENS
        )
        self._admin_refused = self._counters(
            "voicetrio_admin_refused_total", "Wrong keys for the operator's page", "why", _ADMIN_REFUSALS
        )
        self._utterances = self._counters(
            "voicetrio_utterances_total", "Texts to speak, by how that ended", "outcome", _OUTCOMES
        )
        self._speech = self._histogram(
            "voicetrio_tts_first_audio_seconds", "Request to speak to its first audio", buckets.FIRST_SPEECH
        )
        self._turns = self._counters(
            "voicetrio_agent_turns_total", "Messages to the agent, by how their turn ended", "outcome", _TURNS
        )
        self._unusable = self._counter(
            "voicetrio_agent_events_unusable_total",
            "Parts of agents' answers that could not be read, and were left out",
        )
        self._first_text = self._histogram(
            "voicetrio_agent_first_text_seconds",
            "End of the user's turn to the agent's first words",
            buckets.AGENT_FIRST_TEXT,
        )
        self._voice_to_voice = self._histogram(
            "voicetrio_voice_to_voice_seconds",
            "End of speech to the first sound of the answer",
            buckets.VOICE_TO_VOICE,
        )
        self._barge_ins = self._counters(
            "voicetrio_barge_ins_total", "Speech during an answer that interrupted it, or did not", "kind", _BARGE_INS
        )
        self._vad_batch = self._histogram(
            "voicetrio_vad_batch_windows",
            "Windows of audio in one call of the silero voice detector",
            buckets.VAD_BATCH,
        )
        self._vad_late = self._counter(
            "voicetrio_vad_late_total", "Windows of audio that were due before their batch was decided"
        )
        self._ready = self._gauge("voicetrio_workers_ready", "Workers that are serving now")
        self._restarts = self._counter("voicetrio_worker_restarts_total", "Restarts of the local worker")
        self._freezes = self._counter(
            "voicetrio_worker_freezes_total", "Workers that answered nothing for workers.health_timeout"
        )
        self._starts = self._histogram(
            "voicetrio_worker_start_seconds", "Start of a local worker until it was ready", buckets.WORKER_START
        )

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(name, text, registry=self._registry)

    def _counters(self, name: str, text: str, label: str, known: Sequence[str]) -> Counter:
        """One for each value of the label; those that are known begin at 0 now."""
        counter = Counter(name, text, [label], registry=self._registry)
        for value in known:
            counter.labels(value)
        return counter

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._registry)

    def _histogram(self, name: str, text: str, borders: Sequence[float]) -> Histogram:
        return Histogram(name, text, registry=self._registry, buckets=borders)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def session_opened(self) -> None:
        self._active.inc()

    def session_closed(self, reason: str, seconds: float) -> None:
        self._active.dec()
        self._duration.observe(seconds)
        self._ended.labels(reason if reason in _END_REASONS else _VIOLATION).inc()

    def session_resumed(self) -> None:
        self._resumed.inc()

    def vad_event(self, kind: str) -> None:
        self._vad.labels(kind).inc()

    def first_partial(self, seconds: float) -> None:
        self._ttfb.observe(seconds)

    def final_written(self, seconds: float) -> None:
        self._final.observe(seconds)

    def confidence(self, value: float) -> None:
        self._confidence.observe(value)

    def hallucination_gated(self, why: str) -> None:
        # An engine of somebody else may have reasons of its own; labels stay few.
        self._gated.labels(why if why in _GATED else "other").inc()

    def muted_frame(self) -> None:
        self._muted.inc()

    def force_commit(self) -> None:
        self._forced.inc()

    def worker_recovery(self) -> None:
        self._recoveries.inc()

    def stream_moved(self) -> None:
        self._moved.inc()

    def audio_flows_again(self, seconds: float) -> None:
        self._recovery.observe(seconds)

    def audio_dropped(self, seconds: float) -> None:
        self._dropped.inc(seconds)

    def rate_limited(self) -> None:
        self._limited.inc()

    def client_error(self, code: str) -> None:
        self._errors.labels(code).inc()

    def segment_lost(self) -> None:
        self._lost.inc()

    def utterance(self, outcome: str) -> None:
        self._utterances.labels(outcome).inc()

    def first_speech(self, seconds: float) -> None:
        self._speech.observe(seconds)

    def agent_turn(self, outcome: str) -> None:
        self._turns.labels(outcome).inc()

    def agent_event_unusable(self) -> None:
        self._unusable.inc()

    def agent_first_text(self, seconds: float) -> None:
        self._first_text.observe(seconds)

    def voice_to_voice(self, seconds: float) -> None:
        self._voice_to_voice.observe(seconds)

    def barge_in(self, kind: str) -> None:
        self._barge_ins.labels(kind).inc()

    def connection_refused(self, why: str) -> None:
        self._refused.labels(why).inc()

    def connection_cut(self, why: str) -> None:
        self._cut.labels(why).inc()

    def accept_failed(self) -> None:
        self._accept_failures.inc()

    def admin_refused(self, why: str) -> None:
        self._admin_refused.labels(why).inc()

    def token_request(self, outcome: str) -> None:
        self._tokens.labels(outcome).inc()

    def vad_batch(self, windows: int) -> None:
        self._vad_batch.observe(windows)

    def vad_late(self) -> None:
        self._vad_late.inc()

    def workers_ready(self, count: int) -> None:
        self._ready.set(count)

    def worker_restarted(self) -> None:
        self._restarts.inc()

    def worker_frozen(self) -> None:
        self._freezes.inc()

    def worker_started(self, seconds: float) -> None:
        self._starts.observe(seconds)
