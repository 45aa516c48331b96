"""One POST for a turn, whatever happens to it; and errors that say what to do, and nothing that is secret."""

import logging
import ssl
import subprocess
import traceback
from pathlib import Path

import pytest
import trio

from tests.agent.asking import HELLO, KEY, ask, config
from tests.agent.http_server import Answer, open_server, status, stream
from voicetrio.agent import AgentConfig, open_agent
from voicetrio.core.errors import AgentError
from voicetrio.session.ports import AgentRequest

KINDS = pytest.mark.parametrize("kind", ["runtime", "chat"])
DONE = b'data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: [DONE]\n\n'


async def failure(agent_config: AgentConfig, request: AgentRequest = HELLO) -> AgentError:
    """The error of one turn, which must hold no secret, in its text, its chain or its traceback."""
    async with open_agent(agent_config) as agent:
        with pytest.raises(AgentError) as caught:
            await ask(agent, request)
    everything = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.args)
    for secret in (KEY, "hello there", "the body of an error", "user:pass", "127.0.0.1"):
        assert secret not in everything
    return caught.value


@KINDS
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (400, "agent_failed"),
        (401, "agent_unauthorized"),
        (403, "agent_unauthorized"),
        (404, "agent_not_found"),
        (418, "agent_failed"),
        (429, "agent_busy"),
        (500, "agent_failed"),
        (502, "agent_failed"),
        (503, "agent_busy"),
        (301, "agent_failed"),
        (304, "agent_failed"),
        (307, "agent_failed"),
        (308, "agent_failed"),
    ],
)
async def test_a_refusal_is_told_by_its_code_and_the_request_is_sent_once(kind, code, expected):
    location = ("Location: /elsewhere", "Retry-After: 0", "WWW-Authenticate: Basic")
    async with open_server(status(code, b"the body of an error", *location, then="keep"), status(200)) as server:
        error = await failure(config(server, kind=kind, url=f"http://user:pass@127.0.0.1:{server.port}"))
    assert error.code == expected
    assert str(code) in error.message
    assert len(server.requests) == 1


@pytest.mark.parametrize("location", ["http://[", "//", "\x01", "http://a..b", "ftp://x", ""])
async def test_a_redirect_to_anywhere_is_only_a_redirect(location):
    async with open_server(status(302, b"", f"Location: {location}")) as server:
        assert (await failure(config(server, kind="chat"))).code in ("agent_failed", "agent_broken")
    assert len(server.requests) == 1


async def test_the_body_of_an_error_is_not_waited_for():
    head = b"HTTP/1.1 500 X\r\nContent-Length: 1000000000\r\n\r\nsome"
    async with open_server(Answer((head,), "hold")) as server:
        with trio.fail_after(5):
            error = await failure(config(server, kind="chat"))
            await server.gone.wait()
    assert error.code == "agent_failed"


@KINDS
@pytest.mark.parametrize(
    "answer",
    [
        Answer((), "close"),
        Answer((), "reset"),
        Answer((b"HTTP/1.1 200",), "close"),
        Answer((b"hello there this is no HTTP\r\n\r\n",), "close"),
        Answer((b"HTTP/1.1 200 OK\r\nthe body of an error\r\n\r\n",), "close"),
        Answer((b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,), "hold"),
    ],
)
async def test_a_server_that_answers_nonsense_or_nothing_is_broken_and_not_asked_again(kind, answer):
    async with open_server(answer, stream(DONE)) as server:
        assert (await failure(config(server, kind=kind))).code == "agent_broken"
    assert (len(server.requests), server.connections) == (1, 1)


@KINDS
async def test_nobody_listens(kind):
    async with open_server() as server:
        port = server.port
    error = await failure(AgentConfig(kind, f"http://user:pass@127.0.0.1:{port}", KEY))
    assert error.code == "agent_unreachable"
    assert "agent.url" in error.message
    assert "nobody listens" in error.message


async def test_a_host_name_that_nobody_knows():
    class Resolver(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *args, **kwargs):
            await trio.lowlevel.checkpoint()
            raise trio.socket.gaierror(trio.socket.EAI_NONAME, "Name or service not known")

        async def getnameinfo(self, *args):
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Resolver())
    error = await failure(AgentConfig("chat", "http://agent.invalid/v1"))
    assert error.code == "agent_unreachable"
    assert "not known" in error.message


