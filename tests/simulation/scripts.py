"""From dice to what one caller says and does: its tape, and the steps of its script along the tape.

A tape is groups of words without or with short pauses, long pauses between groups, and coughs. Words are at least
200 ms long, and follow another word at once, or after a pause that is clearly inside a sentence (up to 400 ms) or clearly
between two (600 ms and more): what the endpointing makes of them is then not a matter of taste.
"""

import json

from tests.simulation.dice import Dice
from tests.simulation.plan import GENTLE, Step
from tests.simulation.tape import COUGH_MS

Stretches = list[tuple[str, int]]

_JUNK = ("not json", "{}", '{"type": 7}', '{"type": "no.such"}', '{"type": "tts.speak"}', "[1, 2]", "")


def roll_tape(dice: Dice, speech_ms: int) -> Stretches:
    """Until there is so much speech, or a little more."""
    tape: Stretches = [("pause", dice.ms(0, 1000))]
    spoken = 0
    while spoken < speech_ms:
        for _ in range(dice.randrange(1, 6)):
            word = dice.ms(200, 600)
            tape.append(("word", word))
            spoken += word
            if dice.chance(0.4):
                tape.append(("pause", dice.ms(100, 400)))
        tape.append(("pause", dice.ms(600, 2000)))
        if dice.chance(0.2):
            tape += [("cough", COUGH_MS), ("pause", dice.ms(600, 1000))]
    return tape


def word_ends(tape: Stretches) -> list[int]:
    """Milliseconds of the tape at which a word ends."""
    ends, position = [], 0
    for kind, ms in tape:
        position += ms
        if kind == "word":
            ends.append(position)
    return ends


def roll_steps(
    dice: Dice, mood: str, tape: Stretches, talk: list[tuple[int, Step]], *, talks: bool, calm: bool
) -> list[Step]:
    """The script; `talk` is what a conversation adds.

    `talks`: whether speech is asked for; `calm`: whether the caller may leave with the last word.
    """
    length = sum(ms for _, ms in tape)
    events = _gentle_events(dice, length) if mood == GENTLE else _wild_events(dice, length)
    if talks:
        events += [(dice.ms(0, length), one) for one in _utterances(dice, mood)]
    steps: list[Step] = []
    for at, step in sorted(talk + events, key=lambda event: event[0]):
        steps += [Step("play", until_ms=at, pace=_pace(dice, mood)), step]
    end = word_ends(tape)[-1] + dice.ms(0, 300) if calm and dice.chance(0.5) else length
    steps.append(Step("play", until_ms=end, pace=1.0))
    if not calm or dice.chance(0.5):
        steps.append(Step("settle", seconds=30.0))
    if talk and dice.chance(0.7):
        steps.append(Step("listen", seconds=60.0))
    return steps


def roll_swallows(dice: Dice, steps: list[Step]) -> list[Step]:
    """The script, in which the line may die unnoticed while something is said: after a wait for a reply, or anywhere."""
    if not dice.chance(0.25):
        return steps
    way = dice.pick(("both", "both", "down", "up"))
    step = Step("swallow", text=way, after=dice.seconds(0, 4), seconds=dice.pick((0.0, dice.seconds(0, 4))))
    waits = [number + 1 for number, one in enumerate(steps) if one.kind == "await_reply"]
    place = dice.pick(tuple(waits)) if waits else dice.randrange(len(steps) + 1)
    return [*steps[:place], step, *steps[place:]]


def _pace(dice: Dice, mood: str) -> float:
    if mood == GENTLE:
        return dice.pick((1.0, 1.0, 1.0, 0.9, 1.3))
    return dice.pick((1.0, 1.0, 1.0, 0.9, 0.5, 0.0, 2.0))


def _gentle_events(dice: Dice, length: int) -> list[tuple[int, Step]]:
    events: list[tuple[int, Step]] = []
    if dice.chance(0.4):  # away for less than the grace, noticed in time or not
        for _ in range(dice.randrange(1, 4)):
            away = dice.pick((dice.seconds(0, 1), dice.seconds(1, 11)))
            detect = dice.pick((0.0, 0.0, dice.seconds(0, 3)))
            events.append((dice.ms(0, length), Step("vanish", seconds=away, detect=detect)))
    if dice.chance(0.15):
        events.append((dice.ms(0, length), Step("take_over")))
    if dice.chance(0.2):
        events.append((dice.ms(0, length), Step("stall", seconds=dice.seconds(1, 8))))
    if dice.chance(0.2):
        events += [(dice.ms(0, length), _tell("input_audio_buffer.commit")) for _ in range(dice.randrange(1, 4))]
    if dice.chance(0.2):
        events.append((dice.ms(0, length), Step("wait", seconds=dice.seconds(0.1, 4))))
    if dice.chance(0.15):
        events.append((dice.ms(0, length), Step("deaf", seconds=dice.seconds(0.1, 2))))
    if dice.chance(0.15):
        events.append((dice.ms(0, length), _reconfigure(dice)))
    return events


def _wild_events(dice: Dice, length: int) -> list[tuple[int, Step]]:
    events = _gentle_events(dice, length)
    for _ in range(dice.randrange(6)):
        at = dice.ms(0, length)
        match dice.randrange(7):
            case 0:
                away, detect = dice.seconds(0, 30), dice.pick((0.0, dice.seconds(0, 30)))
                events.append((at, Step("vanish", seconds=away, detect=detect)))
            case 1:
                events.append((at, Step("cut", size=dice.pick((1, 3, 641)))))
            case 2:
                events.append((at, Step("tell", text=dice.pick(_JUNK))))
            case 3:
                events.append((at, Step("deaf", seconds=dice.seconds(1, 40))))
            case 4:
                events.append((at, Step("wait", seconds=dice.seconds(4, 12))))
            case 5:
                events.append((at, Step("play", until_ms=at + dice.ms(2000, 20_000), pace=0.0)))
            case _:
                events.append((at, Step("take_over")))
    return events


def _reconfigure(dice: Dice) -> Step:
    changes: tuple[dict[str, object], ...] = (
        {"interim": True},
        {"enable_partial_transcripts": False},
        {"language": "de"},
        {"hot_words": ["voicetrio"]},
        {"max_segment_duration_ms": dice.ms(1000, 4000)},
        {"silence_timeout_ms": dice.ms(500, 4000)},
    )
    return _tell("session.configure", **dice.pick(changes))


def _utterances(dice: Dice, mood: str) -> list[Step]:
    steps = []
    for number in range(dice.randrange(1, 5)):
        text = " ".join("spoken"[: dice.randrange(1, 7)] for _ in range(dice.randrange(1, 6)))
        steps.append(_tell("tts.speak", text=text, request_id=f"say-{number}"))
        if dice.chance(0.3):
            fields = {} if dice.chance(0.5) else {"request_id": f"say-{dice.randrange(number + 1)}"}
            if mood != GENTLE or not fields:  # the id of one that is over would be an error
                steps.append(_tell("tts.cancel", **fields))
        if mood != GENTLE and dice.chance(0.1):
            steps.append(_tell("turn.cancel"))
    return steps


def _tell(kind: str, **fields: object) -> Step:
    return Step("tell", text=json.dumps({"type": kind, **fields}))
