"""Reads the client: audio into the ear, messages into what they ask for. The only reader of a session's connections.

It always reads: what a client asks for must be seen while audio is too much. Audio that cannot be taken is dropped as
`core.backpressure` decides, and the client is told, before and after. What cannot be used is answered with an `error`
and has no other effect.
"""

from dataclasses import replace
from typing import Protocol

import trio

from voicetrio.core.allowance import Allowance
from voicetrio.core.backpressure import Backpressure
from voicetrio.core.config import SAMPLE_RATE, AudioFormat, Encoding, SessionConfig, SessionLimits
from voicetrio.core.errors import RemoteError
from voicetrio.core.messages import (
    Cancel,
    CancelSpeech,
    CancelTurn,
    Close,
    Commit,
    Configure,
    Ping,
    PlaybackProgress,
    Speak,
    UserMessage,
    parse_client_message,
)
from voicetrio.core.names import find_model
from voicetrio.core.ring import SAMPLE_BYTES
from voicetrio.core.voices import knows_voice, near
from voicetrio.session.ear import Ear
from voicetrio.session.line import Attachment
from voicetrio.session.ports import Recognizer, Synthesizer
from voicetrio.session.recognition import Recognition
from voicetrio.session.reporter import Reporter
from voicetrio.session.speaker import Speaker

_SLICE_BYTES = SAMPLE_RATE * SAMPLE_BYTES
"""1 s: longer messages are heard in parts, so that not the whole of one is dropped when a part of it fits."""


_LATE_MIN = 1.5
"""Seconds without audio after which it is late. Frames are 1 s at most, and any backlog has room for half a second."""
_ERRORS_PER_SECOND, _ERRORS_AT_ONCE = 10, 100
"""Messages that cannot be used and are answered as such: more than anybody reads, and fewer than would fill a client's
queue of messages."""


class Asked(Protocol):
    """What the session does for its intake."""

    @property
    def config(self) -> SessionConfig: ...
    @property
    def closing(self) -> bool:
        """Whether the session only flushes what it has heard."""
        ...

    def engage(self) -> None:
        """The client has asked for something, and it was done."""
        ...

    def audio_came(self, now: float) -> None: ...

    def greeted(self, *, by_text: bool) -> None:
        """Something has come; `by_text`: a message for the agent."""
        ...

    def configure(self, config: SessionConfig) -> None: ...
    def ask(self, message: UserMessage) -> None: ...
    def stop_answer(self) -> None: ...
    def commit(self) -> None: ...
    def answer_ping(self, ping_id: str | int | None) -> None: ...
    def refuse(self, error: RemoteError) -> None: ...
    def close(self) -> None: ...
    def cancel(self) -> None: ...


