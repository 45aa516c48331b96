"""The parts of one session, put together; and what one part's news means for the others.

    client --> intake --> ear --> recognition --> turn taking --> conversation --> speaker --> outbox --> client

It has no task of its own and never waits: each method is called in the middle of somebody's decision, notes it, and
posts it. What the session as a whole does about it (its states, its end) is in `session.py`.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

import trio

from voicetrio.core.config import SAMPLE_RATE, AudioFormat, SessionConfig, SessionLimits
from voicetrio.core.errors import RemoteError, WorkerBusy, WorkerError
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.core.messages import UserMessage
from voicetrio.core.segments import Segment
from voicetrio.core.states import State, Trigger
from voicetrio.core.transcript import Partial
from voicetrio.session.barge_in import BargeIn
from voicetrio.session.conversation import Conversation
from voicetrio.session.ear import Ear
from voicetrio.session.endings import OVERLOADED, End
from voicetrio.session.identity import Identity
from voicetrio.session.intake import Intake
from voicetrio.session.line import Line
from voicetrio.session.log import SessionLog
from voicetrio.session.outbox import Outbox
from voicetrio.session.ports import DialogId, Ports
from voicetrio.session.recognition import Recognition
from voicetrio.session.reporter import Reporter
from voicetrio.session.speaker import Speaker
from voicetrio.session.timeouts import Timeouts
from voicetrio.session.turn import Turn
from voicetrio.session.turn_taking import TurnTaking


class Life(Protocol):
    """The session that this is the body of."""

    @property
    def closing(self) -> bool: ...

    def end(self, end: End) -> None: ...
    def close(self) -> None: ...
    def cancel(self) -> None: ...
    def audio_came(self, now: float) -> None: ...
    def flush_goes_on(self) -> None: ...


class Body:
    def __init__(
        self,
        life: Life,
        *,
        identity: Identity,
        line: Line,
        timeouts: Timeouts,
        config: SessionConfig,
        limits: SessionLimits,
        ports: Ports,
        log: SessionLog,
    ) -> None:
        self._life = life
        self._identity = identity
        self._timeouts = timeouts
        self._config = config
        self.engaged = False
        """Whether the client has asked for something, or spoken: what it would have to begin anew without this session."""
        telemetry = ports.telemetry
        self.outbox = Outbox(line, limits)
        self.ear = Ear(
            config, limits, make_detector=ports.make_detector, events=self, telemetry=telemetry, clock=trio.current_time
        )
        self.reporter = Reporter(self.outbox, clock=self.ear.clock, now_ms=self.now_ms, telemetry=telemetry, log=log)
        self.recognition = Recognition(
            ring=self.ear.ring,
            segments=self.ear.segments,
            recognizer=ports.recognizer,
            session_id=identity.session_id,
            config=lambda: self._config,
            limits=limits,
            events=self,
            telemetry=telemetry,
            log=log,
        )
        self.speaker = Speaker(
            synthesizer=ports.synthesizer,
            outbox=self.outbox,
            mouth=self,
            limits=limits,
            telemetry=telemetry,
            log=log,
        )
        self.conversation = Conversation(
            agent=ports.agent,
            outbox=self.outbox,
            speaker=self.speaker,
            partner=self,
            limits=limits,
            telemetry=telemetry,
            log=log,
        )
        self.turn_taking = TurnTaking(
            conversation=self.conversation,
            segments=self.ear.segments,
            detector=ports.turn_detector,
            listener=self,
            limits=limits,
        )
        line.on_lost = self.speaker.line_lost
        self.outbox.on_attached = self.speaker.line_attached
        self._barge_in = BargeIn(speaker=self.speaker, conversation=self.conversation, telemetry=telemetry)
        self.intake = Intake(
            ear=self.ear,
            recognition=self.recognition,
            speaker=self.speaker,
            session=self,
            recognizer=ports.recognizer,
            synthesizer=ports.synthesizer,
            reporter=self.reporter,
            limits=limits,
        )

    @property
    def config(self) -> SessionConfig:
        return self._config

    @property
    def output_format(self) -> AudioFormat:
        """Of the next utterance; one that has begun keeps its own."""
        return self._config.output_format

    @property
    def _full_duplex(self) -> bool:
        return self._config.duplex == "barge_in"

    def now_ms(self) -> int:
        """Where the next audio begins, in milliseconds of the client's audio clock."""
        return self.ear.position_ms

    def finish(self) -> None:
        """No more input: what was heard is flushed, what is being said or thought of is stopped."""
        self.ear.finish()
        self.conversation.stop()

    # -- what intake asks for ---------------------------------------------------------------------------------------

    @property
    def closing(self) -> bool:
        return self._life.closing

    def greeted(self, *, by_text: bool) -> None:
        """The client's first message on a connection has come."""
        self._identity.greeted(by_text=by_text)

    def engage(self) -> None:
        self.engaged = True

    def audio_came(self, now: float) -> None:
        self._life.audio_came(now)

    def configure(self, config: SessionConfig) -> None:
        """Use these values from now on. They have been checked."""
        self._config = config
        self._timeouts.configure(config.timeouts)
        self.ear.configure(config)
        self.recognition.reconfigure()
        self.reporter.configured(config)

    def ask(self, message: UserMessage) -> None:
        """Raises `RemoteError` when too many messages wait."""
        self.conversation.ask(Turn(message.message, message.text, "text"))
        self._timeouts.somebody_is_there()

    def stop_answer(self) -> None:
        """The user wants to hear no more of it. Nothing happens where nothing is being answered or said."""
        self.conversation.interrupt("cancelled")

    def commit(self) -> None:
        self.ear.commit_segment()
        self.turn_taking.committed()

    def answer_ping(self, ping_id: str | int | None) -> None:
        self.outbox.pong(ping_id)

    def refuse(self, error: RemoteError) -> None:
        """Tell the client what was wrong with what it sent; end the session where it cannot go on."""
        self.reporter.error(error.code, error.message, recoverable=error.recoverable)
        if not error.recoverable:
            self._life.end(End(error.code, error.close_code))

    def close(self) -> None:
        self._life.close()

    def cancel(self) -> None:
        self._life.cancel()

    # -- EarEvents --------------------------------------------------------------------------------------------------

    def speech_started(self, at_sample: int) -> None:
        self.engaged = True
        if self._timeouts.allows(Trigger.SPEECH_START):
            self._timeouts.move(Trigger.SPEECH_START)
        self.recognition.want()
        self.reporter.speech_started(at_sample)
        self.turn_taking.speech_started()
        self._barge_in.speech_started(at_sample, full_duplex=self._full_duplex)

    def speech_confirmed(self) -> None:
        self._barge_in.speech_confirmed(full_duplex=self._full_duplex)

    def speech_ended(self, at_sample: int) -> None:
        if self._timeouts.allows(Trigger.SPEECH_END):
            self._timeouts.move(Trigger.SPEECH_END)
        self.reporter.speech_ended(at_sample)
        aside = self._barge_in.speech_ended()
        if aside is not None:
            self.turn_taking.note_aside(aside, at_sample)
        silence = (self.ear.ring.head - at_sample) / SAMPLE_RATE
        self.turn_taking.speech_ended(ended_at=trio.current_time() - silence)

    def audio_added(self) -> None:
        self.recognition.audio_added()

    # -- RecognitionEvents ------------------------------------------------------------------------------------------

    def partial(self, news: Partial) -> None:
        self.reporter.partial(news, with_tentative=self._config.interim)

    def final(self, segment: Segment, hypothesis: Hypothesis) -> None:
        self.reporter.final(segment, hypothesis)
        self.ear.settled()
        self.turn_taking.final(segment, hypothesis.text)

    def lost(self, segments: int, start: int, end: int, error: WorkerError) -> None:
        self.reporter.lost(segments, start, end, error)
        self.ear.settled()
        self.turn_taking.settled()
        if isinstance(error, WorkerBusy):
            self._life.end(OVERLOADED)

    def progress(self) -> None:
        if self._timeouts.state is State.CLOSING:
            self._life.flush_goes_on()

    # -- Mouth, Partner ---------------------------------------------------------------------------------------------

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Around an utterance that can be heard: nobody is listened to, unless the session listens in full duplex."""
        with ExitStack() as stack:
            stack.enter_context(self._timeouts.paused())
            if not self._full_duplex:
                stack.enter_context(self.ear.mute())
            yield

    def speech_failed(self, code: str, message: str, request_id: str, **place: int) -> None:
        self.reporter.error(code, message, recoverable=True, request_id=request_id, **place)

    @contextmanager
    def conversing(self) -> Iterator[None]:
        with self._timeouts.paused():
            yield

    @property
    def dialog_id(self) -> DialogId | None:
        return self._identity.dialog_id

    def adopt(self, dialog_id: DialogId) -> str | None:
        return self._identity.adopt(dialog_id)

    def answered(self) -> None:
        self._identity.answered()

    def agent_failed(self, code: str, message: str, turn_id: str) -> None:
        self.reporter.error(code, message, recoverable=True, turn_id=turn_id)
