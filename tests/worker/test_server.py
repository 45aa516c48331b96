"""The whole worker over real sockets, with the engine that answers at once."""

from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.reflection.v1.reflection_grpc import ServerReflectionStub
from grpclib.reflection.v1.reflection_pb2 import ServerReflectionRequest

from voicetrio.v1 import worker_pb2 as pb
from voicetrio.worker.config import WorkerConfig
from voicetrio.worker.engines.instant import word_for
from voicetrio.worker.errors import SetupError
from voicetrio.worker.server import serve

from .worker_client import open_client, open_worker, text_of, until


def instant(**changes) -> WorkerConfig:
    return WorkerConfig(
        **{"listen": "127.0.0.1:0", "stt_engine": "instant", "tts_engine": "instant", "stt_slots": 2, **changes}
    )


async def test_every_sample_arrives_once_and_in_order():
    pcm = bytes(range(256)) * 250
    with trio.fail_after(10):
        async with open_worker(instant()) as client, client.transcribe() as stream:
            opened = await stream.config(partials=True)
            assert (opened.engine, opened.language, opened.sample_rate_hz) == ("instant", "en", 16_000)
            await stream.segment(4, 1000, pcm)
            final = await stream.final()
            assert [word.text for word in final.words] == [word_for(i, pcm[i * 16_000 :][:16_000]) for i in range(4)]
            assert (final.segment_id, final.consumed_sample, final.stable_words) == (4, 33_000, 4)
            await stream.segment(5, 0, b"")
            assert text_of(await stream.final()) == ""
            await stream.end()
            assert await stream.receive() is None


async def test_the_worker_describes_itself(tmp_path: Path):
    with trio.fail_after(10):
        async with open_worker(instant(listen=f"unix:{tmp_path}/w.sock")) as client, client.transcribe() as stream:
            await stream.config()
            description = await client.describe()
            assert (description.stt.slots, description.stt.slots_in_use) == (2, 1)
            assert (description.tts.default_voice, description.tts.word_marks) == ("tone", True)
        async with open_worker(instant(stt_engine="none")) as client:
            assert not (await client.describe()).HasField("stt")
            async with client.transcribe() as stream:
                with pytest.raises(GRPCError) as caught:
                    await stream.config()
                assert caught.value.status is Status.UNIMPLEMENTED


async def test_health_and_reflection_answer():
    with trio.fail_after(10):
        async with open_worker(instant()) as client:
            for service in ("", "voicetrio.v1.SpeechToText", "voicetrio.v1.TextToSpeech"):
                assert await client.health(service) == "SERVING"
            stub = ServerReflectionStub(client.channel)
            request = ServerReflectionRequest(list_services="")
            [reply] = await client.call(stub.ServerReflectionInfo, [request])
            names = {service.name for service in reply.list_services_response.service}
            assert {"voicetrio.v1.Worker", "voicetrio.v1.SpeechToText", "grpc.health.v1.Health"} <= names


async def test_the_slot_too_many_is_refused_and_comes_back():
    with trio.fail_after(10):
        async with open_worker(instant()) as client, client.transcribe() as one:
            await one.config()
            async with client.transcribe() as two:
                await two.config()
                async with client.transcribe() as three:
                    with pytest.raises(GRPCError) as caught:
                        await three.config()
                    assert caught.value.status is Status.RESOURCE_EXHAUSTED
                    assert "2 stt slots" in caught.value.message
            await until(lambda: client.has_slots_in_use(stt=1))
            async with client.transcribe() as again:
                await again.config()
                await again.end()


async def test_a_broken_connection_frees_its_slots():
    with trio.fail_after(10):
        async with (
            open_worker(instant()) as watcher,
            open_client(watcher.address) as broken,
            broken.transcribe() as stream,
        ):
            await stream.config()
            await stream.audio(0, 0, bytes(3200))
            await until(lambda: watcher.has_slots_in_use(stt=1))
            broken.channel.close()
            await until(lambda: watcher.has_slots_in_use(stt=0))


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (pb.TranscribeRequest(segment_end=pb.SegmentEnd()), None, "has to be its config"),
        (pb.TranscribeRequest(), None, "has to be its config"),
        (pb.TranscribeRequest(config=pb.StreamConfig(language="tlh")), None, "knows: en"),
        (pb.TranscribeRequest(config=pb.StreamConfig()), pb.TranscribeRequest(), "without audio"),
        (pb.TranscribeRequest(config=pb.StreamConfig()), pb.TranscribeRequest(config=pb.StreamConfig()), "second time"),
        (
            pb.TranscribeRequest(config=pb.StreamConfig()),
            pb.TranscribeRequest(audio=pb.AudioChunk(pcm=b"abc")),
            "16-bit",
        ),
    ],
)
async def test_what_the_contract_forbids_is_told_by_name(first, second, why):
    with trio.fail_after(10):
        async with open_worker(instant()) as client:
            async with client.transcribe() as stream:
                with pytest.raises(GRPCError) as caught:
                    await stream.send(first)
                    if second is not None:
                        await stream.receive()
                        await stream.send(second)
                    await stream.receive()
                    await stream.receive()
                assert caught.value.status is Status.INVALID_ARGUMENT
                assert why in caught.value.message
            assert (await client.describe()).stt.slots_in_use == 0


