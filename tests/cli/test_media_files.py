"""Files of other people: what is read of them, at which times, and what is said when they are damaged."""

import contextlib
import re
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from voicetrio.cli.media import SAMPLE_RATE, MediaError, open_audio

from .media_files import RATE, tone, write, write_tracks

NOBODYS = Disposition(0)


async def read(path, **options):
    """The samples; the file, which tells times and warnings."""
    pcm = bytearray()
    async with open_audio(str(path), **options) as audio:
        while chunk := await audio.read(3200):
            pcm += chunk
    return np.frombuffer(pcm, "<i2"), audio


def contents(path: str) -> bytes:
    return Path(path).read_bytes()


def pitch_hz(samples: np.ndarray) -> float:
    return int(np.argmax(np.abs(np.fft.rfft(samples)))) * SAMPLE_RATE / len(samples)


# Times.


async def test_sound_that_begins_late_in_a_video_has_the_videos_times(tmp_path):
    samples, audio = await read(write(tmp_path / "a.mkv", [(5.0, tone(2.0))]))
    assert len(samples) == pytest.approx(2 * SAMPLE_RATE, abs=400)
    assert audio.timeline.start(0.0) == pytest.approx(5.0, abs=0.05)
    assert audio.warnings == []


async def test_a_paused_recording_has_a_silence_and_later_times(tmp_path):
    samples, audio = await read(write(tmp_path / "a.webm", [(0.0, tone(2.0)), (12.0, tone(2.0))]))
    assert len(samples) / SAMPLE_RATE == pytest.approx(2 + 2 + 2, abs=0.05)
    assert np.abs(samples[int(2.2 * SAMPLE_RATE) : int(3.8 * SAMPLE_RATE)]).max() < 100
    assert audio.timeline.start(4.5) == pytest.approx(12.5, abs=0.05)
    assert audio.warnings == []


async def test_what_is_cut_out_of_a_broadcast_begins_at_0(tmp_path):
    parts = [(36_000.0, tone(2.0))]
    _, audio = await read(write(tmp_path / "a.ts", parts, codec="mp2", format="mpegts"))
    assert audio.timeline.start(1.0) == pytest.approx(1.0, abs=0.1)


async def test_ogg_streams_one_behind_the_other_are_one(tmp_path):
    one, two = (write(tmp_path / name, [(0.0, tone(2.0))]) for name in ("1.ogg", "2.ogg"))
    both = tmp_path / "both.ogg"
    both.write_bytes(contents(one) + contents(two))
    samples, audio = await read(both)
    assert len(samples) / SAMPLE_RATE == pytest.approx(4.0, abs=0.1)
    assert audio.timeline.end(3.9) == pytest.approx(3.9, abs=0.1)


# Tracks.


async def test_the_default_track_is_heard_and_not_the_first(tmp_path):
    path = write_tracks(tmp_path / "a.mkv", [(300, NOBODYS, {}), (500, Disposition.default, {"language": "ger"})])
    samples, audio = await read(path)
    assert pitch_hz(samples) == pytest.approx(500, abs=2)
    assert audio.track == 2
    assert "2: ger, default" in audio.tracks


async def test_a_track_for_a_part_of_the_audience_is_heard_only_if_there_is_no_other(tmp_path):
    for_some = Disposition.visual_impaired
    path = write_tracks(tmp_path / "a.mkv", [(300, for_some, {}), (500, NOBODYS, {}), (700, NOBODYS, {})])
    assert pitch_hz((await read(path))[0]) == pytest.approx(500, abs=2)
    path = write_tracks(tmp_path / "b.mkv", [(300, for_some, {})])
    assert pitch_hz((await read(path))[0]) == pytest.approx(300, abs=2)


async def test_a_track_is_chosen_by_its_number(tmp_path):
    path = write_tracks(tmp_path / "a.mkv", [(300, Disposition.default, {}), (500, NOBODYS, {"title": "Comment"})])
    assert pitch_hz((await read(path, track=2))[0]) == pytest.approx(500, abs=2)
    with pytest.raises(MediaError, match=r"no sound track 3; it has 2:\n  1: .*default\n  2: .*Comment"):
        await read(path, track=3)


async def test_a_video_without_sound_is_told(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10, width=64, height=64, pix_fmt="yuv420p")
        for packet in [*stream.encode(av.VideoFrame(64, 64, "yuv420p")), *stream.encode(None)]:
            container.mux(packet)
    with pytest.raises(MediaError, match="no sound in it, only a picture"):
        await read(path)


# Formats.


