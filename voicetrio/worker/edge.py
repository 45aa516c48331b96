"""The border between grpclib, which is asyncio, and everything behind it, which is trio. It decides nothing.

    grpclib task (asyncio) -> `serve_call` -> a trio task for the call -> `Call.receive`, `Call.send` -> into asyncio

Cancelling goes both ways: a call that the client resets, or whose connection breaks, is cancelled in trio; a trio scope
that is cancelled cancels what it awaits in asyncio. Errors of our tree become gRPC statuses here and nowhere else.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import structlog
import trio_asyncio  # before grpclib: it replaces functions of asyncio which grpclib takes hold of when imported
from google.protobuf.message import DecodeError
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.server import Stream
from h2.exceptions import ProtocolError

from voicetrio.core.errors import EngineLost, WorkerBusy, WorkerCrashed, WorkerError, WorkerRejected, WorkerUnavailable
from voicetrio.worker.errors import NotServed, first_leaf

Request = TypeVar("Request")
Reply = TypeVar("Reply")

log = structlog.get_logger()

_STATUS: dict[type[WorkerError], Status] = {
    WorkerBusy: Status.RESOURCE_EXHAUSTED,
    WorkerRejected: Status.INVALID_ARGUMENT,
    WorkerUnavailable: Status.UNAVAILABLE,
    WorkerCrashed: Status.ABORTED,
    EngineLost: Status.DATA_LOSS,
    NotServed: Status.UNIMPLEMENTED,
}


class PeerGone(Exception):
    """Nobody is there to hear the reply. The call ends without a word."""


class Call(Generic[Request, Reply]):
    """One gRPC call as trio sees it. One task receives, one task sends."""

    def __init__(self, stream: Stream[Request, Reply], loop: trio_asyncio.TrioEventLoop) -> None:
        self._receive = trio_asyncio.aio_as_trio(stream.recv_message, loop=loop)
        self._send = trio_asyncio.aio_as_trio(stream.send_message, loop=loop)

    async def receive(self) -> Request | None:
        """The next request; None when the client has sent its last. After a cancel, only leave the call.

        Raises:
            WorkerRejected: what came is not the message that the contract asks for.
        """
        try:
            request: Request | None = await self._receive()
        except (DecodeError, NotImplementedError, AssertionError) as error:
            # grpclib's words for garbage, for compressed messages and for a message that was cut off.
            raise WorkerRejected(
                "a request could not be decoded; it has to be a whole, uncompressed message of this contract"
            ) from error
        return request

    async def send(self, reply: Reply) -> None:
        """Waits while the client reads slowly. After a cancel, only leave the call: half a message may be out.

        Raises:
            PeerGone: the client or its connection is gone.
        """
        try:
            await self._send(reply)
        except (StreamTerminatedError, ProtocolError, ConnectionError) as error:
            raise PeerGone from error


async def serve_call(
    stream: Stream[Any, Any],
    loop: trio_asyncio.TrioEventLoop,
    serve: Callable[[Call[Any, Any]], Awaitable[None]],
) -> None:
    """Asyncio: run `serve` as a trio task for this call, to its end; raise what grpclib should tell the client."""
    await loop.trio_as_future(_serve, Call(stream, loop), serve)


async def _serve(call: Call[Any, Any], serve: Callable[[Call[Any, Any]], Awaitable[None]]) -> None:
    failure: GRPCError | None = None
    try:
        await serve(call)
    except* PeerGone:
        pass
    except* WorkerError as group:
        error = first_leaf(group)
        failure = GRPCError(_STATUS.get(type(error), Status.UNKNOWN), str(error))
    except* Exception as group:
        # A bug of ours. The client is told that it was not its fault, and nothing else: texts may hold what was said.
        log.error("call_failed", exc_info=group)
        failure = GRPCError(Status.INTERNAL, "the worker met an error of its own; its log tells more")
    if failure is not None:
        raise failure
