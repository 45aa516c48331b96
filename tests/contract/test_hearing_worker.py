"""The contract of engines that hear, through a real worker: gRPC, slots and, for most engines, processes of their own."""

from pathlib import Path

import pytest
import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from tests.worker.worker_client import open_worker, text_of, until
from voicetrio.cli.recordings import word_errors
from voicetrio.worker.config import WorkerConfig

from .material import RATE, half_a_minute

pytestmark = pytest.mark.slow

STREAMS = 8
TEST_TIMEOUT = 90.0
"""Seconds, on a machine that is busy with other tests."""
SLOT_TIMEOUT = 2.0
"""Seconds: a slot does not wait for the engine, which may be busy for longer with what nobody wants any more."""


def config(case, tmp_path: Path, slots: int) -> WorkerConfig:
    setup = case.setup
    return WorkerConfig(
        listen=f"unix:{tmp_path}/w.sock",
        stt_engine=case.name,
        stt_model=setup.model,
        stt_device=setup.device,
        stt_compute_type=setup.compute_type,
        stt_threads=setup.threads,
        stt_options=setup.options,
        stt_slots=slots,
        stt_processes=1,
        tts_engine="none",
    )


async def heard_by(client, pcm: bytes, **changes) -> str:
    """The final of a stream of its own. Audio goes as it would live, in messages of 60 ms."""
    async with client.transcribe() as stream:
        await stream.config(partials=True, **changes)
        await stream.segment(0, 0, pcm)
        final = await stream.final()
        assert final.consumed_sample == len(pcm) // 2
        await stream.end()
        assert await stream.receive() is None
        return text_of(final)


async def test_eight_calls_at_once_hear_what_each_hears_alone(hearing_case, tmp_path):
    recordings = hearing_case.recordings()
    with trio.fail_after(TEST_TIMEOUT):
        async with open_worker(config(hearing_case, tmp_path, STREAMS)) as client:
            described = (await client.describe()).stt
            assert (described.engine, described.slots) == (hearing_case.name, STREAMS)
            alone = {recording.name: recording.text for recording in recordings}
            if hearing_case.word_error_rate > 0:
                alone = {recording.name: await heard_by(client, recording.pcm) for recording in recordings}
            together = [recordings[number % len(recordings)] for number in range(STREAMS)]
            heard: dict[int, str] = {}

            async def hear_one(number: int) -> None:
                heard[number] = await heard_by(client, together[number].pcm)

            async with trio.open_nursery() as nursery:
                for number in range(STREAMS):
                    nursery.start_soon(hear_one, number)
            assert [heard[number] for number in range(STREAMS)] == [alone[one.name] for one in together]
            errors = sum(word_errors(one.text, heard[number]) for number, one in enumerate(together))
            assert errors <= hearing_case.word_error_rate * sum(len(one.text.split()) for one in together)
            await until(client.has_slots_in_use)


async def test_a_call_that_is_left_in_mid_decode_frees_its_slot_and_spoils_nothing(hearing_case, tmp_path):
    long, short = half_a_minute(hearing_case.recordings()), hearing_case.recordings()[0]
    with trio.fail_after(TEST_TIMEOUT):
        async with open_worker(config(hearing_case, tmp_path, 1)) as client:
            expected = await heard_by(client, short.pcm)
            await until(client.has_slots_in_use)
            async with client.transcribe() as stream:
                await stream.config(partials=True)
                await stream.segment(0, 0, long.pcm[: 2 * 12 * RATE])
                # The first sign of life. There are seconds of speech before the engine now, and then a final.
                await stream.receive()
            with trio.fail_after(SLOT_TIMEOUT):
                await until(client.has_slots_in_use)
            assert await heard_by(client, short.pcm) == expected


async def test_what_an_engine_refuses_is_told_and_takes_no_slot(hearing_case, tmp_path):
    short = hearing_case.recordings()[0]
    with trio.fail_after(TEST_TIMEOUT):
        async with open_worker(config(hearing_case, tmp_path, 1)) as client:
            known = (await client.describe()).stt.languages
            async with client.transcribe() as stream:
                with pytest.raises(GRPCError, match=known[0]) as caught:
                    await stream.config(language="tlh")
                assert caught.value.status is Status.INVALID_ARGUMENT
            await until(client.has_slots_in_use)
            assert word_errors(short.text, await heard_by(client, short.pcm, language=f"{known[0]}-US")) <= 1