def wav_chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(data) if size is None else size) + data + b"\0" * (len(data) % 2)


def wav(data: bytes, *, tag=1, channels=1, rate=16_000, bits=16, size: int | None = None, extra: bytes = b"") -> bytes:
    width = channels * bits // 8
    form = wav_chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * width, width, bits))
    return wav_chunk(b"RIFF", b"WAVE" + form + extra + wav_chunk(b"data", data, size), size)


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 9])
async def test_any_number_of_channels(tmp_path, channels):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(np.repeat(tone(1.0, rate=16_000), channels).tobytes(), channels=channels))
    samples, audio = await read(path)
    assert len(samples) == pytest.approx(16_000, abs=40)
    assert pitch_hz(samples) == pytest.approx(440, abs=2)
    assert audio.warnings == []


@pytest.mark.parametrize("kind", ["u8", "s24", "float"])
async def test_any_format_of_samples(tmp_path, kind):
    sound = tone(1.0, rate=16_000)
    packed = {
        "u8": lambda: wav((sound // 256 + 128).astype("u1").tobytes(), bits=8),
        "s24": lambda: wav((sound.astype("<i4") << 8).tobytes(), bits=32),
        "float": lambda: wav((sound / 32768).astype("<f4").tobytes(), tag=3, bits=32),
    }
    path = tmp_path / "a.wav"
    path.write_bytes(packed[kind]())
    assert pitch_hz((await read(path))[0]) == pytest.approx(440, abs=2)


async def test_tags_that_are_not_utf8_are_no_sound(tmp_path):
    path = tmp_path / "a.wav"
    tags = wav_chunk(b"LIST", b"INFO" + wav_chunk(b"INAM", "Café".encode("latin-1")))
    path.write_bytes(wav(tone(1.0, rate=16_000).tobytes(), extra=tags))
    assert len((await read(path))[0]) == 16_000


# Damage.


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
async def test_a_wav_that_was_written_into_a_pipe_is_whole(tmp_path, size):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(tone(1.0, rate=16_000).tobytes(), size=size))
    samples, audio = await read(path)
    assert (len(samples), audio.warnings) == (16_000, [])


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mkv", "pcm_s16le"), ("a.mkv", "libopus")]
)
async def test_a_file_that_is_cut_off_is_used_as_far_as_it_goes_and_says_where_it_ends(tmp_path, name, codec):
    path = tmp_path / name
    noise = np.random.default_rng(1).integers(-9000, 9000, 10 * RATE).astype("<i2")
    write(path, [(0.0, noise)], codec=codec)
    whole, audio = await read(path)
    assert audio.warnings == []
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    half, audio = await read(path)
    assert len(half) == pytest.approx(len(whole) / 2, rel=0.1)
    (warning,) = audio.warnings
    assert warning.startswith(f"{path}: it is cut off: it ends at {len(half) / SAMPLE_RATE:.1f} s")


async def test_an_mp4_without_its_index_is_explained(tmp_path):
    path = tmp_path / "a.m4a"
    write(path, [(0.0, tone(5.0))], codec="aac")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"without its index \(moov\)"):
        await read(path)


async def test_damage_in_the_middle_is_left_out_and_told(tmp_path):
    path = tmp_path / "a.mkv"
    write(path, [(0.0, np.random.default_rng(1).integers(-9000, 9000, 10 * RATE).astype("<i2"))], codec="flac")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 5000] = bytes(5000)
    path.write_bytes(data)
    samples, audio = await read(path)
    assert len(samples) > 8 * SAMPLE_RATE
    (warning,) = audio.warnings
    assert re.search(r"damaged packets were left out: \d+, the first at (4\.[5-9]|5\.[0-5]) s", warning)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libopus"), ("a.m4a", "aac"), ("a.mp3", "libmp3lame")])
async def test_no_damage_is_more_than_an_error_of_ours(tmp_path, name, codec):
    """Bytes are changed and cut by dice: what comes is sound or a `MediaError`."""
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec} encoder")
    path = tmp_path / name
    parts = [(0.0, tone(2.0)), (5.0, tone(2.0))]
    data = contents(write(path, parts, codec=codec, container_options={"movflags": "faststart"}))
    dice = np.random.default_rng(7)
    read_in_all = 0
    for _ in range(30):
        broken = bytearray(data[: dice.integers(len(data) // 4, len(data))])
        for at in dice.integers(0, len(broken), 20):
            broken[at] = dice.integers(256)
        path.write_bytes(broken)
        with contextlib.suppress(MediaError):
            read_in_all += len((await read(path))[0])
    assert read_in_all > 0
