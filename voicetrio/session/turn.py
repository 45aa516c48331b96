"""One turn of a conversation: a message of the user, and all that is known of its answer."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

import trio

from voicetrio.core.history import Exchange, Source
from voicetrio.core.speech_pieces import SpeechPieces
from voicetrio.core.turn_timings import TurnTimings
from voicetrio.session.utterance import Script, Utterance


@dataclass(slots=True, eq=False)
class Turn:
    """Whoever takes it, interrupts it or speaks for it holds this object; its scope is the turn's life."""

    message: Mapping[str, object]
    """For the agent, unchanged."""
    text: str
    """What of it was said or typed."""
    source: Source
    timings: TurnTimings = field(default_factory=TurnTimings)
    turn_id: str = field(default_factory=lambda: f"turn-{secrets.token_hex(6)}")
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    certain: trio.Event = field(default_factory=trio.Event)
    """Set when it is the user's turn no more. Until then nobody is told anything of the answer."""
    over: bool = False
    """Whether its end was told, or it was withdrawn."""
    exchange: Exchange | None = None
    """In the history, once it is certain."""
    written: list[str] = field(default_factory=list)
    """The agent's words so far."""
    written_chars: int = 0
    faults: int = 0
    """Parts of the answer that could not be used."""
    usable: bool = False
    """Whether any part of it could be."""
    names: int = 0
    """How often the agent has named the dialog in it."""
    complaints: set[str] = field(default_factory=set)
    """The codes of the errors that the client was told about it."""
    pieces: SpeechPieces = field(default_factory=SpeechPieces)
    script: Script | None = None
    utterance: Utterance | None = None
    """The reply as speech, once there is a piece to say."""

    @property
    def reply(self) -> str | None:
        return "".join(self.written) if self.written else None
