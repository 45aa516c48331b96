"""What only the inside of a session knows, noted in the trace. The one place that knows private names of the session.

The parts are found by their type, wherever the session keeps them, and the methods that a probe needs are wrapped on the
instance: a probe changes nothing but the trace.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import trio

from tests.simulation.trace import Trace
from voicetrio.core.ring import RingBuffer
from voicetrio.core.segments import Segments
from voicetrio.core.states import Lifecycle, State, Trigger
from voicetrio.session.conversation import Conversation
from voicetrio.session.ear import Ear
from voicetrio.session.outbox import Outbox
from voicetrio.session.session import Session
from voicetrio.session.speaker import Speaker
from voicetrio.session.turn import Turn

_Part = TypeVar("_Part")


def _find(root: object, kind: type[_Part], depth: int = 3) -> _Part:
    """The first attribute of this type, breadth first."""
    level = [root]
    for _ in range(depth):
        values = [value for one in level for value in getattr(one, "__dict__", {}).values()]
        for value in values:
            if isinstance(value, kind):
                return value
        level = [value for value in values if type(value).__module__.startswith("voicetrio.")]
    raise LookupError(f"the session has no {kind.__name__} any more: see tests/simulation/probes.py")


@dataclass(slots=True)
class Inside:
    """The parts of one session that checkers may look at."""

    lifecycle: Lifecycle
    ear: Ear
    ring: RingBuffer
    segments: Segments
    outbox: Outbox
    speaker: Speaker
    longest_announced: int = 0
    """Characters, of the pieces of what is being said that the client was told of."""
    missed: int = 0
    """Samples of the client's audio that were not taken."""

    @property
    def position(self) -> int:
        """How far the client's audio has come, in samples: what was taken, and what was not."""
        return self.ring.head + self.missed

    @property
    def queued_messages(self) -> int:
        return sum(isinstance(item.payload, str) and not item.passed for item in self.outbox._queue)

    @property
    def queued_events(self) -> int:
        """Of an agent."""
        return sum(item.passed for item in self.outbox._queue)

    @property
    def made_ahead(self) -> float:
        """Seconds of speech that were made and not heard yet."""
        utterance = self.speaker.audible
        if utterance is None or utterance.playback is None:
            return 0.0
        heard = utterance.playback.heard(now=trio.current_time())
        return (utterance.audio.made - heard) / utterance.playback.sample_rate

    @property
    def sent_ahead(self) -> float:
        """Seconds of speech that were sent and not heard yet."""
        utterance = self.speaker.audible
        if utterance is None or utterance.playback is None:
            return 0.0
        heard = utterance.playback.heard(now=trio.current_time())
        return (utterance.playback.reach - heard) / utterance.playback.sample_rate

    @property
    def longest_piece(self) -> int:
        """Characters, of the pieces of what is being said; also of one that is made while the earlier are sent."""
        utterance = self.speaker.audible
        made = [] if utterance is None else [len(piece.text) for piece in utterance.pieces]
        return max([self.longest_announced, *made])

    @property
    def queued_audio_bytes(self) -> int:
        return sum(len(item.payload) for item in self.outbox._queue if isinstance(item.payload, bytes))

    @property
    def timeouts(self) -> dict[str, float]:
        limits = self.lifecycle._timeouts
        return {"INIT": limits.init, "SILENCE": limits.silence, "HOLD": limits.hold, "CLOSING": limits.closing}


def watch(session: Session, who: str, trace: Trace) -> Inside:
    """Note this session's moves, mutes and messages from now on; call it before the session runs."""
    ear = _find(session, Ear)
    outbox, speaker = _find(session, Outbox), _find(session, Speaker)
    inside = Inside(_find(session, Lifecycle), ear, ear.ring, ear.segments, outbox, speaker)
    trace.note(who, "timeouts", inside.timeouts)
    _watch_lifecycle(inside, who, trace)
    _watch_mute(inside, who, trace)
    _watch_posts(inside, who, trace)
    _watch_misses(inside, who, trace)
    _watch_passed(inside, who, trace)
    _watch_turns(_find(session, Conversation), who, trace)
    return inside