class Intake:
    def __init__(
        self,
        *,
        ear: Ear,
        recognition: Recognition,
        speaker: Speaker,
        session: Asked,
        recognizer: Recognizer,
        synthesizer: Synthesizer,
        reporter: Reporter,
        limits: SessionLimits,
    ) -> None:
        self._ear = ear
        self._recognition = recognition
        self._speaker = speaker
        self._session = session
        self._recognizer = recognizer
        self._synthesizer = synthesizer
        self._reporter = reporter
        self._gap_end_ms = 0
        self._limits = limits
        self._pressure = Backpressure(
            max_rate=limits.max_rate, max_backlog=int(limits.max_backlog * SAMPLE_RATE), started=trio.current_time()
        )
        self._heard_at = trio.current_time()
        """When audio last came."""
        self._answers_left = Allowance(_ERRORS_PER_SECOND, _ERRORS_AT_ONCE / _ERRORS_PER_SECOND)
        self._unanswered = 0

    async def serve(self, attachment: Attachment) -> None:
        """Read one connection until it is gone or was replaced by another one. Safe to cancel between messages."""
        with attachment.reading:
            while True:
                try:
                    message = await attachment.link.receive()
                except RemoteError as error:
                    self._session.refuse(error)
                    continue  # the session is over, and cancels this
                if message is None or attachment.over.is_set():
                    return  # in the second case the client has been told where to go on: this came too late
                attachment.alive_at = trio.current_time()
                self._take(message)

    def _take(self, message: str | bytes) -> None:
        try:
            if len(message) > self._limits.max_message_bytes:
                raise RemoteError(
                    "message_too_large",
                    f"a message of {len(message)} bytes; at most {self._limits.max_message_bytes} are taken. "
                    "Send audio in frames of 10 ms to 1 s.",
                    recoverable=False,
                    close_code=1009,
                )
            if isinstance(message, str):
                self._obey(message)
            elif not self._session.closing:
                self._session.greeted(by_text=False)
                self._hear(message)
        except RemoteError as error:
            self._refuse(error)

    def _refuse(self, error: RemoteError) -> None:
        """Answer it, unless the client sends nothing but rubbish: thousands of answers would help nobody."""
        if error.recoverable and not self._answers_left.take(1, now=trio.current_time()):
            self._unanswered += 1
            self._reporter.unanswered(error.code)
            return
        count = f" ({self._unanswered} messages before it were not answered)" if self._unanswered else ""
        self._unanswered = 0
        self._session.refuse(
            RemoteError(error.code, error.message + count, recoverable=error.recoverable, close_code=error.close_code)
        )

    def _hear(self, frame: bytes) -> None:
        now = trio.current_time()
        self._session.audio_came(now)
        pcm = self._ear.decode(frame)
        if now - self._heard_at > _LATE_MIN:
            # The network, its connection or this process stood still: what was said meanwhile comes now, and all at once.
            self._recognition.excuse(now - self._heard_at, now=now)
        self._heard_at = now
        if len(pcm) <= _SLICE_BYTES:
            self._hear_slice(pcm, now)
        else:
            for start in range(0, len(pcm), _SLICE_BYTES):
                self._hear_slice(pcm[start : start + _SLICE_BYTES], now)

    def tell_dropped(self) -> None:
        """Tell the client of dropped audio that it has not been told of yet."""
        action = self._pressure.flush()
        if action is not None:
            self._reporter.limited(action, at_ms=self._gap_end_ms)

    def _hear_slice(self, pcm: bytes, now: float) -> None:
        samples = len(pcm) // SAMPLE_BYTES
        backlog = self._recognition.excess(now)
        if self._pressure.admit(samples, backlog=backlog, room=self._ear.ring.free, now=now):
            self._ear.hear(pcm)
        else:
            self._ear.miss(samples)
            self._gap_end_ms = self._ear.position_ms
        if self._pressure.due:
            for action in self._pressure.take_actions():
                self._reporter.limited(action, at_ms=self._gap_end_ms)

    def _obey(self, text: str) -> None:
        try:
            request = parse_client_message(text)
        except RemoteError:
            self._session.greeted(by_text=False)
            raise
        if isinstance(request, Ping):  # also while the session closes, and no greeting: it asks for nothing else
            self._session.answer_ping(request.id)
            return
        self._session.greeted(by_text=isinstance(request, UserMessage))
        if self._session.closing and not isinstance(request, Cancel):
            return  # too late for all but a quicker end
        match request:
            case Configure() as message:
                self._session.configure(self._effective(message))
            case Commit():
                self.tell_dropped()
                self._session.commit()
            case UserMessage() as message:
                self._session.ask(message)
            case Speak() as message:
                self._check_voice("tts.speak: voice", message.voice)
                self._speaker.speak(message, voice=self._session.config.voice)
            case CancelSpeech(request_id=request_id):
                if not self._speaker.cancel(request_id) and request_id is not None:
                    raise RemoteError("unknown_request", "tts.cancel: request_id: no such utterance is under way")
            case CancelTurn():
                self._session.stop_answer()
            case PlaybackProgress(request_id=request_id, played_ms=played_ms):
                self._speaker.report(request_id, played_ms)
            case Close():
                self._session.close()
            case Cancel():
                self._session.cancel()
        if isinstance(request, Configure | UserMessage | Speak):
            self._session.engage()

    def _effective(self, message: Configure) -> SessionConfig:
        """The session's values with this message's in their places.

        Raises:
            RemoteError: one of them cannot be had here; nothing has changed.
        """
        old = self._session.config
        model = self._find_model(message.model)
        language = old.language if message.language is None else message.language
        if language and (message.language is not None or model != old.model):
            self._check_language(language, model)
        self._check_voice("session.configure: voice", message.voice)
        heard = _format("input", old.input_format, message.input_sample_rate, message.input_encoding)
        spoken = _format("output", old.output_format, message.output_sample_rate, message.output_encoding)
        timeouts = replace(
            old.timeouts,
            init=_seconds(message.init_timeout_ms, old.timeouts.init),
            silence=_seconds(message.silence_timeout_ms, old.timeouts.silence),
            hold=_seconds(message.hold_timeout_ms, old.timeouts.hold),
            closing=_seconds(message.closing_timeout_ms, old.timeouts.closing),
        )
        taken = message.model_dump(
            include={
                "language",
                "vad_sensitivity",
                "hot_words",
                "enable_partial_transcripts",
                "interim",
                "duplex",
                "agent",
                "speak_replies",
                "voice",
            },
            exclude_none=True,
        )
        return replace(
            old,
            model=model,
            input_sample_rate=heard.sample_rate,
            input_encoding=heard.encoding,
            output_sample_rate=spoken.sample_rate,
            output_encoding=spoken.encoding,
            timeouts=timeouts,
            max_segment_seconds=_seconds(message.max_segment_duration_ms, old.max_segment_seconds),
            barge_in_min=_seconds(message.barge_in_min_ms, old.barge_in_min),
            turn_min_delay=_seconds(message.turn_min_delay_ms, old.turn_min_delay),
            turn_max_delay=_seconds(message.turn_max_delay_ms, old.turn_max_delay),
            **taken,
        )

    def _find_model(self, wanted: str | None) -> str:
        """The model that is asked for, by its full name; empty: the default. Raises `RemoteError`."""
        known = self._recognizer.models()
        if wanted is None:
            return self._session.config.model
        if not wanted.strip() or not known:
            return wanted.strip()
        found = find_model(wanted, known)
        if found is None:
            raise RemoteError(
                "unknown_model",
                f"session.configure: model: no worker of this server hears with it; there are: {', '.join(known)}. "
                "Nothing was changed.",
            )
        return found

    def _check_language(self, language: str, model: str) -> None:
        known = self._recognizer.languages(model)
        if known and language.lower() not in known and language.lower().split("-")[0] not in known:
            raise RemoteError(
                "unknown_language",
                f"session.configure: language: not known to this server's engine, which has: {', '.join(known)}. "
                "Nothing was changed.",
            )

    def _check_voice(self, field: str, voice: str | None) -> None:
        known = self._synthesizer.voices()
        if voice and known and not knows_voice(voice, known):
            some = near(voice, [one.name for one in known])
            raise RemoteError("unknown_voice", f"{field}: not known to this server's engine, which has: {some}")


def _format(way: str, old: AudioFormat, sample_rate: int | None, encoding: Encoding | None) -> AudioFormat:
    """Raises `RemoteError`: rate and encoding do not fit together."""
    try:
        return old.changed(sample_rate, encoding)
    except ValueError as error:
        text = f"session.configure: {way}_sample_rate: {error}. Nothing was changed."
        raise RemoteError("invalid_field", text) from None


def _seconds(milliseconds: int | None, default: float) -> float:
    return default if milliseconds is None else milliseconds / 1000
