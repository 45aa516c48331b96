"""Something that is said to the client: its text, its scope, and what is known of it until it was heard.

An utterance carries its own identity: whoever performs it, cancels it or is told of its playback holds this object, and
nothing outside has to remember which one is being said.
"""

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

import trio

from voicetrio.core.config import AudioFormat
from voicetrio.core.kept_audio import KeptAudio
from voicetrio.core.playback import Playback, WordMark


class Script:
    """A text in pieces, spoken while it is still being written. Whoever writes it bounds it."""

    def __init__(self, *pieces: str, closed: bool = False) -> None:
        self._pieces = deque(pieces)
        self._closed = closed
        self._changed = trio.Event()

    def add(self, piece: str) -> None:
        assert not self._closed, "a piece after the end"
        self._pieces.append(piece)
        self._changed.set()

    def close(self) -> None:
        """Nothing will follow."""
        self._closed = True
        self._changed.set()

    async def next(self) -> str | None:
        """The next piece, as soon as it is written; None at the end. Safe to cancel: nothing is lost."""
        while not self._pieces:
            if self._closed:
                return None
            self._changed = trio.Event()
            await self._changed.wait()
        return self._pieces.popleft()


@dataclass(slots=True, eq=False)
class SpokenPiece:
    """A piece of the text as audio."""

    text: str
    start: int
    """Its first sample."""
    marks: list[WordMark] = field(default_factory=list)
    announced: bool = False
    """Whether the client was told of it."""


@dataclass(slots=True, eq=False)
class Utterance:
    request_id: str
    script: Script
    voice: str
    speed: float
    asked_at: float
    turn_id: str | None = None
    """Of the agent's turn whose reply it is; None: the client asked for it."""
    on_first_sound: Callable[[], None] | None = None
    """Called when the connection has taken the first of its audio."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    audible: ExitStack = field(default_factory=ExitStack)
    """What holds while it can be heard, such as the mute; closed with its end, in that very moment."""
    cancelled: str | None = None
    """Why it was stopped, as in `playback.interrupted`; None while nobody stopped it."""
    playback: Playback | None = None
    """From the first sound on, until it is stopped."""
    format: AudioFormat | None = None
    """Of its audio; from the first sound on."""
    audio: KeptAudio = field(default_factory=lambda: KeptAudio(2))
    """What was made of it, and may have to be sent, or sent again."""
    pieces: list[SpokenPiece] = field(default_factory=list)
    """Of that audio, those that did not begin to be sent yet."""
    position: int = 0
    """The next sample that is given to the outbox; a client that comes back may set it back."""
    piece_start: int = 0
    """Characters of the pieces before the one that is being made."""
    all_made: bool = False
    """Whether nothing will be added to `audio`."""
    failed: bool = False
    """Whether that is because its synthesis failed."""
    end_announced: bool = False
    """Whether `tts.speaking_end` was posted."""
    reported: trio.Event = field(default_factory=trio.Event)
    """Set, and replaced, when more is known of the playback."""
    over: trio.Event = field(default_factory=trio.Event)
    """Set when its last word was told; then the following are true."""
    outcome: str = "interrupted"
    """`completed`, `interrupted`, or `failed`: what was made of it was heard to its end."""
    spoken: str = ""
    """The text whose audio was sent, the last piece of it maybe in part."""
    heard_text: str = ""
    heard_ms: int = 0

    @property
    def start_tag(self) -> str:
        """Of its `tts.speaking_start` in the outbox."""
        return f"start {self.request_id}"

    @property
    def end_tag(self) -> str:
        """Of its `tts.speaking_end`."""
        return f"end {self.request_id}"

    def cancel(self, reason: str) -> None:
        if self.cancelled is None:
            self.cancelled = reason
        self.scope.cancel(reason=reason)

    def wake(self) -> None:
        """What is known of the playback, or what was made, has changed."""
        self.reported.set()
        self.reported = trio.Event()
