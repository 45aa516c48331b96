"""One spoken question to a server, and how long its answer took: from the end of the speech to the first sound.

The question goes out in real time, as from a microphone, in a session of its own: nothing of an earlier turn is in the
way. The end of the speech is the frame that holds its last sample above a threshold, at the time when it was sent; what
the server's detector takes for the end is its own affair, and in its own figures.
"""

import math
import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np
import trio

from voicetrio.cli.media import SAMPLE_BYTES
from voicetrio.cli.native_client import NativeSession, open_native_session
from voicetrio.cli.native_errors import ConnectionLost
from voicetrio.cli.pacing import Pacer, sending_rate
from voicetrio.cli.talk_call import CREATED_S
from voicetrio.cli.talk_microphone import FRAME_BYTES, FRAME_S
from voicetrio.cli.ticket import ServerLimits
from voicetrio.core.errors import VoicetrioError

THRESHOLD = 328
"""Amplitude, of 32767: 40 dB below the loudest. Speech ends far above it, and what is below is not heard in a room."""

LEAD_S = 0.3
"""Seconds of silence before the question: nobody speaks in the moment when the microphone opens."""

ANSWER_S = 30.0
"""Seconds after the end of the speech in which an answer must have begun: nobody waits longer."""

TIMINGS_S = 2.0
"""Seconds from the first sound for the server to tell its parts: it does when it has written that sound."""

NO_TURN = "no turn began"
NO_SOUND = "no sound came"


@dataclass(frozen=True, slots=True)
class Answer:
    """Milliseconds from the end of the speech to the first sound."""

    measured_ms: float
    """By the client."""
    parts_ms: dict[str, float]
    """By the server: the fields of `turn.timings` that hold a number, by their names."""


class NoAnswer(VoicetrioError):
    """The text says why, in a few words."""


def frames(speech: bytes) -> tuple[list[bytes], int]:
    """The question as it is sent, and which of its frames holds the end of the speech.

    Raises: NoAnswer, if there is no sound in it.
    """
    samples = np.abs(np.frombuffer(speech, np.int16).astype(np.int32))  # -32768 has no opposite in 16 bits
    loud = np.flatnonzero(samples >= THRESHOLD)
    if len(loud) == 0:
        raise NoAnswer("the question has no sound in it")
    lead = bytes(round(LEAD_S / FRAME_S) * FRAME_BYTES)
    last_byte = len(lead) + int(loud[-1]) * SAMPLE_BYTES
    pcm = lead + speech + bytes(-len(speech) % FRAME_BYTES)
    return [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm), FRAME_BYTES)], last_byte // FRAME_BYTES


async def ask(server_url: str, speech: bytes) -> Answer:
    """`speech`: 16-bit mono PCM at 16 kHz. Raises: NoAnswer."""
    question = _Question(speech)
    try:
        async with open_native_session(server_url, f"new_bench-{secrets.token_hex(8)}") as session:
            return await question.ask(session)
    except NoAnswer:
        raise
    except VoicetrioError as error:
        raise NoAnswer(str(error)) from None


class _Question:
    def __init__(self, speech: bytes) -> None:
        self._frames, self._last = frames(speech)
        self._limits: ServerLimits | None = None
        self._created = trio.Event()
        self._configured = trio.Event()
        self._patience = trio.CancelScope()
        self._spoken_at: float | None = None
        """When the end of the speech was sent."""
        self._sound_at: float | None = None
        """When the first sound came."""
        self._parts_ms: dict[str, float] | None = None
        self._reason = NO_TURN
        """Why there is no answer, if none comes."""

    async def ask(self, session: NativeSession) -> Answer:
        """The session is left when the answer has begun: its rest tells nothing more. Raises: VoicetrioError."""
        session.limit_silence(CREATED_S)
        failure: VoicetrioError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._speak, session)
            with self._patience:  # around receiving only
                try:
                    await self._listen(session)
                except VoicetrioError as error:
                    failure = error
            nursery.cancel_scope.cancel(reason="the answer has come, or will not")
        if self._spoken_at is not None and self._sound_at is not None:
            return Answer(1000 * (self._sound_at - self._spoken_at), self._parts_ms or {})
        raise failure or NoAnswer(self._reason)

    async def _speak(self, session: NativeSession) -> None:
        try:
            await self._created.wait()
            await session.send_json({"type": "session.configure", "agent": "on", "speak_replies": True})
            await self._configured.wait()
            session.limit_silence(math.inf)  # from the end of the speech on, `ANSWER_S` bounds it
            pacer = Pacer(trio.current_time(), real_time=True, rate=sending_rate(self._limits))
            number = 0
            while True:
                await trio.sleep_until(pacer.due(number * FRAME_S, FRAME_S))
                if number == self._last:
                    self._spoken_at = trio.current_time()
                    self._patience.deadline = self._spoken_at + ANSWER_S
                await session.send_audio(self._frames[number] if number < len(self._frames) else bytes(FRAME_BYTES))
                pacer.sent(trio.current_time())
                number += 1
        except ConnectionLost:
            return  # the listener tells

    async def _listen(self, session: NativeSession) -> None:
        """Until sound and parts have come. Raises: VoicetrioError, if they will not."""
        async for message in session:
            if isinstance(message, dict):
                self._note(message)
            elif self._spoken_at is None:
                raise NoAnswer("it was answered before its end")
            elif self._sound_at is None:
                self._sound_at = trio.current_time()
                self._patience.deadline = self._sound_at + TIMINGS_S
            if self._sound_at is not None and self._parts_ms is not None:
                return
        raise NoAnswer("the server ended the session")

    def _note(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "session.created":
                self._limits = ServerLimits.from_message(message)
                self._created.set()
            case "session.configured":
                self._configured.set()
            case "transcript.final" if not message.get("text") and self._reason == NO_TURN:
                self._reason = "no word was recognised"
            case "turn.started":
                self._reason = NO_SOUND
            case "turn.timings":
                fields = {name: value for name, value in message.items() if name.endswith("_ms")}
                self._parts_ms = {name: float(ms) for name, ms in fields.items() if isinstance(ms, int | float)}
            case "turn.ended" if self._sound_at is None:
                if self._reason == NO_SOUND:
                    self._reason = f"the turn ended without a sound: {message.get('outcome')}"
                raise NoAnswer(self._reason)
            case "error":
                text = f"{message.get('code')}: {message.get('message')}"
                if not self._configured.is_set() or not message.get("recoverable", True):
                    raise NoAnswer(text)
                self._reason = text
            case "session.closed":
                raise NoAnswer("the server ended the session")
            case _:
                pass
