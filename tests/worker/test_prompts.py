"""A segment's prompt, from the wire to the engine: in the worker's process, and in an engine process of its own."""

import sys
from dataclasses import replace

import pytest
import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from tests.fakes.prompted_engine import ENTRY
from voicetrio.v1 import worker_pb2 as pb
from voicetrio.worker import engine_pool
from voicetrio.worker.config import WorkerConfig
from voicetrio.worker.engines.contract import HearingSetup
from voicetrio.worker.engines.registry import HEARING
from voicetrio.worker.hearing_process import HearingProcess

from .worker_client import open_worker, text_of

HOST = """
import sys
from tests.fakes.prompted_engine import ENTRY
from voicetrio.worker.engine_host import main
from voicetrio.worker.engines.contract import HearingSetup
from voicetrio.worker.engines.registry import HEARING
HEARING["prompted"] = ENTRY
sys.exit(main("prompted", "{}"))
"""


class PromptedProcess(HearingProcess):
    """An engine process that knows the test's engine, too."""

    def __init__(self, engine: str, setup: HearingSetup, streams_max: int, environment: dict[str, str]) -> None:
        super().__init__(engine, setup, streams_max, environment)
        self._command = [sys.executable, "-P", "-c", HOST]


@pytest.fixture(params=["in the worker's process", pytest.param("in its own", marks=pytest.mark.slow)])
def config(request, monkeypatch) -> WorkerConfig:
    own_process = request.param == "in its own"
    monkeypatch.setitem(HEARING, "prompted", replace(ENTRY, own_process=own_process))
    monkeypatch.setattr(engine_pool, "HearingProcess", PromptedProcess)
    return WorkerConfig("127.0.0.1:0", stt_engine="prompted", tts_engine="none", stt_processes=1, stt_slots=2)


def start(segment_id: int, prompt: str) -> pb.TranscribeRequest:
    return pb.TranscribeRequest(segment_start=pb.SegmentStart(segment_id=segment_id, initial_prompt=prompt))


async def test_each_segment_has_its_own_prompt_or_none(config):
    with trio.fail_after(20):
        async with open_worker(config) as client, client.transcribe() as stream, client.transcribe() as other:
            assert (await stream.config(partials=True)).architecture == "encoder-decoder"
            assert (await client.describe()).stt.architecture == "encoder-decoder"
            await other.config()
            await stream.send(start(1, "What came before, früher 早"))
            await other.send(start(1, "another stream's"))
            for one, prompt in ((stream, "What came before, früher 早"), (other, "another stream's")):
                await one.audio(1, 100, bytes(3200))
                partial = (await one.receive()).hypothesis
                assert (text_of(partial), partial.final, partial.stable_words) == (prompt, False, 0)
                await one.audio(1, 1700, bytes(3200))
                await one.segment_end(1, 3300)
                assert text_of(await one.final()) == prompt
            await stream.segment(2, 3300, bytes(3200))
            assert text_of(await stream.final()) == "(no prompt)"
            await stream.send(start(3, ""))
            await stream.segment(3, 4900, bytes(3200))
            assert text_of(await stream.final()) == ""


async def test_a_segment_that_began_may_end_without_audio_and_leaves_its_prompt_to_nobody(config):
    with trio.fail_after(20):
        async with open_worker(config) as client, client.transcribe() as stream:
            await stream.config()
            await stream.send(start(1, "unused"))
            await stream.segment_end(1, 500)
            assert (await stream.final()).consumed_sample == 500
            await stream.segment(2, 500, bytes(3200))
            assert text_of(await stream.final()) == "(no prompt)"


async def test_a_start_out_of_order_is_told_by_name(config):
    with trio.fail_after(20):
        async with open_worker(config) as client, client.transcribe() as stream:
            await stream.config()
            await stream.audio(1, 0, bytes(3200))
            await stream.send(start(1, "too late"))
            with pytest.raises(GRPCError, match="already begun") as caught:
                await stream.final()
            assert caught.value.status is Status.INVALID_ARGUMENT
