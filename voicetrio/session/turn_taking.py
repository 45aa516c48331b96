"""When what was said becomes a message for the agent: the user's turn is over.

    speech ends -> final -> [the turn's delay] -> taken            speech starts again: the turn goes on
                      '---- early start, if allowed ----'

The finals since the last turn make one message. A turn is over when nobody speaks, every segment has had its final, and
the minimum delay since the end of speech has passed, or the maximum one where the text sounds unfinished. A client that
ends a segment itself has said that it is over. What was said while the server spoke, and was too short to interrupt it
("mhm"), is no message.
"""

import math
from typing import Protocol

import trio

from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.errors import RemoteError
from voicetrio.core.segments import Segment, Segments
from voicetrio.core.turn_timings import TurnTimings
from voicetrio.session.conversation import Conversation
from voicetrio.session.ports import TurnDetector
from voicetrio.session.turn import Turn

_DETECTOR_PATIENCE = 0.3
"""Seconds for a turn detector's answer. Without one the turn is taken to be over: it would have been without it."""

TURN_CHARS_MAX = 8_192
"""Characters of one turn, about ten minutes of speech. Whoever speaks on without a pause is asked for so much at once."""

_SURE = 0.5
"""Probability from which on a turn is over after the minimum delay."""


class Listener(Protocol):
    """What the session is to its turn taking."""

    @property
    def config(self) -> SessionConfig: ...

    def refuse(self, error: RemoteError) -> None: ...


class TurnTaking:
    def __init__(
        self,
        *,
        conversation: Conversation,
        segments: Segments,
        detector: TurnDetector,
        listener: Listener,
        limits: SessionLimits,
    ) -> None:
        self._conversation = conversation
        self._segments = segments
        self._detector = detector
        self._listener = listener
        self._limits = limits
        self._said: list[tuple[Segment, str]] = []
        """Not asked yet."""
        self._speaking = False
        self._timings = TurnTimings()
        self._committed_to = 0
        """Segments up to this id were ended by the client: it has nothing to add."""
        self._last_id = 0
        """Of the newest segment that has had its final."""
        self._asides: list[tuple[int, int]] = []
        """Speech that is no message: from sample to sample. A cut may have made several segments of one."""
        self._changed = trio.Event()

    # -- what happens -------------------------------------------------------------------------------------------------

    def speech_started(self) -> None:
        self._speaking = True
        if not self._said:
            self._timings = TurnTimings()  # what was said before was asked before, or was no message
        self._change()

    def speech_ended(self, *, ended_at: float) -> None:
        """`ended_at` is when the last voice was, on trio's clock."""
        self._speaking = False
        self._timings.speech_ended = ended_at
        self._timings.decided = trio.current_time()
        self._change()

    def note_aside(self, start: int, end: int) -> None:
        """The speech between these samples was a listener's "mhm" or a cough: not a message."""
        self._asides.append((start, end))
        self._said = [(segment, text) for segment, text in self._said if not _overlaps(segment, start, end)]

    def committed(self) -> None:
        """The client has ended its turn, and with it the segment that was open."""
        pending = self._segments.pending
        if not pending:
            self._committed_to = self._last_id
        elif pending[-1].end is not None:
            self._committed_to = pending[-1].segment_id
        else:  # the rest of the speech is the next turn's
            self._committed_to = pending[-1].segment_id - 1
        self._change()

    def final(self, segment: Segment, text: str) -> None:
        assert segment.end is not None
        self._last_id = segment.segment_id
        aside = any(_overlaps(segment, start, end) for start, end in self._asides)
        self._asides = [(start, end) for start, end in self._asides if end > segment.end]
        if self._listener.config.agent == "off":
            self._said.clear()
        elif text.strip() and not aside:
            self._said.append((segment, text.strip()))
            if sum(len(said) for _, said in self._said) > TURN_CHARS_MAX:
                self._committed_to = self._last_id
        if self._explicit and not self._said:
            self._committed_to = 0  # there was nothing in it
        self._timings.transcribed = trio.current_time()
        self._change()

    def settled(self) -> None:
        """Segments were given up."""
        if not self._segments.pending:
            self._committed_to = 0
        self._change()

    def _change(self) -> None:
        self._changed.set()

    # -- the task -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._changed = trio.Event()
            if not self._may_be_over:
                await self._changed.wait()
                continue
            turn, said = self._make_turn(), tuple(self._said)
            early = self._limits.early_start and self._conversation.try_early(turn)
            if await self._is_over(turn.text):
                self._take(turn, said, early=early)
            elif early:
                self._conversation.withdraw(turn)

    @property
    def _may_be_over(self) -> bool:
        if not self._said:
            return False
        if self._explicit:
            return True
        return not self._speaking and not self._segments.pending

    @property
    def _explicit(self) -> bool:
        """Whether the client has said itself that its turn is over, and all of it was transcribed."""
        return 0 < self._committed_to <= self._last_id

    async def _is_over(self, text: str) -> bool:
        """Wait for the turn's delay. False: something has changed, and it has to be looked at anew."""
        if self._explicit:
            await trio.lowlevel.checkpoint()
            return True
        config = self._listener.config
        since = self._timings.speech_ended
        since = trio.current_time() if since is None else since
        with trio.move_on_at(since + config.turn_min_delay):
            await self._changed.wait()
        if self._changed.is_set():
            return False
        if config.turn_max_delay > config.turn_min_delay and await self._sounds_unfinished(text, config.language):
            with trio.move_on_at(since + config.turn_max_delay):
                await self._changed.wait()
        return not self._changed.is_set()

    async def _sounds_unfinished(self, text: str, language: str) -> bool:
        probability = math.inf
        with trio.move_on_after(_DETECTOR_PATIENCE):
            probability = await self._detector.end_of_turn(text, language)
        return probability < _SURE

    def _make_turn(self) -> Turn:
        text = " ".join(text for _, text in self._said)
        message = {"type": "user_message", "role": "user", "content": text}
        return Turn(message, text, "voice", self._timings)

    def _take(self, turn: Turn, said: tuple[tuple[Segment, str], ...], *, early: bool) -> None:
        """`said` is what the turn consists of. What has come since belongs to the next one."""
        self._said = [one for one in self._said if one not in said]
        known = turn.timings
        self._timings = (
            TurnTimings(known.speech_ended, known.decided, known.transcribed) if self._said else TurnTimings()
        )
        self._committed_to = 0
        if early:
            self._conversation.confirm(turn)
            return
        try:
            self._conversation.ask(turn)
        except RemoteError as error:
            self._listener.refuse(error)


def _overlaps(segment: Segment, start: int, end: int) -> bool:
    assert segment.end is not None
    return start < segment.end and segment.start < end
