"""How servers end: by Ctrl-C, by SIGTERM, by SIGKILL; and what a session notices of a worker that dies: nothing."""

import os
import signal
import time
from functools import partial

import pytest
import trio

from .client import Client, open_client
from .conftest import StartServer
from .processes import GONE_S, STOP_S, ServerProcess
from .raw_client import OPCODE_TEXT, frame, open_raw_session
from .sound import GOOD_IDEA, LONG_TEXT, THANK_YOU, silence
from .test_exactness import SPEECH, check_finals, extent
from .waiting import until

pytestmark = pytest.mark.slow

GRACE_S = 30.0
"""For saying goodbye, so long that who waits for it is found out."""

STUCK_S = 15.0
"""For a server whose client does not read: 1 s of grace (here), 1 s for plain requests, 2.5 s until the cut. Less than
the 20 s after which the kernel would end that connection anyhow."""


async def check_going_away(client: Client) -> None:
    await client.ended.wait()
    assert client.lost is None
    assert client.got()[-1]["type"] == "session.closed"
    assert client.got()[-1]["reason"] == "going_away"
    assert client.session.close_code == 1001


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
async def test_sessions_are_told_that_the_server_stops(start_server: StartServer, number: signal.Signals):
    server = start_server(environment={"VOICETRIO_SERVER__SHUTDOWN_GRACE": str(GRACE_S)})

    async def speaks(under_way: trio.Event) -> None:
        async with open_client(server.url) as client:
            await client.pour(THANK_YOU.pcm[: 2 * 20_000])
            await client.wait_for("vad.speech_start")
            under_way.set()
            await check_going_away(client)
            assert len(client.got("transcript.final")) == 1, "what was said until then is finished and told"

    async def listens(under_way: trio.Event) -> None:
        async with open_client(server.url) as client:
            await client.ask_speech(LONG_TEXT)
            await client.wait_audio()
            under_way.set()
            await check_going_away(client)
            (interrupted,) = client.got("playback.interrupted")
            assert interrupted["reason"] == "closed"
            assert client.got("playback.completed") == []

    async def idles(under_way: trio.Event) -> None:
        async with open_client(server.url) as client:
            under_way.set()
            await check_going_away(client)

    async with trio.open_nursery() as nursery:
        for client in (speaks, listens, idles):
            under_way = trio.Event()
            nursery.start_soon(client, under_way)
            await under_way.wait()
        server.send(number)
        began = time.monotonic()
    assert time.monotonic() - began < GRACE_S / 2, "nobody waits for anything"
    assert await trio.to_thread.run_sync(server.wait) == 0
    server.check_end()


async def test_a_client_that_has_stopped_reading_does_not_keep_the_server(start_server: StartServer):
    server = start_server(environment={"VOICETRIO_SERVER__SHUTDOWN_GRACE": "1.0"})
    with trio.fail_after(4 * STUCK_S):
        async with open_raw_session(server.port, "does-not-read", receive_buffer=4096) as client:
            speak = f'{{"type": "tts.speak", "text": "{LONG_TEXT}"}}'.encode()
            await client.send(frame(OPCODE_TEXT, speak))
            async with open_client(server.url) as other:
                await other.pour(THANK_YOU.pcm + silence(0.8))
                await other.wait_for("transcript.final")  # by now nothing more goes out to the first one
                server.send(signal.SIGTERM)
                await check_going_away(other)
            assert await trio.to_thread.run_sync(server.wait, STUCK_S) == 0
    server.check_end()


async def test_a_second_signal_ends_it_at_once(start_server: StartServer):
    server = start_server()
    async with open_client(server.url) as client:
        await client.pour(THANK_YOU.pcm[: 2 * 20_000])
        server.send(signal.SIGINT)
        server.send(signal.SIGTERM)
        await client.ended.wait()
    assert await trio.to_thread.run_sync(server.wait, STOP_S) == 0
    server.wait_gone()


