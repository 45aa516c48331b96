"""Streams from one rate to another: whole, without clicks, without wrapping around, and soon."""

import itertools
import random

import numpy as np
import pytest
import soxr

from voicetrio.core.resampling import Resampler

RATES = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000]
PAIRS = list(itertools.permutations(RATES, 2))
ODD_PAIRS = [(11_025, 16_000), (32_000, 16_000), (11_111, 16_000), (47_999, 16_000), (16_000, 8_001)]
"""Rates that nobody has, and whose ratio is one of large numbers."""


def sine(rate, hertz, seconds, amplitude=20_000):
    time = np.arange(round(rate * seconds)) / rate
    return np.round(amplitude * np.sin(2 * np.pi * hertz * time)).astype("<i2")


def noise(seed, samples):
    return np.random.default_rng(seed).integers(-32_768, 32_768, samples).astype("<i2").tobytes()


def streamed(source, target, pcm, sizes):
    """`sizes` in samples; the last one is used again and again."""
    resampler = Resampler(source, target)
    pieces, start, sizes = [], 0, iter(sizes)
    size = 1
    while start < len(pcm):
        size = next(sizes, size)
        pieces.append(resampler.push(pcm[start : start + 2 * size]))
        start += 2 * size
    return b"".join(pieces) + resampler.push(b"", last=True)


def at_once(source, target, pcm):
    return Resampler(source, target).push(pcm, last=True)


def decibels(ratio):
    return 20 * np.log10(max(float(ratio), 1e-9))


def without(pcm, rate, hertz):
    """What is left of it when the sine that fits best is taken away."""
    time = 2 * np.pi * hertz * np.arange(len(pcm)) / rate
    waves = np.stack([np.sin(time), np.cos(time)], axis=1)
    samples = np.asarray(pcm, float)
    parts = np.linalg.lstsq(waves, samples, rcond=None)[0]
    return samples - waves @ parts, np.hypot(*parts)


