"""Asks an agent over HTTP: one POST per turn, whatever happens to it.

A request is never sent again, not even where it surely did not arrive: an agent acts on what it is told, and a second
answer would be spoken over the first. A redirect is not followed for the same reason, and so that no key goes where
nobody has configured it to go.

Errors of httpx2 end here. Its texts do not pass: they may hold header lines, ours or the server's.
"""

import json
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from voicetrio.agent.config import AgentConfig
from voicetrio.core.errors import AgentError


class Poster:
    """Use `open_poster`. Safe to use from many tasks at once."""

    def __init__(self, client: httpx2.AsyncClient, config: AgentConfig) -> None:
        self._client = client
        self._url = httpx2.URL(config.url)
        self._connect_timeout = config.connect_timeout

    @asynccontextmanager
    async def post(
        self, path: str, body: Mapping[str, object], headers: Mapping[str, str]
    ) -> AsyncIterator[httpx2.Response]:
        """The agent's answer, a 2xx with its body still unread. Leaving closes its connection, unless it was read to its
        end. Entering raises `AgentError`; it takes as long as the agent does to begin.
        """
        auth = None
        if self._url.userinfo and "Authorization" not in headers:
            auth = httpx2.BasicAuth(self._url.username, self._url.password)
        request = self._client.build_request("POST", self._join(path), content=_encoded(body), headers=headers)
        try:
            response = await self._client.send(request, auth=auth, stream=True)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._translated(error) from None
        try:
            # The body of an error is not read: nobody may be shown it, and leaving closes the connection.
            _check_status(response.status_code)
            yield response
        finally:
            await response.aclose()

    def _join(self, path: str) -> httpx2.URL:
        """The path goes in front of a query: some servers' URLs need one. No password is left in it: it may be logged."""
        own, mark, query = self._url.raw_path.partition(b"?")
        raw_path = own.rstrip(b"/") + path.encode() + mark + query
        return self._url.copy_with(userinfo=b"", raw_path=raw_path, fragment=None)

    def _translated(self, error: Exception) -> AgentError:
        match error:
            case httpx2.ConnectTimeout() | httpx2.PoolTimeout():
                why = f"no connection within {self._connect_timeout:g} s"
            case httpx2.ConnectError():
                why = _why_no_connection(error)
            case _:
                # That the server has not done anything yet is likely, and not certain.
                text = f"the agent's connection broke before it answered ({type(error).__name__}); see its own log"
                return AgentError("agent_broken", text)
        return AgentError(
            "agent_unreachable", f"the agent cannot be reached: {why}; is it running, is agent.url right?"
        )


@asynccontextmanager
async def open_poster(config: AgentConfig) -> AsyncIterator[Poster]:
    """One per server, for all sessions: certificates are loaded once."""
    client = httpx2.AsyncClient(
        # Reads and writes wait for as long as the agent takes: the session knows how long it may be silent.
        timeout=httpx2.Timeout(None, connect=config.connect_timeout, pool=config.connect_timeout),
        # Every turn has its own connection, and no number of them is too large: sessions are counted already. A server
        # closes an idle one when it likes; a request that crosses its goodbye is lost, and with it, never sent again, a
        # turn. A handshake takes less than a word, and turns seldom follow so soon that it could be saved.
        limits=httpx2.Limits(max_keepalive_connections=0),
        verify=httpx2.URL(config.url).scheme
        == "https",  # nothing to verify otherwise, and loading certificates takes 0.2 s
        follow_redirects=False,
        trust_env=False,  # a proxy or a password that some other program needs would be a surprise here
        # Sessions share this client. A cookie which an agent gives to one must not come back with another's turn.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        headers={"Accept": "text/event-stream", "Accept-Encoding": "identity", "User-Agent": "voicetrio"},
    )
    async with client:
        yield Poster(client, config)


def _encoded(body: Mapping[str, object]) -> bytes:
    """Escaped to ASCII: what a client sends may hold half of a character, which UTF-8 cannot."""
    try:
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        text = "the message cannot be sent as JSON: it holds a NaN or an infinity, or is too deeply nested"
        raise AgentError("agent_bad_message", text) from None


def _check_status(status: int) -> None:
    match status:
        case _ if 200 <= status < 300:
            return
        case 401 | 403:
            code, text = "agent_unauthorized", "check agent.api_key"
        case 404:
            code, text = "agent_not_found", "check the path of agent.url, and agent.model"
        case 429 | 503:
            code, text = "agent_busy", "it takes no more requests now; try again later"
        case _ if 300 <= status < 400:
            code, text = "agent_failed", "a redirect, which is not followed: set agent.url to where it leads"
        case _:
            code, text = "agent_failed", "see the agent's own log"
    raise AgentError(code, f"the agent answered with HTTP {status}: {text}")


def _why_no_connection(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case socket.gaierror():
                return "its host name is not known"
            case ssl.SSLCertVerificationError():
                return "its TLS certificate is not trusted"
            case ssl.SSLError():
                return "it does not speak TLS, or not ours"
            case BaseExceptionGroup() if cause.subgroup(ConnectionRefusedError):  # one for each address that was tried
                return "nobody listens there"
            case _:
                pass
        cause = cause.__cause__ or cause.__context__
    return "no connection"
