"""From a seed to a plan. Three runs of five are gentle: nothing in them excuses a lost word or an `error`."""

from dataclasses import replace

from tests.simulation.conversations import (
    Events,
    message,
    roll_agent,
    roll_talk,
    roll_talk_config,
    roll_talk_limits,
    roll_ways,
)
from tests.simulation.dice import Dice
from tests.simulation.plan import (
    FREEZE_NOTICED,
    GENTLE,
    WILD,
    AgentPlan,
    CallerPlan,
    Outage,
    Plan,
    VoicePlan,
    WorkerPlan,
)
from tests.simulation.scripts import roll_steps, roll_swallows, roll_tape

GENTLE_SHARE = 0.6

TALK_SHARE = 0.5
"""Of callers who talk with an agent."""

DRAIN_SHARE = 0.4
"""Of outages."""

REFUSAL_MAX = 4.0
"""Seconds that the workers of a gentle run may be full: a session that was never heard waits 5 s, and then it ends."""

POISON_SHARE = 0.15
"""Of callers whose audio kills engines."""

HANG_UP_SHARE = 0.4
"""Of callers in a gentle run who only speak, and close their session with the end of their tape, whatever fails then."""

ENDLESS_TALKER = 0.5
"""`AgentPlan.endless` of agents whose answers go on until they are cut off, after minutes."""

BEARABLE_VOICE = 0.15
"""Seconds per character of the slowest voice that reads such an answer within a caller's patience."""

LONG_HANG = (40.0, 60.0)
"""Seconds: longer than a final may take by `check_delays`, from any moment in the first of these."""

ENGINE_HANG = (5.0, 8.0)
"""Seconds until a hung engine process is noticed and killed: 5.5, and 2.5 more where nobody had given it work yet."""

FREEZE_MAX = FREEZE_NOTICED + 2.0 + 5.0
"""Seconds until a frozen worker is there again: noticed and killed, the longest restart delay, and the restart budget."""

RATES = (24_000, 24_000, 24_000, 24_000, 16_000, 22_050)
"""Hertz of what a synthesiser makes; a client gets 24 kHz."""

VALUES_PER_CALLER = 10_900
"""Milliseconds of speech on one tape, with a gap per word: three callers share the values of 16-bit samples."""


def make_plan(seed: int) -> Plan:
    dice = Dice(seed, "plan")
    mood = GENTLE if dice.chance(GENTLE_SHARE) else WILD
    callers = dice.pick((1, 1, 1, 1, 1, 1, 2, 3))
    workers = _roll_drains(Dice(seed, "drains"), mood, _roll_workers(Dice(seed, "workers"), mood, callers))
    workers = _roll_long_hangs(Dice(seed, "long hangs"), mood, workers)
    workers = _roll_engines(Dice(seed, "engines"), mood, workers)
    calm = mood == GENTLE and all(not one.outages and one.final_delay[1] < 1.5 for one in workers)
    troubled = mood == GENTLE and any(one.outages for one in workers)
    people = tuple(
        _roll_caller(seed, mood, number, alone=callers == 1, calm=calm, troubled=troubled) for number in range(callers)
    )
    if mood == GENTLE and callers == 1:
        workers = _roll_bad_moment(Dice(seed, "bad moment"), workers, people[0])
    return Plan(
        seed=seed,
        mood=mood,
        workers=workers,
        callers=people,
        limits={**_roll_limits(dice, mood), **roll_talk_limits(Dice(seed, "talk"), gentle=mood == GENTLE)},
        server_stops_at=dice.seconds(0, 25) if mood == WILD and dice.chance(0.08) else None,
    )


