"""A chat server: anything that answers `POST {agent.url}/chat/completions` as OpenAI does, and streams.

It remembers nothing, so it is told all that was said, every time. Its chunks are no business of a client: what a client
gets are events in the shape of a runtime's, a token each, and the whole answer at the end.
"""

import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import trio

from voicetrio.agent.chunks import Chunk
from voicetrio.agent.config import AgentConfig
from voicetrio.agent.dialects import read_payload
from voicetrio.agent.event_stream import DONE
from voicetrio.agent.payloads import compact, encodable, new_dialog, parse_object, token_event, whole_event
from voicetrio.agent.request import Poster
from voicetrio.agent.sse import Events, broken, open_events
from voicetrio.agent.thinking import ThinkingFilter
from voicetrio.core.errors import AgentError
from voicetrio.session.ports import AgentAlive, AgentEvent, AgentFault, AgentRequest, Said

_PATH = "/chat/completions"

GRACE = 2.0
"""Seconds without news after a finish_reason until it counts, if neither [DONE] nor the end of the stream follows it, as
they do at once nearly everywhere. A model that is slower between two tokens is too slow to talk to."""
DOUBTFUL_GRACE = 10.0
"""The same, where nothing was said before, or an end has been told before that was none."""

_NO_TOOLS = ", which voicetrio does not run: offer it none, or use a runtime that runs them"


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
            open_events(response, self._config) as events,
        ):
            yield ChatStream(events, self._config.max_event_bytes, names_dialog=request.dialog_id is None)


class ChatStream:
    """The session's `AgentStream`.

    A `finish_reason` is believed when nothing more is written for some time, or when the stream ends: some servers set one
    on every chunk, or on the last one of the reasoning.
    """

    def __init__(self, events: Events, max_event_bytes: int, *, names_dialog: bool) -> None:
        self._events = events
        self._max_event_bytes = max_event_bytes
        self._filter = ThinkingFilter()
        self._whole: list[str] = []
        self._whole_bytes = len(whole_event(""))
        """Of the last event, as far as it is known."""
        self._messages = ""
        """What came as whole messages, as long as nothing else has come."""
        self._tokens = False
        self._reasoned = False
        self._called_tools = False
        self._finished = False
        self._misled = False
        """Whether more came after a finish_reason."""
        self._grace = math.inf
        """Seconds left to wait for news until an end that was told is one. How long a client takes does not count."""
        self._ready: deque[AgentEvent | AgentFault] = deque([new_dialog()] if names_dialog else [])
        self._over = False
        self._failure: AgentError | None = None
        """How the answer has ended behind what is ready."""

    async def receive(self) -> AgentEvent | AgentFault | AgentAlive | None:
        if not self._ready and not self._over and self._failure is None:
            await self._read()
        if self._ready:
            return self._ready.popleft()
        if self._failure is not None:
            raise self._failure
        return None if self._over else AgentAlive()

    async def _read(self) -> None:
        began = trio.current_time()
        event = None
        with trio.move_on_after(self._grace):
            event = await self._events.receive()
        self._grace -= trio.current_time() - began
        if event is None:
            if not self._finished:
                raise broken("the HTTP answer ended without a finish_reason or [DONE]")
            self._finish()
        elif isinstance(event, AgentAlive):
            pass
        elif event.event == "error":
            raise _failed()
        elif event.data.strip() == DONE:
            self._finish()
        elif event.data.strip():
            payload = parse_object(event.data)
            if payload is None:
                text = "a chunk of the model's answer is not a JSON object; it was left out"
                self._ready.append(AgentFault("agent_malformed", text))
            else:
                self._take(read_payload(payload))

    def _take(self, chunk: Chunk) -> None:
        if chunk.goes_on and self._finished:
            self._finished, self._misled, self._grace = False, True, math.inf
        self._reasoned |= chunk.reasons
        self._called_tools |= chunk.calls_tools
        if chunk.unreadable:
            text = "a chunk of the model's answer has no text that can be read, but something else; it was left out"
            self._ready.append(AgentFault("agent_malformed", text))
        self._say(self._filter.feed(encodable(self._news(chunk))))
        match chunk.finish:
            case "failed":
                self._failure = _failed()
            case "filtered":
                text = "a content filter of the model's server has ended the answer"
                self._failure = AgentError("agent_filtered", text)
            case "stop" if not self._finished:
                self._finished = True
                doubtful = self._misled or not "".join(self._whole).strip()
                self._grace = DOUBTFUL_GRACE if doubtful else GRACE
            case _:
                pass

    def _news(self, chunk: Chunk) -> str:
        """What of the content was not said yet: a whole message may come behind its tokens, or grow from chunk to chunk."""
        if not chunk.content:
            return ""
        if not chunk.whole:
            self._tokens = True
            return chunk.content
        if self._tokens:
            return ""
        before, self._messages = self._messages, chunk.content
        if chunk.content.startswith(before):
            return chunk.content[len(before) :]
        self._messages = before + chunk.content
        return chunk.content

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
        if self._called_tools:
            self._ready.append(AgentFault("agent_tool_call", f"the model has called a tool{_NO_TOOLS}"))
        self._ready.append(AgentEvent(whole_event(whole)))

    def _instead(self) -> str:
        if self._called_tools:
            return f", only a call of a tool{_NO_TOOLS}"
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
