import contextlib
import gc

import pytest
import trio
import trio.testing

from voicetrio.cli import native_client
from voicetrio.cli.native_client import (
    ConnectionLost,
    ServerUnreachable,
    SessionRefused,
    open_native_session,
    session_url,
)
from voicetrio.cli.native_errors import ConnectionCut, SessionGone
from voicetrio.cli.ticket import ResumeTicket, ServerLimits

from .fake_server import Peer, open_fake_server


async def nothing(peer: Peer) -> None:
    pass


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("ws://127.0.0.1:8000", "ws://127.0.0.1:8000/ws/x"),
        ("http://localhost:8000/", "ws://localhost:8000/ws/x"),
        ("https://voice.example", "wss://voice.example/ws/x"),
        ("wss://voice.example/voice/", "wss://voice.example/voice/ws/x"),
        ("HTTP://[::1]:80", "ws://[::1]:80/ws/x"),
        ("wss://voice.example?token=abc", "wss://voice.example/ws/x?token=abc"),
    ],
)
def test_the_address_of_a_session(server, url):
    assert session_url(server, "x") == url


@pytest.mark.parametrize("server", ["", "localhost:8000", "ftp://a", "ws://", "ws://a:99999", "ws://[::1"])
def test_what_is_no_address_is_said_to_be_none(server):
    with pytest.raises(ServerUnreachable, match="not the address"):
        session_url(server, "x")


async def test_nobody_listens():
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    with pytest.raises(ServerUnreachable, match=rf"ws://127.0.0.1:{port} "):
        async with open_native_session(f"ws://127.0.0.1:{port}?token=secret", "x"):
            pytest.fail("there is no session")


# trio-websocket forgets the socket of a connection that was given up; so for a moment does the collector.
LEAVES_ITS_SOCKET = pytest.mark.filterwarnings("ignore::ResourceWarning")


@LEAVES_ITS_SOCKET
async def test_a_server_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(native_client, "CONNECT_S", 0.05)
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    async with listener:
        port = listener.socket.getsockname()[1]
        with trio.fail_after(5), pytest.raises(ServerUnreachable, match="no voicetrio server answers"):
            async with open_native_session(f"ws://127.0.0.1:{port}", "x"):
                pytest.fail("there is no session")
    gc.collect()


@LEAVES_ITS_SOCKET
async def test_a_server_of_another_kind_is_given_up(monkeypatch):
    monkeypatch.setattr(native_client, "CONNECT_S", 0.2)

    async def serve(stream: trio.SocketStream) -> None:
        await stream.send_all(b"220 mail.example ESMTP\r\n")
        await stream.aclose()

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
            nursery.start_soon(trio.serve_listeners, serve, [listener])
            with pytest.raises(ServerUnreachable):
                async with open_native_session(f"ws://127.0.0.1:{listener.socket.getsockname()[1]}", "x"):
                    pytest.fail("there is no session")
            nursery.cancel_scope.cancel()
    gc.collect()


@LEAVES_ITS_SOCKET
async def test_a_refusal_is_told_with_its_status_and_without_the_query():
    async with open_fake_server(nothing, refuse=(409, b"this session\nis live")) as server:
        with pytest.raises(SessionRefused, match=r"HTTP 409 \(this session is live\)") as caught:
            async with open_native_session(f"{server.url}?token=secret", "x"):
                pytest.fail("there is no session")
    assert caught.value.status == 409
    assert "secret" not in str(caught.value)
    del caught
    gc.collect()


async def test_messages_come_in_order_and_the_iteration_ends_with_the_session():
    async def script(peer: Peer) -> None:
        assert peer.path == "/ws/x"
        await peer.create()
        await peer.send_audio(b"\1\2")
        await peer.say_closed()
        await peer.connection.aclose(1001, "bye")

    async with open_fake_server(script) as server, open_native_session(server.url, "x") as session:
        assert session.close_code is None
        seen = [m if isinstance(m, bytes) else m["type"] async for m in session]
        assert seen == ["session.created", b"\1\2", "session.closed"]
        assert session.close_code == 1001
        assert session.close_reason == "bye"


async def test_a_close_before_the_last_message_is_a_loss_and_tells_the_code():
    async def script(peer: Peer) -> None:
        await peer.connection.aclose(4408, "too slow")

    async with open_fake_server(script) as server, open_native_session(server.url, "x") as session:
        with pytest.raises(ConnectionLost, match="4408, timed out, too slow"):
            await anext(session)
        with pytest.raises(ConnectionLost, match="4408"):
            await session.send_audio(b"\0\0")


