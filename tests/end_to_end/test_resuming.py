"""A session outlives its connections, over real sockets: who comes back has lost nothing, and nobody else gets in."""

import itertools
import random
import signal
import sys
import wave
from functools import partial
from pathlib import Path

import pytest
import trio

from .client import Client, Message, open_client
from .conftest import StartServer
from .processes import STOP_S, Run, ServerProcess
from .proxy import Proxy, open_proxy
from .raw_client import upgrade_status
from .sound import RATE, silence, speech
from .test_exactness import MS_BYTES, words_of
from .waiting import until

pytestmark = pytest.mark.slow

ENVIRONMENT = {
    "VOICETRIO_SESSION__MAX_RATE": "0",  # speech comes as quickly as it is taken
    "VOICETRIO_SESSION__MAX_BACKLOG": "25",  # seconds: more than all of it
    "VOICETRIO_SESSION__RESUME_GRACE": "300",  # seconds: no session ends because this machine is slow
    "VOICETRIO_SERVER__SHUTDOWN_GRACE": "60",  # seconds: who waits for it is found out
    "VOICETRIO_LOG__LEVEL": "debug",
}
PCM = silence(0.3) + speech(9.0, seed=1) + silence(1.0) + speech(9.0, seed=2) + silence(1.0)
SENTENCES_S = ((0.3, 9.3), (10.3, 19.3))


@pytest.fixture(scope="module")
def roaming_server(tmp_path_factory: pytest.TempPathFactory):
    process = ServerProcess(tmp_path_factory.mktemp("roaming"), "config/bench.toml", environment=ENVIRONMENT)
    try:
        process.wait_listening()
        yield process
        process.stop()
    finally:
        process.kill()


async def undisturbed_finals(server: ServerProcess) -> list[Message]:
    async with open_client(server.url) as client:
        await client.pour(PCM)
        await client.finish()
        finals = client.got("transcript.final")
        assert len(finals) == len(SENTENCES_S)
        for final in finals:
            assert final["text"].split() == words_of(PCM, final)
        return finals


async def finish_undisturbed(client: Client, undisturbed: list[Message]) -> None:
    """Send what is still missing, and get what is still missing."""
    await client.pour(PCM[next_byte(client) :])
    await client.finish()
    assert client.got("transcript.final") == undisturbed
    assert client.got("error", "session.frames_dropped") == []
    assert len(client.got("vad.speech_start")) == len(client.got("vad.speech_end")) == len(undisturbed)


def next_byte(client: Client) -> int:
    """Where the audio goes on."""
    return client.got("session.created")[-1]["next_audio_ms"] * MS_BYTES


@pytest.mark.parametrize("how", ["closed", "reset", "unnoticed by the server"])
async def test_a_connection_that_is_cut_in_mid_utterance_costs_nothing(roaming_server: ServerProcess, how: str):
    undisturbed = await undisturbed_finals(roaming_server)
    dice = random.Random(how)
    cuts_s = sorted(dice.uniform(begin + 0.5, end) for begin, end in SENTENCES_S for _ in range(3))
    async with open_proxy(roaming_server.port) as proxy:
        client = None
        for cut_s in cuts_s:
            async with open_client(proxy.url, earlier=client) as client:
                begin = next_byte(client)
                assert begin <= len(PCM)
                await client.pour(PCM[begin : max(begin, 2 * round(cut_s * RATE))])
                await lose(client, proxy, how)  # while some of it is on its way, and so are messages
        async with open_client(proxy.url, earlier=client) as client:
            await finish_undisturbed(client, undisturbed)
            assert len(client.got("session.created")) == len(cuts_s) + 1


async def lose(client: Client, proxy: Proxy, how: str) -> None:
    match how:
        case "closed":
            await client.cut()
        case "reset":
            proxy.cut()
        case _:
            proxy.leave_client()
    await client.ended.wait()
    assert client.lost is not None


async def test_a_second_connection_with_the_token_takes_the_session_over(roaming_server: ServerProcess):
    undisturbed = await undisturbed_finals(roaming_server)
    async with open_client(roaming_server.url) as first:
        await first.pour(PCM[: 2 * 5 * RATE])
        await first.wait_for("transcript.partial")
        async with open_client(roaming_server.url, earlier=first) as second:
            await first.ended.wait()
            assert first.lost is not None
            assert first.session.close_code == 4409
            assert 0 < next_byte(second) <= 2 * 5 * RATE, "what had not been read by then is sent again"
            await finish_undisturbed(second, undisturbed)