async def test_a_client_that_does_not_read_is_held_back_and_loses_nothing():
    pcm = bytes(range(256)) * 125  # a second
    seconds = 600
    with trio.fail_after(30):
        async with open_worker(instant()) as client, client.transcribe() as stream:
            await stream.config(partials=True)
            sent = 0

            async def send() -> None:
                nonlocal sent
                for sent in range(seconds):
                    await stream.audio(0, sent * 16_000, pcm)
                await stream.segment_end(0, seconds * 16_000)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                # Partials grow by two words a second: unread, they fill the client's window, and the worker stops.
                before = -1
                while before != sent:
                    before = sent
                    await trio.sleep(0.5)
                assert 0 < sent < seconds - 1
                final = await stream.final()
            assert [word.text for word in final.words[-2:]] == [
                word_for(1198, pcm[:16_000]),
                word_for(1199, pcm[16_000:]),
            ]


async def test_a_text_is_spoken_with_marks_into_the_whole_text():
    text = "One sentence for the first piece of it. " * 12
    with trio.fail_after(10):
        async with open_worker(instant()) as client:
            replies = await client.speak(text)
            expected_start = 0
            for reply in replies:
                assert reply.start_sample == expected_start
                assert reply.sample_rate_hz == 24_000
                expected_start += len(reply.pcm) // 2
            assert expected_start == len(text) * 1440
            marks = [mark for reply in replies for mark in reply.marks]
            words = [text[mark.text_offset : mark.text_offset + mark.text_length] for mark in marks]
            assert words == text.split()
            assert [mark.start_sample for mark in marks] == [mark.text_offset * 1440 for mark in marks]


@pytest.mark.parametrize(
    ("request_", "why"),
    [({"text": "x" * 20_001}, "20000"), ({"text": "x", "speed": 5}, "speed"), ({"text": "x", "voice": "y"}, "tone")],
)
async def test_what_cannot_be_spoken_is_told_by_name(request_, why):
    with trio.fail_after(10):
        async with open_worker(instant()) as client:
            with pytest.raises(GRPCError) as caught:
                await client.speak(**request_)
            assert caught.value.status is Status.INVALID_ARGUMENT
            assert why in caught.value.message


async def test_garbage_on_the_socket_does_not_disturb_the_others():
    with trio.fail_after(10):
        async with open_worker(instant()) as client:
            host, _, port = client.address.rpartition(":")
            for garbage in (
                b"GET / HTTP/1.1\r\n\r\n",
                bytes(1000),
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
            ):
                connection = await trio.open_tcp_stream(host, int(port))
                async with connection:
                    await connection.send_all(garbage)
                    with trio.move_on_after(0.1):
                        await connection.receive_some()
            assert await client.health() == "SERVING"


async def is_down(client) -> bool:
    return await client.health() == "NOT_SERVING"


async def test_a_stopping_worker_lets_calls_finish_and_takes_no_new_ones():
    stopping = trio.Event()
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            address = await nursery.start(partial(serve, instant(), stopping=stopping))
            async with open_client(address) as client, client.transcribe() as stream:
                await stream.config()
                stopping.set()
                await until(lambda: is_down(client))
                async with client.transcribe() as other:
                    with pytest.raises(GRPCError) as caught:
                        await other.config()
                    assert caught.value.status is Status.UNAVAILABLE
                await stream.segment(0, 0, bytes(16_000))
                await stream.final()
                await stream.end()
                assert await stream.receive() is None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"listen": "nowhere"}, "worker.listen"),
        ({"stt_engine": "wisper"}, "stt.engine"),
        ({"tts_engine": "festival"}, "tts.engine"),
        ({"tts_voice": "nobody", "tts_engine": "espeak-ng"}, "tts.voice"),
        ({"stt_slots": 0}, "stt.slots"),
        ({"stt_engine": "pocketsphinx", "stt_model": "/nonexistent"}, "stt.model"),
    ],
)
async def test_a_wrong_setting_is_named_before_anything_is_announced(changes, why):
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            with pytest.raises(SetupError, match=why):
                await nursery.start(serve, instant(**changes))


async def test_a_taken_port_is_told_as_such():
    with trio.fail_after(10):
        async with open_worker(instant()) as client:
            with pytest.raises(SetupError, match="in use"):
                await serve(instant(listen=client.address))
