"""An agent runtime: it keeps its dialogs itself, and its events are the client's, which pass through unchanged.

    POST {agent.url}/agent/message/stream     {"session_id": "...", "message": {...}}

Without `session_id` it begins a dialog, and tells its name in an event `session_info`. The answer ends with
`event: done`, with `data: [DONE]`, or with the HTTP answer itself, when that ends in order.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from voicetrio.agent.config import AgentConfig
from voicetrio.agent.payloads import MESSAGE, encodable, parse_object
from voicetrio.agent.request import Poster
from voicetrio.agent.sse import Events, open_events
from voicetrio.session.ports import AgentEvent, AgentFault, AgentRequest

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
        self._max_event_bytes = config.max_event_bytes

    @asynccontextmanager
    async def open_turn(self, request: AgentRequest) -> AsyncIterator["RuntimeStream"]:
        async with (
            self._poster.post(_PATH, _body(request), self._headers) as response,
            open_events(response, max_event_bytes=self._max_event_bytes) as events,
        ):
            yield RuntimeStream(events)


class RuntimeStream:
    """The session's `AgentStream`."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._over = False
        self._had_token = False

    async def receive(self) -> AgentEvent | AgentFault | None:
        while not self._over:
            event = await self._events.receive()
            if event is None or event.data.strip() == "[DONE]":
                self._over = True
            elif event.event == "done":
                self._over = True
                last = parse_object(event.data)
                # Without a type it only says that this is the end, which is nothing to a client.
                if last is not None and "type" in last:
                    return self._event(event.data, last)
            elif event.data.strip():
                payload = parse_object(event.data)
                if payload is None:
                    return AgentFault("agent_malformed", "an event of the agent is not a JSON object; it was left out")
                return self._event(event.data, payload)
        return None

    def _event(self, data: str, payload: dict[str, Any]) -> AgentEvent:
        match payload:
            case {"type": "session_info", "session_id": str(name)} if name:
                return AgentEvent(data, dialog_id=name)
            case {"type": str(kind)} if kind == MESSAGE:
                return AgentEvent(data, text=self._said(payload))
            case _:
                return AgentEvent(data)

    def _said(self, payload: dict[str, Any]) -> str:
        """An agent tells tokens, and at the end often all of them again; or it tells the content only, at once."""
        token, content = payload.get("token"), payload.get("content")
        if isinstance(token, str) and token:
            self._had_token = True
            return encodable(token)
        if isinstance(content, str) and not self._had_token:
            return encodable(content)
        return ""


def _body(request: AgentRequest) -> dict[str, object]:
    body: dict[str, object] = {"message": dict(request.message)}
    if request.dialog_id is not None:
        body = {"session_id": request.dialog_id, **body}
    if request.interruption is not None:
        body["interruption"] = {
            "heard_text": request.interruption.heard_text,
            "heard_ms": request.interruption.heard_ms,
        }
    return body
