"""From dice to a conversation: what a caller's agent is like, what the caller asks for, and how the two take turns.

A tape for a conversation is questions with a pause after each, in which the reply may be heard, and what is said into
that reply: nothing, a cough, a word that is too short to interrupt anybody, or enough words to do so.
"""

import json
from dataclasses import replace

from tests.simulation.dice import Dice
from tests.simulation.plan import AgentPlan, Step
from tests.simulation.scripts import Stretches
from tests.simulation.tape import COUGH_MS

Events = list[tuple[int, Step]]
"""At these milliseconds of the tape."""

MHM = (200, 300)
"""Milliseconds of a word that interrupts nobody, whatever the config below says."""

BARGE_IN_MS = (350, 500, 800, 1200)


def roll_agent(dice: Dice, name: str, *, gentle: bool) -> AgentPlan:
    slowest = dice.pick((0.0, 0.3, 1.5))
    return AgentPlan(
        keeps_dialogs=dice.chance(0.4),
        opening=(0.0, dice.pick((0.0, 0.2, slowest))),
        first=(0.0, dice.pick((0.0, 0.2, slowest))),
        gap=(0.0, dice.pick((0.0, 0.02, 0.1, 0.6))),
        words=dice.pick(((1, 3), (1, 10), (5, 20))),
        name=dice.pick(("", f"dialog-{name}"))
        if gentle
        else dice.pick(("", f"dialog-{name}", "taken-by-x", "no/such")),
        other=dice.pick((0.0, 0.0, 0.2)),
        empty=dice.pick((0.0, 0.1)),
        endless=0.0 if gentle else dice.pick((0.0, 0.0, 0.1)),
        refuse=0.0 if gentle else dice.pick((0.0, 0.0, 0.3)),
        breaks=0.0 if gentle else dice.pick((0.0, 0.0, 0.3)),
        fault=0.0 if gentle else dice.pick((0.0, 0.0, 0.05)),
        silent=0.0 if gentle else dice.pick((0.0, 0.0, 0.3)),
        unfinished=dice.pick((0.0, 0.4)),
    )


ALIEN_NAMES = (123, 1.5, None, {}, ["a", {"b": None}], True, "a/b", "сессия", "n" * 129)
"""What an agent may call a dialog, and nobody a session."""


SLOW_GAP = (0.1, 0.6)
"""Seconds between the parts of an answer that takes longer than any operator here allows."""


def roll_ways(dice: Dice, plan: AgentPlan, *, gentle: bool) -> AgentPlan:
    """The same agent with other ways of its own."""
    plan = replace(
        plan,
        name=dice.pick(ALIEN_NAMES) if plan.name and not gentle and dice.chance(0.4) else plan.name,
        works=dice.pick((0.0, 0.0, 0.3)),
        floods=0.0 if gentle else dice.pick((0.0, 0.0, 0.0, 0.3)),
    )
    if not gentle and dice.chance(0.4):
        plan = replace(plan, endless=0.7, gap=SLOW_GAP)
    return plan


def roll_talk_config(dice: Dice) -> dict[str, object]:
    """What turns on a conversation, in `session.configure`."""
    config: dict[str, object] = {"agent": "on" if dice.chance(0.9) else "off"}
    if dice.chance(0.8):
        config["speak_replies"] = True
    if dice.chance(0.6):
        config["duplex"] = "barge_in"
    if dice.chance(0.7):
        config["barge_in_min_ms"] = dice.pick(BARGE_IN_MS)
    if dice.chance(0.6):
        config["turn_min_delay_ms"] = dice.pick((dice.ms(0, 500), dice.ms(600, 1500)))
    if dice.chance(0.5):
        config["turn_max_delay_ms"] = dice.ms(0, 2500)
    return config


def roll_talk_limits(dice: Dice, *, gentle: bool) -> dict[str, float]:
    """What an operator may set that matters to conversations only."""
    limits: dict[str, float] = {"early_start": dice.chance(0.5), "max_queued_messages": 64}
    if dice.chance(0.5):
        limits["max_ahead"] = dice.pick((0.5, 2.0, 5.0))
    if gentle:
        return limits
    limits["max_queued_messages"] = dice.pick((1, 3, 16))
    limits["agent_silence"] = dice.pick((2.0, 4.0, 60.0)) if dice.chance(0.8) else 8.0
    limits["agent_answer"] = dice.pick((5.0, 12.0, 120.0))  # the longest, said slowly, ends within a run
    if dice.chance(0.3):
        limits["max_reply_chars"] = dice.randrange(20, 300)
    return limits


def roll_talk(dice: Dice, speech_ms: int) -> tuple[Stretches, Events]:
    """A tape with so much speech, or a little more, and what the caller does along it."""
    tape: Stretches = [("pause", dice.ms(0, 500))]
    events: Events = []
    spoken = 0

    def say(words: int, low: int, high: int) -> int:
        lengths = [dice.ms(low, high) for _ in range(words)]
        for length in lengths:
            tape.append(("word", length))
            if dice.chance(0.1):
                tape.append(("pause", dice.ms(100, 400)))
        return sum(lengths)

    while spoken < speech_ms:
        spoken += say(dice.randrange(1, 5), 200, 600)
        tape.append(("pause", dice.pick((dice.ms(600, 800), dice.ms(600, 1500), dice.ms(800, 3000)))))
        if dice.chance(0.3):
            events.append((_length(tape), _typed(len(events))))
        if dice.chance(0.65):
            events.append((_length(tape), Step("await_reply", seconds=8.0, after=dice.seconds(0, 1.5))))
            match dice.randrange(5):
                case 0 | 1:
                    spoken += say(1, *MHM)
                case 2 | 3:
                    spoken += say(dice.randrange(2, 5), 400, 600)
                case _:
                    tape.append(("cough", COUGH_MS))
            tape.append(("pause", dice.ms(600, 2000)))
        if dice.chance(0.3):
            events.append((_length(tape), Step("listen", seconds=40.0)))
    return tape, events


def _length(tape: Stretches) -> int:
    return sum(ms for _, ms in tape)


def _typed(number: int) -> Step:
    return Step("tell", text=message(f"typed {number}", extra=[number, {"deep": None}]))


def message(content: str, **more: object) -> str:
    """As a client types it; every one of a run is another."""
    return json.dumps({"type": "user_message", "role": "user", "content": content, **more})
