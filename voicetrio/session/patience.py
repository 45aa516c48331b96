"""How long an agent is waited for: not without a sign of life for too long, and not for ever.

Only the time counts in which the agent is waited for: how long a client takes to read is not the agent's fault.
"""

import math

import trio

from voicetrio.core.errors import AgentError


class Patience:
    """Around an agent's turn: `scope` is cancelled when it has run out, and `complaint` says then what was too long."""

    def __init__(self, *, silence: float, answer: float) -> None:
        """Seconds without a sign of life, and seconds in all."""
        self._silence = silence
        self._answer = answer
        self._left = answer
        self._waiting_since = trio.current_time()
        self.scope = trio.CancelScope()
        self._arm()

    def heard(self) -> None:
        """There was a sign of life, and the agent is waited for again."""
        self.pause()
        self._waiting_since = trio.current_time()
        self._arm()

    def pause(self) -> None:
        """The agent is not waited for; until `heard`."""
        if self.scope.deadline != math.inf:
            self._left -= trio.current_time() - self._waiting_since
            self.scope.deadline = math.inf

    def complaint(self) -> AgentError:
        if self._left <= self._silence:
            text = f"the agent's answer has no end after {self._answer:g} s (agent.answer_timeout)"
            return AgentError("agent_answer_too_long", text)
        return AgentError("agent_silent", f"the agent has said nothing for {self._silence:g} s (agent.silence_timeout)")

    def _arm(self) -> None:
        self.scope.deadline = self._waiting_since + min(self._silence, self._left)