def _roll_limits(dice: Dice, mood: str) -> dict[str, float]:
    """A wild run may have an operator who allows little, so that little is enough to break it."""
    limits: dict[str, float] = {"min_confirm_passes": dice.pick((2, 2, 3))}
    if mood == WILD:
        if dice.chance(0.4):
            limits["max_backlog"] = dice.seconds(2, 5)
        if dice.chance(0.2):
            limits["max_queued_events"] = dice.randrange(10, 40)
        if dice.chance(0.2):
            limits["send_stall"] = dice.seconds(2, 10)
        if dice.chance(0.2):
            limits["resume_grace"] = dice.seconds(1, 10)
        if dice.chance(0.2):
            limits["closing_max"] = dice.seconds(1, 5)
    return limits


def _roll_workers(dice: Dice, mood: str, callers: int) -> tuple[WorkerPlan, ...]:
    count = dice.pick((1, 1, 2, 3))
    outages = _gentle_outages(dice, count) if mood == GENTLE else _wild_outages(dice, count)
    patient = dice.chance(0.3)
    slowest = dice.seconds(0.1, 3.0) if mood == GENTLE else dice.seconds(0.1, 12.0 if patient else 6.0)
    lies = mood == WILD and dice.chance(0.5)
    return tuple(
        WorkerPlan(
            # A gentle run's workers have room for everybody, also when only one of them is left.
            slots=callers if mood == GENTLE else dice.randrange(1, callers + 1),
            architecture=dice.pick(("streaming", "ctc", "encoder-decoder")),
            outages=tuple(outages[number]),
            opening=dice.pick((0.0, dice.seconds(0, 0.3))),
            final_delay=(0.0, dice.pick((0.0, dice.seconds(0, 0.5), slowest))),
            working=patient,
            partial_every=dice.pick((0, 1, 1, 3)),
            twice=0.5 if dice.chance(0.3) else 0.0,
            disorder=0.3 if lies else 0.0,
            bogus=0.1 if lies else 0.0,
        )
        for number in range(count)
    )


def _gentle_outages(dice: Dice, workers: int) -> list[list[Outage]]:
    """Shorter than 8 s, or for a freeze as a budget allows, and so far apart that the first is forgotten when the second
    comes."""
    outages: list[list[Outage]] = [[] for _ in range(workers)]
    at = dice.seconds(0, 12)
    for _ in range(dice.pick((0, 0, 1, 1, 2))):
        kind = dice.pick(("crash", "crash", "hang", "stuck", "refuse", "freeze", "freeze"))
        seconds = dice.pick((0.0, dice.seconds(0, 2), dice.seconds(0, 7.5)))
        if kind == "freeze":
            seconds = dice.pick((dice.seconds(1, FREEZE_NOTICED), dice.seconds(FREEZE_NOTICED, FREEZE_MAX)))
        if kind == "refuse":
            seconds = min(seconds, REFUSAL_MAX)
        outages[dice.randrange(workers)].append(Outage(at, kind, seconds))
        at = round(at + seconds + dice.seconds(25, 30), 3)
    return outages


def _roll_bad_moment(dice: Dice, workers: tuple[WorkerPlan, ...], caller: CallerPlan) -> tuple[WorkerPlan, ...]:
    """The first outage comes when the only caller hangs up, or at times when it begins to speak; no other one does."""
    first = min((one.outages[0].at for one in workers if one.outages), default=None)
    if caller.hangs_up:
        at = sum(ms for _, ms in caller.stretches) / 1000 + dice.seconds(0, 4) - 3.0
    elif caller.stretches[0][0] == "pause" and dice.chance(0.3):
        at = caller.stretches[0][1] / 1000 + dice.seconds(0, 1)
    else:
        return workers

    def roll(one: WorkerPlan) -> WorkerPlan:
        hit = bool(one.outages) and one.outages[0].at == first
        return replace(one, outages=(replace(one.outages[0], at=max(0.0, round(at, 3))),) if hit else ())

    return tuple(map(roll, workers))


