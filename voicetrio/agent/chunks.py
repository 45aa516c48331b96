"""One chunk of a chat completion, of the many shapes that servers give it.

Types are checked, not truth: a token may be a single space, and a field that is there may be null. The places where
servers differ: `content` null or empty in the first chunk, `choices` empty, null or missing in the one with the usage,
and reasoning in `reasoning_content` or `reasoning`.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Chunk:
    content: str = ""
    """To be said, and thoughts in `<think>` tags."""
    reasons: bool = False
    calls_tools: bool = False
    finished: bool = False
    failed: bool = False


def read_chunk(payload: dict[str, Any]) -> Chunk:
    if payload.get("error") is not None:
        return Chunk(failed=True)
    match payload.get("choices"):
        case [dict() as choice, *_]:
            pass
        case _:
            return Chunk()
    given = choice.get("delta")
    delta: dict[str, Any] = given if isinstance(given, dict) else {}
    return Chunk(
        content=_text(delta.get("content")),
        reasons=any(_text(delta.get(name)) for name in ("reasoning_content", "reasoning")),
        calls_tools=bool(delta.get("tool_calls")),
        finished=bool(_text(choice.get("finish_reason"))),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
