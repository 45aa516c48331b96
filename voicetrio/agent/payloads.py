"""JSON of the agent side: the events that clients know, read and written.

A payload goes to the client as the text it came as. What is said of it must be text that can be encoded; JSON may hold
halves of a surrogate pair, which cannot.
"""

import json
import secrets
from typing import Any

from voicetrio.session.ports import AgentEvent, DialogId, JsonNull

MESSAGE = "assistant_message"

DIALOG_ID_MAX = 8192
"""Characters of a dialog's id as JSON: it goes with every request, and is a key or a token; more is a document."""

_OURS = ("session.", "turn.", "transcript.", "vad.", "tts.", "playback.")
_ENVELOPE = "agent_event"


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


def is_reserved(kind: str) -> bool:
    """Whether a message of this type is the server's own, now or in a later version: clients act on what it says."""
    return kind.startswith(_OURS) or kind == _ENVELOPE


def envelope(event: str) -> str:
    """For an agent's event, JSON as text, that would be mistaken for a message of the server."""
    return f'{{"type":"{_ENVELOPE}","event":{event}}}'


def read_dialog_id(session_info: dict[str, Any]) -> tuple[DialogId | None, str]:
    """What `session_info` calls the dialog, and what is wrong with it."""
    if "session_id" not in session_info:
        return None, "the agent's session_info has no session_id: its dialog has no name"
    dialog_id = session_info["session_id"]
    try:
        size = len(json.dumps(dialog_id, allow_nan=False, separators=(",", ":")))
    except ValueError:  # 1e999 is read as infinity
        return None, "the agent's session_info has a number for its session_id that cannot be written again"
    if size > DIALOG_ID_MAX:
        text = f"the agent's session_info has a session_id of more than {DIALOG_ID_MAX} characters: it is not kept"
        return None, text
    return (JsonNull.NULL if dialog_id is None else dialog_id), ""


def new_dialog() -> AgentEvent:
    """For an agent that keeps no dialogs: a client that has come without a name for its own gets one all the same."""
    name = f"dialog-{secrets.token_hex(6)}"
    return AgentEvent(compact({"type": "session_info", "session_id": name}), dialog_id=name)


def _refuse(constant: str) -> None:
    raise ValueError(constant)
