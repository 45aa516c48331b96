"""Which workers may take a call, and in which order they are asked.

Two of those that have a free slot are drawn at random, and of these the one with more free slots is asked first: the power
of two choices (M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", IEEE Transactions on Parallel and
Distributed Systems 12(10), 2001). Servers that all asked the least loaded one, as they saw it a second ago, would run
there together. The others follow in the order of their free slots, and those that seem to be full come last: what is known
of a worker is never quite new. One on which a call has just failed, and which has answered nothing since, comes after all
others: it may be frozen.
"""

import random
from collections.abc import Callable, Sequence

from voicetrio.core.voices import least_distance
from voicetrio.workers.member import Member, Slots


def in_order(candidates: Sequence[Member], slots_of: Callable[[Member], Slots], dice: random.Random) -> list[Member]:
    """All candidates, in the order in which they are asked."""
    rest = sorted(candidates, key=lambda one: (not one.doubtful, slots_of(one).free), reverse=True)
    with_room = [one for one in candidates if slots_of(one).free > 0 and not one.doubtful]
    drawn = dice.sample(with_room, min(2, len(with_room)))
    drawn.sort(key=lambda one: slots_of(one).free, reverse=True)
    return drawn + [one for one in rest if one not in drawn]


def that_speak(voice: str, members: Sequence[Member]) -> list[Member]:
    """Those that are ready and have this voice; those that come nearest to what is asked for (`core.voices`).

    Without a voice: the first, and those that would speak in the same voice.
    """
    ready = [member for member in members if member.ready and member.description.HasField("tts")]
    if not voice:
        return [one for one in ready if _own_voice(one) == _own_voice(ready[0])]
    distances = {id(one): least_distance(voice, one.voices) for one in ready}
    least = min((one for one in distances.values() if one is not None), default=None)
    # A worker that names no voices decides by itself, as one does that is of another version.
    return [one for one in ready if distances[id(one)] == least or (not one.voices and least != 0)] or ready[:1]


def _own_voice(member: Member) -> tuple[str, str]:
    return member.description.tts.engine, member.description.tts.default_voice
