"""The process of an engine that speaks: a plain synchronous loop around it. It knows a pipe in and a pipe out.

    python -m voicetrio.worker.speaking_host ENGINE SETUP        (SETUP: the fields of `SpeakingSetup` as JSON)

Engines that speak have one state for the whole process: pieces of text are spoken one by one, in the order in which they
came. While one is, it is looked after each chunk of its audio whether somebody still wants it.
"""

import json
import sys
import traceback
from collections import deque

from voicetrio.core.errors import WorkerRejected, WorkerUnavailable
from voicetrio.worker.engines.contract import PieceRequest, SpeakingEngine, SpeakingSetup, SpokenChunk
from voicetrio.worker.engines.registry import load_speaking
from voicetrio.worker.host_messages import (
    Close,
    Closed,
    HostReply,
    HostRequest,
    Ping,
    Pong,
    Ready,
    Refused,
    Said,
    Speak,
    Spoken,
)
from voicetrio.worker.host_process import HostPipes, run_host


class _Unwanted(Exception):
    """Stops an engine whose piece nobody wants any more."""


class SpeakingHost:
    def __init__(self, engine: SpeakingEngine, requests: int, replies: int) -> None:
        """`requests` and `replies` are file descriptors, blocking."""
        self._engine = engine
        self._pipes = HostPipes(requests, replies)
        self._work: deque[Speak] = deque()
        self._now: int | None = None
        """The stream whose piece is being spoken, while it is wanted."""

    def run(self) -> None:
        """Until the requests end or nobody reads the replies."""
        try:
            self._pipes.send(Ready(self._engine.description))
            while (requests := self._pipes.receive(wait=not self._work)) is not None:
                self._put(requests)
                if self._work:
                    self._pipes.send(self._speak(self._work.popleft()))
        except BrokenPipeError:
            return

    def _put(self, requests: list[HostRequest]) -> None:
        for request in requests:
            match request:
                case Speak():
                    self._work.append(request)
                case Ping():
                    self._pipes.send(Pong())
                case Close(stream_id):
                    self._work = deque(work for work in self._work if work.stream_id != stream_id)
                    if self._now == stream_id:
                        self._now = None  # it is told when the engine has stopped
                    else:
                        self._pipes.send(Closed(stream_id))
                case _:
                    raise ValueError("a request for an engine that hears: the pipe is out of step")

    def _speak(self, request: Speak) -> HostReply:
        self._now = request.stream_id

        def emit(chunk: SpokenChunk) -> None:
            self._put(self._pipes.receive(wait=False) or [])
            if self._now is None:
                raise _Unwanted
            self._pipes.send(Spoken(request.stream_id, chunk.pcm, chunk.marks))

        try:
            voice = self._engine.resolve_voice(request.voice)
            self._engine.speak(PieceRequest(request.text, voice, request.speed, request.pause_after), emit)
        except _Unwanted:
            return Closed(request.stream_id)
        except BrokenPipeError:
            raise
        except WorkerRejected as error:
            return self._end(Refused(request.stream_id, True, str(error)))
        except WorkerUnavailable as error:
            return self._end(Refused(request.stream_id, False, str(error)))
        except Exception as error:
            traceback.print_exception(error)
            return self._end(Refused(request.stream_id, False, "the engine failed on a piece of the text"))
        return self._end(Said(request.stream_id))

    def _end(self, reply: HostReply) -> HostReply:
        """What the piece's end is told with: a stream that was closed in the last moment waits for nothing else."""
        assert isinstance(reply, Refused | Said)
        wanted, self._now = self._now is not None, None
        return reply if wanted else Closed(reply.stream_id)


def main(engine_name: str, setup: str) -> int:
    """Returns the exit code, see `run_host`."""

    def serve(requests: int, replies: int) -> None:
        SpeakingHost(load_speaking(engine_name, SpeakingSetup(**json.loads(setup))), requests, replies).run()

    return run_host(serve)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
