"""A worker whose engines' processes crash and hang: who is told what, and what goes on."""

import os
import sys
from functools import partial

import pytest
import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from tests.fakes.fragile_engine import DEADLY, HEARS, POISON, SPEAKS, SPINNER, STOPPER, STOPPING
from voicetrio.v1 import worker_pb2 as pb
from voicetrio.worker import engine_pool, host_link, synthesis
from voicetrio.worker.config import WorkerConfig
from voicetrio.worker.engines.instant import CHARACTER_SAMPLES
from voicetrio.worker.engines.registry import HEARING, SPEAKING
from voicetrio.worker.hearing_process import HearingProcess
from voicetrio.worker.synthesis import SpeakingProcess

from .worker_client import RATE, TestStream, open_worker, until

pytestmark = pytest.mark.slow

HOST = [sys.executable, "-P", "-m", "tests.fakes.fragile_engine"]
HALF_SECOND = bytes(RATE)
CONFIG = WorkerConfig("127.0.0.1:0", stt_engine="fragile", tts_engine="none", stt_processes=1)
SPEAKER = WorkerConfig("127.0.0.1:0", stt_engine="none", tts_engine="fragile")


class FragileHearingProcess(HearingProcess):
    def __init__(self, *args) -> None:
        super().__init__(*args)
        self._command = [*HOST, "hears", *self._command[-2:]]


class FragileSpeakingProcess(SpeakingProcess):
    def __init__(self, *args) -> None:
        super().__init__(*args)
        self._command = [*HOST, "speaks", *self._command[-2:]]


@pytest.fixture(autouse=True)
def fragile(monkeypatch):
    """The engine is known, and its processes are watched by a quick clock."""
    monkeypatch.setitem(HEARING, "fragile", HEARS)
    monkeypatch.setitem(SPEAKING, "fragile", SPEAKS)
    monkeypatch.setattr(engine_pool, "HearingProcess", FragileHearingProcess)
    monkeypatch.setattr(synthesis, "SpeakingProcess", FragileSpeakingProcess)
    monkeypatch.setattr(host_link, "WATCH_INTERVAL", 0.2)
    monkeypatch.setattr(host_link, "HANG_TIMEOUT", 1.5)
    monkeypatch.setattr(host_link, "STALLED_AFTER", 0.6)
    monkeypatch.setattr(host_link, "CALL_TIMEOUT", 3.0)


async def is_in(client, state: str) -> bool:
    return await client.health("voicetrio.v1.SpeechToText") == state


async def end_of(stream: TestStream) -> tuple[Status, int]:
    """How the worker ends a stream, and how often it has said before that work goes on."""
    working = 0
    with pytest.raises(GRPCError) as caught:
        while (reply := await stream.receive()) is not None:
            working += reply.WhichOneof("reply") == "working"
    return caught.value.status, working


