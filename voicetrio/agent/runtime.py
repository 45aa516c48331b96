"""An agent runtime: it keeps its dialogs itself, and its events are the client's, which pass through unchanged.

    POST {agent.url}/agent/message/stream     {"session_id": "...", "message": {...}}

Without `session_id` it begins a dialog, and tells its name in an event `session_info`. The answer ends with
`event: done`, with `data: [DONE]`, or with the HTTP answer itself, when that ends in order: one that has neither a length
nor chunks ends with its connection, which is in order only behind a message that says `is_final`. An error at the end,
which the client gets as any event, makes the answer a failed one.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from voicetrio.agent.config import AgentConfig
from voicetrio.agent.content import read_content
from voicetrio.agent.event_stream import DONE
from voicetrio.agent.payloads import MESSAGE, encodable, envelope, is_reserved, parse_object, read_dialog_id
from voicetrio.agent.request import Poster
from voicetrio.agent.sse import Events, broken, open_events
from voicetrio.core.errors import AgentError
from voicetrio.session.ports import AgentAlive, AgentEvent, AgentFault, AgentRequest, JsonNull

_PATH = "/agent/message/stream"


class RuntimeAgent:
    """The session's `Agent`. One for all sessions."""

    kind: Literal["runtime"] = "runtime"
    keeps_dialogs = True

    def __init__(self, config: AgentConfig, poster: Poster) -> None:
        self._poster = poster
        self._headers = {"Content-Type": "application/json"}
        if config.api_key:
            self._headers["X-Internal-Auth"] = config.api_key
        self._config = config

    @asynccontextmanager
    async def open_turn(self, request: AgentRequest) -> AsyncIterator["RuntimeStream"]:
        async with (
            self._poster.post(_PATH, _body(request), self._headers) as response,
            open_events(response, self._config) as events,
        ):
            yield RuntimeStream(events, self._config.max_event_bytes)


class RuntimeStream:
    """The session's `AgentStream`."""

    def __init__(self, events: Events, max_event_bytes: int) -> None:
        self._events = events
        self._max_event_bytes = max_event_bytes
        self._ready: deque[AgentEvent | AgentFault] = deque()
        self._over = False
        self._had_token = False
        self._final = False
        """Whether the last message said that it was the last one."""
        self._erred = False
        """Whether the last that came was an error, and no text."""

    async def receive(self) -> AgentEvent | AgentFault | AgentAlive | None:
        if not self._ready and not self._over:
            await self._read()
        if self._ready:
            return self._ready.popleft()
        if not self._over:
            return AgentAlive()
        if self._erred:
            raise AgentError("agent_failed", "the agent has ended its answer with an error; see its own log")
        return None

    async def _read(self) -> None:
        event = await self._events.receive()
        if event is None:
            self._over = True
            if not (self._events.framed or self._final or self._erred):
                raise broken("the connection ended without event: done, [DONE] or is_final")
        elif isinstance(event, AgentAlive):
            pass
        elif event.data.strip() == DONE:
            self._over = True
        elif event.event == "done":
            self._over = True
            last = parse_object(event.data)
            # Without a type it only says that this is the end, which is nothing to a client.
            if last is not None and "type" in last:
                self._take(event.data, last)
        elif event.data.strip():
            payload = parse_object(event.data)
            if payload is None:
                text = "an event of the agent is not a JSON object; it was left out"
                self._ready.append(AgentFault("agent_malformed", text))
            else:
                self._take(event.data, payload)
                self._erred |= event.event == "error"

    def _take(self, data: str, payload: dict[str, Any]) -> None:
        match payload.get("type"):
            case "session_info":
                self._name(data, payload)
            case kind if kind == MESSAGE:
                self._say(data, payload)
            case str(kind) if is_reserved(kind):
                # As it is, a client would take it for ours, and the session's account of it would be wrong.
                enveloped = envelope(data)
                if len(enveloped.encode("utf-8", "surrogatepass")) >= self._max_event_bytes:
                    text = f"an event of the agent has {self._max_event_bytes} bytes or more; see agent.max_event_bytes"
                    raise AgentError("agent_event_too_large", text)
                self._ready.append(AgentEvent(enveloped))
            case kind:
                self._erred |= kind == "error"
                self._ready.append(AgentEvent(data))

    def _name(self, data: str, payload: dict[str, Any]) -> None:
        dialog_id, fault = read_dialog_id(payload)
        self._ready.append(AgentEvent(data, dialog_id=dialog_id))
        if fault:
            self._ready.append(AgentFault("agent_bad_session_id", fault))

    def _say(self, data: str, payload: dict[str, Any]) -> None:
        """An agent tells tokens, and at the end often all of them again; or it tells the content only, at once."""
        said = read_content(payload.get("token"))
        if said.text:
            self._had_token = True
        else:
            content = read_content(payload.get("content"))
            said.unreadable |= content.unreadable
            said.text = "" if self._had_token else content.text
        if said.text:
            self._erred = False
        self._final = payload.get("is_final") is True
        self._ready.append(AgentEvent(data, text=encodable(said.text)))
        if said.unreadable:
            text = "an assistant_message has no text in its token or content, but something else; it is not spoken"
            self._ready.append(AgentFault("agent_malformed", text))


def _body(request: AgentRequest) -> dict[str, object]:
    body: dict[str, object] = {"message": dict(request.message)}
    if request.dialog_id is not None:
        body = {"session_id": None if request.dialog_id is JsonNull.NULL else request.dialog_id, **body}
    if request.interruption is not None:
        body["interruption"] = {
            "heard_text": request.interruption.heard_text,
            "heard_ms": request.interruption.heard_ms,
        }
    return body
