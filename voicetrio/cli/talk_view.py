"""A conversation as it is printed, while it goes on: for people, or one JSON object per line for programs.

      0.00  microphone: open-the-door-slt.wav (1.9 s)
      2.31  you    please open the door for me
      2.42  agent  You said: please open the door for me.
      4.90         heard to the end (2.48 s)
            answer after 0.61 s: endpointing 0.50, final 0.05, turn 0.00, agent 0.01, piece 0.00, speech 0.05

Times are seconds since the microphone opened. What the agent says stands at the time when the listener began to hear
it, which may be long after it was sent.
"""

import json
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO, get_args

from voicetrio.cli.talk_conversation import Conversation

Format = Literal["text", "json"]
FORMATS = get_args(Format)

_PARTS = (
    ("endpointing", "endpointing_ms"),
    ("final", "final_ms"),
    ("turn", "turn_ms"),
    ("agent", "agent_ms"),
    ("piece", "piece_ms"),
    ("speech", "audio_ms"),
)
"""Of an answer's delay, in the order in which they pass."""


class TalkView(Protocol):
    """`at` is in seconds since the microphone opened."""

    def opened(self, file: str, duration_s: float | None) -> None: ...
    def silent(self, *, at: float) -> None:
        """The recording has ended; the microphone stays open."""
        ...

    def event(self, message: dict[str, Any], conversation: Conversation, *, at: float) -> None:
        """A message of the server, which the conversation has noted."""
        ...

    def piece(self, text: str, *, at: float) -> None:
        """The listener begins to hear this."""
        ...

    def ended(self, conversation: Conversation, *, at: float) -> None: ...


class TextView:
    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._reply = ""
        """What the agent has written in this turn: shown if it is not spoken."""
        self._timings: dict[str, str] = {}
        """Of turns that go on: a turn's line comes after what happened in it."""

    def opened(self, file: str, duration_s: float | None) -> None:
        self._line(0.0, f"microphone: {Path(file).name}" + ("" if duration_s is None else f" ({duration_s:.1f} s)"))

    def silent(self, *, at: float) -> None:
        pass  # the first line tells how long it is

    def piece(self, text: str, *, at: float) -> None:
        self._said(at, "agent", text)

    def event(self, message: dict[str, Any], conversation: Conversation, *, at: float) -> None:
        match message.get("type"):
            case "turn.started":
                self._reply = ""
                self._said(at, "you", str(message.get("text") or ""))
            case "assistant_message":
                if message.get("is_final") and message.get("content"):
                    self._reply = str(message["content"])
                else:
                    self._reply += str(message.get("token") or "")
            case "playback.paused":
                self._note(at, f"paused after {_seconds(message.get('heard_ms'))} s: somebody may be interrupting")
            case "playback.resumed":
                self._note(at, "goes on")
            case "playback.completed":
                self._note(at, f"heard to the end ({_seconds(message.get('heard_ms'))} s)")
            case "playback.interrupted":
                self._note(at, _interruption(message))
            case "turn.timings":
                self._timings[str(message.get("turn_id"))] = _delay(message)
            case "turn.ended":
                self._turn_ended(message, conversation, at)
            case _:
                pass  # errors are told on stderr by whoever calls us

    def _turn_ended(self, message: dict[str, Any], conversation: Conversation, at: float) -> None:
        turn_id, outcome = str(message.get("turn_id")), message.get("outcome")
        turn = conversation.turns.get(turn_id)
        if turn is None:
            return
        if not turn.answered and self._reply:
            self._said(at, "agent", self._reply)
            self._note(at, "not spoken")
        if outcome in ("failed", "cancelled"):
            self._note(at, "the answer failed" if outcome == "failed" else "the answer was cancelled")
        elif not turn.answered and not self._reply:
            self._note(at, "no answer")
        if (delay := self._timings.pop(turn_id, None)) is not None:
            self._note(None, delay)

    def ended(self, conversation: Conversation, *, at: float) -> None:
        for delay in self._timings.values():
            self._note(None, delay)  # of a turn that the call's end cut off
        if conversation.unasked:
            self._said(at, "you", " ".join(conversation.unasked))
            self._note(at, "heard, and not asked")

    def _said(self, at: float, who: str, text: str) -> None:
        self._line(at, f"{who:<5}  {text}")

    def _note(self, at: float | None, text: str) -> None:
        # Under the words where it has a time of its own, and under the names where it has none: it is about all above.
        self._line(at, text if at is None else f"{'':<7}{text}")

    def _line(self, at: float | None, text: str) -> None:
        time = "" if at is None else f"{at:.2f}"
        self._out.write(f"{time:>6}  {_printable(text)}\n")
        self._out.flush()


class JsonView:
    """Every message as it came, at the time when it came, and two of our own: the microphone's opening and silence."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def opened(self, file: str, duration_s: float | None) -> None:
        self._write(0.0, {"type": "microphone.opened", "file": file, "duration_s": duration_s})

    def silent(self, *, at: float) -> None:
        self._write(at, {"type": "microphone.silent"})

    def piece(self, text: str, *, at: float) -> None:
        pass  # its message has told it, with the offset

    def event(self, message: dict[str, Any], conversation: Conversation, *, at: float) -> None:
        if message.get("type") != "session.created":  # it holds the session's secret
            self._write(at, message)

    def ended(self, conversation: Conversation, *, at: float) -> None:
        pass

    def _write(self, at: float, event: dict[str, Any]) -> None:
        # Nested, for events of an agent may have any fields, "at" among them.
        self._out.write(json.dumps({"at": round(at, 3), "event": event}, ensure_ascii=False) + "\n")
        self._out.flush()


def new_view(output_format: Format, out: TextIO) -> TalkView:
    return JsonView(out) if output_format == "json" else TextView(out)


def _interruption(message: dict[str, Any]) -> str:
    how = f"interrupted after {_seconds(message.get('heard_ms'))} s"
    if (reason := message.get("reason")) not in (None, "barge_in"):
        how += f" ({reason})"
    heard = message.get("heard_text")
    return f"{how}: heard “{heard}”" if heard else f"{how}, before a word was heard"


def _delay(message: dict[str, Any]) -> str:
    parts = [f"{name} {_seconds(message[key])}" for name, key in _PARTS if message.get(key) is not None]
    total = message.get("total_ms")
    how = "answered" if total is None else f"answer after {_seconds(total)} s"
    return how + (f": {', '.join(parts)}" if parts else "")


def _seconds(milliseconds: Any) -> str:
    number = isinstance(milliseconds, int | float)
    return f"{milliseconds / 1000:.2f}" if number else "?"


def _printable(text: str) -> str:
    """On one line, and without the escape codes that somebody's words may hold."""
    return "".join(character if character.isprintable() else " " for character in text)