@pytest.mark.parametrize(("source", "target"), PAIRS + ODD_PAIRS)
def test_frames_of_any_length_give_the_same_as_one(source, target):
    rng = random.Random(source + target)
    pcm = noise(source + target, source + rng.randrange(1000))
    lengths = [0, 1, 1, 2, 3, 7, source // 50, 161, rng.randrange(2_000), rng.randrange(source)]
    rng.shuffle(lengths)
    assert streamed(source, target, pcm, [*lengths, 997]) == at_once(source, target, pcm)


@pytest.mark.parametrize(("source", "target"), [(8_000, 16_000), (44_100, 16_000), (22_050, 8_000)])
def test_single_samples_give_the_same_as_one_frame(source, target):
    pcm = noise(1, 500)
    assert streamed(source, target, pcm, [1]) == at_once(source, target, pcm)


@pytest.mark.parametrize(("source", "target"), PAIRS + ODD_PAIRS)
@pytest.mark.parametrize("samples", [0, 1, 2, 31, 64, 399, 1_001, 48_001])
def test_nothing_of_a_streams_time_is_lost_and_nothing_added(source, target, samples):
    result = streamed(source, target, noise(samples, samples), [161])
    assert abs(len(result) / 2 - samples * target / source) <= 0.5


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_sine_is_the_same_sine_at_the_same_time(source, target):
    pcm = np.frombuffer(streamed(source, target, sine(source, 1_000, 1.0).tobytes(), [source // 50]), "<i2")
    middle = slice(target // 10, -target // 10)  # a filter has no past at the start and no future at the end
    assert np.abs(pcm[middle].astype(int) - sine(target, 1_000, 1.0)[middle]).max() <= 2


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_nothing_clicks_where_a_frame_ends(source, target):
    size = source // 50 + 1  # an odd length: no multiple of any ratio
    pcm = streamed(source, target, sine(source, 997, 1.0).tobytes(), [size])
    rest, amplitude = without(np.frombuffer(pcm, "<i2")[target // 10 : -target // 10], target, 997)
    assert decibels(np.sqrt(np.mean(rest**2)) / amplitude) < -85
    assert decibels(np.abs(rest).max() / amplitude) < -78, "no single sample is far from the sine"


@pytest.mark.parametrize(("source", "target"), [(source, target) for source, target in PAIRS if source > target])
def test_what_the_new_rate_cannot_hold_is_removed_and_not_folded_back(source, target):
    hertz = min(0.6 * target, 0.49 * source)
    pcm = np.frombuffer(at_once(source, target, sine(source, hertz, 0.5).tobytes()), "<i2")
    if hertz > 0.55 * target:
        assert np.abs(pcm[target // 10 : -target // 10].astype(int)).max() <= 2


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_nine_tenths_of_the_band_are_passed_whole(source, target):
    hertz = 0.44 * min(source, target)
    pcm = np.frombuffer(at_once(source, target, sine(source, hertz, 0.5).tobytes()), "<i2")
    rest, amplitude = without(pcm[target // 10 : -target // 10], target, hertz)
    assert decibels(amplitude / 20_000) == pytest.approx(0.0, abs=0.05)
    assert decibels(np.sqrt(np.mean(rest**2)) / amplitude) < -80, "and there is no image of it"


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_another_library_gives_the_same_sound(source, target):
    random_walk = np.convolve(np.random.default_rng(5).normal(size=source // 2), np.hanning(24), "same")
    low = soxr.resample(soxr.resample(random_walk, source, 6_000), 6_000, source)  # what every rate here can hold
    pcm = np.round(low / np.abs(low).max() * 20_000).astype("<i2")
    ours = np.frombuffer(streamed(source, target, pcm.tobytes(), [source // 50]), "<i2").astype(float)
    theirs = soxr.resample(pcm.astype(float), source, target, quality="VHQ")
    middle = slice(target // 20, min(len(ours), len(theirs)) - target // 20)
    assert np.abs(ours[middle] - theirs[middle]).max() <= 1.5


@pytest.mark.parametrize(("source", "target"), [(48_000, 16_000), (8_000, 16_000), (24_000, 8_000), (22_050, 24_000)])
def test_full_scale_is_clipped_and_does_not_wrap_around(source, target):
    period = source // 400
    loud = np.tile(np.repeat(np.array([32_767, -32_768], "<i2"), period), 100).tobytes()
    pcm = np.frombuffer(streamed(source, target, loud, [source // 50]), "<i2").astype(int)
    phase = (np.arange(len(pcm)) * source / target) % (2 * period)
    settled = slice(target // 50, -target // 50)
    high = pcm[settled][(phase[settled] > period * 0.25) & (phase[settled] < period * 0.75)]
    low = pcm[settled][(phase[settled] > period * 1.25) & (phase[settled] < period * 1.75)]
    assert high.min() > 20_000
    assert low.max() < -20_000
    assert pcm.max() == 32_767, "the ripple of the edge is beyond what 16 bits hold"


@pytest.mark.parametrize(
    ("source", "target", "milliseconds"),
    [
        (8_000, 16_000, 4.1),
        (24_000, 16_000, 2.2),
        (44_100, 16_000, 2.2),
        (48_000, 16_000, 2.2),
        (22_050, 24_000, 1.6),
        (24_000, 8_000, 4.3),
        (16_000, 8_000, 4.3),
        (8_000, 48_000, 4.1),
    ],
)
def test_what_is_held_back_is_little_and_always_as_much(source, target, milliseconds):
    resampler = Resampler(source, target)
    held = []
    sent = received = 0
    for _ in range(100):
        sent += source // 50
        received += len(resampler.push(bytes(2 * (source // 50)))) // 2
        held.append(sent / source - received / target)
    assert max(held) * 1000 <= milliseconds
    assert max(held) - min(held) <= 1 / target + 1 / source


def test_equal_rates_change_nothing():
    resampler = Resampler(24_000, 24_000)
    pcm = noise(1, 480)
    assert resampler.push(pcm) is pcm
    assert resampler.push(b"", last=True) == b""


@pytest.mark.parametrize(("source", "target"), [(16_000, 16_000), (48_000, 16_000)])
def test_half_a_sample_is_refused_and_nothing_of_it_is_taken(source, target):
    troubled, untroubled = Resampler(source, target), Resampler(source, target)
    before, after = noise(1, 1_000), noise(2, 1_000)
    first = troubled.push(before)
    with pytest.raises(ValueError, match="641 bytes are not a whole number of 16-bit samples"):
        troubled.push(bytes(641))
    assert first + troubled.push(after, last=True) == untroubled.push(before) + untroubled.push(after, last=True)


def test_streams_do_not_hear_each_other():
    one, other = Resampler(8_000, 16_000), Resampler(8_000, 16_000)
    silent = b"".join(other.push(bytes(320)) for _ in range(10) if one.push(noise(1, 160)))
    assert silent == bytes(len(silent))
    assert len(silent) > 3_000


def test_a_resampler_has_no_thread_of_its_own():
    def threads():
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("Threads:"))

    before = threads()
    several = [Resampler(44_100, 16_000) for _ in range(20)]
    for resampler in several:
        resampler.push(bytes(2_000))
    assert threads() == before
