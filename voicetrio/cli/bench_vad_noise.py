"""Noises to be mixed with speech, made here: each is a function of a length and dice, and has the power 1.

The dice are given, so a bench hears the same in each run.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from voicetrio.core.config import SAMPLE_RATE

Samples = npt.NDArray[np.float64]

_CHORDS = ((220.0, 261.6, 329.6), (174.6, 220.0, 261.6), (196.0, 246.9, 293.7), (164.8, 207.7, 246.9))
"""Hertz: A minor, F, G, E; a bar each."""
_BEAT_S = 0.5
_BEATS_PER_BAR = 4
_HARMONICS = 6
_VIBRATO_HZ, _VIBRATO_DEPTH = 5.5, 0.006
"""A tenth of a semitone: as singers and strings do it, which is what detectors of voice take for a voice."""

_VOICES = 6
"""In a babble: their words cannot be told apart any more."""


def normal_power(samples: Samples) -> Samples:
    """Scaled to a mean square of 1; silence stays what it is."""
    power = np.mean(samples**2)
    return samples / np.sqrt(power) if power > 0 else samples


def white(length: int, rng: np.random.Generator) -> Samples:
    return rng.normal(size=length)


def _coloured(length: int, rng: np.random.Generator, exponent: float) -> Samples:
    """Noise whose power falls with the frequency to the `exponent`, above 20 Hz."""
    spectrum = np.fft.rfft(rng.normal(size=length))
    frequencies = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
    spectrum *= np.maximum(frequencies, 20.0) ** (-exponent / 2)
    spectrum[frequencies < 20.0] = 0.0
    return normal_power(np.fft.irfft(spectrum, length))


def pink(length: int, rng: np.random.Generator) -> Samples:
    return _coloured(length, rng, 1.0)


def fan(length: int, rng: np.random.Generator) -> Samples:
    """A rumble (brown noise) with the hum of a motor on 50 Hz, and a little of its blades."""
    time = np.arange(length) / SAMPLE_RATE
    hum = sum(
        level * np.sin(2 * np.pi * frequency * time + rng.uniform(0, 2 * np.pi))
        for frequency, level in ((50.0, 1.0), (100.0, 0.7), (150.0, 0.4), (300.0, 0.15))
    )
    blades = 1.0 + 0.1 * np.sin(2 * np.pi * 23.0 * time)
    return normal_power(_coloured(length, rng, 2.0) * blades + 0.5 * normal_power(np.asarray(hum)))


def music(length: int, rng: np.random.Generator) -> Samples:
    """Chords with vibrato, and a beat."""
    time = np.arange(length) / SAMPLE_RATE + rng.uniform(0, 8.0)
    beat = (time / _BEAT_S).astype(int)
    since = time - beat * _BEAT_S
    vibrato = _VIBRATO_DEPTH / (2 * np.pi * _VIBRATO_HZ) * np.sin(2 * np.pi * _VIBRATO_HZ * time)
    bar = beat // _BEATS_PER_BAR % len(_CHORDS)
    chords = np.zeros(length)
    for number, notes in enumerate(_CHORDS):
        here = bar == number
        for frequency in notes:
            phase = 2 * np.pi * frequency * (time[here] + vibrato[here])
            for harmonic in range(1, _HARMONICS + 1):
                chords[here] += np.sin(harmonic * phase) / harmonic
    chords *= 0.4 + 0.6 * np.exp(-2.0 * since)
    drum = np.sin(2 * np.pi * 60.0 * since) * np.exp(-15.0 * since)
    hat = rng.normal(size=length) * np.exp(-60.0 * (since % (_BEAT_S / 2)))
    return normal_power(normal_power(chords) + 0.7 * normal_power(drum) + 0.3 * normal_power(hat))


def babble_of(voices: Sequence[Samples]) -> Callable[[int, np.random.Generator], Samples]:
    """Several of these recordings at once, each again and again from somewhere in it."""

    def babble(length: int, rng: np.random.Generator) -> Samples:
        mixed = np.zeros(length)
        for chosen in rng.permutation(len(voices))[:_VOICES]:
            mixed += np.resize(np.roll(normal_power(voices[chosen]), rng.integers(len(voices[chosen]))), length)
        return normal_power(mixed)

    return babble


STEADY = {"white": white, "pink": pink, "fan": fan, "music": music}
"""Those that need no recordings."""
