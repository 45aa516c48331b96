"""A chat server: anything that answers `POST {agent.url}/chat/completions` as OpenAI does, and streams.

It remembers nothing, so it is told all that was said, every time. Its chunks are no business of a client: what a client
gets are events in the shape of a runtime's, a token each, and the whole answer at the end.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from voicetrio.agent.chunks import Chunk, read_chunk
from voicetrio.agent.config import AgentConfig
from voicetrio.agent.payloads import compact, encodable, new_dialog, parse_object, token_event, whole_event
from voicetrio.agent.request import Poster
from voicetrio.agent.sse import Events, broken, open_events
from voicetrio.agent.thinking import ThinkingFilter
from voicetrio.core.errors import AgentError
from voicetrio.session.ports import AgentEvent, AgentFault, AgentRequest, Said

_PATH = "/chat/completions"


class ChatAgent:
    """The session's `Agent`. One for all sessions."""

    kind: Literal["chat"] = "chat"
    keeps_dialogs = False

    def __init__(self, config: AgentConfig, poster: Poster) -> None:
        self._config = config
        self._poster = poster
        self._headers = {"Content-Type": "application/json"}
        if config.api_key:
            self._headers["Authorization"] = f"Bearer {config.api_key}"

    @asynccontextmanager
    async def open_turn(self, request: AgentRequest) -> AsyncIterator["ChatStream"]:
        messages = chat_messages(self._config.instructions, request)
        # No stream_options: some servers refuse a field that they do not know, and nobody here counts tokens.
        body = {"model": self._config.model, "messages": messages, "stream": True}
        async with (
            self._poster.post(_PATH, body, self._headers) as response,
            open_events(response, max_event_bytes=self._config.max_event_bytes) as events,
        ):
            yield ChatStream(events, self._config.max_event_bytes, names_dialog=request.dialog_id is None)


class ChatStream:
    """The session's `AgentStream`."""

    def __init__(self, events: Events, max_event_bytes: int, *, names_dialog: bool) -> None:
        self._events = events
        self._max_event_bytes = max_event_bytes
        self._filter = ThinkingFilter()
        self._whole: list[str] = []
        self._whole_bytes = len(whole_event(""))
        """Of the last event, as far as it is known."""
        self._reasoned = False
        self._called_tools = False
        self._ready: deque[AgentEvent] = deque([new_dialog()] if names_dialog else [])
        self._over = False

    async def receive(self) -> AgentEvent | AgentFault | None:
        while not self._ready and not self._over:
            event = await self._events.receive()
            if event is None:
                raise broken("the HTTP answer ended without a finish_reason or [DONE]")
            if event.event == "error":
                raise _failed()
            if event.data.strip() == "[DONE]":
                self._finish()
            elif event.data.strip():
                payload = parse_object(event.data)
                if payload is None:
                    return AgentFault("agent_malformed", "a chunk of the model's answer is not JSON; it was left out")
                self._take(read_chunk(payload))
        return self._ready.popleft() if self._ready else None

    def _take(self, chunk: Chunk) -> None:
        if chunk.failed:
            raise _failed()
        self._reasoned |= chunk.reasons
        self._called_tools |= chunk.calls_tools
        self._say(self._filter.feed(encodable(chunk.content)))
        if chunk.finished:
            # Not waiting for [DONE]: some servers forget the blank line after it, and keep the connection.
            self._finish()

    def _say(self, text: str) -> None:
        if not text:
            return
        self._whole_bytes += len(compact(text).encode()) - len('""')
        if self._whole_bytes >= self._max_event_bytes:
            # Told with an event that holds all of it; and nobody listens to that for a day.
            text = f"the model's answer has grown to {self._max_event_bytes} bytes; see agent.max_event_bytes"
            raise AgentError("agent_event_too_large", text)
        self._whole.append(text)
        self._ready.append(AgentEvent(token_event(text), text=text))

    def _finish(self) -> None:
        self._over = True
        self._say(self._filter.end())
        whole = "".join(self._whole)
        if not whole.strip():
            raise AgentError("agent_empty", f"the model has given no answer{self._instead()}")
        self._ready.append(AgentEvent(whole_event(whole)))

    def _instead(self) -> str:
        if self._called_tools:
            return (
                ", only a call of a tool, which voicetrio does not run: offer it none, or use a runtime that runs them"
            )
        if self._reasoned or self._filter.thought:
            return ", only reasoning: let it reason less, or give it more tokens"
        return "; see its server's log"


def chat_messages(instructions: str, request: AgentRequest) -> list[dict[str, str]]:
    """All that was said, and the message. Raises `AgentError` if that one has no text.

    Chat templates of several models refuse two messages of one role in a row, and one of the assistant at the beginning.
    So neighbours are one message here, and a reply that has lost its question is left out.
    """
    content = request.message.get("content")
    if not isinstance(content, str):
        raise AgentError("agent_bad_message", "a message for a chat needs its text in the field content, as a string")
    turns: list[dict[str, str]] = []
    told = (line for line in request.history if line.text)  # of a reply that was cut off at once, nothing was heard
    for line in (*told, Said("user", content)):
        if turns and turns[-1]["role"] == line.role:
            turns[-1]["content"] += "\n" + line.text
        elif turns or line.role == "user":
            turns.append({"role": line.role, "content": line.text})
    system = [{"role": "system", "content": instructions}] if instructions else []
    return system + turns


def _failed() -> AgentError:
    return AgentError("agent_failed", "the model's server has ended its answer with an error; see its own log")