async def test_without_the_token_nobody_gets_into_a_session_that_is_live(roaming_server: ServerProcess):
    async with open_client(roaming_server.url, "mine") as client, open_client(roaming_server.url) as other:
        assert await upgrade_status(roaming_server.port, "mine", "") == 409
        for wrong in ("resume=", "resume=wrong", "resume=%C3%A9", other.ticket.query, "received=1"):
            assert await upgrade_status(roaming_server.port, "mine", wrong) == 409, wrong
        for wrong in ("abc", "-1", "1.0", "%D9%A1", "9" * 19):
            query = f"{client.ticket.query.partition('&')[0]}&received={wrong}"
            assert await upgrade_status(roaming_server.port, "mine", query) == 400, wrong
        await client.send("session.configure")
        await client.wait_for("session.configured")
        assert len(client.got()) == 2, "it has not noticed"


async def test_who_comes_without_the_token_after_a_loss_gets_a_fresh_session_and_ends_nobodys(
    roaming_server: ServerProcess,
):
    undisturbed = await undisturbed_finals(roaming_server)
    async with open_client(roaming_server.url, "forgetful") as lost:
        await lost.pour(PCM[: 2 * 5 * RATE])
        await lost.wait_for("vad.speech_start")
        await lost.cut()
    await wait_client_away(roaming_server, "forgetful")
    async with open_client(roaming_server.url, "forgetful") as fresh:
        assert next_byte(fresh) == 0
        async with open_client(roaming_server.url, earlier=lost) as back:
            assert next_byte(back) > 0
            await fresh.ended.wait()
            assert fresh.session.close_code == 4409
            await finish_undisturbed(back, undisturbed)


async def wait_client_away(server: ServerProcess, session_id: str) -> None:
    """Until the session waits for its client."""

    def told() -> bool:
        return any("client_away" in line and session_id in line for line in server.stderr.splitlines())

    await until(told)


async def test_a_token_is_in_no_log(roaming_server: ServerProcess):
    async with open_client(roaming_server.url, "watched") as first:
        await first.pour(PCM[: 2 * 5 * RATE])
        await first.wait_for("vad.speech_start")  # who has said nothing has nothing to come back to
        await first.cut()
    async with open_client(roaming_server.url, earlier=first) as second:
        await upgrade_status(roaming_server.port, "watched", f"{first.ticket.query}x")
        async with open_client(roaming_server.url, earlier=second) as third:
            await third.finish()
    token = first.got("session.created")[0]["resume_token"]
    assert f"resume={token}&" in second.ticket.query, "it is sent as it is written"
    assert len(token) >= 32
    log = roaming_server.stdout + roaming_server.stderr
    assert log.count("session_resumed") >= 2
    assert token not in log


async def test_a_session_that_waits_for_its_client_does_not_delay_the_stop(start_server: StartServer):
    server = start_server("config/bench.toml", environment=ENVIRONMENT)
    async with open_client(server.url, "away") as client:
        await client.pour(PCM[: 2 * 5 * RATE])
        await client.wait_for("vad.speech_start")
        await client.cut()
    await wait_client_away(server, "away")
    began = trio.current_time()
    await trio.to_thread.run_sync(partial(server.stop, signal.SIGTERM))
    assert trio.current_time() - began < STOP_S


async def test_transcribe_goes_on_when_its_connection_is_cut(roaming_server: ServerProcess, tmp_path: Path):
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(PCM)
    numbers = itertools.count()

    async def transcript(url: str, cuts: int) -> str:
        command = [sys.executable, "-m", "voicetrio", "transcribe", "--fast", "--format", "json", "--server", url]
        run = Run([*command, str(tmp_path / "speech.wav")], tmp_path / f"run-{next(numbers)}")
        try:
            assert await trio.to_thread.run_sync(run.wait, abandon_on_cancel=True) == 0, run.stderr
            run.check_end()
        finally:
            run.kill()
        assert run.stderr.count("resuming") == cuts, run.stderr
        return run.stdout

    undisturbed = await transcript(roaming_server.url, cuts=0)
    for final in await undisturbed_finals(roaming_server):
        assert final["text"] in undisturbed
    async with open_proxy(roaming_server.port, cut_after=[150_000, 200_000]) as proxy:
        assert await transcript(proxy.url, cuts=2) == undisturbed
        assert proxy.cuts == 2
