"""A recogniser that reads the words of `fakes.audio`, and fails as it is told to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import trio

from tests.fakes.audio import words_in
from voicetrio.core.errors import WorkerBusy, WorkerError, WorkerUnavailable
from voicetrio.core.hypothesis import Architecture, Draining, Hypothesis, Word, Working
from voicetrio.session.overview import WorkerOverview
from voicetrio.session.ports import StreamConfig


@dataclass
class Behaviour:
    """Of one stream, from its opening on."""

    refuse: Exception | None = None
    """Raised when the stream is opened."""
    hang_opening: bool = False
    """Neither opens nor refuses."""
    final_delay: float = 0.0
    """Seconds from the end of a segment to its final."""
    break_after: int | None = None
    """Samples after which the stream breaks."""
    broken_by: WorkerError = field(default_factory=lambda: WorkerUnavailable("broken"))
    """What is told then."""
    freeze: tuple[int, float] | None = None
    """Samples after which its whole worker says nothing any more, though it seems to take all, and seconds from then until
    its streams are broken off."""
    dies_after: float | None = None
    """Seconds from the opening until the stream breaks."""
    partials: bool = True
    """Whether there is anything before the final."""
    mute: bool = False
    """Takes everything and never says a word."""
    working: bool = False
    """Says every half second that it works while a final is delayed."""
    stuck: bool = False
    """Never takes more than the first message: flow control."""
    speed: float | None = None
    """Times real time at which it takes audio; None: at once."""
    repeat_finals: bool = False
    drain: tuple[float, float] | None = None
    """Seconds from the opening to the worker's word that it drains, and from there to the cut."""
    worker: str = "fake:1"
    """Where the stream is."""
    architecture: Architecture = "streaming"
    """Encoder-decoder: no partial has stable words, and every other one mishears its newest word."""


@dataclass
class FakeRecognizer:
    behaviours: list[Behaviour] = field(default_factory=list)
    """One for each stream that is opened, in order; then well-behaved ones."""
    slots: int = 8
    in_use: int = 0
    opened: list[StreamConfig] = field(default_factory=list)
    chunks: list[tuple[int, int, int]] = field(default_factory=list)
    """Segment, start and stop of every message of audio."""
    prompts: list[tuple[int, str]] = field(default_factory=list)
    """Segment and prompt of every segment that began with one."""
    default: Behaviour = field(default_factory=Behaviour)

    def model(self) -> str:
        return "fake"

    def models(self) -> tuple[str, ...]:
        return ("fake",)

    def languages(self, model: str = "") -> tuple[str, ...]:
        return ("en", "de")

    def overview(self) -> tuple[WorkerOverview, ...]:
        return (WorkerOverview("fake:1", True, "fake", self.slots, "", 0),)

    @asynccontextmanager
    async def open_stream(self, config: StreamConfig) -> AsyncIterator["FakeStream"]:
        await trio.lowlevel.checkpoint()
        behaviour = self.behaviours.pop(0) if self.behaviours else self.default
        if behaviour.hang_opening:
            await trio.sleep_forever()
        if behaviour.refuse is not None:
            raise behaviour.refuse
        if self.in_use >= self.slots:
            raise WorkerBusy("no slot is free")
        self.in_use += 1
        self.opened.append(config)
        try:
            async with trio.open_nursery() as nursery:
                stream = FakeStream(self, behaviour, nursery)
                if behaviour.dies_after is not None:
                    nursery.start_soon(stream.die, behaviour.dies_after)
                if behaviour.drain is not None:
                    nursery.start_soon(stream.drain, *behaviour.drain)
                yield stream
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            # The real client's context raises nothing of its own, and no groups.
            if len(group.exceptions) == 1:
                raise group.exceptions[0] from None  # noqa: ASYNC123
            raise
        finally:
            self.in_use -= 1


