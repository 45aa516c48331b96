"""Chunks of servers that answer a chat completion in a stream of their own shape: behind a proxy that passes them on as they
are, or where `agent.url` leads to another of the server's APIs. Pure.

Known are Anthropic's messages, OpenAI's responses, and what Ollama and llama.cpp have of their own.
"""

from typing import Any

from voicetrio.agent.chunks import FAILED, Chunk, finish_of, is_failure, read_chunk
from voicetrio.agent.content import read_content

_METADATA = (
    "usage",
    "timings",
    "id",
    "model",
    "prompt_filter_results",
    "prompt_progress",
    "x_groq",
    "type",
    "object",
    "ping",
)
"""Fields of chunks without text, which are no loss."""


def read_payload(payload: dict[str, Any]) -> Chunk:
    """A chunk of a chat completion, or of one of the other streams."""
    if "choices" in payload or is_failure(payload):
        return read_chunk(payload)
    match payload:
        case {"type": "content_block_delta", "delta": dict() as delta}:
            return _anthropic(delta)
        case {"type": "content_block_start", "content_block": block}:
            return _of(block)
        case {"type": "message_delta", "delta": {"stop_reason": reason}}:
            return Chunk(finish=finish_of(reason))
        case {"type": "message_stop" | "response.completed" | "response.incomplete"}:
            return Chunk(finish="stop")
        case {"type": "response.output_text.delta" | "response.refusal.delta", "delta": delta}:
            return _of(delta)
        case {"type": "response.failed"}:
            return FAILED
        case {"type": str(kind)} if kind.startswith("response.reasoning"):
            return Chunk(reasons=True)
        case {"message": dict() as message} if payload.get("type") != "message_start":
            return _ollama(payload, message.get("content"), message)
        case {"response": str(text)}:
            return _ollama(payload, text, payload)
        case {"content": content} if "stop" in payload:
            read = _of(content)
            return Chunk(read.content, reasons=read.reasons, finish="stop" if payload["stop"] is True else None)
        case _:
            return Chunk(unreadable=bool(payload) and payload.keys().isdisjoint(_METADATA))


def _anthropic(delta: dict[str, Any]) -> Chunk:
    match delta.get("type"):
        case "text_delta":
            return _of(delta.get("text"))
        case "input_json_delta":
            return Chunk(calls_tools=True)
        case "citations_delta":
            return Chunk()
        case _:  # thoughts, and their signatures
            return Chunk(reasons=True)


def _ollama(payload: dict[str, Any], content: object, message: dict[str, Any]) -> Chunk:
    read = _of(content)
    return Chunk(
        read.content,
        reasons=read.reasons or bool(message.get("thinking")),
        calls_tools=read.calls_tools or bool(message.get("tool_calls")),
        finish=(finish_of(payload.get("done_reason")) or "stop") if payload.get("done") is True else None,
        unreadable=read.unreadable,
    )


def _of(value: object) -> Chunk:
    read = read_content(value)
    return Chunk(read.text, False, read.reasons, read.calls_tools, None, read.unreadable)
