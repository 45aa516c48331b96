"""`transcribe` over connections that are cut, on real sockets: the same transcript, and the same audio, as without."""

import io
import random
import wave

import pytest

from voicetrio.cli import replay, resuming
from voicetrio.cli.transcribe import TranscribeOptions

from .fake_server import Peer, open_fake_server
from .fake_session import FakeSession
from .transcribing import FAST, Terminal, run

SECONDS = 3.0
PCM = random.Random(1).randbytes(int(SECONDS * 32_000))


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(resuming, "RETRY_S", 0.01)
    monkeypatch.setenv("COLUMNS", "200")  # for the line with the file's name


@pytest.fixture
def file(tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(16_000)
        writer.writeframes(PCM)
    return str(tmp_path / "a.wav")


def resuming_line(file: str) -> str:
    return f"voicetrio: {file}: the connection to the server was lost; resuming\n"


async def connections(kept: FakeSession, peer: Peer, number: int) -> None:
    """Two cuts, with audio and messages lost on the way both times; then the end."""
    await kept.enter(peer, lost_ms=333 if number == 1 else 0)
    match number:
        case 0:
            await kept.send("session.configured", config={})
            await kept.receive_audio(1000)
            await kept.send_final("one")
            await kept.send_final("two", lost=True)
            await peer.break_off()
        case 1:
            await kept.receive_audio(2000)
            await kept.send_final("three", lost=True)
            await peer.connection.aclose(1012)
        case 2:
            await kept.receive_until("session.close")
            await kept.send_final("four")
            await kept.end()


@pytest.mark.parametrize("options", [FAST, TranscribeOptions()])
async def test_a_cut_connection_changes_nothing_in_the_transcript(file, options):
    kept = FakeSession()

    async def script(peer: Peer) -> None:
        await connections(kept, peer, len(server.peers) - 1)

    async with open_fake_server(script) as server:
        code, out, err = await run(server, [file], options)
    assert (code, out) == (0, "one\ntwo\nthree\nfour\n")
    assert err == resuming_line(file) * 2
    assert bytes(kept.audio) == PCM
    assert len({peer.path.partition("?")[0] for peer in server.peers}) == 1
    assert kept.received == [2, 3]
    assert [message["type"] for message in kept.messages] == ["session.configure", "session.close"]


@pytest.mark.parametrize("err_is_terminal", [True, False])
async def test_a_terminal_gets_the_line_once_and_is_given_back(file, err_is_terminal):
    kept = FakeSession()
    out, err = Terminal(), Terminal() if err_is_terminal else io.StringIO()

    async def script(peer: Peer) -> None:
        await connections(kept, peer, len(server.peers) - 1)

    async with open_fake_server(script) as server:
        code, _, _ = await run(server, [file], out=out, err=err)
    assert code == 0
    # Where both are terminals they are one, and the line goes by way of what draws there.
    where = out if err_is_terminal else err
    assert where.getvalue().count("resuming\n") == 2
    assert [out.getvalue().count(f"{word}\n") for word in ("one", "two", "three", "four")] == [1] * 4
    assert out.getvalue().rfind("\x1b[?25h") > out.getvalue().rfind("\x1b[?25l")


@pytest.mark.parametrize("lost_ms", [0, 1, 100])
async def test_a_cut_after_the_close_is_no_loss(file, lost_ms):
    kept = FakeSession()

    async def script(peer: Peer) -> None:
        await kept.enter(peer, lost_ms=lost_ms)
        if len(server.peers) == 1:
            await kept.receive_until("session.close")
            await kept.send_final("all", lost=True)
            await peer.break_off()
            return
        if lost_ms:
            await kept.receive_until("session.close")
        await kept.end()

    async with open_fake_server(script) as server:
        code, out, _ = await run(server, [file])
    assert (code, out) == (0, "all\n")
    assert bytes(kept.audio[: len(PCM)]) == PCM
    assert len(kept.audio) - len(PCM) < 320  # the shortest frame is 10 ms


async def test_a_session_that_ends_without_the_lost_audio_is_a_failure(file):
    kept = FakeSession()

    async def script(peer: Peer) -> None:
        await kept.enter(peer, lost_ms=2900)
        if len(server.peers) == 1:
            await kept.receive_until("session.close")
            await peer.break_off()
        else:
            await kept.end()

    async with open_fake_server(script) as server:
        code, _, err = await run(server, [file])
    assert code == 1
    assert "before the whole file was sent" in err


async def test_settings_that_were_lost_are_sent_again(file):
    kept = FakeSession()

    async def script(peer: Peer) -> None:
        await kept.enter(peer, lost_ms=len(kept.audio) // 32)
        if len(server.peers) == 1:
            await kept.receive()
            kept.messages.clear()
            await peer.break_off()
        else:
            await kept.receive_until("session.close")
            await kept.end()

    async with open_fake_server(script) as server:
        code, _, _ = await run(server, [file])
    assert code == 0
    assert [message["type"] for message in kept.messages] == ["session.configure", "session.close"]
    assert bytes(kept.audio) == PCM


async def test_a_session_that_is_gone_is_a_failure_and_what_was_heard_is_kept(file):
    kept = FakeSession()

    async def script(peer: Peer) -> None:
        if len(server.peers) == 1:
            await kept.enter(peer)
            await kept.receive_audio(1000)
            await kept.send_final("one")
            await peer.break_off()
        else:
            await peer.create(resumed=False, limits=kept.limits, next_audio_ms=0)
            await peer.receive_until("session.cancel")

    async with open_fake_server(script) as server:
        code, out, err = await run(server, [file])
    assert (code, out) == (1, "one\n")
    assert err == resuming_line(file) + f"voicetrio: {file}: the server does not have the session any more\n"
    assert len(server.peers) == 2


async def test_a_session_that_somebody_took_over_is_not_taken_back(file):
    kept = FakeSession()

    async def script(peer: Peer) -> None:
        await kept.enter(peer)
        await kept.receive_audio(1000)
        await peer.connection.aclose(4409)

    async with open_fake_server(script) as server:
        code, _, err = await run(server, [file])
    assert code == 1
    assert "taken over by another connection" in err
    assert len(server.peers) == 1


async def test_a_session_that_has_failed_is_not_come_back_to(file):
    kept = FakeSession()

    async def script(peer: Peer) -> None:
        await kept.enter(peer)
        await kept.send("error", code="internal", message="a fault", recoverable=False)
        await peer.break_off()

    async with open_fake_server(script) as server:
        code, _, err = await run(server, [file])
    assert (code, err) == (1, f"voicetrio: {file}: internal: a fault\n")


async def test_audio_that_is_asked_for_and_not_kept_is_a_failure(file, monkeypatch):
    monkeypatch.setattr(replay, "KEEP_EXTRA_S", -15.0)  # so that next to nothing is kept
    kept = FakeSession(max_backlog_ms=100)

    async def script(peer: Peer) -> None:
        await kept.enter(peer, lost_ms=0 if len(server.peers) == 1 else 2900)
        await kept.receive_audio(2900)
        await peer.break_off()

    async with open_fake_server(script) as server:
        code, _, err = await run(server, [file])
    assert code == 1
    assert "wants to go on at 0.0 s" in err


async def test_a_session_that_stays_away_is_lost_when_its_time_is_over(file, monkeypatch):
    monkeypatch.setattr(resuming, "GRACE_MARGIN_S", 0.0)
    kept = FakeSession(grace_ms=300)

    async def script(peer: Peer) -> None:
        if len(server.peers) == 1:
            await kept.enter(peer)
            await kept.receive_audio(500)
        await peer.break_off()

    async with open_fake_server(script) as server:
        code, _, err = await run(server, [file])
    assert code == 1
    assert err == resuming_line(file) + (
        f"voicetrio: {file}: the connection to the server was lost, and could not be resumed in time\n"
    )
    assert len(server.peers) > 3
