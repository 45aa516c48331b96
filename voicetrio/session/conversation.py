"""Takes the user's messages to the agent, one after the other, and its answers to the client and to the speaker.

A turn lasts until its answer was heard, or was stopped; the next message waits for that. The end of the agent's stream
ends nothing that is still being said. Whatever goes wrong with an agent ends that turn, with one `error`; the message is
not sent a second time, and the session goes on.

Stopping a turn cancels the agent's stream and the speech, each through its own scope, and tells their ends at once: no
other task has to run first. What was heard by then, and not a word more, is what the history holds.
"""

from collections import deque
from contextlib import AbstractContextManager
from typing import Protocol

import trio

from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.core.errors import AgentError, RemoteError
from voicetrio.core.history import MAX_CHARS, Exchange, History
from voicetrio.session.log import SessionLog
from voicetrio.session.outbox import Outbox
from voicetrio.session.patience import Patience
from voicetrio.session.ports import (
    Agent,
    AgentAlive,
    AgentEvent,
    AgentFault,
    AgentRequest,
    DialogId,
    Interruption,
    Said,
    Telemetry,
)
from voicetrio.session.speaker import Speaker, new_request_id
from voicetrio.session.turn import Turn
from voicetrio.session.utterance import Script, Utterance

MAX_FAULTS = 16
"""Parts of one answer that cannot be used, until the turn ends: a proxy's heartbeats may look so, and nothing else does."""

MAX_NAMES = 16
"""Names that an agent may give its dialog in one turn: one is common, and each may be another place in the registry."""

_BAD_NAME = "agent_bad_session_id"


class Partner(Protocol):
    """What the session is to its conversation."""

    @property
    def config(self) -> SessionConfig: ...

    @property
    def dialog_id(self) -> DialogId | None:
        """The agent's name for this dialog; None while it has none."""
        ...

    def adopt(self, dialog_id: DialogId) -> str | None:
        """The agent has named the dialog. Returns why the session is not called so, too, for the client."""
        ...

    def conversing(self) -> AbstractContextManager[None]:
        """Around a turn: no timeout runs while the user waits for the answer, or hears it."""
        ...

    def answered(self) -> None:
        """The first event of an answer, or its end, was posted."""
        ...

    def agent_failed(self, code: str, message: str, turn_id: str) -> None:
        """Tell the client."""
        ...

    def now_ms(self) -> int: ...


