"""The process of an engine that hears: a plain synchronous loop around it. It knows a pipe in and a pipe out.

    python -m voicetrio.worker.engine_host ENGINE SETUP        (SETUP: the fields of `HearingSetup` as JSON)

Requests of all streams are answered one by one, in the order in which they came. With an engine that decodes many streams
at once (`BatchedHearing`), whatever has come is fed to it before each of its runs: streams join from one run to the next,
none waits for another one's segment to end, and while a run goes on the next one's audio piles up in the pipe.

If C code crashes on what it was given, the worker has to know which stream that was. Of an engine that is asked one by
one, it is the one whose turn it was. Before each run over many, the worker is told which they are; a stream that may have
crashed an engine before (`StreamOptions.alone`) is decoded when nothing else is.
"""

import json
import sys
import traceback
from collections import deque
from typing import cast

from voicetrio.core.errors import WorkerRejected
from voicetrio.worker.engines.contract import BatchedHearing, BatchedStream, HearingEngine, HearingSetup, HearingStream
from voicetrio.worker.engines.registry import load_hearing
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
    Ping,
    Pong,
    Ready,
    Refused,
    Running,
)
from voicetrio.worker.host_process import HostPipes, run_host


class EngineHost:
    def __init__(self, engine: HearingEngine, requests: int, replies: int) -> None:
        """`requests` and `replies` are file descriptors, blocking."""
        self._engine = engine
        self._batched = engine if isinstance(engine, BatchedHearing) else None
        self._pipes = HostPipes(requests, replies)
        self._work: deque[Open | Accept | EndSegment] = deque()
        self._streams: dict[int, HearingStream] = {}
        self._unanswered: dict[int, Accept | EndSegment] = {}
        """Of a batched engine: what each stream was fed with and has had no answer for. One of a stream at a time."""
        self._alone: set[int] = set()
        """Streams that are not decoded together with others."""
        self._fed: set[int] = set()
        """Of a batched engine: streams of which it may have something to decode."""
        self._running: set[int] = set()

    def run(self) -> None:
        """Until the requests end or nobody reads the replies."""
        try:
            self._reply(Ready(self._engine.description))
            while self._take_in():
                if self._batched is not None:
                    self._run_batch(self._batched)
                elif self._work:
                    self._reply(self._answer(self._work.popleft()))
        except BrokenPipeError:
            return

    @property
    def _busy(self) -> bool:
        return bool(self._work) or (self._batched is not None and self._batched.has_work)

    def _take_in(self) -> bool:
        """Take in what has come; wait only when there is nothing to do. False at the end of the requests."""
        while (requests := self._pipes.receive(wait=not self._busy)) is not None:
            for request in requests:
                self._put(request)
            if not requests:
                return True
        return False

    def _put(self, request: HostRequest) -> None:
        if isinstance(request, Ping):
            self._reply(Pong())
        elif isinstance(request, Close):
            self._close(request.stream_id)
        else:
            assert isinstance(request, Open | Accept | EndSegment)
            self._work.append(request)

    def _close(self, stream_id: int) -> None:
        self._work = deque(work for work in self._work if work.stream_id != stream_id)
        self._unanswered.pop(stream_id, None)
        self._alone.discard(stream_id)
        self._fed.discard(stream_id)
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.close()
        self._reply(Closed(stream_id))

    def _answer(self, request: Open | Accept | EndSegment) -> HostReply:
        """Of an engine that is asked one by one; `Open` of any."""
        try:
            match request:
                case Open(stream_id=stream_id, options=options):
                    self._streams[stream_id] = self._engine.open(options)
                    if options.alone:
                        self._alone.add(stream_id)
                    return Opened(stream_id)
                case Accept(stream_id, segment_id, start_sample, pcm, prompt):
                    stream = self._streams[stream_id]
                    if prompt is not None:
                        stream.begin_segment(segment_id, prompt)
                    return Heard(stream_id, stream.accept(segment_id, start_sample, pcm))
                case EndSegment(stream_id, segment_id, end_sample):
                    return Heard(stream_id, self._streams[stream_id].end_segment(segment_id, end_sample))
        except Exception as error:
            return _refusal(request.stream_id, error)

    def _run_batch(self, engine: BatchedHearing) -> None:
        """Feed what waits, decode once, and answer what can be answered; or, for those that are decoded alone, finish what
        was begun and do that for each of them.
        """
        together: list[Accept | EndSegment] = []
        apart: list[Accept | EndSegment] = []
        for request in self._work:
            if isinstance(request, Open):
                self._reply(self._answer(request))
            else:
                (apart if request.stream_id in self._alone else together).append(request)
        self._work.clear()
        if not apart:
            self._decode(engine, together)
            return
        self._work.extend(together)
        self._finish(engine)
        for request in apart:
            self._fed = {request.stream_id}  # of audio that is not due, nothing is decoded before there is more
            self._decode(engine, [request])
            self._finish(engine)
            self._fed = set()

    def _finish(self, engine: BatchedHearing) -> None:
        while engine.has_work:
            self._decode(engine, [])

    def _decode(self, engine: BatchedHearing, requests: list[Accept | EndSegment]) -> None:
        self._fed.update(request.stream_id for request in requests)
        if self._fed != self._running:
            self._running = set(self._fed)
            self._reply(Running(tuple(self._running)))
        for request in requests:
            self._unanswered[request.stream_id] = request
            self._feed(request)
        if engine.has_work:
            engine.run()
        for unanswered in list(self._unanswered.values()):
            self._collect(unanswered)

    def _feed(self, request: Accept | EndSegment) -> None:
        try:
            stream = cast("BatchedStream", self._streams[request.stream_id])
            if isinstance(request, EndSegment):
                stream.finish(request.segment_id, request.end_sample)
                return
            if request.initial_prompt is not None:
                stream.begin_segment(request.segment_id, request.initial_prompt)
            stream.feed(request.segment_id, request.start_sample, request.pcm)
        except Exception as error:
            self._settle(_refusal(request.stream_id, error))

    def _collect(self, request: Accept | EndSegment) -> None:
        """Audio is answered at once, with what there is; an end when its final is there."""
        try:
            heard = cast("BatchedStream", self._streams[request.stream_id]).take()
        except Exception as error:
            self._settle(_refusal(request.stream_id, error))
            return
        final = heard is not None and heard.final
        if final:
            self._fed.discard(request.stream_id)
        if isinstance(request, Accept) or final:
            self._settle(Heard(request.stream_id, heard))

    def _settle(self, reply: Heard | Refused) -> None:
        del self._unanswered[reply.stream_id]
        self._reply(reply)

    def _reply(self, reply: HostReply) -> None:
        self._pipes.send(reply)


def _refusal(stream_id: int, error: Exception) -> Refused:
    """One stream's trouble is not the others'. The engine has put its own state in order."""
    if isinstance(error, WorkerRejected):
        return Refused(stream_id, True, str(error))
    traceback.print_exception(error)
    return Refused(stream_id, False, "the engine failed on this stream")


def main(engine_name: str, setup: str) -> int:
    """Returns the exit code, see `run_host`."""

    def serve(requests: int, replies: int) -> None:
        EngineHost(load_hearing(engine_name, HearingSetup(**json.loads(setup))), requests, replies).run()

    return run_host(serve)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