async def test_a_connection_that_is_not_made_in_time():
    listener = trio.socket.socket()
    await listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    port = listener.getsockname()[1]
    # Nobody accepts: the queue takes one, and the next packets are dropped.
    filling = [trio.socket.socket() for _ in range(4)]
    with listener:
        for socket in filling:
            with trio.move_on_after(0.01):
                await socket.connect(("127.0.0.1", port))
        error = await failure(AgentConfig("chat", f"http://127.0.0.1:{port}", connect_timeout=0.05))
        for socket in filling:
            socket.close()
    assert error.code == "agent_unreachable"
    assert "0.05 s" in error.message


async def test_a_server_that_does_not_speak_tls():
    async def serve_mail(connection: trio.SocketStream) -> None:
        await connection.send_all(b"220 hello, this is mail\r\n")
        await connection.receive_some()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve_mail, 0)
        port = listeners[0].socket.getsockname()[1]
        error = await failure(AgentConfig("chat", f"https://127.0.0.1:{port}", KEY))
        nursery.cancel_scope.cancel()
    assert error.code == "agent_unreachable"
    assert "TLS" in error.message


async def test_a_certificate_that_is_not_trusted(tmp_path):
    context = _self_signed(tmp_path)
    async with trio.open_nursery() as nursery:

        async def serve(connection: trio.SSLStream) -> None:
            with pytest.raises(trio.BrokenResourceError):
                await connection.receive_some()

        listeners = await nursery.start(trio.serve_ssl_over_tcp, serve, 0, context)
        port = listeners[0].transport_listener.socket.getsockname()[1]
        error = await failure(AgentConfig("chat", f"https://127.0.0.1:{port}", KEY))
        nursery.cancel_scope.cancel()
    assert error.code == "agent_unreachable"
    assert "certificate" in error.message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}])
async def test_a_message_that_is_no_json_is_not_sent(value):
    async with open_server() as server:
        error = await failure(
            config(server, kind="runtime"), AgentRequest(None, {"content": "hello there", "x": value})
        )
    assert error.code == "agent_bad_message"
    assert server.connections == 0


@KINDS
async def test_no_log_holds_a_key_or_a_password_or_what_was_said(kind, caplog):
    caplog.set_level(logging.DEBUG)
    async with open_server(stream(DONE), status(401)) as server:
        url = f"http://user:passw0rd@127.0.0.1:{server.port}"
        async with open_agent(config(server, kind=kind, url=url)) as agent:
            await ask(agent)
            with pytest.raises(AgentError):
                await ask(agent)
    assert "HTTP Request: POST" in caplog.text  # httpx2 does log
    for secret in (KEY, "passw0rd", "hello there"):
        assert secret not in caplog.text


def test_no_secret_is_shown_with_the_settings():
    shown = repr(AgentConfig("chat", "http://user:passw0rd@127.0.0.1:1", KEY))
    assert KEY not in shown
    assert "passw0rd" not in shown


async def test_cookies_of_one_turn_do_not_come_back_with_another():
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nSet-Cookie: user=a; Path=/\r\nContent-Length: 14\r\n\r\n"
    async with (
        open_server(Answer((head + b"data: [DONE]\n\n",)), stream(DONE)) as server,
        open_agent(config(server, kind="runtime")) as agent,
    ):
        await ask(agent)
        await ask(agent)
    assert "cookie" not in server.requests[1].headers


async def test_a_proxy_in_the_environment_is_not_used(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with open_server(stream(DONE)) as server, open_agent(config(server, kind="chat")) as agent:
        await ask(agent)
    assert len(server.requests) == 1


@KINDS
async def test_a_connection_that_the_server_closes_between_two_turns_costs_neither(kind):
    """Nor is a request sent on it while its goodbye is on the way, as every turn has a connection of its own."""
    async with (
        open_server(*[stream(DONE, then="close"), stream(DONE, then="keep")] * 5) as server,
        open_agent(config(server, kind=kind)) as agent,
    ):
        for _ in range(10):
            await ask(agent)
    assert (len(server.requests), server.connections) == (10, 10)


def _self_signed(directory: Path) -> ssl.SSLContext:
    """With a certificate made for this test, by the one tool for it that is surely here."""
    key, certificate = str(directory / "key.pem"), str(directory / "certificate.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context
