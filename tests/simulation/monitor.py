"""Looks at every session a few times a second: what must hold at all times, and cannot be told from messages."""

import trio

from tests.simulation.door import Room
from tests.simulation.run import Run
from voicetrio.session.outbox import PASSED_MAX

INTERVAL = 0.25
"""Seconds of virtual time between two looks."""

UTTERANCE_MESSAGES = 5
"""Messages that one utterance may post: the queue's bound is looked at from outside, so this much is no matter."""

SOUND_BYTES = 4800
"""The fake's piece of sound, 100 ms at 24 kHz: the queue may pass its bound by less than one."""

CHAR_SECONDS = 0.1
"""Of speech, as the fake makes it; one whole piece may be begun when the limit is almost reached."""

FIRST_REPORT_SECONDS = 0.6
"""Until a player's first report is there, the clock says how much it has played; the report may take that much back."""

UNHEARD = {"deaf", "stall", "vanish", "take_over", "swallow"}
"""What a caller may do so that speech which was sent is not there yet, or is lost, while the clock counts it as heard."""

PENDING_MAX = 80
"""Segments. The ring holds 60 s, and no client may ask for cuts that come quicker than words: far more is a leak."""


async def watch_bounds(run: Run) -> None:
    """Note an anomaly for each bound that is passed. Runs until cancelled."""
    idle_slots: dict[str, int] = {}
    sure = {
        plan.name
        for plan in run.plan.callers
        if plan.playback in ("none", "honest") and not any(step.kind in UNHEARD for step in plan.steps)
    }
    while True:
        await trio.sleep(INTERVAL)
        for room in run.door.rooms.values():
            for problem in _problems(room, sure=room.name in sure):
                run.trace.note(room.name, "anomaly", problem)
            idle_slots[room.name] = idle_slots.get(room.name, 0) + 1 if _holds_idle_slot(run, room) else 0
            if idle_slots[room.name] == 2:
                run.trace.note(room.name, "anomaly", "a slot is held in HOLD though nothing is owed on it")


def _problems(room: Room, *, sure: bool) -> list[str]:
    """`sure`: the ledger knows what the caller has heard, but for the way there and back."""
    inside, problems = room.inside, []
    ring = inside.ring
    if not 0 <= ring.uncommitted <= ring.capacity:
        problems.append(f"the ring holds {ring.uncommitted} of {ring.capacity} samples")
    if inside.segments.pending and inside.segments.pending[0].start < ring.fence:
        problems.append("the audio of a pending segment is not protected any more")
    if inside.queued_messages > room.limits.max_queued_events + UTTERANCE_MESSAGES:
        problems.append(f"{inside.queued_messages} messages are queued")
    if inside.queued_audio_bytes > room.limits.max_queued_audio_bytes + SOUND_BYTES:
        problems.append(f"{inside.queued_audio_bytes} bytes of speech are queued")
    if inside.queued_events > PASSED_MAX:
        problems.append(f"{inside.queued_events} events of the agent are queued")
    if sure and inside.made_ahead > room.limits.max_ahead + CHAR_SECONDS * inside.longest_piece + FIRST_REPORT_SECONDS:
        problems.append(f"{inside.made_ahead:.1f} s of speech were made ahead")
    if sure and inside.sent_ahead > room.limits.max_ahead + FIRST_REPORT_SECONDS:
        problems.append(f"{inside.sent_ahead:.1f} s of speech were sent ahead")
    if len(inside.segments.pending) > PENDING_MAX:
        problems.append(f"{len(inside.segments.pending)} segments are pending")
    return problems


def _holds_idle_slot(run: Run, room: Room) -> bool:
    held = run.fleet.open.get(room.name, [])
    quiet = not room.inside.segments.pending and not any(stream.owes for stream in held)
    return bool(held) and quiet and room.session.state.name == "HOLD"