def _roll_drains(dice: Dice, mood: str, workers: tuple[WorkerPlan, ...]) -> tuple[WorkerPlan, ...]:
    """Some of the workers that would be in trouble end in order instead. In gentle runs there is time to move."""

    def roll(outage: Outage) -> Outage:
        if not dice.chance(DRAIN_SHARE):
            return outage
        seconds = max(min(outage.seconds, 7.5), dice.seconds(2, 7.5)) if mood == GENTLE else outage.seconds
        return replace(outage, kind="drain", seconds=seconds)

    return tuple(replace(one, outages=tuple(map(roll, one.outages))) for one in workers)


def _roll_long_hangs(dice: Dice, mood: str, workers: tuple[WorkerPlan, ...]) -> tuple[WorkerPlan, ...]:
    """In a gentle run, the last worker that hangs does so for longer than anybody may wait for it, if there is another."""
    last = max((one.outages[-1].at for one in workers if one.outages), default=None)
    if mood != GENTLE or len(workers) == 1 or last is None:
        return workers

    def roll(outage: Outage) -> Outage:
        return replace(outage, seconds=dice.seconds(*LONG_HANG)) if outage.kind in ("hang", "stuck") else outage

    return tuple(
        replace(one, outages=(*one.outages[:-1], roll(one.outages[-1])))
        if one.outages and one.outages[-1].at == last
        else one
        for one in workers
    )


def _roll_engines(dice: Dice, mood: str, workers: tuple[WorkerPlan, ...]) -> tuple[WorkerPlan, ...]:
    """Processes of engines, and how they fail. In a gentle run, one of them hangs only where there is no other trouble."""
    workers = tuple(
        replace(
            one,
            batched=dice.chance(0.4),
            reload=dice.seconds(0.1, 1.5),
            opening=dice.pick((one.opening, one.opening, dice.seconds(0.3, 2.0))),
        )
        for one in workers
    )
    troubled = any(one.outages for one in workers)
    if not dice.chance(0.25) or (mood == GENTLE and troubled):
        return workers
    chosen = dice.randrange(len(workers))
    if workers[chosen].outages:
        return workers
    hang = Outage(dice.seconds(0, 12), "engine", dice.seconds(*ENGINE_HANG))
    return tuple(replace(one, outages=(hang,)) if number == chosen else one for number, one in enumerate(workers))


def _roll_poison(dice: Dice, tape: list[tuple[str, int]], first_value: int) -> tuple[int, ...]:
    """A millisecond of one or two of the tape's words."""
    words, value = [], first_value
    for kind, ms in tape:
        if kind == "word":
            words.append((value, ms))
            value += ms + 1
    chosen = [dice.pick(words) for _ in range(dice.pick((1, 1, 2)))] if words else []
    return tuple(sorted({first + dice.randrange(ms) for first, ms in chosen}))


def _wild_outages(dice: Dice, workers: int) -> list[list[Outage]]:
    outages: list[list[Outage]] = []
    for _ in range(workers):
        own, at = [], 0.0
        for _ in range(dice.randrange(4)):
            at = round(at + dice.seconds(0, 12), 3)
            outage = Outage(at, dice.pick(("crash", "crash", "hang", "stuck", "refuse", "freeze")), dice.seconds(0, 20))
            own.append(outage)
            at = round(at + outage.seconds, 3)
        outages.append(own)
    return outages


