"""What all processes of engines have in common: two pipes to the worker, and how they start and end.

Engines hold the GIL for as long as they work, and C code may crash; both must not happen where connections are served.
At the end of stdin the worker is gone.
"""

import os
import select
import signal
from collections.abc import Callable
from typing import cast

from voicetrio.worker.errors import SetupError
from voicetrio.worker.host_messages import CannotLoad, FrameDecoder, HostReply, HostRequest, encode_frame

READ_BYTES = 1 << 16
NICENESS = 5
"""Below the server and a gateway on the same machine: an answer that is a moment late is better than audio that is."""


class HostPipes:
    """Requests in, replies out. Blocking."""

    def __init__(self, requests: int, replies: int) -> None:
        """Both are file descriptors."""
        self._requests = requests
        self._replies = replies
        self._decoder = FrameDecoder()

    def receive(self, *, wait: bool) -> list[HostRequest] | None:
        """What has come; nothing, if nothing has and nobody is to wait for it; None at the end of the requests."""
        requests: list[HostRequest] = []
        while not requests and select.select([self._requests], [], [], None if wait else 0)[0]:
            data = os.read(self._requests, READ_BYTES)
            if not data:
                return None
            requests += cast("list[HostRequest]", self._decoder.feed(data))
        return requests

    def send(self, reply: HostReply) -> None:
        """Raises `BrokenPipeError` when the worker is gone."""
        frame = memoryview(encode_frame(reply))
        while frame:
            frame = frame[os.write(self._replies, frame) :]


def run_host(serve: Callable[[int, int], None]) -> int:
    """The life of an engine's process. `serve` gets the descriptors of requests and replies; it loads its engine, and may
    raise `SetupError` before it has sent anything.

    Returns the exit code: 0, or 2 when the engine cannot be loaded and the worker has been told why.
    """
    # The terminal's Ctrl-C and a service manager's SIGTERM go to the whole group; the worker decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    requests, replies = _take_over_pipes()
    os.nice(NICENESS)
    try:
        serve(requests, replies)
    except SetupError as error:
        os.write(replies, encode_frame(CannotLoad(str(error))))
        return 2
    return 0


def _take_over_pipes() -> tuple[int, int]:
    """Keep the pipes for ourselves: what a library prints goes to stderr, what it reads is empty."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies
