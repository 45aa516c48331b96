"""What a client sends, as a session hears it; and what a voice says, as a client plays it."""

import random
from itertools import pairwise

import numpy as np
import pytest

from tests.core.test_resampling import noise, sine
from voicetrio.core import g711
from voicetrio.core.config import AudioFormat
from voicetrio.core.pcm import InputDecoder, OutputEncoder
from voicetrio.core.resampling import Resampler


def pcm_at(rate):
    return AudioFormat(rate)


# What a client sends.


def test_16_khz_pcm_is_taken_as_it_is():
    decoder = InputDecoder(pcm_at(16_000))
    frame = noise(1, 320)
    assert decoder.decode(frame) is frame
    assert decoder.decode(b"") == b""
    assert decoder.flush() == b""


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("seed", range(10))
def test_frames_cut_anywhere_are_the_same_audio(rate, seed):
    sent, dice = noise(1, 4_000), random.Random(seed)
    decoder, untroubled = InputDecoder(pcm_at(rate)), InputDecoder(pcm_at(rate))
    cuts = [0, *sorted(dice.choices(range(len(sent)), k=dice.choice((1, 7, 300)))), len(sent)]
    heard = b"".join(decoder.decode(sent[begin:end]) for begin, end in pairwise(cuts))
    assert heard + decoder.flush() == untroubled.decode(sent) + untroubled.flush()
    assert decoder.received == 4_000


def test_half_a_sample_does_not_count_until_its_other_half_has_come():
    decoder = InputDecoder(pcm_at(16_000))
    assert decoder.decode(bytes(641)) == bytes(640)
    assert decoder.received == 320
    assert decoder.decode(b"\x07") == b"\x00\x07"
    assert decoder.received == 321


def test_who_repeats_audio_begins_with_a_whole_sample():
    """A cut connection may end in the middle of a sample; what comes over the next one begins with a whole one."""
    decoder, sent = InputDecoder(pcm_at(16_000)), noise(2, 4_000)
    first = decoder.decode(sent[:2_001])
    decoder.skip(100)
    assert first + decoder.decode(sent[1_800:3_001]) + decoder.decode(sent[3_001:]) == sent


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_g711_takes_any_number_of_bytes_and_resamples_them(law):
    decoder = InputDecoder(AudioFormat(8_000, law))
    codes = noise(3, 4_000)
    pieces = b"".join(decoder.decode(codes[start : start + 161]) for start in range(0, len(codes), 161))
    assert pieces + decoder.flush() == Resampler(8_000, 16_000).push(g711.decode(law, codes), last=True)
    assert decoder.received == len(codes)


@pytest.mark.parametrize(("form", "width"), [(pcm_at(48_000), 2), (AudioFormat(8_000, "pcmu"), 1)])
def test_what_is_repeated_is_not_heard_twice(form, width):
    codes = noise(4, 4_000)
    decoder, untroubled = InputDecoder(form), InputDecoder(form)
    first = decoder.decode(codes)
    decoder.skip(1_000)
    again = decoder.decode(codes[-600 * width :]) + decoder.decode(codes[-400 * width :] + codes)
    assert first + again + decoder.flush() == untroubled.decode(codes) + untroubled.decode(codes) + untroubled.flush()


# What a client gets.


@pytest.mark.parametrize("source", [8_000, 16_000, 22_050, 24_000, 48_000])
@pytest.mark.parametrize(
    "form", [pcm_at(8_000), pcm_at(44_100), AudioFormat(8_000, "pcmu"), AudioFormat(8_000, "pcma")]
)
def test_speech_has_its_length_in_every_format(source, form):
    encoder = OutputEncoder(source, form)
    pcm = sine(source, 440, 1.0).tobytes()
    sound = b"".join(encoder.encode(pcm[start : start + 642]) for start in range(0, len(pcm), 642)) + encoder.flush()
    assert len(sound) == form.sample_rate * form.sample_bytes
    assert encoder.ratio * source == form.sample_rate


def test_speech_at_the_clients_rate_is_passed_on_as_it_is():
    encoder = OutputEncoder(24_000, pcm_at(24_000))
    pcm = noise(5, 480)
    assert encoder.encode(pcm) is pcm
    assert encoder.flush() == b""


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_what_was_said_is_what_a_telephone_hears(law):
    encoder = OutputEncoder(22_050, AudioFormat(8_000, law))
    codes = encoder.encode(sine(22_050, 440, 1.0).tobytes()) + encoder.flush()
    heard = np.frombuffer(g711.decode(law, codes), "<i2")[400:-400].astype(float)
    error = heard - sine(8_000, 440, 1.0)[400:-400]
    assert 20 * np.log10(np.std(heard) / np.std(error)) > 35, "G.711 has 38 dB"


@pytest.mark.parametrize("form", [pcm_at(24_000), pcm_at(16_000), AudioFormat(8_000, "pcmu")])
def test_half_a_sample_of_speech_is_refused(form):
    with pytest.raises(ValueError, match="not a whole number"):
        OutputEncoder(24_000, form).encode(bytes(3))


# Formats.


def test_g711_brings_its_rate_with_it_and_takes_no_other():
    assert pcm_at(24_000).changed(None, "pcmu") == AudioFormat(8_000, "pcmu")
    assert pcm_at(24_000).changed(8_000, "pcma") == AudioFormat(8_000, "pcma")
    with pytest.raises(ValueError, match="pcma comes at 8000 Hz only"):
        pcm_at(24_000).changed(16_000, "pcma")
    with pytest.raises(ValueError, match="pcmu comes at 8000 Hz only"):
        AudioFormat(8_000, "pcmu").changed(16_000, None)


def test_pcm_has_any_rate_and_keeps_the_one_it_had():
    assert AudioFormat(8_000, "pcmu").changed(None, "pcm_s16le") == pcm_at(8_000)
    assert AudioFormat(8_000, "pcmu").changed(44_100, "pcm_s16le") == pcm_at(44_100)
    assert pcm_at(24_000).changed(None, None) == pcm_at(24_000)
    assert (pcm_at(24_000).sample_bytes, AudioFormat(8_000, "pcma").sample_bytes) == (2, 1)
