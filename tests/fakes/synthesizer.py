"""A synthesiser whose every character is 100 ms of audio, made as quickly or slowly as it is told to."""

import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from voicetrio.core.errors import WorkerCrashed, WorkerError
from voicetrio.core.playback import WordMark
from voicetrio.core.voices import KnownVoice
from voicetrio.session.ports import SpeechAudio, SpeechRequest

RATE = 24_000


@dataclass
class FakeSynthesizer:
    refuse: Exception | None = None
    seconds_per_char: float = 0.0
    """How long it takes to make a character's 100 ms."""
    fail_after_chars: int | None = None
    hang_after_chars: int | None = None
    crash_after_chars: int | None = None
    """Its engine dies there, as often as the worker tries."""
    rate: int = RATE
    sound_of: Callable[[str, int], int] | None = None
    """The value of every sample of a character, by the text and its place in it; None: 1."""
    marks_inside: bool = False
    """Whether there is a mark for every character, also inside of words, as some engines have it."""
    open_calls: int = 0
    asked: list[SpeechRequest] = field(default_factory=list)

    def voices(self) -> tuple[KnownVoice, ...]:
        return (KnownVoice("anna", ("en-us",)), KnownVoice("bert", ("de",)))

    @asynccontextmanager
    async def open_speech(self, request: SpeechRequest) -> AsyncIterator["FakeSpeech"]:
        await trio.lowlevel.checkpoint()
        if self.refuse is not None:
            raise self.refuse
        self.asked.append(request)
        self.open_calls += 1
        try:
            yield FakeSpeech(self, request.text)
        finally:
            self.open_calls -= 1


class FakeSpeech:
    def __init__(self, owner: FakeSynthesizer, text: str) -> None:
        self._owner = owner
        self._text = text
        self._position = 0

    async def receive(self) -> SpeechAudio | None:
        await trio.sleep(self._owner.seconds_per_char)
        at = self._position
        if at == self._owner.hang_after_chars:
            await trio.sleep_forever()
        if at == self._owner.fail_after_chars:
            raise WorkerError("the synthesis failed")
        if at == len(self._text):
            return None
        if at == self._owner.crash_after_chars:
            crash = WorkerCrashed("the engine died of it")
            crash.text_range = (at, len(self._text))
            raise crash
        self._position += 1
        samples = self._owner.rate // 10
        sample = 1 if self._owner.sound_of is None else self._owner.sound_of(self._text, at)
        starts = self._text[at] != " " and (at == 0 or self._text[at - 1] == " " or self._owner.marks_inside)
        length = len(self._text[at:].split(" ")[0])
        marks = (WordMark(at, length, at * samples),) if starts else ()
        return SpeechAudio(self._owner.rate, struct.pack("<h", sample) * samples, marks)
