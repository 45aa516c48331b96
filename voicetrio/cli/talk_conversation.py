"""The state of one conversation as its client sees it: what was answered, and whether it is over. Without any I/O.

It is over when the recording has ended, all that was heard of it has become text, all text has been asked, every turn
that began has ended, and nothing is being played. What was heard may come to nothing (a cough, "mhm" while the agent
speaks): for that it waits some seconds, and no longer. How long an agent may take is the server's business, which ends
every turn that it began.
"""

import math
from dataclasses import dataclass
from typing import Any

SETTLE_S = 1.0
"""Seconds after the recording's end before the conversation may be over: the server's ear needs 0.1 s to be sure that
somebody speaks, and the network its time; a word at the very end may still be on its way."""


@dataclass(slots=True)
class Turn:
    """What was asked, and what came of it."""

    answered: bool = False
    """Whether something of the answer could be heard."""
    outcome: str | None = None
    """As the server put it; None while the turn goes on."""


class Conversation:
    """Times are seconds of one clock. `note` wants every message of the server, in order."""

    def __init__(self, *, wait_s: float) -> None:
        """`wait_s`: seconds for what was heard to become a turn, after the last sign of it."""
        self.turns: dict[str, Turn] = {}
        self.unasked: list[str] = []
        """Texts that were heard, and that no turn has taken yet."""
        self.faults = 0
        """Errors that the server has told, and audio that it has dropped."""
        self._wait_s = wait_s
        self._recording_ended_at = math.inf
        self._ear_at = -math.inf
        self._speaking = False
        self._awaited_ms: list[int] = []
        self._utterances: dict[str, str] = {}
        self._sounding: str | None = None

    @property
    def answered(self) -> int:
        """Turns of which an answer was heard."""
        return sum(turn.answered for turn in self.turns.values())

    @property
    def failed(self) -> bool:
        """Whether one of the turns failed."""
        return any(turn.outcome == "failed" for turn in self.turns.values())

    def recording_ended(self, *, now: float) -> None:
        self._recording_ended_at = now

    def recording_goes_on(self) -> None:
        """The connection was cut and is back: some of the recording may be sent again, and what came of it told late."""
        self._recording_ended_at = math.inf

    def sounded(self) -> None:
        """Sound has come of the utterance that was announced last."""
        if self._sounding in self.turns:
            self.turns[self._sounding].answered = True

    def note(self, message: dict[str, Any], *, now: float) -> None:
        match message.get("type"):
            case "vad.speech_start":
                self._speaking, self._ear_at = True, now
            case "vad.speech_end":
                self._speaking, self._ear_at = False, now
                self._awaited_ms.append(message.get("timestamp_ms", 0))
            case "transcript.partial":
                self._ear_at = now
            case "transcript.final":
                self._ear_at = now
                self._settle(message)
                if text := str(message.get("text") or "").strip():
                    self.unasked.append(text)
            case "turn.started":
                self.turns[str(message.get("turn_id"))] = Turn()
                self.unasked.clear()
            case "turn.ended" if (turn := self.turns.get(str(message.get("turn_id")))) is not None:
                turn.outcome = str(message.get("outcome"))
            case "tts.speaking_start":
                self._sounding = str(message.get("turn_id"))
                self._utterances[str(message.get("request_id"))] = self._sounding
            case "playback.completed" | "playback.interrupted":
                self._utterances.pop(str(message.get("request_id")), None)
            case "session.frames_dropped":
                self.faults += 1
            case "error":
                self.faults += 1
                self._settle(message)
            case _:
                pass  # grows with the protocol

    def _settle(self, message: dict[str, Any]) -> None:
        """A final, or an error that stands for one: speech up to there is not waited for any more."""
        until_ms = message.get("end_ms", -1)
        self._awaited_ms = [end_ms for end_ms in self._awaited_ms if end_ms > until_ms]

    def turn_of(self, request_id: str) -> Turn | None:
        """The turn that an utterance under way belongs to."""
        return self.turns.get(self._utterances.get(request_id, ""))

    def over(self, *, now: float, playing: bool) -> bool:
        """`playing`: the player has something to play."""
        if playing or self._utterances or any(turn.outcome is None for turn in self.turns.values()):
            return False
        if now < self._recording_ended_at + SETTLE_S:
            return False
        if self.turns and not (self._speaking or self._awaited_ms or self.unasked):
            return True
        return now >= max(self._recording_ended_at, self._ear_at) + self._wait_s
