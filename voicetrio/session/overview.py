"""What an operator may know of a live session: how it does, and nothing that anybody said.

There is no text of a user, an agent or an error in it, and no token. It is a look at values that are there anyway: it
takes microseconds, waits for nothing and changes nothing, so it may be taken at any moment of a session's life.
"""

from dataclasses import dataclass
from typing import Literal

import trio

from voicetrio.core.config import SAMPLE_RATE, Duplex
from voicetrio.core.states import State
from voicetrio.session.body import Body
from voicetrio.session.identity import is_temporary

WorkerState = Literal["ready", "draining", "starting", "not ready"]
"""Draining: it finishes what it has begun, takes nothing new, and ends. Starting: it answers, and loads its models."""

STATE_TEXTS = {
    State.INIT: "no speech yet",
    State.ACTIVE: "somebody speaks",
    State.SILENCE: "listening",
    State.HOLD: "on hold",
    State.CLOSING: "finishing",
    State.CLOSED: "over",
}


@dataclass(frozen=True, slots=True)
class Overview:
    """Of one session. Times are in seconds."""

    session_id: str
    temporary: bool
    """Whether the client made its id up, and the agent has not named it yet."""
    state: State
    age: float
    connected: bool
    away: float | None
    """For how long the session has waited for its client; None while it does not."""
    worker: str
    """Whose stream it holds; empty while it holds none."""
    model: str
    """What that worker hears with; empty while the session holds no stream."""
    backlog: float
    """Of audio that waits for the worker."""
    last_error: str
    """The code of the last `error` that the client was told; empty: there was none."""
    last_error_ago: float | None
    turns: int
    """Messages for the agent so far."""
    answering: bool
    """Whether the agent is being asked, or its answer is being heard."""
    speaking: bool
    """Whether the listener may be hearing something now."""
    segments: int
    """Of speech, in which words were heard."""
    duplex: Duplex

    def as_message(self) -> dict[str, object]:
        """As `GET /v1/sessions` gives it."""
        return {
            "session_id": self.session_id,
            "temporary": self.temporary,
            "state": self.state.value,
            "state_text": STATE_TEXTS[self.state],
            "age_s": round(self.age, 1),
            "connected": self.connected,
            "away_s": _tenths(self.away),
            "worker": self.worker,
            "model": self.model,
            "backlog_s": round(self.backlog, 2),
            "last_error": self.last_error,
            "last_error_ago_s": _tenths(self.last_error_ago),
            "turns": self.turns,
            "answering": self.answering,
            "speaking": self.speaking,
            "segments": self.segments,
            "duplex": self.duplex,
        }


@dataclass(frozen=True, slots=True)
class WorkerOverview:
    """Of one worker, as far as this gateway knows it."""

    name: str
    """Its address, or the name of its socket file."""
    ready: bool
    hears_with: str
    """Engine and model; empty: it does not hear, or is not known yet."""
    stt_slots: int
    speaks_with: str
    """The engine; empty: it does not speak, or is not known yet."""
    tts_slots: int
    state: WorkerState = "ready"
    engine: str = ""
    """That hears."""
    model: str = ""
    stt_in_use: int = 0
    """Of its recogniser slots, by all servers; what others have opened is known from its last word, 2 s old or less."""
    tts_in_use: int = 0
    streams: int = 0
    """Recogniser streams of this server there."""
    recoveries: int = 0
    """Streams of this server that broke there."""
    moved: int = 0
    """Streams of this server that were moved away in mid-segment because it was stopping."""
    voices: int = 0
    """It speaks with."""

    def as_message(self) -> dict[str, object]:
        """As `GET /v1/workers` gives it."""
        return {
            "worker": self.name,
            "state": self.state,
            "ready": self.ready,
            "engine": self.engine,
            "model": self.model,
            "stt_slots": self.stt_slots,
            "stt_in_use": self.stt_in_use,
            "load": round(self.stt_in_use / self.stt_slots, 3) if self.stt_slots else 0.0,
            "streams": self.streams,
            "recoveries": self.recoveries,
            "moved": self.moved,
            "speaks_with": self.speaks_with,
            "voices": self.voices,
            "tts_slots": self.tts_slots,
            "tts_in_use": self.tts_in_use,
        }


def overview_of(
    body: Body, *, session_id: str, state: State, started: float, connected: bool, away_since: float | None
) -> Overview:
    """`started` and `away_since` are on trio's clock; `away_since` is None unless the session waits for its client."""
    now = trio.current_time()
    stream = body.recognition.stream
    code, told_at = body.reporter.last_error or ("", None)
    return Overview(
        session_id=session_id,
        temporary=is_temporary(session_id),
        state=state,
        age=now - started,
        connected=connected,
        away=None if away_since is None else now - away_since,
        worker="" if stream is None else stream.worker,
        model="" if stream is None else stream.model,
        backlog=body.recognition.backlog / SAMPLE_RATE,
        last_error=code,
        last_error_ago=None if told_at is None else now - told_at,
        turns=body.conversation.history.count,
        answering=not body.conversation.idle,
        speaking=body.speaker.audible is not None,
        segments=body.reporter.transcribed,
        duplex=body.config.duplex,
    )


def _tenths(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