def _watch_lifecycle(inside: Inside, who: str, trace: Trace) -> None:
    lifecycle = inside.lifecycle
    handle, pause, resume, rearm, configure = (
        lifecycle.handle,
        lifecycle.pause,
        lifecycle.resume,
        lifecycle.rearm,
        lifecycle.configure,
    )

    def noting_handle(trigger: Trigger, *, now: float) -> State:
        before = lifecycle.state
        after = handle(trigger, now=now)
        assert now == trio.current_time(), "the state machine lives in the present"
        trace.note(who, "move", (before.name, trigger.name, after.name))
        return after

    def noting_pause() -> None:
        pause()
        trace.note(who, "pause")

    def noting_resume(*, now: float) -> None:
        resume(now=now)
        trace.note(who, "resume")

    def noting_rearm(*, now: float) -> None:
        rearm(now=now)
        trace.note(who, "rearm")

    def noting_configure(timeouts: object) -> None:
        configure(timeouts)
        trace.note(who, "timeouts", inside.timeouts)

    def noting_somebody(*, now: float) -> None:
        somebody(now=now)
        trace.note(who, "somebody")

    somebody, lifecycle.somebody_is_there = lifecycle.somebody_is_there, noting_somebody
    lifecycle.handle = noting_handle
    lifecycle.pause = noting_pause
    lifecycle.resume = noting_resume
    lifecycle.rearm = noting_rearm
    lifecycle.configure = noting_configure


def _watch_mute(inside: Inside, who: str, trace: Trace) -> None:
    ear = inside.ear
    mute = ear.mute

    @contextmanager
    def noting_mute() -> Iterator[None]:
        if not ear.muted:
            trace.note(who, "mute", inside.position)
        try:
            with mute():
                yield
        finally:
            if not ear.muted:
                trace.note(who, "unmute", inside.position)

    ear.mute = noting_mute


def _watch_misses(inside: Inside, who: str, trace: Trace) -> None:
    miss = inside.ear.miss

    def noting_miss(samples: int) -> None:
        start = inside.position
        inside.missed += samples
        trace.note(who, "miss", (start, inside.position))
        miss(samples)

    inside.ear.miss = noting_miss


def _watch_posts(inside: Inside, who: str, trace: Trace) -> None:
    post, post_last = inside.outbox.post, inside.outbox.post_last

    def noting_post(message: dict[str, object], **options: object) -> None:
        post(message, **options)
        if message["type"] == "tts.speaking_start":
            inside.longest_announced = len(str(message["text"]))
        elif message["type"] == "tts.speaking_text":
            inside.longest_announced = max(inside.longest_announced, len(str(message["text"])))
        trace.note(who, "post", message)

    def noting_post_last(message: dict[str, object], **options: object) -> None:
        post_last(message, **options)
        trace.note(who, "post", message)

    withdraw, holds = inside.outbox.withdraw, inside.outbox.holds

    def noting_withdraw(tag: str) -> None:
        if holds(tag):
            trace.note(who, "taken_back", tag.partition(" ")[2])
        withdraw(tag)

    inside.outbox.withdraw = noting_withdraw
    inside.outbox.post = noting_post
    inside.outbox.post_last = noting_post_last


def _watch_passed(inside: Inside, who: str, trace: Trace) -> None:
    outbox, pass_on = inside.outbox, inside.outbox.pass_on

    async def noting_pass_on(payload: str) -> None:
        await pass_on(payload)
        if not outbox._closing:
            trace.note(who, "post", json.loads(payload))

    outbox.pass_on = noting_pass_on


def _watch_turns(conversation: Conversation, who: str, trace: Trace) -> None:
    """Which turns are asked, how sure of them the session is, and which message is whose."""
    ask, try_early, confirm, withdraw = (
        conversation.ask,
        conversation.try_early,
        conversation.confirm,
        conversation.withdraw,
    )

    def noting_ask(turn: Turn) -> None:
        ask(turn)
        trace.note(who, "queued", (turn.turn_id, turn.source, turn.text))

    def noting_try_early(turn: Turn) -> bool:
        taken = try_early(turn)
        if taken:
            trace.note(who, "early", (turn.turn_id, turn.text))
        return taken

    def noting_confirm(turn: Turn) -> None:
        confirm(turn)
        trace.note(who, "confirmed", turn.turn_id)

    def noting_withdraw(turn: Turn) -> None:
        withdraw(turn)
        trace.note(who, "withdrawn", turn.turn_id)

    conversation.ask = noting_ask
    conversation.try_early = noting_try_early
    conversation.confirm = noting_confirm
    conversation.withdraw = noting_withdraw
