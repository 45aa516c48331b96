"""The listener of a call: what the server says, as it is played, and the words of it when they are heard.

Nothing here is of a connection. While there is none, what has come is played on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from voicetrio.cli.player import Player

OUTPUT_RATE = 24_000
"""Samples per second of an utterance that does not tell: the protocol's default."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Of an utterance: its text, until the listener hears it."""

    request_id: str
    text: str
    offset_ms: int


class Listener:
    """Pure: `now` is in seconds of one clock that never goes back."""

    def __init__(self, show: Callable[[str], None], *, now: float) -> None:
        """`show` is called with each piece of text when the listener begins to hear it."""
        self.player = Player(now=now)
        self._show = show
        self._pieces: list[_Piece] = []

    def note(self, message: dict[str, Any], *, now: float) -> None:
        """Wants every message of the server, in order."""
        request_id = str(message.get("request_id"))
        match message.get("type"):
            case "tts.speaking_start":
                self.player.begin(request_id, int(message.get("sample_rate") or OUTPUT_RATE), now=now)
                self._pieces.append(_Piece(request_id, str(message.get("text") or ""), 0))
            case "tts.speaking_text":
                text, offset_ms = str(message.get("text") or ""), int(message.get("offset_ms") or 0)
                self._pieces.append(_Piece(request_id, text, offset_ms))
            case "tts.speaking_resumed":
                self.player.go_on(request_id, int(message.get("start_sample") or 0), now=now)
            case "tts.speaking_end":
                self.player.end(request_id, now=now)
            case "playback.paused":
                self.player.pause(request_id, now=now)
            case "playback.resumed":
                self.player.resume(request_id, now=now)
            case "playback.completed":
                # The server gives a player no more time that is far behind; ours may still have a little to play.
                self.player.end(request_id, now=now)
                self.player.resume(request_id, now=now)
            case "playback.interrupted":
                self.show_heard(now=now)
                self.player.flush(request_id, now=now)
                self._pieces = [piece for piece in self._pieces if piece.request_id != request_id]
            case _:
                pass
        self.show_heard(now=now)

    def show_heard(self, *, now: float) -> None:
        """Pieces are in the order of their sound."""
        while self._pieces and self.player.reached(self._pieces[0].request_id, self._pieces[0].offset_ms, now=now):
            text = self._pieces.pop(0).text
            if text:
                self._show(text)

    def take_reports(self, *, now: float) -> list[dict[str, Any]]:
        """What the server is to be told now of what was heard, as messages; each is given once."""
        return [
            {"type": "playback.progress", "request_id": progress.request_id, "played_ms": progress.played_ms}
            for progress in self.player.take_reports(now=now)
        ]
