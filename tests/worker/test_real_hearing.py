"""The worker with pocketsphinx in its engine processes: real speech, real pipes, real SIGKILL."""

import os
import signal
from pathlib import Path

import pytest
import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from voicetrio.worker import host_link
from voicetrio.worker.config import WorkerConfig

from .worker_client import RATE, TRANSCRIPTS, open_worker, speech, text_of, until

pytestmark = pytest.mark.slow


def config(tmp_path: Path, **changes) -> WorkerConfig:
    return WorkerConfig(
        **{"listen": f"unix:{tmp_path}/w.sock", "tts_engine": "none", "stt_slots": 10, "stt_processes": 2, **changes}
    )


def host_pids() -> list[int]:
    """Engine processes of this process."""
    pids = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(fields[1]) == os.getpid() and b"engine_host" in command:
                pids.append(int(entry.name))
    return pids


async def is_down(client) -> bool:
    return await client.health("voicetrio.v1.SpeechToText") == "NOT_SERVING"


async def test_the_recordings_are_transcribed_right(tmp_path):
    with trio.fail_after(60):
        async with open_worker(config(tmp_path)) as client, client.transcribe() as stream:
            await stream.config(language="en-US", partials=True)
            start = 0
            for segment_id, (name, expected) in enumerate(TRANSCRIPTS.items()):
                pcm = speech(name)
                await stream.segment(segment_id, start, pcm)
                final = await stream.final()
                assert text_of(final) == expected
                assert start < final.words[0].start_sample < final.words[-1].end_sample < start + len(pcm) // 2
                assert 0.3 < final.confidence <= 1
                start += len(pcm) // 2 + 5000


async def test_ten_streams_at_once_each_get_their_own_words(tmp_path):
    names = [*TRANSCRIPTS, *TRANSCRIPTS, *list(TRANSCRIPTS)[:2]]
    with trio.fail_after(60):
        async with open_worker(config(tmp_path)) as client:

            async def hear(name: str) -> None:
                async with client.transcribe() as stream:
                    await stream.config(partials=True)
                    await stream.segment(1, 0, speech(name))
                    assert text_of(await stream.final()) == TRANSCRIPTS[name]

            async with trio.open_nursery() as nursery:
                for name in names:
                    nursery.start_soon(hear, name)


async def test_partials_come_while_audio_comes(tmp_path):
    pcm = speech("good-idea-rms.wav")
    with trio.fail_after(60):
        async with open_worker(config(tmp_path)) as client, client.transcribe() as stream:
            await stream.config(partials=True)
            for offset in range(0, len(pcm), 3200):
                await stream.audio(0, offset // 2, pcm[offset : offset + 3200])
                await trio.sleep(0.02)
            text = ""  # how many come for how much audio depends on the machine
            while not text.startswith("she"):
                hypothesis = (await stream.receive()).hypothesis
                assert not hypothesis.final
                text = text_of(hypothesis)


async def test_long_work_is_announced_and_does_not_stall_the_server(tmp_path):
    with trio.fail_after(60):
        async with open_worker(config(tmp_path, stt_processes=1)) as client, client.transcribe() as stream:
            await stream.config()
            await stream.segment(0, 0, speech("good-idea-rms.wav") * 6)
            delays = []
            for _ in range(10):
                began = trio.current_time()
                assert await client.health() == "SERVING"
                await client.describe()
                delays.append(trio.current_time() - began)
                await trio.sleep(0.1)
            assert max(delays) < 0.2
            reply = await stream.receive()
            assert reply.WhichOneof("reply") == "working"
            assert "very good idea" in text_of(await stream.final())


async def test_an_engine_process_that_is_killed_ends_its_streams_and_comes_back(tmp_path):
    with trio.fail_after(60):
        async with open_worker(config(tmp_path)) as client:
            pids = host_pids()
            assert len(pids) == 2
            async with client.transcribe() as one, client.transcribe() as other:
                await one.config(partials=True)
                await other.config(partials=True)
                await one.audio(0, 0, bytes(RATE))
                await other.audio(0, 0, bytes(RATE))
                os.kill(pids[0], signal.SIGKILL)
                endings = []
                for stream in (one, other):
                    try:
                        await stream.audio(0, RATE // 2, bytes(RATE))
                        await stream.segment_end(0, RATE)
                        endings.append(text_of(await stream.final()))
                    except GRPCError as error:
                        endings.append(error.status)
                assert sorted(endings, key=str) == sorted(["", Status.DATA_LOSS], key=str)
            assert await client.health() == "SERVING"
            await until(lambda: len(host_pids()) == 2 and pids[0] not in host_pids())
            async with client.transcribe() as stream:
                await stream.config()
                await stream.segment(0, 0, speech("thank-you-slt.wav"))
                assert text_of(await stream.final()) == "thank you for your help"
        assert host_pids() == []


async def test_a_worker_without_a_live_engine_process_is_not_serving(tmp_path):
    with trio.fail_after(60):
        async with open_worker(config(tmp_path, stt_processes=1)) as client:
            os.kill(host_pids()[0], signal.SIGKILL)
            await until(lambda: is_down(client))
            await until(lambda: client.is_healthy("voicetrio.v1.SpeechToText"))


async def test_an_engine_process_that_hangs_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(host_link, "HANG_TIMEOUT", 1.0)
    with trio.fail_after(60):
        async with open_worker(config(tmp_path, stt_processes=1)) as client, client.transcribe() as stream:
            await stream.config()
            [pid] = host_pids()
            os.kill(pid, signal.SIGSTOP)
            await stream.segment(0, 0, bytes(RATE))
            with pytest.raises(GRPCError) as caught:
                await stream.final()
            assert caught.value.status is Status.ABORTED
            await until(lambda: host_pids() not in ([], [pid]))


async def test_a_segment_without_an_end_is_refused(tmp_path):
    with trio.fail_after(60):
        async with open_worker(config(tmp_path, stt_processes=1)) as client, client.transcribe() as stream:
            await stream.config()
            with pytest.raises(GRPCError, match="longer than 60 s"):
                for second in range(62):
                    await stream.audio(0, second * RATE, bytes(2 * RATE))
                await stream.receive()