async def harm(audio: bytes) -> tuple[tuple[Status, int], Status]:
    """What a stream with this audio is told, and what another one is told, which has some audio in the same engine."""
    with trio.fail_after(60):
        async with open_worker(CONFIG) as client, client.transcribe() as bad, client.transcribe() as good:
            await good.config(partials=True)
            await bad.config()
            await good.audio(1, 0, HALF_SECOND)
            assert (await good.receive()).hypothesis.words
            await bad.audio(1, 0, audio * 10)
            told = await end_of(bad)
            with pytest.raises(GRPCError) as caught:
                await good.segment_end(1, RATE // 2)
                while True:
                    await good.receive()
            return told, caught.value.status


async def test_a_crash_is_told_to_the_stream_that_did_it_and_to_the_others_as_a_loss():
    assert await harm(POISON) == ((Status.ABORTED, 0), Status.DATA_LOSS)


async def test_one_that_is_stopped_is_soon_not_said_to_work_and_then_killed():
    (status, working), other = await harm(STOPPER)
    assert (status, other) == (Status.ABORTED, Status.DATA_LOSS)
    assert working <= 2


async def test_one_that_computes_for_ever_works_and_is_killed_in_the_end():
    (status, working), other = await harm(SPINNER)
    assert (status, other) == (Status.ABORTED, Status.DATA_LOSS)
    assert working >= 4


async def test_one_that_hung_before_anybody_asked_has_died_of_nobody(monkeypatch):
    monkeypatch.setattr(host_link, "PING_INTERVAL", 0.2)
    with trio.fail_after(60):
        async with open_worker(CONFIG) as client:
            os.kill(child_pid(b"hears"), 19)
            await trio.sleep(0.7)  # it is pinged
            async with client.transcribe() as stream:
                with pytest.raises(GRPCError) as caught:
                    await stream.config()
            assert caught.value.status is Status.DATA_LOSS


async def test_the_worker_goes_on_with_a_new_process():
    with trio.fail_after(60):
        async with open_worker(CONFIG) as client:
            async with client.transcribe() as stream:
                await stream.config()
                await stream.audio(1, 0, POISON * 10)
                assert (await end_of(stream))[0] is Status.ABORTED
            for state in ("NOT_SERVING", "SERVING"):
                await until(partial(is_in, client, state))
            async with client.transcribe() as stream:
                await stream.config(alone=True)
                await stream.segment(1, 0, HALF_SECOND)
                assert (await stream.final()).words


async def all_of(stream: TestStream) -> list[pb.SynthesizeReply]:
    replies = []
    while (reply := await stream.receive()) is not None:
        replies.append(reply)
    return replies


def samples(replies: list[pb.SynthesizeReply]) -> int:
    """How many there are; they follow each other without a gap."""
    position = 0
    for reply in replies:
        assert reply.start_sample == position
        position += len(reply.pcm) // 2
    return position


async def test_a_text_that_kills_its_engine_is_tried_three_times_and_told_with_its_place():
    good, bad = "words of another one " * 15, f"it goes well until the {DEADLY} comes"
    with trio.fail_after(60):
        async with open_worker(SPEAKER) as client, client.synthesize(good) as other:
            first = await other.receive()
            replies = []
            with pytest.raises(GRPCError) as caught:
                async with client.synthesize(bad) as stream:
                    while (reply := await stream.receive()) is not None:
                        replies.append(reply)
            assert caught.value.status is Status.ABORTED
            failed = replies.pop().failed
            assert failed.offset <= bad.index(DEADLY) < failed.offset + failed.length
            marks = [mark.text_offset for reply in replies for mark in reply.marks]
            assert marks == sorted(set(marks)), "no word is said twice"
            assert samples(replies) >= bad.index(DEADLY) * CHARACTER_SAMPLES, "what came before it was said"
            assert samples([first, *await all_of(other)]) == len(good) * CHARACTER_SAMPLES


async def test_a_process_that_is_killed_in_the_middle_of_a_text_costs_none_of_it():
    text = "a text that is long enough to be killed in its middle " * 3
    with trio.fail_after(60):
        async with open_worker(SPEAKER) as client, client.synthesize(text * 2) as stream:
            replies = [await stream.receive()]
            os.kill(child_pid(b"speaks"), 9)
            replies += await all_of(stream)
    assert samples(replies) == len(text * 2) * CHARACTER_SAMPLES
    marks = [mark.text_offset for reply in replies for mark in reply.marks]
    assert len(marks) == len((text * 2).split())
    assert marks == sorted(set(marks))


async def test_a_text_at_which_its_engine_hangs_fails_too_and_others_are_said():
    with trio.fail_after(60):
        async with open_worker(SPEAKER) as client:
            with pytest.raises(GRPCError) as caught:
                await client.speak(f"{STOPPING} here")
            assert caught.value.status is Status.ABORTED
            assert samples(await client.speak("and on")) == len("and on") * CHARACTER_SAMPLES


def child_pid(what: bytes) -> int:
    for task in os.listdir(f"/proc/{os.getpid()}/task"):
        with open(f"/proc/{os.getpid()}/task/{task}/children") as file:
            children = file.read().split()
        for child in children:
            with open(f"/proc/{child}/cmdline", "rb") as file:
                if what in file.read():
                    return int(child)
    raise AssertionError("there is no such process")
