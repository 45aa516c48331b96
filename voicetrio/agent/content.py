"""The text in a field that should hold text, of the many types that servers give it. Pure.

A string is the rule. Others are parts in a list, objects with a `text`, or a number: some servers write their JSON by hand,
and a token that is a digit comes without quotes. What can be read is read, and what cannot is named, so that it can be told.
"""

import json
from dataclasses import dataclass

_DEPTH_MAX = 4
"""Lists and objects in each other: three are known, of parts with a `thinking` that has parts itself."""

_TOOL_TYPES = ("tool_use", "tool_call", "tool_calls", "function", "function_call", "server_tool_use")


@dataclass(slots=True)
class Content:
    text: str = ""
    reasons: bool = False
    """There are thoughts in it, which are left out."""
    calls_tools: bool = False
    unreadable: bool = False
    """There is something in it that is neither text nor anything else that we know."""

    def add(self, value: object, depth: int = 0) -> None:
        match value:
            case None | [] | "":
                pass
            case str():
                self.text += value
            case int() | float() if not isinstance(value, bool):
                self.text += json.dumps(value)
            case list() if depth < _DEPTH_MAX:
                for part in value:
                    self.add(part, depth + 1)
            case dict() if depth < _DEPTH_MAX:
                self._add_part(value, depth + 1)
            case _:
                self.unreadable = True

    def _add_part(self, part: dict[str, object], depth: int) -> None:
        kind = part.get("type")
        if isinstance(kind, str) and ("think" in kind or "reason" in kind):
            self.reasons = True
        elif kind in _TOOL_TYPES:
            self.calls_tools = True
        elif part:
            for name in ("text", "value", "content", "refusal"):
                if name in part:
                    self.add(part[name], depth)
                    return
            self.unreadable = True


def read_content(value: object) -> Content:
    content = Content()
    content.add(value)
    return content
