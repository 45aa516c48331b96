"""The codes of telephones, against the text of the Recommendation and against the decoders of FFmpeg."""

import av
import numpy as np
import pytest

from voicetrio.core import g711

EVERY_CODE = bytes(range(256))
EVERY_SAMPLE = np.arange(-32_768, 32_768).astype("<i2")


def ffmpeg_decodes(codec, data):
    context = av.CodecContext.create(codec, "r")
    context.sample_rate = 8_000
    context.layout = "mono"
    return b"".join(frame.to_ndarray().astype("<i2").tobytes() for frame in context.decode(av.Packet(data)))


def decoded(law, codes):
    return np.frombuffer(g711.decode(law, bytes(codes)), "<i2").astype(int)


def encoded(law, samples):
    return list(g711.encode(law, np.asarray(samples).astype("<i2").tobytes()))


def by_the_text(law, sample):
    """The Recommendation's tables 1a to 2b, read from the top: the segment's end, then 16 equal steps within it."""
    bits, first = (14, 31) if law == "pcmu" else (13, 32)
    magnitude = (sample if sample >= 0 else -sample - 1) >> (16 - bits)  # G.191: the one's complement, cut
    steps = 0
    if law == "pcmu":
        low, width = -1, 2  # tables 2a and 2b: 0 stands alone with half a step; the first segment ends at 31
        magnitude = min(magnitude, 8158)
    else:
        low, width = 0, 2  # tables 1a and 1b: the first two segments have equal steps
    ends = [first]
    while len(ends) < 8:
        ends.append(2 * ends[-1] + (33 if law == "pcmu" else 0))
    for number, end in enumerate(ends):
        if law == "pcma":
            width = 2 << max(0, number - 1)
        if magnitude < end:
            steps = 16 * number + (magnitude - low) // width
            break
        low, width = end, width * 2
    if law == "pcmu":
        return (0xFF if sample >= 0 else 0x7F) - steps
    return ((0x80 if sample >= 0 else 0) | steps) ^ 0x55


@pytest.mark.parametrize(("law", "codec"), [("pcmu", "pcm_mulaw"), ("pcma", "pcm_alaw")])
def test_every_code_is_decoded_as_ffmpeg_does(law, codec):
    assert g711.decode(law, EVERY_CODE) == ffmpeg_decodes(codec, EVERY_CODE)


@pytest.mark.parametrize(
    ("law", "code", "value"),
    [
        # Tables 1 and 2, scaled to 16 bits: the loudest, the quietest, and both signs.
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
def test_the_values_of_the_standard(law, code, value):
    assert decoded(law, [code]) == [value]


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_every_code_comes_back_as_itself_but_for_the_negative_zero(law):
    again = g711.encode(law, g711.decode(law, EVERY_CODE))
    changed = {code: other for code, other in enumerate(again) if other != code}
    assert changed == ({0x7F: 0xFF} if law == "pcmu" else {})


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_every_sample_has_the_code_that_the_text_gives_it(law):
    assert encoded(law, EVERY_SAMPLE) == [by_the_text(law, sample) for sample in EVERY_SAMPLE.tolist()]


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_no_sample_is_further_from_its_code_than_half_a_step(law):
    values = np.unique(decoded(law, EVERY_CODE))
    steps = np.diff(values)
    widest = dict(zip(values.tolist(), np.maximum([*steps, 0], [0, *steps]).tolist(), strict=True))
    for sample, value in zip(EVERY_SAMPLE.tolist(), decoded(law, encoded(law, EVERY_SAMPLE)).tolist(), strict=True):
        if abs(sample) <= values.max():  # louder ones have no code of their own
            assert 2 * abs(sample - value) <= widest[value]


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_a_louder_sample_is_never_decoded_as_a_quieter_one(law):
    assert (np.diff(decoded(law, encoded(law, EVERY_SAMPLE))) >= 0).all()


@pytest.mark.parametrize(("law", "code"), [("pcmu", 0xFF), ("pcma", 0xD5)])
def test_silence_is_the_code_that_lines_idle_with(law, code):
    assert encoded(law, [0, 0, 0]) == [code] * 3
    assert g711.encode(law, b"") == b""


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_half_a_sample_has_no_code(law):
    with pytest.raises(ValueError):
        g711.encode(law, bytes(3))
