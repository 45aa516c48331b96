"""The connections to one worker, as grpclib channels.

HTTP/2 lets a connection have so many streams open at once (100, by h2's default), and grpclib makes the next call wait,
without an error and without an end, until one of them is over. Recogniser streams live as long as sessions, so they are
spread over as many connections as they need, and health checks have one of their own: a worker with a hundred sessions
must not look like one that hangs.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio_asyncio  # before grpclib: it replaces functions of asyncio which grpclib takes hold of when imported
from grpclib.client import Channel
from grpclib.config import Configuration

from voicetrio.core.socket_paths import fits, through_folder

_CALLS_PER_CHANNEL = 64
"""Well below HTTP/2's customary 100: a reset stream counts until the worker has seen the reset."""

_STREAM_WINDOW_BYTES = 262_144
"""Of replies that one call may have unread: speech that a client does not take waits in the worker, not here."""

_CONNECTION_WINDOW_BYTES = 2**31 - 1
"""Of all calls of a connection: no limit of its own, HTTP/2 has no more. With one that few calls can fill, clients that
do not listen to their speech would keep other sessions from their transcripts."""


@dataclass(eq=False)
class _Shared:
    channel: Channel
    calls: int = 0


class Channels:
    def __init__(self, address: str, loop: trio_asyncio.TrioEventLoop) -> None:
        """`address` is `host:port` or `unix:/path`. Nothing is connected until the first call."""
        self._address = address
        self._loop = loop
        self._shared: list[_Shared] = []
        self._folder: int | None = None
        """Descriptor of the socket's folder, where its path is too long for an address."""
        self._config = Configuration(
            http2_stream_window_size=_STREAM_WINDOW_BYTES, http2_connection_window_size=_CONNECTION_WINDOW_BYTES
        )

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Channel]:
        """A channel with room for one more call, inside. Channels are kept: at the most as many as were ever needed."""
        shared = next((one for one in self._shared if one.calls < _CALLS_PER_CHANNEL), None)
        if shared is None:
            shared = _Shared(await self.make())
            self._shared.append(shared)
        shared.calls += 1
        try:
            yield shared.channel
        finally:
            shared.calls -= 1

    async def make(self) -> Channel:
        """A channel for the caller alone, who must close it."""

        async def connect() -> Channel:  # noqa: ASYNC124 - a channel takes the loop that it is made in
            if self._address.startswith("unix:"):
                return Channel(path=self._socket_path(), config=self._config)
            host, _, port = self._address.rpartition(":")
            return Channel(host.strip("[]"), int(port), config=self._config)

        channel: Channel = await trio_asyncio.aio_as_trio(connect, loop=self._loop)()
        return channel

    def _socket_path(self) -> str:
        """Shortened where it has to be. A folder that is not there yet fails as a connection, and is tried again then."""
        path = self._address.removeprefix("unix:")
        if fits(path) or not os.path.isdir("/proc/self/fd"):
            return path
        folder, name = os.path.split(path)
        if self._folder is None:
            try:
                self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            except OSError:
                return path
        return through_folder(self._folder, name)

    async def aclose(self, *others: Channel) -> None:
        """Close all channels, and those that `make` gave. Calls that are under way break; the next one connects anew."""
        await self.close(*others, *(shared.channel for shared in self._shared))

    async def close(self, *channels: Channel) -> None:
        """Close these. A connection with unsent data stays with the system until that is read, or the worker is gone."""

        async def close() -> None:  # noqa: ASYNC124 - it has to run in asyncio
            for channel in channels:
                channel.close()

        await trio_asyncio.aio_as_trio(close, loop=self._loop)()
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None