async def test_a_broken_connection_is_a_loss():
    async with open_fake_server(Peer.break_off) as server, open_native_session(server.url, "x") as session:
        with pytest.raises(ConnectionLost, match="was lost"):
            await anext(session)


async def test_a_ticket_is_filled_in_and_brings_us_back():
    limits = {"max_rate": None, "max_backlog_ms": 10_000, "resume_grace_ms": 15_000}

    async def script(peer: Peer) -> None:
        await peer.create(limits=limits, resumed=bool(peer.query))
        await peer.send("session.configured", config={})
        await peer.send_audio(b"\1\2")
        await peer.break_off()

    ticket = ResumeTicket()
    async with open_fake_server(script) as server:
        for _ in range(2):
            async with open_native_session(f"{server.url}?key=k", "x", ticket=ticket) as session:
                with pytest.raises(ConnectionCut):
                    async for _ in session:
                        assert session.created
    assert [peer.path for peer in server.peers] == ["/ws/x?key=k", "/ws/x?key=k&resume=t&received=1"]
    assert ticket.received == 2
    assert ticket.limits == ServerLimits(None, 10.0, 15.0)


async def test_a_new_session_in_place_of_the_one_we_came_back_to_is_told_and_cancelled():
    cancelled = trio.Event()

    async def script(peer: Peer) -> None:
        await peer.create(resumed=False)
        await peer.receive_until("session.cancel")
        cancelled.set()

    ticket = ResumeTicket()
    ticket.note({"type": "session.created", "resume_token": "secret"})
    async with open_fake_server(script) as server:
        async with open_native_session(server.url, "x", ticket=ticket) as session:
            with pytest.raises(SessionGone) as caught:
                await anext(session)
            assert not session.created
        await cancelled.wait()
    assert "secret" not in str(caught.value)


@LEAVES_ITS_SOCKET
async def test_a_refused_return_does_not_tell_the_token():
    ticket = ResumeTicket()
    ticket.note({"type": "session.created", "resume_token": "secret"})
    async with open_fake_server(nothing, refuse=(404, b"no such session")) as server:
        with pytest.raises(SessionRefused, match="404") as caught:
            async with open_native_session(server.url, "x", ticket=ticket):
                pytest.fail("there is no session")
    assert "secret" not in str(caught.value)
    del caught
    gc.collect()


async def test_a_silent_server_is_given_up_even_if_the_limit_is_set_while_waiting():
    async def script(peer: Peer) -> None:
        await trio.sleep_forever()

    async with open_fake_server(script) as server, open_native_session(server.url, "x") as session:

        async def limit() -> None:
            await trio.testing.wait_all_tasks_blocked()
            session.limit_silence(0.01)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(limit)
            with pytest.raises(ConnectionLost, match="silent"):
                await anext(session)


async def test_a_message_that_is_no_json_is_a_loss():
    async def script(peer: Peer) -> None:
        await peer.connection.send_message("hello")

    async with open_fake_server(script) as server, open_native_session(server.url, "x") as session:
        with pytest.raises(ConnectionLost, match="no JSON object"):
            await anext(session)


async def test_a_session_that_is_left_early_is_cancelled_even_when_we_are():
    done = trio.Event()
    messages = []

    async def script(peer: Peer) -> None:
        await peer.create()
        with contextlib.suppress(native_client.ConnectionClosed):
            messages.append(await peer.receive())
            await peer.receive()
        done.set()

    async with open_fake_server(script) as server:
        with trio.CancelScope() as scope:
            async with open_native_session(server.url, "x") as session:
                await anext(session)
                scope.cancel()
                await trio.sleep_forever()
        await done.wait()
    assert messages == [{"type": "session.cancel"}]


async def test_leaving_is_bounded_when_the_server_does_not_read(monkeypatch):
    monkeypatch.setattr(native_client, "LEAVE_S", 0.05)

    async def script(peer: Peer) -> None:
        await trio.sleep_forever()

    async with open_fake_server(script) as server:
        with trio.move_on_after(0.2) as scope:
            async with open_native_session(server.url, "x") as session:
                while True:  # until the socket is full
                    await session.send_audio(bytes(100_000))
        assert scope.cancelled_caught
        assert trio.current_time() - scope.deadline < 2.0