async def test_a_server_that_is_killed_takes_its_processes_with_it(start_server: StartServer):
    server = start_server()
    async with open_client(server.url) as client:
        await client.pour(THANK_YOU.pcm[: 2 * 20_000])
        await client.wait_for("vad.speech_start")
        assert len(server.pids()) >= 3, "the server, its worker, and an engine"
        server.send(signal.SIGKILL)
        await trio.to_thread.run_sync(partial(server.process.wait, STOP_S))
        await trio.to_thread.run_sync(server.wait_gone, GONE_S)
        await client.ended.wait()
        assert client.lost is not None
    left = [path for folder in server.temporary.iterdir() for path in folder.iterdir()]
    assert left == [], "the worker has removed its socket"


async def until_ready(server: ServerProcess) -> None:
    await until(lambda: server.readyz() == 200)


async def kill_worker(server: ServerProcess) -> None:
    """Returns when the server knows."""
    restarts = "voicetrio_worker_restarts_total"  # it is counted: that there is no worker may be over when we ask
    before = await trio.to_thread.run_sync(server.metric, restarts)
    os.kill(server.worker_pid(), signal.SIGKILL)
    await until(lambda: server.metric(restarts) > before)


async def test_a_worker_that_dies_in_an_utterance_costs_no_word(start_server: StartServer):
    server = start_server()
    async with open_client(server.url) as client:
        undisturbed = (await played_with(client, server, kill=False))["words"]
        old_worker, old_engines = server.worker_pid(), server.engine_pids()
        replayed = (await played_with(client, server, kill=True))["words"]
        assert [word["word"] for word in replayed] == [word["word"] for word in undisturbed]
        assert client.got("error") == []
        assert " ".join(word["word"] for word in replayed) == GOOD_IDEA.text
        await until_ready(server)
        assert server.worker_pid() != old_worker
        await until(lambda: not {*old_engines} & {*server.pids()}, within=GONE_S)  # they do not survive their worker
        await client.finish()

    # And in speaking: what was sent is heard to its end, the rest is an error, and then the client is heard.
    async with open_client(server.url) as client:
        request_id = await client.ask_speech(LONG_TEXT)
        await client.wait_audio()
        await kill_worker(server)
        error = await client.wait_for("error")
        assert (error["code"], error["request_id"]) == ("tts_failed", request_id)
        assert error["recoverable"]
        assert (await client.wait_for("tts.speaking_end"))["failed"]
        await client.heard_all(request_id)
        assert (await client.wait_for("playback.interrupted", request_id=request_id))["reason"] == "failed"
        await until_ready(server)
        await client.pour(THANK_YOU.pcm + silence(0.8))
        await client.wait_for("transcript.final")  # a close is not that patient
        assert await client.finish() == THANK_YOU.text
    server.stop()


async def played_with(client: Client, server: ServerProcess, *, kill: bool) -> dict:
    """The final of the long recording, in the middle of which the worker is killed, or not."""
    count = len(client.got("transcript.final"))
    middle = len(GOOD_IDEA.pcm) // 4 * 2
    await client.pour(GOOD_IDEA.pcm[:middle])
    await client.wait_for("vad.speech_start", count=count + 1)
    if kill:
        await kill_worker(server)
    await client.pour(GOOD_IDEA.pcm[middle:] + silence(0.8))
    return await client.wait_for("transcript.final", count=count + 1)


async def test_a_worker_that_dies_costs_no_sample(start_server: StartServer):
    server = start_server("config/bench.toml")
    async with open_client(server.url) as client:
        await client.pour(SPEECH)
        await client.finish()
        undisturbed = extent(client)
    async with open_client(server.url) as client:
        middle = len(SPEECH) // 3 // 2 * 2
        await client.pour(SPEECH[:middle])
        await client.wait_for("vad.speech_start")
        await kill_worker(server)
        await client.pour(SPEECH[middle:])
        await client.wait_for("transcript.final", count=len(undisturbed))  # a close is not that patient
        await client.finish()
        check_finals(client, SPEECH)
        assert extent(client) == undisturbed
        assert client.got("error") == []
    server.stop()