def _roll_caller(seed: int, mood: str, number: int, *, alone: bool, calm: bool, troubled: bool) -> CallerPlan:
    dice, own = Dice(seed, "caller", number), Dice(seed, "talk", number)
    tape = roll_tape(dice, dice.ms(800, 9000 if alone else 3500))
    talk: Events = []
    conversing = own.chance(TALK_SHARE)
    if conversing:
        tape, talk = roll_talk(own, own.ms(800, 7000 if alone else 3500))
    talks = dice.chance(0.4)
    gentle = mood == GENTLE
    toxic = Dice(seed, "poison", number)
    first_value = 1 + number * VALUES_PER_CALLER
    plan = CallerPlan(
        name=f"caller{number}",
        joins_at=0.0 if alone else dice.seconds(0, 3),
        first_value=first_value,
        poison=_roll_poison(toxic, tape, first_value) if toxic.chance(POISON_SHARE) and not troubled else (),
        # Of several that hang, each waits for three times the others' end as well: longer than a close does.
        poison_hangs=toxic.chance(0.3) and (alone or not gentle),
        stretches=tuple(tape),
        config={**_roll_config(dice, gentle=gentle), **(roll_talk_config(own) if conversing else {})},
        frame_ms=dice.pick((100, 100, 100, 60, 50, 50, 37, 200, 500, 1500, 20)),
        latency=dice.pick((0.0, 0.02, dice.seconds(0, 0.2))),
        buffer=64 if gentle else dice.pick((2, 16, 64)),
        obeys=gentle or dice.chance(0.5),
        playback=dice.pick(("none", "honest", "honest", "stopping" if gentle else "lying", "stopping")),
        voice=replace(
            VoicePlan(seconds_per_char=dice.pick((0.0, 0.02, 0.15))) if gentle else _wild_voice(dice),
            rate=own.pick(RATES),
            crash_after_chars=toxic.pick((None, None, None, toxic.randrange(10))) if not gentle else None,
        ),
        steps=tuple(
            roll_swallows(Dice(seed, "swallow", number), roll_steps(dice, mood, tape, talk, talks=talks, calm=calm))
        ),
        leaves="close" if gentle else dice.pick(("close", "close", "close", "cancel", "vanish", "stay")),
        leaves_at=None if gentle or dice.chance(0.6) else dice.seconds(0, 40 if conversing else 20),
        agent=_roll_agent(seed, own, number, gentle=gentle) if conversing else AgentPlan(),
        temporary=conversing and own.chance(0.3),
        greeting=message("greeting") if conversing and own.chance(0.2) else "",
        pauses=own.chance(0.8),
        tells_speech=Dice(seed, "speech", number).chance(0.8),
    )
    if gentle and not conversing and not plan.poison and Dice(seed, "hang-up", number).chance(HANG_UP_SHARE):
        plan = replace(plan, hangs_up=True, steps=tuple(step for step in plan.steps if step.kind != "settle"))
    if plan.agent.endless >= ENDLESS_TALKER:
        bearable = replace(plan.voice, seconds_per_char=min(plan.voice.seconds_per_char, BEARABLE_VOICE))
        plan = replace(plan, voice=bearable)
    return plan


def _roll_agent(seed: int, own: Dice, number: int, *, gentle: bool) -> AgentPlan:
    plan = roll_agent(own, str(number), gentle=gentle)
    return roll_ways(Dice(seed, "ways", number), plan, gentle=gentle)


def _roll_config(dice: Dice, *, gentle: bool) -> dict[str, object]:
    config: dict[str, object] = {}
    if dice.chance(0.3):
        config["max_segment_duration_ms"] = dice.ms(1000, 5000)
    if dice.chance(0.3):
        config["silence_timeout_ms"] = dice.ms(300, 5000)
    if dice.chance(0.2):
        config["duplex"] = "barge_in"
    if dice.chance(0.3):
        config["interim"] = True
    if dice.chance(0.2):
        config["vad_sensitivity"] = dice.pick(("low", "high"))
    if not gentle and dice.chance(0.3):
        config["hold_timeout_ms"] = dice.ms(500, 8000)
    if gentle:  # its words may all fall into a mute, and it then waits for them: that is no timeout's business
        config["init_timeout_ms"] = 120_000
    elif dice.chance(0.2):
        config["init_timeout_ms"] = dice.ms(200, 5000)
    return config


def _wild_voice(dice: Dice) -> VoicePlan:
    return VoicePlan(
        refuse=dice.pick(("", "", "", "busy", "away", "rejected")),
        seconds_per_char=dice.pick((0.0, 0.02, 0.15, 1.0)),
        fail_after_chars=dice.pick((None, None, dice.randrange(10))),
        hang_after_chars=dice.pick((None, None, None, dice.randrange(10))),
    )
