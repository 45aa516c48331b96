"""Files of many kinds, good and bad, through real threads (so no virtual time here)."""

import math
import wave

import av
import numpy as np
import pytest

from voicetrio.cli.media import SAMPLE_BYTES, SAMPLE_RATE, MediaError, open_audio

TONE_HZ = 440


def tone(rate: int, seconds: float) -> np.ndarray:
    return (10_000 * np.sin(2 * math.pi * TONE_HZ * np.arange(int(rate * seconds)) / rate)).astype("<i2")


def write_wav(path, rate: int, channels: int, seconds: float) -> str:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(tone(rate, seconds), channels).astype("<i2").tobytes())
    return str(path)


def write_encoded(path, codec: str, rate: int, seconds: float) -> str:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(tone(rate, seconds)[None, :], format="s16", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            format=stream.format.name, layout="mono", rate=rate, frame_size=stream.codec_context.frame_size or None
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return str(path)


async def read_all(path: str, n_bytes: int = 3200) -> tuple[np.ndarray, float | None]:
    pcm = bytearray()
    async with open_audio(path) as audio:
        while chunk := await audio.read(n_bytes):
            pcm += chunk
        assert await audio.read(n_bytes) == b""
    return np.frombuffer(pcm, dtype="<i2"), audio.duration_s


def pitch_hz(samples: np.ndarray) -> float:
    return int(np.argmax(np.abs(np.fft.rfft(samples)))) * SAMPLE_RATE / len(samples)


@pytest.mark.parametrize(("rate", "channels"), [(44_100, 2), (8_000, 1), (16_000, 1), (48_000, 6)])
async def test_a_wav_is_resampled_to_16_khz_mono(tmp_path, rate, channels):
    samples, duration_s = await read_all(write_wav(tmp_path / "a.wav", rate, channels, 3.0))
    assert duration_s == pytest.approx(3.0)
    assert len(samples) == pytest.approx(3 * SAMPLE_RATE, abs=32)
    assert pitch_hz(samples) == pytest.approx(TONE_HZ, abs=1)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.mp3", "libmp3lame", 44_100),
        ("a.flac", "flac", 44_100),
        ("a.ogg", "libopus", 48_000),
        ("a.m4a", "aac", 44_100),
    ],
)
async def test_compressed_formats_are_read(tmp_path, name, codec, rate):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec} encoder")
    samples, duration_s = await read_all(write_encoded(tmp_path / name, codec, rate, 2.0))
    assert duration_s == pytest.approx(2.0, abs=0.1)
    assert len(samples) == pytest.approx(2 * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)
    assert pitch_hz(samples) == pytest.approx(TONE_HZ, abs=2)


async def test_a_read_gives_exactly_what_was_asked_for_until_the_end(tmp_path):
    async with open_audio(write_wav(tmp_path / "a.wav", SAMPLE_RATE, 1, 0.25)) as audio:
        sizes = [len(await audio.read(3200)) for _ in range(4)]
    assert sizes == [3200, 3200, 1600, 0]


async def test_a_long_file_is_not_held_in_memory(tmp_path):
    async with open_audio(write_wav(tmp_path / "a.wav", SAMPLE_RATE, 1, 60.0)) as audio:
        most_bytes = 0
        while await audio.read(3200):
            most_bytes = max(most_bytes, len(audio._buffer))
    assert most_bytes < 4 * SAMPLE_RATE * SAMPLE_BYTES


async def test_a_name_with_a_colon_is_a_file_and_no_network_address(tmp_path):
    samples, _ = await read_all(write_wav(tmp_path / "http:10.wav", SAMPLE_RATE, 1, 0.1))
    assert len(samples) == 1600


async def test_a_wav_cut_short_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "a.wav"
    write_wav(path, SAMPLE_RATE, 1, 2.0)
    path.write_bytes(path.read_bytes()[: 44 + SAMPLE_RATE * SAMPLE_BYTES])
    samples, _ = await read_all(str(path))
    assert len(samples) == SAMPLE_RATE


async def test_noise_in_the_middle_of_an_mp3_is_skipped(tmp_path):
    path = tmp_path / "a.mp3"
    write_encoded(path, "libmp3lame", 44_100, 4.0)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(range(250)) * 8
    path.write_bytes(data)
    samples, _ = await read_all(str(path))
    assert len(samples) > 3 * SAMPLE_RATE


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing.wav", None, "No such file"),
        ("empty.wav", b"", "empty"),
        ("text.txt", b"not a sound\n" * 200, "not an audio file"),
        ("cut.wav", b"RIFF\x24\x00\x00\x00WAVEfmt ", "not an audio file"),
        ("noise.mp3", bytes(i * i % 251 for i in range(20_000)), "not an audio file"),
        (
            "silent.wav",
            b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00"
            b"\x02\x00\x10\x00data\x00\x00\x00\x00",
            "holds no sound",
        ),
    ],
)
async def test_a_file_that_is_no_audio_is_named_with_the_reason(tmp_path, name, content, reason):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError, match=reason) as caught:
        await read_all(str(path))
    assert str(caught.value).startswith(str(path))


async def test_a_folder_is_no_audio_file(tmp_path):
    with pytest.raises(MediaError, match="directory"):
        await read_all(str(tmp_path))
