"""What a connection may send: honest clients never meet a limit, and floods do."""

import math

import pytest

from voicetrio.core.errors import RemoteError
from voicetrio.core.flood import FRAGMENTS, STALL, FloodGuard, FloodRules


def send(guard: FloodGuard, count: int, length: int, *, text: bool = False, now: float = 0.0) -> None:
    for _ in range(count):
        guard.data(length, text=text, frame_ends=True, message_ends=True, now=now)


@pytest.mark.parametrize(
    ("frame_ms", "rate"), [(10, 8_000), (10, 48_000), (20, 16_000), (1000, 48_000), (8 / 3, 48_000)]
)
def test_live_audio_passes_for_hours_and_after_a_stall(frame_ms: float, rate: int):
    guard = FloodGuard(FloodRules())
    length = round(rate * 2 * frame_ms / 1000)
    now, per_second = 0.0, round(1000 / frame_ms)
    for _ in range(600):
        send(guard, per_second, length, now=now)
        now += 1.0
    now += STALL
    send(guard, round(STALL * per_second), length, now=now)  # the network comes back, and a minute at once with it
    send(guard, 10, 60, text=True, now=now)


@pytest.mark.parametrize(
    ("length", "text", "code"),
    [
        (0, False, "too_many_frames"),
        (2, False, "too_many_frames"),
        (320, False, "too_many_frames"),
        (960, False, "too_much_data"),
        (1_000_000, False, "too_much_data"),
        (0, True, "too_many_frames"),
        (50, True, "too_many_frames"),
        (900_000, True, "too_much_data"),
    ],
)
def test_a_flood_is_refused_whatever_it_is_made_of(length: int, text: bool, code: str):
    with pytest.raises(RemoteError) as caught:
        send(FloodGuard(FloodRules()), 30_000, length, text=text)
    assert (caught.value.code, caught.value.recoverable, caught.value.close_code) == (code, False, 1008)


def test_an_allowance_comes_back_with_time_and_grows_to_no_more_than_it_was():
    guard = FloodGuard(FloodRules())
    send(guard, 3_000, 2, text=True)
    send(guard, 50, 2, text=True, now=1.0)
    send(guard, 3_000, 2, text=True, now=10_000.0)
    with pytest.raises(RemoteError, match="too many frames"):
        send(guard, 1, 2, text=True, now=10_000.0)


def test_where_files_are_heard_quickly_they_may_come_quickly_and_rubbish_may_not():
    guard = FloodGuard(FloodRules(max_rate=math.inf))
    send(guard, 100_000, 640)
    with pytest.raises(RemoteError) as caught:
        send(guard, 100_000, 2)
    assert caught.value.code == "too_many_frames"


@pytest.mark.parametrize("length", [0, 1])
def test_a_message_may_come_in_pieces_and_not_in_dust(length: int):
    guard = FloodGuard(FloodRules())
    for number in range(3):
        for _ in range(FRAGMENTS - 1):
            guard.data(length, text=False, frame_ends=True, message_ends=False, now=100.0 * number)
        guard.data(length, text=False, frame_ends=True, message_ends=True, now=100.0 * number)
    with pytest.raises(RemoteError) as caught:
        for _ in range(FRAGMENTS + 1):
            guard.data(length, text=False, frame_ends=True, message_ends=False, now=1000.0)
    assert caught.value.code == "too_many_fragments"


def test_a_message_is_measured_by_all_of_its_pieces():
    guard = FloodGuard(FloodRules(max_message_bytes=1000))
    for _ in range(3):
        guard.data(600, text=True, frame_ends=False, message_ends=False, now=0.0)
        guard.data(400, text=True, frame_ends=True, message_ends=True, now=0.0)
    guard.data(1000, text=True, frame_ends=False, message_ends=False, now=0.0)
    with pytest.raises(RemoteError, match="1000 bytes") as caught:
        guard.data(1, text=True, frame_ends=True, message_ends=True, now=0.0)
    assert (caught.value.code, caught.value.close_code) == ("message_too_large", 1009)


def test_pings_and_pongs_have_an_allowance_of_their_own():
    guard = FloodGuard(FloodRules())
    for second in range(1000):
        guard.control(now=float(second))
    with pytest.raises(RemoteError) as caught:
        for _ in range(1000):
            guard.control(now=1000.0)
    assert caught.value.code == "too_many_control_frames"
    send(guard, 1000, 640, now=1000.0)
