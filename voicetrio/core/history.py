"""What was said in a session: the user's messages, and the agent's replies as written, as spoken and as heard.

Bounded, and in memory only: the oldest turns are forgotten first, and all of it goes with the session.
"""

from collections import deque
from dataclasses import dataclass
from typing import Literal

MAX_TURNS = 200
"""An hour of lively conversation. Agents that keep no dialog of their own are given all of it each time."""

MAX_CHARS = 131_072
"""Of all texts: a tenth of what a session's ring takes, and more than most models can be given."""

Source = Literal["voice", "text"]


@dataclass(slots=True, eq=False)
class Exchange:
    """One turn: a message of the user, and the reply as far as there is one."""

    turn_id: str
    source: Source
    """Whether the message was spoken or typed."""
    message: str
    at_ms: int
    """When it was asked, in milliseconds of the session's audio clock."""
    reply: str | None = None
    """All that the agent wrote; None: nothing came."""
    spoken: str | None = None
    """What of it was sent as speech; None: it was not spoken at all, but written to the client."""
    heard: str = ""
    """What of it the user has heard, or was written for them to read."""
    outcome: str = "pending"
    """`completed`, `interrupted`, `failed` or `cancelled`; `pending` while it goes on."""

    @property
    def chars(self) -> int:
        return len(self.message) + len(self.reply or "") + len(self.spoken or "") + len(self.heard)

    @property
    def received(self) -> str:
        """The reply as it counts for what is said next: no word that was not heard."""
        if self.outcome == "completed" and self.reply is not None:
            return self.reply  # as it was written, with its markup
        return self.heard


class History:
    def __init__(self, *, max_turns: int = MAX_TURNS, max_chars: int = MAX_CHARS) -> None:
        self._max_turns = max_turns
        self._max_chars = max_chars
        self._turns: deque[Exchange] = deque()
        self.forgotten = 0
        """Turns that were too old to be kept."""

    @property
    def turns(self) -> tuple[Exchange, ...]:
        """Oldest first."""
        return tuple(self._turns)

    @property
    def count(self) -> int:
        """Turns that there were, with those that were forgotten."""
        return len(self._turns) + self.forgotten

    def add(self, turn: Exchange) -> None:
        """A turn begins; it may change until it ends, and then `trim` is called."""
        self._turns.append(turn)
        self.trim()

    def trim(self) -> None:
        """Forget the oldest until the rest is within the limits. The newest stays, whatever its length."""
        chars = sum(turn.chars for turn in self._turns)
        while len(self._turns) > 1 and (len(self._turns) > self._max_turns or chars > self._max_chars):
            chars -= self._turns.popleft().chars
            self.forgotten += 1

    def said(self, *, before: Exchange | None = None) -> list[tuple[Literal["user", "assistant"], str]]:
        """Who said what, oldest first, up to the turn `before`: of replies, what was heard."""
        lines: list[tuple[Literal["user", "assistant"], str]] = []
        for turn in self._turns:
            if turn is before:
                break
            lines.append(("user", turn.message))
            if turn.received.strip():
                lines.append(("assistant", turn.received))
        return lines

    def as_message(self, session_id: str) -> dict[str, object]:
        """As `GET /v1/sessions/{id}/history` gives it."""
        lines: list[dict[str, object]] = []
        for turn in self._turns:
            lines.append(
                {
                    "turn_id": turn.turn_id,
                    "role": "user",
                    "source": turn.source,
                    "text": turn.message,
                    "at_ms": turn.at_ms,
                }
            )
            if turn.reply is not None:
                lines.append(
                    {
                        "turn_id": turn.turn_id,
                        "role": "assistant",
                        "text": turn.reply,
                        "spoken_text": turn.spoken,
                        "heard_text": turn.heard,
                        "outcome": turn.outcome,
                    }
                )
        return {"session_id": session_id, "turns": lines, "forgotten": self.forgotten}
