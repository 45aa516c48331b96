"""One life of one engine's process, seen from the worker: requests into its stdin, replies from its stdout.

It lives from `Ready` to the end of the pipe, and knows when the process hangs, and whom to blame when it ends. Who starts
a process again, and what is said to it, is not known here.
"""

import signal
from abc import ABC, abstractmethod
from collections import deque

import structlog
import trio

from voicetrio.core.errors import EngineLost, WorkerCrashed, WorkerUnavailable
from voicetrio.worker.activity import Activity
from voicetrio.worker.engines.contract import HearingDescription, SpeakingDescription
from voicetrio.worker.errors import SetupError
from voicetrio.worker.host_messages import (
    CannotLoad,
    Close,
    FrameDecoder,
    HostReply,
    HostRequest,
    Ping,
    Pong,
    Ready,
    Running,
    encode_frame,
)

HANG_TIMEOUT = 5.0
"""Seconds without a reply and without a sign of work, while replies are owed, after which a process counts as hung."""
CALL_TIMEOUT = 30.0
"""Seconds without any reply, while replies are owed, after which one counts as hung that works all the time: it may go
round in a circle. The longest honest call is the final of a segment of a minute, about 8 s on a slow core."""
WATCH_INTERVAL = 0.5
"""Seconds between looks at the process."""
STALLED_AFTER = 2.0
"""Seconds without a sign of work after which nobody is told any more that work goes on. Together with the silence that a
session puts up with, `worker_silence`, it is longer than it takes to notice a hang."""
PING_INTERVAL = 2.0
"""Seconds without a request after which a process that owes nothing is asked for a sign of life: one that hangs should be
replaced before somebody needs it."""
EXIT_TIMEOUT = 1.0
"""Seconds from the end of a process's replies to its own."""

_PING = 0
"""In place of a stream's id, in what is owed."""

log = structlog.get_logger()


class HostLink(ABC):
    def __init__(self, process: trio.Process, setting: str) -> None:
        """`setting` is what people change when the engine cannot be loaded: "stt.engine" or "tts.engine"."""
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._setting = setting
        self._requests = process.stdin
        self._replies = process.stdout
        self._activity = Activity(process.pid)
        self._decoder = FrameDecoder()
        # Bounded by the streams: each has one request and one `Close` in it at the most.
        self._outbound: deque[bytes] = deque()
        self._outbound_filled = trio.Event()
        self._owed: dict[int, None] = {}
        """Streams that wait for a reply, in the order in which the host works for them."""
        self._running: frozenset[int] | None = None
        self._taking = False
        self._replied_at = self._worked_at = 0.0
        self._hung = False
        self._dead = False
        self._culprits: frozenset[int] = frozenset()

    @property
    def works(self) -> bool:
        """Whether what is owed may be believed to come: the process has given a sign of work lately."""
        return not self._owed or trio.current_time() - self._worked_at < STALLED_AFTER

    @property
    def culprits(self) -> int:
        """How many streams the process may have died of."""
        return len(self._culprits)

    async def receive_ready(self) -> HearingDescription | SpeakingDescription:
        """The first reply. Takes as long as loading a model takes.

        Raises:
            SetupError: the engine cannot be loaded, or its process ended before it was.
        """
        while True:
            data = await self._replies.receive_some()
            if not data:
                raise SetupError(
                    f"{self._setting}: the engine's process ended while it was loading; see its stderr above"
                )
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
            with trio.move_on_after(EXIT_TIMEOUT):
                await self._process.wait()
            self._culprits = self._find_culprits()
        finally:
            self._dead = True
            self._ended()

    def death_of(self, stream_id: int) -> WorkerUnavailable:
        """What this stream is told of the process's end."""
        if stream_id in self._culprits:
            return WorkerCrashed("the engine died of what it was given; it is not to be given it for ever")
        return EngineLost("the engine's process died; open the stream again")

    def _find_culprits(self) -> frozenset[int]:
        """What the process was working on when it died. Nobody, if somebody outside has killed it: that was not its work,
        nor an engine's doing.
        """
        if self._process.returncode == -signal.SIGKILL and not self._hung:
            return frozenset()
        if self._running is not None:
            return self._running
        first = next(iter(self._owed), _PING)
        # A ping is sent when nothing is owed: if it has no answer, all that was asked after it has not even been begun.
        return frozenset() if first == _PING else frozenset([first])

    @abstractmethod
    async def _take(self, reply: HostReply | HostRequest) -> None:
        """Hand a reply to whoever waits for it."""

    @abstractmethod
    def _ended(self) -> None:
        """Wake all who wait for a reply."""

    def _post(self, request: HostRequest) -> None:
        if not self._owed:
            self._replied_at = self._worked_at = trio.current_time()
        if isinstance(request, Ping):
            self._owed[_PING] = None
        elif not isinstance(request, Close):
            self._owed[request.stream_id] = None
        else:
            self._owed.setdefault(request.stream_id)
        self._outbound.append(encode_frame(request))
        self._outbound_filled.set()

    def _settle(self, stream_id: int) -> None:
        """Nothing is owed to this stream any more."""
        self._owed.pop(stream_id, None)

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
            self._replied_at = self._worked_at = trio.current_time()
            self._taking = False
            data = await self._replies.receive_some()
            if not data:
                return
            self._taking = True
            for reply in self._decoder.feed(bytes(data)):
                if isinstance(reply, Pong):
                    self._settle(_PING)
                elif isinstance(reply, Running):
                    self._running = frozenset(reply.stream_ids)
                else:
                    await self._take(reply)

    async def _watch(self) -> None:
        asked_at = trio.current_time()
        while True:
            before = trio.current_time()
            await trio.sleep(WATCH_INTERVAL)
            now = trio.current_time()
            if self._activity.look() or self._taking:
                self._worked_at = now
            elif now - before > 2 * WATCH_INTERVAL:
                self._worked_at += now - before - WATCH_INTERVAL  # it is we who were late: nothing was seen meanwhile
            if self._taking:
                self._replied_at = now  # it waits for us
            if self._owed:
                asked_at = now
                if now - self._worked_at >= HANG_TIMEOUT or now - self._replied_at >= CALL_TIMEOUT:
                    self._kill(now)
            elif now - asked_at >= PING_INTERVAL:
                asked_at = now
                self._post(Ping())

    def _kill(self, now: float) -> None:
        self._hung = True
        log.error(
            "engine_process_hangs",
            pid=self._process.pid,
            silent_s=round(now - self._replied_at, 1),
            idle_s=round(now - self._worked_at, 1),
        )
        self._process.kill()