class Conversation:
    def __init__(
        self,
        *,
        agent: Agent,
        outbox: Outbox,
        speaker: Speaker,
        partner: Partner,
        limits: SessionLimits,
        telemetry: Telemetry,
        log: SessionLog,
    ) -> None:
        self._agent = agent
        self._outbox = outbox
        self._speaker = speaker
        self._partner = partner
        self._limits = limits
        self._telemetry = telemetry
        self._log = log
        self._queue: deque[Turn] = deque()
        self._current: Turn | None = None
        self._asked = trio.Event()
        self._stopped = False
        self._interruption: Interruption | None = None
        self.history = History()

    @property
    def current(self) -> Turn | None:
        """The turn that is being answered, unless it was stopped."""
        return self._current if self._current is not None and not self._current.over else None

    @property
    def idle(self) -> bool:
        """Whether nothing is asked, nor waits for it."""
        return self._current is None and not self._queue

    # -- what is asked ------------------------------------------------------------------------------------------------

    def ask(self, turn: Turn) -> None:
        """Queue a message that is certain. Once the session closes nobody is asked anything.

        Raises:
            RemoteError: too many wait already.
        """
        if self._stopped:
            return
        if len(self._queue) >= self._limits.max_queued_messages:
            raise RemoteError(
                "too_many_messages",
                f"user_message: {len(self._queue)} messages are waiting for the agent already; this one was not taken",
            )
        turn.certain.set()
        self._queue.append(turn)
        self._asked.set()

    def try_early(self, turn: Turn) -> bool:
        """Ask although the user may go on. Only where that can be taken back, and nothing else is under way."""
        if self._agent.keeps_dialogs or not self.idle or self._stopped:
            return False
        self._queue.append(turn)
        self._asked.set()
        return True

    def confirm(self, turn: Turn) -> None:
        """The user did not go on."""
        turn.certain.set()

    def withdraw(self, turn: Turn) -> None:
        """The user went on: as if it had never been asked."""
        assert not turn.certain.is_set(), "it was told already"
        turn.over = True
        turn.scope.cancel(reason="the user goes on")
        self._telemetry.agent_turn("withdrawn")

    def interrupt(self, reason: str) -> bool:
        """Stop the turn that is being answered, and all speech. False: there was nothing to stop."""
        turn = self.current
        spoken = self._speaker.cancel(None, reason=reason)
        if turn is None or not turn.certain.is_set():
            return spoken
        self._end(turn, "interrupted")
        turn.scope.cancel(reason=reason)
        return True

    def stop(self) -> None:
        """The session closes: nothing more is asked, and what is being answered ends here."""
        self._stopped = True
        self._queue.clear()
        turn = self.current
        self._speaker.cancel(None, reason="closed")
        if turn is not None:
            self._end(turn, "cancelled")
            turn.scope.cancel(reason="the session closes")

    # -- the task -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Answer what is asked until cancelled."""
        while True:
            while self._queue:
                self._current = turn = self._queue.popleft()
                try:
                    with self._partner.conversing():
                        await self._take(turn)
                finally:
                    self._current = None
            self._asked = trio.Event()
            await self._asked.wait()

    async def _take(self, turn: Turn) -> None:
        outcome = "cancelled"
        try:
            with turn.scope:
                outcome = await self._answer(turn)
        finally:
            if turn.script is not None:
                turn.script.close()
            self._end(turn, outcome)

    def _end(self, turn: Turn, outcome: str) -> None:
        """Tell its end, once."""
        if turn.over:
            return
        turn.over = True
        if not turn.certain.is_set():
            return  # the whole session ends: it was never told to have begun
        exchange, utterance = turn.exchange, turn.utterance
        if exchange is None:  # stopped before it began
            exchange = self._note(turn)
        exchange.reply, exchange.outcome = turn.reply, outcome
        if utterance is not None:
            # Stopped together with it, or over: never still being heard.
            self._speaker.cancel(utterance.request_id, reason="closed")
            exchange.spoken, exchange.heard = utterance.spoken, utterance.heard_text
        elif self._partner.config.speak_replies and outcome in ("interrupted", "cancelled"):
            exchange.spoken = ""  # stopped before there was enough of it to be said
        else:
            exchange.heard = exchange.reply or ""
        self.history.trim()
        heard_ms = 0 if utterance is None else utterance.heard_ms
        if outcome == "interrupted":
            self._interruption = Interruption(exchange.heard, heard_ms)
        self._telemetry.agent_turn(outcome)
        self._log.info("turn_ended", turn_id=turn.turn_id, outcome=outcome)
        self._outbox.post({"type": "turn.ended", "turn_id": turn.turn_id, "outcome": outcome}, owed=True)
        self._partner.answered()

    # -- the answer ---------------------------------------------------------------------------------------------------

    async def _answer(self, turn: Turn) -> str:
        """Until it was heard; the turn's outcome."""
        error: AgentError | None = None
        await trio.lowlevel.checkpoint()  # one that was stopped while it waited is not even asked
        try:
            await self._listen(turn)
        except AgentError as failure:
            error = failure
        await self._begin(turn)
        if error is not None:
            self._complain(turn, error.code, error.message)
        for piece in turn.pieces.finish():
            self._say(turn, piece)
        if turn.utterance is not None and turn.script is not None:
            turn.script.close()
            await turn.utterance.over.wait()
            if turn.over:
                await trio.lowlevel.checkpoint()
            if turn.utterance.outcome == "interrupted":
                return "interrupted"
            if turn.utterance.outcome == "failed":
                return "failed"
        return "completed" if error is None else "failed"

    async def _listen(self, turn: Turn) -> None:
        """Take the agent's stream to its end. Raises `AgentError`."""
        if turn.certain.is_set():
            await self._begin(turn)
        patience = Patience(silence=self._limits.agent_silence, answer=self._limits.agent_answer)
        with patience.scope:
            request = self._request(turn)
            async with self._agent.open_turn(request) as stream:
                if request.interruption is self._interruption:
                    self._interruption = None  # it knows
                while (item := await stream.receive()) is not None:
                    if not isinstance(item, AgentAlive):
                        patience.pause()
                        await self._begin(turn)
                        await self._pass_on(turn, item)
                    patience.heard()
                patience.pause()
        if patience.scope.cancelled_caught:
            raise patience.complaint()
        if turn.faults and not turn.usable:
            raise AgentError("agent_malformed", "nothing of the agent's answer can be used")

    def _request(self, turn: Turn) -> AgentRequest:
        dialog_id = self._partner.dialog_id
        if self._agent.keeps_dialogs:
            if dialog_id is None:
                self._log.told("Temporary session - NOT sending session_id to Agent Runtime")
            else:
                self._log.told("Sending session_id to Agent Runtime")
        said = tuple(Said(role, text) for role, text in self.history.said(before=turn.exchange))
        return AgentRequest(dialog_id, turn.message, said, self._interruption)

    async def _begin(self, turn: Turn) -> None:
        """Wait until the turn is certain; from then on it is told of. Does not wait for one that is."""
        while turn.over or not turn.certain.is_set():  # whoever ends it cancels its scope, maybe as it becomes certain
            await trio.lowlevel.checkpoint()
            await turn.certain.wait()
        if turn.exchange is None:
            turn.timings.taken = trio.current_time()
            turn.exchange = self._note(turn)
            self._log.debug("turn_started", turn_id=turn.turn_id, source=turn.source, characters=len(turn.text))

    def _note(self, turn: Turn) -> Exchange:
        exchange = Exchange(turn.turn_id, turn.source, turn.text, self._partner.now_ms())
        self.history.add(exchange)
        if turn.source == "voice":
            started = {"type": "turn.started", "turn_id": turn.turn_id, "text": turn.text}
            self._outbox.post({**started, "timestamp_ms": exchange.at_ms})
        return exchange

    async def _pass_on(self, turn: Turn, item: AgentEvent | AgentFault) -> None:
        if isinstance(item, AgentFault):
            self._note_fault(turn, item)
            return
        turn.usable = True
        # Before the client learns of it, so that it is found under the name; what is wrong with it comes behind: clients of
        # temporary sessions take the first thing that they get for the answer.
        problem = None if item.dialog_id is None else self._note_name(turn, item.dialog_id)
        await self._outbox.pass_on(item.payload)
        self._partner.answered()
        if problem is not None:
            self._complain(turn, _BAD_NAME, problem)
        if item.text:
            self._take_text(turn, item.text)

    def _note_fault(self, turn: Turn, fault: AgentFault) -> None:
        """Raises `AgentError` when there are too many to go on."""
        self._telemetry.agent_event_unusable()
        self._complain(turn, fault.code, fault.message)
        turn.faults += 1
        if turn.faults >= MAX_FAULTS:
            raise AgentError(fault.code, f"{MAX_FAULTS} parts of the agent's answer cannot be used: the turn ends")

    def _note_name(self, turn: Turn, dialog_id: DialogId) -> str | None:
        """Returns why the session is not called so. Raises `AgentError` when there are too many names."""
        turn.names += 1
        if turn.names > MAX_NAMES:
            raise AgentError(_BAD_NAME, f"the agent names its dialog more than {MAX_NAMES} times in one answer")
        return self._partner.adopt(dialog_id)

    def _complain(self, turn: Turn, code: str, message: str) -> None:
        """Tell the client, of each kind of trouble once in a turn, and the operator: an agent may have no end of it."""
        if code in turn.complaints:
            return
        turn.complaints.add(code)
        self._log.warning("agent_trouble", turn_id=turn.turn_id, code=code, reason=message)
        self._partner.agent_failed(code, message, turn.turn_id)

    def _take_text(self, turn: Turn, text: str) -> None:
        if turn.timings.first_text is None:
            turn.timings.first_text = trio.current_time()
            assert turn.timings.taken is not None
            self._telemetry.agent_first_text(turn.timings.first_text - turn.timings.taken)
        before, turn.written_chars = turn.written_chars, turn.written_chars + len(text)
        if before < MAX_CHARS:
            turn.written.append(text[: MAX_CHARS - before])
        if before > self._limits.max_reply_chars:
            return
        for piece in turn.pieces.push(text[: self._limits.max_reply_chars - before]):
            self._say(turn, piece)
        if turn.written_chars > self._limits.max_reply_chars and self._partner.config.speak_replies:
            text = f"the reply is spoken up to {self._limits.max_reply_chars} characters; the rest is only written"
            self._complain(turn, "reply_too_long", text)

    def _say(self, turn: Turn, piece: str) -> None:
        if turn.timings.first_piece is None:
            turn.timings.first_piece = trio.current_time()
        if turn.utterance is None:
            config = self._partner.config
            if not config.speak_replies or turn.script is not None:
                return
            turn.script = Script()
            turn.utterance = Utterance(
                new_request_id(),
                turn.script,
                config.voice,
                1.0,
                trio.current_time(),
                turn_id=turn.turn_id,
                on_first_sound=lambda: self._note_sound(turn),
            )
            self._speaker.say(turn.utterance)
        assert turn.script is not None
        turn.script.add(piece)

    def _note_sound(self, turn: Turn) -> None:
        turn.timings.first_sound = trio.current_time()
        parts = turn.timings.parts()
        if turn.source == "voice":
            total = parts["total_ms"]
            if total is not None:
                self._telemetry.voice_to_voice(total / 1000)
            self._outbox.post({"type": "turn.timings", "turn_id": turn.turn_id, **parts}, owed=True)
