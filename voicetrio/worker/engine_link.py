"""What a worker says to one process of an engine that hears: a call is a request, and waits for its reply."""

from dataclasses import dataclass, field

import trio

from voicetrio.core.errors import WorkerBusy, WorkerRejected, WorkerUnavailable
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.worker.engines.contract import StreamOptions
from voicetrio.worker.host_link import HostLink
from voicetrio.worker.host_messages import (
    Accept,
    Close,
    Closed,
    EndSegment,
    Heard,
    HostReply,
    HostRequest,
    Open,
    Opened,
    Refused,
)


@dataclass(slots=True)
class _Waiter:
    answered: trio.Event = field(default_factory=trio.Event)
    reply: HostReply | None = None


class EngineLink(HostLink):
    def __init__(self, process: trio.Process, streams_max: int) -> None:
        """`streams_max` counts streams that were left and whose last call has not ended yet, too."""
        super().__init__(process, "stt.engine")
        self._streams_max = streams_max
        self._waiters: dict[int, _Waiter] = {}
        self._streams: set[int] = set()
        self._closing: set[int] = set()

    @property
    def streams(self) -> int:
        return len(self._streams)

    async def open(self, stream_id: int, options: StreamOptions) -> None:
        """Raises `WorkerRejected`, `WorkerBusy` or `WorkerUnavailable`. `close` is due in any case."""
        if len(self._streams) >= self._streams_max:
            raise WorkerBusy("the engine is still busy with streams that were left; try another worker, or later")
        self._streams.add(stream_id)
        await self._ask(Open(stream_id, options))

    async def accept(
        self, stream_id: int, segment_id: int, start_sample: int, pcm: bytes, prompt: str | None
    ) -> Hypothesis | None:
        """`prompt`: the segment begins here, with this one; see `Accept`."""
        reply = await self._ask(Accept(stream_id, segment_id, start_sample, pcm, prompt))
        assert isinstance(reply, Heard)
        return reply.hypothesis

    async def end_segment(self, stream_id: int, segment_id: int, end_sample: int) -> Hypothesis:
        reply = await self._ask(EndSegment(stream_id, segment_id, end_sample))
        assert isinstance(reply, Heard)
        assert reply.hypothesis is not None
        return reply.hypothesis

    def close(self, stream_id: int) -> None:
        """At any time, also while a call is under way: its reply is then for nobody."""
        if stream_id in self._streams and not self._dead:
            self._closing.add(stream_id)
            self._post(Close(stream_id))

    async def _ask(self, request: Open | Accept | EndSegment) -> HostReply:
        if self._dead:
            raise self.death_of(request.stream_id)
        waiter = self._waiters[request.stream_id] = _Waiter()
        self._post(request)
        try:
            await waiter.answered.wait()
        finally:
            del self._waiters[request.stream_id]
        match waiter.reply:
            case None:
                raise self.death_of(request.stream_id)
            case Refused(rejected=True, message=message):
                raise WorkerRejected(message)
            case Refused(message=message):
                raise WorkerUnavailable(message)
            case reply:
                return reply

    async def _take(self, reply: HostReply | HostRequest) -> None:
        assert isinstance(reply, Opened | Heard | Refused | Closed)
        stream_id = reply.stream_id
        if isinstance(reply, Closed):
            self._streams.discard(stream_id)
            self._closing.discard(stream_id)
            self._settle(stream_id)
            return
        if stream_id not in self._closing:
            self._settle(stream_id)
        if (waiter := self._waiters.get(stream_id)) is not None:
            waiter.reply = reply
            waiter.answered.set()

    def _ended(self) -> None:
        for waiter in self._waiters.values():
            waiter.answered.set()
