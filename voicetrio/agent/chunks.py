"""One chunk of a chat completion, of the many shapes that servers give it. Pure.

Types are checked, not truth: a token may be a single space, and a field that is there may be null. The places where
servers differ: `content` null, empty or in parts, `choices` empty, null or missing in the one with the usage or with a
content filter's results, reasoning in fields of several names, `message` or `text` instead of `delta`, and errors in the
chunk, in its choice, as its type or as its `finish_reason`. Streams of a shape of their own are in `dialects`.
"""

from dataclasses import dataclass
from typing import Any, Literal

from voicetrio.agent.content import Content

Finish = Literal["stop", "failed", "filtered"]
"""stop: an end in order, which may have come too early to be believed; the others end the answer."""

_REASONING = (
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "reasoning_text",
    "thinking",
    "thinking_blocks",
    "thought",
)
_NO_REASON = ("", "null", "none", "undefined")
_FILTERS = ("filter", "safety", "sensitive", "blocklist", "prohibited", "recitation", "spii", "refusal")
_FAILURES = ("error", "abort", "fail", "cancel", "insufficient")


@dataclass(frozen=True, slots=True)
class Chunk:
    content: str = ""
    """To be said, and thoughts in `<think>` tags."""
    whole: bool = False
    """The content is that of a whole message: it may be all that was said so far, once more."""
    reasons: bool = False
    calls_tools: bool = False
    finish: Finish | None = None
    unreadable: bool = False
    """It may have held text, in a type that we do not know."""

    @property
    def goes_on(self) -> bool:
        """Whether the model has written something: an end that was told before was none."""
        return bool(self.content) or self.reasons or self.calls_tools


FAILED = Chunk(finish="failed")


def read_chunk(payload: dict[str, Any]) -> Chunk:
    """Of a payload with `choices`; without, only errors are seen."""
    if is_failure(payload):
        return FAILED
    match payload.get("choices"):
        case [dict() as choice, *_]:
            return _read_choice(choice)
        case None | [] | {}:
            return Chunk()
        case [None, *_]:
            return Chunk()
        case _:
            return Chunk(unreadable=True)


def is_failure(payload: dict[str, Any]) -> bool:
    """Whether it tells an error, in any of the ways of servers, their frameworks and proxies."""
    if payload.get("error") not in (None, "", False) or payload.get("error_msg"):
        return True
    if payload.get("object") == "error" or payload.get("type") == "error":
        return True
    return "choices" not in payload and any(bool(payload.get(name)) for name in ("detail", "error_code"))


def finish_of(reason: object) -> Finish | None:
    """What a finish reason says, by whatever name a server has for it. None: it has not finished."""
    if reason is None or reason is False:
        return None
    if not isinstance(reason, str):
        return "stop"
    word = reason.strip().lower()
    if word in _NO_REASON:
        return None
    if any(sign in word for sign in _FILTERS):
        return "filtered"
    return "failed" if any(sign in word for sign in _FAILURES) else "stop"


def _read_choice(choice: dict[str, Any]) -> Chunk:
    if choice.get("error") not in (None, "", False):
        return FAILED
    content, whole = Content(), False
    given = choice.get("delta")
    if given is None or given == {}:
        given, whole = choice.get("message"), True
    if given is None:
        given, whole = choice.get("text"), False
    reasons = calls_tools = False
    if isinstance(given, dict):
        content.add(given.get("content"))
        content.add(given.get("refusal"))
        reasons = any(bool(given.get(name)) for name in _REASONING)
        calls_tools = bool(given.get("tool_calls")) or bool(given.get("function_call"))
    else:
        content.add(given)
    finish = finish_of(choice["finish_reason"] if "finish_reason" in choice else choice.get("stop_reason"))
    return Chunk(
        content.text, whole, reasons or content.reasons, calls_tools or content.calls_tools, finish, content.unreadable
    )