class FakeStream:
    model = "fake"

    def __init__(self, owner: FakeRecognizer, behaviour: Behaviour, nursery: trio.Nursery) -> None:
        self._owner = owner
        self._behaviour = behaviour
        self._nursery = nursery
        self._replies, self._inbox = trio.open_memory_channel[Hypothesis | Working | Draining | Exception](1000)
        self._cut = False
        self._frozen = False
        self._audio: dict[int, tuple[int, bytearray]] = {}
        self._taken = 0
        self._messages = 0
        self._passes: dict[int, int] = {}

    @property
    def architecture(self) -> Architecture:
        return self._behaviour.architecture

    @property
    def worker(self) -> str:
        return self._behaviour.worker

    async def drain(self, after: float, remaining: float) -> None:
        await trio.sleep(after)
        self._replies.send_nowait(Draining(remaining))
        await trio.sleep(remaining)
        self._cut = True
        self._replies.send_nowait(WorkerUnavailable("it has ended"))

    async def die(self, after: float) -> None:
        await trio.sleep(after)
        self._cut = True
        self._replies.send_nowait(self._behaviour.broken_by)

    async def begin_segment(self, segment_id: int, initial_prompt: str) -> None:
        await self._take()
        assert self.architecture == "encoder-decoder", "others have no prompt"
        assert segment_id > max(self._audio, default=-1), "before the segment's first audio"
        self._owner.prompts.append((segment_id, initial_prompt))

    async def send_audio(self, segment_id: int, start_sample: int, pcm: bytes) -> None:
        await self._take()
        first, audio = self._audio.setdefault(segment_id, (start_sample, bytearray()))
        assert start_sample == first + len(audio) // 2, "audio of a segment is contiguous"
        audio += pcm
        self._owner.chunks.append((segment_id, start_sample, start_sample + len(pcm) // 2))
        self._taken += len(pcm) // 2
        if self._behaviour.speed is not None:
            await trio.sleep(len(pcm) / 2 / 16_000 / self._behaviour.speed)
        limit = self._behaviour.break_after
        if limit is not None and self._taken >= limit:
            self._replies.send_nowait(self._behaviour.broken_by)
            raise WorkerUnavailable("broken")
        if self._behaviour.freeze is not None and not self._frozen and self._taken >= self._behaviour.freeze[0]:
            self._frozen = True
            self._nursery.start_soon(self._thaw_never, self._behaviour.freeze[1])
        if self._behaviour.partials and not self._mute:
            self._replies.send_nowait(self._read(segment_id, final=False))

    async def end_segment(self, segment_id: int, end_sample: int) -> None:
        await self._take()
        if not self._mute:
            self._nursery.start_soon(self._finish, segment_id)

    @property
    def _mute(self) -> bool:
        return self._behaviour.mute or self._frozen

    async def _thaw_never(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self._cut = True
        self._replies.send_nowait(WorkerUnavailable("it is frozen"))

    async def _take(self) -> None:
        await trio.lowlevel.checkpoint()
        if self._cut:
            raise WorkerUnavailable("it has ended")
        self._messages += 1
        if self._behaviour.stuck and self._messages > 1:
            await trio.sleep_forever()

    async def _finish(self, segment_id: int) -> None:
        left = self._behaviour.final_delay
        while self._behaviour.working and left > 0.5:
            await trio.sleep(0.5)
            left -= 0.5
            self._replies.send_nowait(Working(segment_id))
        await trio.sleep(left)
        for _ in range(2 if self._behaviour.repeat_finals else 1):
            self._replies.send_nowait(self._read(segment_id, final=True))

    def _read(self, segment_id: int, *, final: bool) -> Hypothesis:
        first, audio = self._audio.get(segment_id, (0, bytearray()))
        words = tuple(
            Word(f"w{number}", first + start, first + start + length, 0.9)
            for number, start, length in words_in(bytes(audio))
        )
        stable = len(words) if final else max(0, len(words) - 1)
        if self.architecture == "encoder-decoder" and not final:
            self._passes[segment_id] = self._passes.get(segment_id, 0) + 1
            stable = 0
            if words and self._passes[segment_id] % 2:
                words = (*words[:-1], replace(words[-1], text=words[-1].text.replace("w", "x")))
        return Hypothesis(segment_id, final, first + len(audio) // 2, words, stable, 0.9, "en")

    async def receive(self) -> Hypothesis | Working | Draining:
        reply = await self._inbox.receive()
        if isinstance(reply, Exception):
            raise reply
        return reply
