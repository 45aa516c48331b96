"""What the listener heard, as one recording whose time line is the conversation's.

It begins when the microphone opened and ends with the call, so that it can be laid beside what was said. Arithmetic only.
"""

from collections.abc import Sequence

from voicetrio.cli.player import SAMPLE_BYTES, Stretch
from voicetrio.cli.wav_file import wav_bytes
from voicetrio.core.resampling import Resampler

SILENT_RATE = 24_000
"""Samples per second of a recording in which nothing was heard: the protocol's own rate."""


def heard_wav(heard: Sequence[Stretch], *, begin: float, end: float) -> bytes:
    """A WAV file of the time from `begin` to `end`, in seconds of the clock of the stretches; those are in order.

    It has the rate of the first stretch; should the server have changed its rate on the way, the rest is resampled.
    """
    rate = heard[0].sample_rate if heard else SILENT_RATE
    pcm = bytearray()
    for stretch in heard:
        _silence_until(pcm, round((stretch.at - begin) * rate))
        if stretch.sample_rate == rate:
            pcm += stretch.pcm
        else:
            pcm += Resampler(stretch.sample_rate, rate).push(bytes(stretch.pcm), last=True)
    _silence_until(pcm, round((end - begin) * rate))
    return wav_bytes(pcm, rate)


def _silence_until(pcm: bytearray, samples: int) -> None:
    pcm.extend(bytes(max(0, samples * SAMPLE_BYTES - len(pcm))))
