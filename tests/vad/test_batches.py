"""Many sessions in one room: each hears what it would hear alone, whenever and with whomever its windows are decided."""

import random
import threading

import numpy as np
import pytest
import trio
import trio.testing

from tests.fakes.telemetry import FakeTelemetry
from tests.vad.listening import RECORDINGS, answers, frames, make_room, model, noise, recorded
from voicetrio.vad.batches import BATCH_MAX, GATHER, open_room
from voicetrio.vad.silero import SileroDetector
from voicetrio.vad.silero_model import FIRST_STATE, WINDOW_BYTES


def speech(index: int, seconds: float = 3.0) -> bytes:
    """Another stretch of recordings for each index."""
    pcm = recorded(RECORDINGS[index % len(RECORDINGS)]) + noise(1.0, -40, seed=index)
    start = index % 7 * 3200
    return (pcm[start:] + pcm * 3)[: round(seconds * 32_000)]


@pytest.mark.parametrize("size", [2, 3, 7, 8, 33, 64])
def test_a_window_in_a_batch_gives_what_it_gives_alone(size):
    windows = [speech(index)[32_000 : 32_000 + WINDOW_BYTES] for index in range(size)]
    rng = np.random.default_rng(size)
    states = [rng.normal(0, 0.3, FIRST_STATE.shape).astype(np.float32) for _ in windows]
    together = model().run(windows, states)
    alone = [model().run([window], [state]) for window, state in zip(windows, states, strict=True)]
    assert together[0] == pytest.approx([voice[0] for voice, _ in alone], abs=1e-5)
    assert len({round(voice, 6) for voice in together[0]}) > 1
    for state, (_, single) in zip(together[1], alone, strict=True):
        np.testing.assert_allclose(state, single[0], atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_answers_do_not_depend_on_when_the_room_decides(seed):
    """Sessions send in bursts of their own, the room comes when it likes, and some sessions leave in the middle."""
    dice = random.Random(seed)
    room = make_room()
    audio = [frames(speech(index)) for index in range(12)]
    detectors = [SileroDetector("normal", room) for _ in audio]
    told: list[list[bool]] = [[] for _ in audio]
    stays = [len(one) if dice.random() < 0.8 else dice.randrange(len(one)) for one in audio]
    while any(len(answered) < stay for answered, stay in zip(told, stays, strict=True)):
        index = dice.randrange(len(audio))
        for _ in range(dice.choice((1, 1, 1, 5, 50))):
            if len(told[index]) < stays[index]:
                told[index].append(detectors[index].is_speech(audio[index][len(told[index])]))
        if dice.random() < 0.3:
            room.decide()
    for index, answered in enumerate(told):
        assert answered == answers(speech(index))[: len(answered)], index
    assert room._telemetry.counts["vad_late"] > 0
    assert sum(room._telemetry.values["vad_batch"]) > 0


def test_a_window_that_was_decided_meanwhile_is_not_decided_again():
    """As when a call in a thread takes so long that the session goes on without it."""
    room = make_room()
    slow, alone = (SileroDetector("normal", room) for _ in range(2))
    audio = frames(speech(1))
    told, expected = [], []
    for number, frame in enumerate(audio):
        told.append(slow.is_speech(frame))
        expected.append(alone.is_speech(frame))
        if number == 10:
            late = slow.next_window()
            result = room.model.run([late[1]], [late[2]])
        if number == 20:
            slow.accept(late[0], 1.0 - result[0][0], result[1][0])
    assert told == expected


async def test_at_real_time_pace_everything_is_decided_together(autojump_clock):
    telemetry = FakeTelemetry()
    told: list[list[bool]] = [[] for _ in range(8)]

    async def speak(index: int) -> None:
        detector = SileroDetector("normal", room)
        await trio.sleep(0.0005 * index)
        for frame in frames(speech(index)):
            told[index].append(detector.is_speech(frame))
            await trio.sleep(0.02)

    async with open_room(model(), telemetry) as room, trio.open_nursery() as nursery:
        for index in range(8):
            nursery.start_soon(speak, index)
    assert telemetry.counts["vad_late"] == 0
    assert np.median(telemetry.values["vad_batch"]) == 8
    assert told == [answers(speech(index)) for index in range(8)]


class Told(FakeTelemetry):
    """Wakes whoever waits for so many windows."""

    def __init__(self) -> None:
        super().__init__()
        self.told = trio.Event()

    def vad_batch(self, windows: int) -> None:
        self.values.setdefault("vad_batch", []).append(windows)
        self.told.set()
        self.told = trio.Event()

    async def windows(self, count: int) -> None:
        while sum(self.values.get("vad_batch", [])) < count:
            await self.told.wait()


class Watched:
    """The model, and where it was called."""

    def __init__(self) -> None:
        self.in_the_loop: list[bool] = []

    def run(self, windows, states):
        self.in_the_loop.append(threading.current_thread() is threading.main_thread())
        return model().run(windows, states)


async def test_a_large_batch_is_decided_in_a_thread_and_the_largest_is_bounded():
    telemetry = Told()
    count = BATCH_MAX + 20
    watched = Watched()
    async with open_room(watched, telemetry) as room:
        detectors = [SileroDetector("normal", room) for _ in range(count)]
        for detector in detectors:
            for frame in frames(speech(3))[:2]:
                detector.is_speech(frame)
        await telemetry.windows(count)
        few = SileroDetector("normal", room)
        for frame in frames(speech(3))[:2]:
            few.is_speech(frame)
        await telemetry.windows(count + 1)
    assert telemetry.values["vad_batch"] == [BATCH_MAX, 20, 1]
    assert watched.in_the_loop == [False, False, True]
    assert all(detector._state is not FIRST_STATE for detector in detectors)


def test_a_window_that_is_due_takes_others_along_but_not_too_many():
    room = make_room()
    detectors = [SileroDetector("normal", room) for _ in range(30)]
    for detector in detectors:
        for frame in frames(speech(3))[:2]:
            detector.is_speech(frame)
    for frame in frames(speech(3))[2:4]:
        detectors[0].is_speech(frame)
    counts = room._telemetry
    assert counts.counts["vad_late"] == 1
    (size,) = counts.values["vad_batch"]
    assert 2 <= size <= 8
    assert sum(not detector._waiting for detector in detectors) == size - 1
    assert detectors[0]._waiting, "with the window after it"
    assert room.decide() == 30 - size + 1


async def test_a_window_waits_for_others_no_longer_than_that(autojump_clock):
    async with open_room(model(), FakeTelemetry()) as room:
        for _ in range(3):
            detector = SileroDetector("normal", room)
            for frame in frames(speech(2))[:2]:
                detector.is_speech(frame)
            await trio.sleep(GATHER - 0.001)
            assert detector._waiting
            await trio.sleep(0.002)
            assert not detector._waiting


async def test_a_room_that_fails_costs_nobody_an_answer(autojump_clock):
    failed = 0

    def fail() -> int:
        nonlocal failed
        failed += 1
        raise RuntimeError("out of memory")

    told: list[list[bool]] = [[], []]
    async with open_room(model(), FakeTelemetry()) as room:
        room.decide = fail
        detectors = [SileroDetector("normal", room) for _ in told]
        for pair in zip(frames(speech(1)), frames(speech(2)), strict=True):
            for detector, frame, answered in zip(detectors, pair, told, strict=True):
                answered.append(detector.is_speech(frame))
            await trio.sleep(0.02)
    assert failed > 10
    assert told == [answers(speech(1)), answers(speech(2))]
