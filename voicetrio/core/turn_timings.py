"""Where the time goes between the end of what somebody says and the first sound of the answer.

Each moment is in seconds of one monotonic clock. The parts add up to the whole; a moment that came earlier than the one
before it (an agent that was asked early) makes a part of 0.
"""

from dataclasses import dataclass

_MOMENTS = ("speech_ended", "decided", "transcribed", "taken", "first_text", "first_piece", "first_sound")
_PARTS = ("endpointing_ms", "final_ms", "turn_ms", "agent_ms", "piece_ms", "audio_ms")


@dataclass(slots=True)
class TurnTimings:
    speech_ended: float | None = None
    """The last voice; None for what was typed, and so are the next two."""
    decided: float | None = None
    """The endpointer was sure of it."""
    transcribed: float | None = None
    """The last final was there."""
    taken: float | None = None
    """The turn was the agent's: nothing more was waited for."""
    first_text: float | None = None
    """The agent's first words came."""
    first_piece: float | None = None
    """Enough of them to be spoken."""
    first_sound: float | None = None
    """The connection took the first of the answer's audio."""

    def parts(self) -> dict[str, int | None]:
        """Milliseconds between one moment and the next, and `total_ms`; None where a moment is not known."""
        result: dict[str, int | None] = {}
        moments = [getattr(self, name) for name in _MOMENTS]
        begin = before = moments[0]
        for part, moment in zip(_PARTS, moments[1:], strict=True):
            if before is None or moment is None:
                result[part] = None
                before = moment if before is None else before
                begin = moment if begin is None else begin
                continue
            moment = max(moment, before)
            result[part] = round((moment - begin) * 1000) - round((before - begin) * 1000)
            before = moment
        done = self.first_sound is not None and begin is not None
        result["total_ms"] = round((before - begin) * 1000) if done else None
        return result
