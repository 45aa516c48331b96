"""The engine process: a plain synchronous loop around one engine that hears. It knows a pipe in and a pipe out.

    python -m voicetrio.worker.engine_host ENGINE SETUP        (SETUP: the fields of `HearingSetup` as JSON)

Engines hold the GIL for as long as they decode, and C code may crash; both must not happen where connections are
served. At the end of stdin the worker is gone.

Requests of all streams are answered one by one, in the order in which they came. With an engine that decodes many streams
at once (`BatchedHearing`), whatever has come is fed to it before each of its runs: streams join from one run to the next,
none waits for another one's segment to end, and while a run goes on the next one's audio piles up in the pipe.
"""

import json
import os
import select
import signal
import sys
import traceback
from collections import deque
from typing import cast

from voicetrio.core.errors import WorkerRejected
from voicetrio.worker.engines.contract import BatchedHearing, BatchedStream, HearingEngine, HearingSetup, HearingStream
from voicetrio.worker.engines.registry import load_hearing
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

READ_BYTES = 1 << 16
NICENESS = 5
"""Below the server and a gateway on the same machine: an answer that is a moment late is better than audio that is."""


class EngineHost:
    def __init__(self, engine: HearingEngine, requests: int, replies: int) -> None:
        """`requests` and `replies` are file descriptors, blocking."""
        self._engine = engine
        self._batched = engine if isinstance(engine, BatchedHearing) else None
        self._requests = requests
        self._replies = replies
        self._decoder = FrameDecoder()
        self._work: deque[Open | Accept | EndSegment] = deque()
        self._streams: dict[int, HearingStream] = {}
        self._unanswered: dict[int, Accept | EndSegment] = {}
        """Of a batched engine: what each stream was fed with and has had no answer for. One of a stream at a time."""

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
        while select.select([self._requests], [], [], 0 if self._busy else None)[0]:
            data = os.read(self._requests, READ_BYTES)
            if not data:
                return False
            for request in self._decoder.feed(data):
                assert isinstance(request, HostRequest)
                self._put(request)
        return True

    def _put(self, request: HostRequest) -> None:
        if not isinstance(request, Close):
            self._work.append(request)
            return
        self._work = deque(work for work in self._work if work.stream_id != request.stream_id)
        self._unanswered.pop(request.stream_id, None)
        stream = self._streams.pop(request.stream_id, None)
        if stream is not None:
            stream.close()
        self._reply(Closed(request.stream_id))

    def _answer(self, request: Open | Accept | EndSegment) -> HostReply:
        """Of an engine that is asked one by one; `Open` of any."""
        try:
            match request:
                case Open(stream_id=stream_id, options=options):
                    self._streams[stream_id] = self._engine.open(options)
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
        """Feed all that waits, decode once, and answer what can be answered."""
        while self._work:
            request = self._work.popleft()
            if isinstance(request, Open):
                self._reply(self._answer(request))
            else:
                self._unanswered[request.stream_id] = request
                self._feed(request)
        if engine.has_work:
            engine.run()
        for request in list(self._unanswered.values()):
            self._collect(request)

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
        if isinstance(request, Accept) or (heard is not None and heard.final):
            self._settle(Heard(request.stream_id, heard))

    def _settle(self, reply: Heard | Refused) -> None:
        del self._unanswered[reply.stream_id]
        self._reply(reply)

    def _reply(self, reply: HostReply) -> None:
        frame = memoryview(encode_frame(reply))
        while frame:
            frame = frame[os.write(self._replies, frame) :]


def _refusal(stream_id: int, error: Exception) -> Refused:
    """One stream's trouble is not the others'. The engine has put its own state in order."""
    if isinstance(error, WorkerRejected):
        return Refused(stream_id, True, str(error))
    traceback.print_exception(error)
    return Refused(stream_id, False, "the engine failed on this stream")


def main(engine_name: str, setup: str) -> int:
    """Returns the exit code: 0, or 2 when the engine cannot be loaded and the worker has been told why."""
    # The terminal's Ctrl-C and a service manager's SIGTERM go to the whole group; the worker decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    requests, replies = _take_over_pipes()
    os.nice(NICENESS)
    try:
        engine = load_hearing(engine_name, HearingSetup(**json.loads(setup)))
    except SetupError as error:
        os.write(replies, encode_frame(CannotLoad(str(error))))
        return 2
    EngineHost(engine, requests, replies).run()
    return 0


def _take_over_pipes() -> tuple[int, int]:
    """Keep the pipes for ourselves: what a library prints goes to stderr, what it reads is empty."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
