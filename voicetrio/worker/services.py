"""The gRPC services: which method leads to which room. Asyncio, and thin: each method is one step into trio."""

import trio_asyncio  # before grpclib, see `edge`
from grpclib.server import Stream

from voicetrio.v1 import worker_pb2 as pb
from voicetrio.v1.worker_grpc import SpeechToTextBase, TextToSpeechBase, WorkerBase
from voicetrio.worker.edge import Call, serve_call
from voicetrio.worker.errors import NotServed
from voicetrio.worker.gate import Gate
from voicetrio.worker.hearing import Hearing, TranscribeCall
from voicetrio.worker.speaking import Speaking, SynthesizeCall


class Rooms:
    """What this worker can do; the rooms are filled in before the gate opens."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.hearing: Hearing | None = None
        self.speaking: Speaking | None = None


class WorkerService(WorkerBase):
    def __init__(self, rooms: Rooms, loop: trio_asyncio.TrioEventLoop) -> None:
        self._rooms = rooms
        self._loop = loop

    async def Describe(self, stream: Stream[pb.DescribeRequest, pb.Description]) -> None:  # noqa: N802
        await serve_call(stream, self._loop, self._describe)

    async def _describe(self, call: Call[pb.DescribeRequest, pb.Description]) -> None:
        self._rooms.gate.look()
        await call.receive()
        await call.send(_description(self._rooms))


class SpeechToTextService(SpeechToTextBase):
    def __init__(self, rooms: Rooms, loop: trio_asyncio.TrioEventLoop) -> None:
        self._rooms = rooms
        self._loop = loop

    async def Transcribe(self, stream: Stream[pb.TranscribeRequest, pb.TranscribeReply]) -> None:  # noqa: N802
        await serve_call(stream, self._loop, self._transcribe)

    async def _transcribe(self, call: TranscribeCall) -> None:
        with self._rooms.gate.enter():
            if self._rooms.hearing is None:
                raise NotServed('this worker does not hear (stt.engine is "none")')
            await self._rooms.hearing.transcribe(call)


class TextToSpeechService(TextToSpeechBase):
    def __init__(self, rooms: Rooms, loop: trio_asyncio.TrioEventLoop) -> None:
        self._rooms = rooms
        self._loop = loop

    async def Synthesize(self, stream: Stream[pb.SynthesizeRequest, pb.SynthesizeReply]) -> None:  # noqa: N802
        await serve_call(stream, self._loop, self._synthesize)

    async def _synthesize(self, call: SynthesizeCall) -> None:
        with self._rooms.gate.enter():
            if self._rooms.speaking is None:
                raise NotServed('this worker does not speak (tts.engine is "none")')
            await self._rooms.speaking.synthesize(call)


def _description(rooms: Rooms) -> pb.Description:
    description = pb.Description(draining=rooms.gate.draining)
    if rooms.hearing is not None:
        hears = rooms.hearing.recognition.description
        description.stt.CopyFrom(
            pb.SpeechToTextDescription(
                engine=hears.engine,
                model=hears.model,
                architecture=hears.architecture,
                languages=hears.languages,
                sample_rate_hz=hears.sample_rate,
                slots=rooms.hearing.slots.total,
                slots_in_use=rooms.hearing.slots.in_use,
            )
        )
    if rooms.speaking is not None:
        speaks = rooms.speaking.synthesis.description
        description.tts.CopyFrom(
            pb.TextToSpeechDescription(
                engine=speaks.engine,
                voices=[
                    pb.Voice(name=voice.name, language=voice.language, languages=(voice.language, *voice.also))
                    for voice in speaks.voices
                ],
                default_voice=speaks.default_voice,
                sample_rate_hz=speaks.sample_rate,
                word_marks=speaks.word_marks,
                slots=rooms.speaking.slots.total,
                slots_in_use=rooms.speaking.slots.in_use,
            )
        )
    return description
