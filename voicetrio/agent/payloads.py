"""JSON of the agent side: the events that clients know, read and written.

A payload goes to the client as the text it came as. What is said of it must be text that can be encoded; JSON may hold
halves of a surrogate pair, which cannot.
"""

import json
import secrets
from typing import Any

from voicetrio.session.ports import AgentEvent

MESSAGE = "assistant_message"


def parse_object(text: str) -> dict[str, Any] | None:
    """None for what is not a JSON object; also for NaN and the like, which Python takes and a client's parser does not."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def encodable(text: str) -> str:
    return text.encode("utf-8", errors="ignore").decode("utf-8")


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def token_event(token: str) -> str:
    return compact({"type": MESSAGE, "token": token, "is_final": False})


def whole_event(content: str) -> str:
    return compact({"type": MESSAGE, "content": content, "is_final": True})


def new_dialog() -> AgentEvent:
    """For an agent that keeps no dialogs: a client that has come without a name for its own gets one all the same."""
    name = f"dialog-{secrets.token_hex(6)}"
    return AgentEvent(compact({"type": "session_info", "session_id": name}), dialog_id=name)


def _refuse(constant: str) -> None:
    raise ValueError(constant)
