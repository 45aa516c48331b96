"""Speech made faster and slower."""

import numpy as np
import pytest

from voicetrio.core.tempo import Tempo

RATE = 22_050
HZ = 220
SPEEDS = (0.2, 0.25, 0.5, 0.9, 1.1, 2.0, 4.0)


def tone_in_the_middle() -> bytes:
    """A second of silence, one of a tone, one of silence."""
    samples = (8000 * np.sin(2 * np.pi * HZ * np.arange(3 * RATE) / RATE)).astype("<i2")
    samples[:RATE] = samples[2 * RATE :] = 0
    return samples.tobytes()


def through(tempo: Tempo, pcm: bytes, size: int) -> np.ndarray:
    pieces = [tempo.push(pcm[begin : begin + size]) for begin in range(0, len(pcm), size)]
    return np.frombuffer(b"".join([*pieces, tempo.push(b"", last=True)]), "<i2")


@pytest.mark.parametrize("factor", SPEEDS)
def test_the_length_is_what_the_factor_says_and_the_pitch_stays(factor):
    made = through(Tempo(RATE, factor), tone_in_the_middle(), 2_646)
    assert len(made) == round(3 * RATE / factor)
    (loud,) = np.nonzero(np.abs(made.astype(int)) > 1000)
    assert loud[0] / RATE == pytest.approx(1 / factor, abs=0.25 if factor < 0.5 else 0.06)
    assert loud[-1] / RATE == pytest.approx(2 / factor, abs=0.06)
    tone = made[loud[0] : loud[-1]]
    assert np.argmax(np.abs(np.fft.rfft(tone * np.hanning(len(tone))))) * RATE / len(tone) == pytest.approx(HZ, abs=5)


@pytest.mark.parametrize("factor", SPEEDS)
@pytest.mark.parametrize("samples", [0, 1, 100, 3_000])
def test_however_short_the_speech_is_its_length_is_right(factor, samples):
    assert len(through(Tempo(RATE, factor), bytes(2 * samples), 640)) == round(samples / factor)


def test_the_sound_comes_while_it_is_made():
    tempo = Tempo(RATE, 0.5)
    assert sum(len(tempo.push(bytes(2 * RATE // 10))) for _ in range(10)) // 2 > 1.6 * RATE


def test_at_the_usual_speed_nothing_is_touched():
    pcm = tone_in_the_middle()
    assert Tempo(RATE, 1.0).push(pcm) is pcm
