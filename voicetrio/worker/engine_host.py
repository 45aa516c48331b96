"""The engine process: a plain synchronous loop around one engine that hears. It knows a pipe in and a pipe out.

    python -m voicetrio.worker.engine_host ENGINE MODEL

Engines hold the GIL for as long as they decode, and C code may crash; both must not happen where connections are
served. Requests of all streams are answered one by one, in the order in which they came. At the end of stdin the
worker is gone.
"""

import os
import select
import signal
import sys
import traceback
from collections import deque

from voicetrio.core.errors import WorkerRejected
from voicetrio.worker.engines.contract import HearingEngine, HearingStream
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
        self._requests = requests
        self._replies = replies
        self._decoder = FrameDecoder()
        self._work: deque[Open | Accept | EndSegment] = deque()
        self._streams: dict[int, HearingStream] = {}

    def run(self) -> None:
        """Until the requests end or nobody reads the replies."""
        try:
            self._reply(Ready(self._engine.description))
            while self._take_in():
                if self._work:
                    self._reply(self._answer(self._work.popleft()))
        except BrokenPipeError:
            return

    def _take_in(self) -> bool:
        """Take in what has come; wait only when there is nothing to do. False at the end of the requests."""
        while select.select([self._requests], [], [], 0 if self._work else None)[0]:
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
        stream = self._streams.pop(request.stream_id, None)
        if stream is not None:
            stream.close()
        self._reply(Closed(request.stream_id))

    def _answer(self, request: Open | Accept | EndSegment) -> HostReply:
        stream_id = request.stream_id
        try:
            match request:
                case Open(options=options):
                    self._streams[stream_id] = self._engine.open(options)
                    return Opened(stream_id)
                case Accept(segment_id=segment_id, start_sample=start_sample, pcm=pcm, initial_prompt=prompt):
                    stream = self._streams[stream_id]
                    if prompt is not None:
                        stream.begin_segment(segment_id, prompt)
                    return Heard(stream_id, stream.accept(segment_id, start_sample, pcm))
                case EndSegment(segment_id=segment_id, end_sample=end_sample):
                    return Heard(stream_id, self._streams[stream_id].end_segment(segment_id, end_sample))
        except WorkerRejected as error:
            return Refused(stream_id, True, str(error))
        except Exception:
            # One stream's trouble is not the others'. The engine has put its own state in order.
            traceback.print_exc()
            return Refused(stream_id, False, "the engine failed on this stream")

    def _reply(self, reply: HostReply) -> None:
        frame = memoryview(encode_frame(reply))
        while frame:
            frame = frame[os.write(self._replies, frame) :]


def main(engine_name: str, model: str) -> int:
    """Returns the exit code: 0, or 2 when the engine cannot be loaded and the worker has been told why."""
    # The terminal's Ctrl-C and a service manager's SIGTERM go to the whole group; the worker decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    requests, replies = _take_over_pipes()
    os.nice(NICENESS)
    try:
        engine = load_hearing(engine_name, model)
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
