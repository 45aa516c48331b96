import pytest

from voicetrio.cli.replay import BYTES_PER_S, FRAME_BYTES, FRAME_BYTES_MIN, AudioGone, ReplayedAudio
from voicetrio.cli.ticket import ServerLimits


class FakeAudio:
    """So many bytes, all different from their neighbours."""

    def __init__(self, size: int) -> None:
        self.pcm = bytes(i * 7919 // 256 % 251 for i in range(size))
        self._rest = self.pcm

    async def read(self, n_bytes: int) -> bytes:
        chunk, self._rest = self._rest[:n_bytes], self._rest[n_bytes:]
        return chunk


async def read(audio: ReplayedAudio, frames: int) -> bytes:
    return b"".join([await audio.read() for _ in range(frames)])


async def read_all(audio: ReplayedAudio) -> bytes:
    pcm = b""
    while frame := await audio.read():
        assert FRAME_BYTES_MIN <= len(frame) <= FRAME_BYTES
        pcm += frame
    return pcm


async def test_the_audio_comes_in_frames_and_then_ends():
    file = FakeAudio(3 * FRAME_BYTES + 1000)
    audio = ReplayedAudio(file)
    assert [len(await audio.read()) for _ in range(6)] == [FRAME_BYTES] * 3 + [1000, 0, 0]
    assert audio.position_s == audio.file_s == pytest.approx(0.33125)


async def test_a_short_end_is_filled_up_with_silence_that_counts_as_sent():
    file = FakeAudio(FRAME_BYTES + 10)
    audio = ReplayedAudio(file)
    audio.keep(1.0)
    sent = await read_all(audio)
    assert sent == file.pcm + bytes(FRAME_BYTES_MIN - 10)
    assert audio.file_s == len(file.pcm) / BYTES_PER_S
    audio.go_to(110)  # all of it
    assert audio.position_is_end
    assert await audio.read() == b""


async def test_after_a_resume_all_goes_on_where_the_server_says_wherever_that_is():
    file = FakeAudio(20 * FRAME_BYTES + 640)
    audio = ReplayedAudio(file)
    audio.keep(10.0)
    await read(audio, 5)
    audio.go_to(333)
    assert not audio.position_is_end
    assert audio.position_s == pytest.approx(0.333)
    assert await audio.read() == file.pcm[333 * 32 : 333 * 32 + FRAME_BYTES]
    assert await read(audio, 3) == file.pcm[433 * 32 : 733 * 32]  # out of what was kept into the file
    audio.go_to(700)
    assert await read_all(audio) == file.pcm[700 * 32 :]
    audio.go_to(2015)  # the last 5 ms are not there yet
    assert await audio.read() == file.pcm[2015 * 32 :] + bytes(FRAME_BYTES_MIN - 5 * 32)


async def test_what_the_server_has_is_not_kept():
    audio = ReplayedAudio(FakeAudio(10 * FRAME_BYTES))
    audio.keep(10.0)
    await read(audio, 5)
    audio.go_to(400)
    with pytest.raises(AudioGone, match=r"at 0\.3 s of the audio, and there is only 0\.4 to 0\.5 s"):
        audio.go_to(300)


async def test_no_more_is_kept_than_was_asked_for():
    audio = ReplayedAudio(FakeAudio(100 * FRAME_BYTES))
    audio.keep(1.0)
    await read(audio, 100)
    assert len(audio._kept) <= 11 * FRAME_BYTES
    audio.go_to(9_000)
    with pytest.raises(AudioGone):
        audio.go_to(8_900)


async def test_to_begin_with_nothing_is_kept_but_the_last_frame():
    audio = ReplayedAudio(FakeAudio(100 * FRAME_BYTES))
    audio.go_to(0)
    await read(audio, 100)
    assert len(audio._kept) == FRAME_BYTES


async def test_audio_that_was_never_sent_is_not_there():
    audio = ReplayedAudio(FakeAudio(10 * FRAME_BYTES))
    await read(audio, 2)
    with pytest.raises(AudioGone):
        audio.go_to(201)


async def test_frames_are_as_long_as_is_asked_for():
    file = FakeAudio(2000)
    audio = ReplayedAudio(file, frame_bytes=640)
    audio.keep(1.0)
    assert [len(await audio.read()) for _ in range(5)] == [640, 640, 640, FRAME_BYTES_MIN, 0]
    audio.go_to(1)
    assert await audio.read() == file.pcm[32:672]


async def test_all_that_a_server_may_lack_is_kept():
    limits = ServerLimits(max_rate=2.0, max_backlog_s=1.0, resume_grace_s=4.0)
    audio = ReplayedAudio(FakeAudio(1000 * FRAME_BYTES))
    audio.keep_lacking(limits, rate=2.0)
    await read(audio, 400)
    audio.go_to(20_100)  # twice the ten seconds
    with pytest.raises(AudioGone):
        audio.go_to(19_900)
