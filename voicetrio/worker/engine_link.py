"""One life of one engine process, seen from the worker: requests into its stdin, replies from its stdout.

It lives from `Ready` to the end of the pipe. Who restarts a process, and which one gets a stream, is not known here.
"""

from collections import deque
from dataclasses import dataclass, field

import trio

from voicetrio.core.errors import WorkerBusy, WorkerRejected, WorkerUnavailable
from voicetrio.core.hypothesis import Hypothesis
from voicetrio.worker.engines.contract import HearingDescription, StreamOptions
from voicetrio.worker.errors import SetupError
from voicetrio.worker.host_messages import (
    Accept,
    CannotLoad,
    Close,
    Closed,
    EndSegment,
    FrameDecoder,
    Heard,
    HostReply,
    HostRequest,
    Open,
    Opened,
    Ready,
    Refused,
    encode_frame,
)

CALL_TIMEOUT = 30.0
"""Seconds without any reply, while replies are owed, after which a process counts as hung. The longest honest call is
the final of a segment of a minute, about 8 s on a slow core."""
WATCH_INTERVAL = 1.0
"""Seconds; the time-out needs no more precision."""

_DIED = "the engine's process died; open the stream again"


@dataclass(slots=True)
class _Waiter:
    answered: trio.Event = field(default_factory=trio.Event)
    reply: HostReply | None = None


class EngineLink:
    def __init__(self, process: trio.Process, streams_max: int) -> None:
        """`streams_max` counts streams that were left and whose last call has not ended yet, too."""
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._requests = process.stdin
        self._replies = process.stdout
        self._streams_max = streams_max
        self._decoder = FrameDecoder()
        # Bounded by the streams: each has one request and one `Close` in it at the most.
        self._outbound: deque[bytes] = deque()
        self._outbound_filled = trio.Event()
        self._waiters: dict[int, _Waiter] = {}
        self._streams: set[int] = set()
        self._closing: set[int] = set()
        self._owed: set[int] = set()
        self._progress_at = 0.0
        self._dead = False

    @property
    def streams(self) -> int:
        return len(self._streams)

    async def receive_ready(self) -> HearingDescription:
        """The first reply. Takes as long as loading a model takes.

        Raises:
            SetupError: the engine cannot be loaded, or its process ended before it was.
        """
        while True:
            data = await self._replies.receive_some()
            if not data:
                raise SetupError("stt.engine: the engine's process ended while it was loading; see its stderr above")
            for reply in self._decoder.feed(bytes(data)):
                if isinstance(reply, CannotLoad):
                    raise SetupError(reply.message)
                assert isinstance(reply, Ready)
                return reply.description

    async def run(self) -> None:
        """Carry messages until the process ends. Then, or when cancelled, whoever waits for a reply is told."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(self._watch)
                await self._read()
                nursery.cancel_scope.cancel(reason="the engine process has ended")
        finally:
            self._dead = True
            for waiter in self._waiters.values():
                waiter.answered.set()

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
            raise WorkerUnavailable(_DIED)
        waiter = self._waiters[request.stream_id] = _Waiter()
        self._post(request)
        try:
            await waiter.answered.wait()
        finally:
            del self._waiters[request.stream_id]
        match waiter.reply:
            case None:
                raise WorkerUnavailable(_DIED)
            case Refused(rejected=True, message=message):
                raise WorkerRejected(message)
            case Refused(message=message):
                raise WorkerUnavailable(message)
            case reply:
                return reply

    def _post(self, request: HostRequest) -> None:
        if not self._owed:
            self._progress_at = trio.current_time()
        self._owed.add(request.stream_id)
        self._outbound.append(encode_frame(request))
        self._outbound_filled.set()

    async def _write(self) -> None:
        while True:
            await self._outbound_filled.wait()
            self._outbound_filled = trio.Event()
            while self._outbound:
                try:
                    await self._requests.send_all(self._outbound.popleft())
                except trio.BrokenResourceError:
                    return  # The process has ended; `_read` hears it too, and acts.

    async def _read(self) -> None:
        while True:
            data = await self._replies.receive_some()
            if not data:
                return
            self._progress_at = trio.current_time()
            for reply in self._decoder.feed(bytes(data)):
                self._dispatch(reply)

    def _dispatch(self, reply: HostReply | HostRequest) -> None:
        assert isinstance(reply, Opened | Heard | Refused | Closed)
        stream_id = reply.stream_id
        if isinstance(reply, Closed):
            self._streams.discard(stream_id)
            self._closing.discard(stream_id)
            self._owed.discard(stream_id)
            return
        if stream_id not in self._closing:
            self._owed.discard(stream_id)
        if (waiter := self._waiters.get(stream_id)) is not None:
            waiter.reply = reply
            waiter.answered.set()

    async def _watch(self) -> None:
        while True:
            await trio.sleep(WATCH_INTERVAL)
            if self._owed and trio.current_time() - self._progress_at > CALL_TIMEOUT:
                self._process.kill()
