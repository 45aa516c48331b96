"""Audio in and out, against the decoders of FFmpeg and against sines."""

import random

import av
import numpy as np
import pytest

from voicetrio.core.errors import RemoteError
from voicetrio.core.pcm import InputDecoder, Resampler

RATES = [8_000, 11_025, 22_050, 24_000, 32_000, 44_100, 48_000]

DITHER = 2
"""soxr rounds to 16 bits with a random last bit, drawn anew for each call: two runs may differ by one step each."""


def sine(rate, hertz, seconds, amplitude=20_000):
    time = np.arange(round(rate * seconds)) / rate
    return np.round(amplitude * np.sin(2 * np.pi * hertz * time)).astype("<i2")


def noise(seed, samples):
    return np.random.default_rng(seed).integers(-32_768, 32_768, samples).astype("<i2").tobytes()


def difference(one, other):
    """The largest, of two pieces of PCM that must have the same length."""
    assert len(one) == len(other)
    return np.abs(np.frombuffer(one, "<i2").astype(int) - np.frombuffer(other, "<i2")).max()


def ffmpeg_decodes(codec, data):
    context = av.CodecContext.create(codec, "r")
    context.sample_rate = 8_000
    context.layout = "mono"
    return b"".join(frame.to_ndarray().astype("<i2").tobytes() for frame in context.decode(av.Packet(data)))


def test_16_khz_pcm_is_taken_as_it_is():
    decoder = InputDecoder("pcm_s16le", 16_000)
    frame = noise(1, 320)
    assert decoder.decode(frame) == frame
    assert decoder.decode(b"") == b""
    assert decoder.flush() == b""


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_an_odd_number_of_bytes_is_refused_and_nothing_of_it_is_taken(rate):
    decoder, untroubled = InputDecoder("pcm_s16le", rate), InputDecoder("pcm_s16le", rate)
    before, after = noise(1, 4_000), noise(2, 4_000)
    first = decoder.decode(before)
    with pytest.raises(RemoteError, match="641 bytes is not a whole number of 16-bit samples") as caught:
        decoder.decode(bytes(641))
    assert caught.value.code == "invalid_audio"
    assert caught.value.recoverable
    assert first + decoder.decode(after) + decoder.flush() == (
        untroubled.decode(before) + untroubled.decode(after) + untroubled.flush()
    )


@pytest.mark.parametrize(("encoding", "codec"), [("pcmu", "pcm_mulaw"), ("pcma", "pcm_alaw")])
def test_g711_decodes_every_code_as_ffmpeg_does(encoding, codec):
    codes = bytes(range(256))
    assert InputDecoder(encoding, 16_000).decode(codes) == ffmpeg_decodes(codec, codes)


@pytest.mark.parametrize(
    ("encoding", "code", "value"),
    [
        # ITU-T G.711, tables 1 and 2, scaled to 16 bits: the loudest, the quietest, and both signs.
        ("pcmu", 0x00, -32_124),
        ("pcmu", 0x80, 32_124),
        ("pcmu", 0x7F, 0),
        ("pcmu", 0xFF, 0),
        ("pcma", 0x2A, -32_256),
        ("pcma", 0xAA, 32_256),
        ("pcma", 0x55, -8),
        ("pcma", 0xD5, 8),
    ],
)
def test_g711_has_the_values_of_the_standard(encoding, code, value):
    assert InputDecoder(encoding, 16_000).decode(bytes([code])) == value.to_bytes(2, "little", signed=True)


@pytest.mark.parametrize("encoding", ["pcmu", "pcma"])
def test_g711_takes_any_number_of_bytes_and_resamples_them(encoding):
    at_once, in_pieces = InputDecoder(encoding, 8_000), InputDecoder(encoding, 8_000)
    codes = noise(3, 4_000)
    whole = at_once.decode(codes) + at_once.flush()
    pieces = b"".join(in_pieces.decode(codes[start : start + 161]) for start in range(0, len(codes), 161))
    assert len(whole) == 2 * 2 * len(codes)
    assert difference(pieces + in_pieces.flush(), whole) <= DITHER


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", range(5))
def test_frames_of_any_length_resample_to_the_same_as_one_but_for_the_dither(rate, seed):
    rng = random.Random(seed)
    pcm = noise(seed, rate + rng.randrange(1000))
    at_once, in_pieces = InputDecoder("pcm_s16le", rate), InputDecoder("pcm_s16le", rate)
    whole = at_once.decode(pcm) + at_once.flush()
    pieces, start = b"", 0
    while start < len(pcm):
        size = 2 * rng.choice([0, 1, 2, rng.randrange(2_000), rate // 50, rng.randrange(rate)])
        pieces += in_pieces.decode(pcm[start : start + size])
        start += size
    assert difference(pieces + in_pieces.flush(), whole) <= DITHER


@pytest.mark.parametrize("rate", RATES)
def test_a_second_is_a_second_at_any_rate(rate):
    decoder = InputDecoder("pcm_s16le", rate)
    pcm = decoder.decode(sine(rate, 440, 1.0).tobytes()) + decoder.flush()
    assert len(pcm) == 2 * 16_000


@pytest.mark.parametrize("rate", RATES)
def test_a_resampled_sine_is_the_same_sine_at_the_same_time(rate):
    decoder = InputDecoder("pcm_s16le", rate)
    pcm = np.frombuffer(decoder.decode(sine(rate, 1_000, 1.0).tobytes()) + decoder.flush(), "<i2")
    middle = slice(1_000, 15_000)  # a filter has no past at the start and no future at the end
    assert difference(pcm[middle].tobytes(), sine(16_000, 1_000, 1.0)[middle].tobytes()) <= 3


@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000])
def test_what_16_khz_cannot_hold_is_removed_and_not_folded_back(rate):
    decoder = InputDecoder("pcm_s16le", rate)
    pcm = np.frombuffer(decoder.decode(sine(rate, 11_000, 1.0).tobytes()) + decoder.flush(), "<i2")
    assert np.abs(pcm[1_000:15_000].astype(int)).max() <= 3


def test_full_scale_does_not_wrap_around():
    loud = np.tile(np.repeat(np.array([32_767, -32_768], "<i2"), 60), 200).tobytes()
    resampler = Resampler(48_000, 16_000)
    pcm = np.frombuffer(resampler.push(loud) + resampler.push(b"", last=True), "<i2").reshape(-1, 40)[2:-2]
    assert (pcm[:, 5:15] > 20_000).all()
    assert (pcm[:, 25:35] < -20_000).all()


@pytest.mark.parametrize(
    ("rate", "seconds"), [(8_000, 0.115), (24_000, 0.04), (32_000, 0.058), (44_100, 0.04), (48_000, 0.04)]
)
def test_what_a_decoder_holds_back_is_bounded(rate, seconds):
    decoder = InputDecoder("pcm_s16le", rate)
    held = []
    sent = received = 0
    for _ in range(200):
        frame = bytes(2 * (rate // 50))
        sent += len(frame) / 2 / rate
        received += len(decoder.decode(frame)) / 2 / 16_000
        held.append(sent - received)
    assert max(held) <= seconds + 0.001


@pytest.mark.parametrize(("source", "target"), [(22_050, 24_000), (16_000, 24_000), (24_000, 8_000)])
def test_a_resampler_goes_both_ways_and_flushes_what_it_holds(source, target):
    resampler = Resampler(source, target)
    pcm = sine(source, 440, 1.0).tobytes()
    result = b"".join(resampler.push(pcm[start : start + 640]) for start in range(0, len(pcm), 640))
    assert len(result) < 2 * target
    assert len(result + resampler.push(b"", last=True)) == 2 * target
