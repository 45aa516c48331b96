"""Members of a pool without any worker behind them, and a pool that is asked by a dice that the test holds."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from voicetrio.v1 import worker_pb2 as pb
from voicetrio.workers.member import Member
from voicetrio.workers.pool import Pool


class Telemetry:
    ready = 0
    frozen = 0

    def workers_ready(self, count: int) -> None:
        self.ready = count

    def worker_frozen(self) -> None:
        self.frozen += 1


class Client:
    """Takes what its member's slots allow, or fails as it is told to."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.fails: Exception | None = None
        self.asked = 0
        self.on_draining = None

    @asynccontextmanager
    async def open_stream(self, config, *, on_draining) -> AsyncIterator["Client"]:
        self.asked += 1
        self.on_draining = on_draining
        if self.fails is not None:
            raise self.fails
        yield self

    @asynccontextmanager
    async def open_speech(self, request) -> AsyncIterator["Client"]:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        yield self


def member(
    name: str,
    model: str = "instant",
    *,
    slots: int = 4,
    in_use: int = 0,
    voices: Sequence[str] = (),
    speaks: str = "",
    languages: Sequence[str] = ("en",),
    state: str = "ready",
) -> Member:
    """A worker that hears with `model` ("engine model"; empty: it does not) and speaks with the engine `speaks`."""
    engine, _, its_model = model.partition(" ")
    description = pb.Description()
    if model:
        hears = pb.SpeechToTextDescription(
            engine=engine, model=its_model, languages=languages, slots=slots, slots_in_use=in_use
        )
        description.stt.CopyFrom(hears)
    if speaks:
        its_voices = [pb.Voice(name=voice) for voice in voices]
        description.tts.CopyFrom(
            pb.TextToSpeechDescription(engine=speaks, voices=its_voices, default_voice="".join(voices[:1]), slots=2)
        )
    one = Member(Client(name), state=state)
    one.learn(description, held_before=(0, 0))
    return one


class Loaded(random.Random):
    """Draws the members at these places of those that may be drawn."""

    def __init__(self, *places: int) -> None:
        super().__init__()
        self._places = places

    def sample(self, population, k):
        assert k == min(2, len(population)), "two choices"
        return [population[place] for place in self._places[:k]]


def pool(*members: Member, drawn: tuple[int, int] = (0, 1), default_model: str = "") -> Pool:
    return Pool(members, Telemetry(), default_model=default_model, dice=Loaded(*drawn))
