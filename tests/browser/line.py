"""A bad network before a server, in threads: a browser's tests cannot await. See tests/end_to_end/proxy.py for trio's."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 4096
_RESET = struct.pack("ii", 1, 0)


class Line:
    """Use `open_line`."""

    def __init__(self, server_port: int) -> None:
        self.cuts = 0
        """So many connections were cut."""
        self._server_port = server_port
        self._down = False
        self._swallows = False
        self._dead_before = 0
        """Connections before this number say nothing any more, and do not end either."""
        self._opened = 0
        self._stalled = False
        self._silent: list[socket.socket] = []
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._listen)

    def swallow(self) -> None:
        """What clients send from now on is taken and lost, until `mend`."""
        self._swallows = True

    def stall(self) -> None:
        """The network is gone, and says nothing of it: whatever either side sends is lost, for good on the connections
        that there are; others are accepted, and nothing comes of them until `mend`."""
        with self._lock:
            self._stalled = True
            self._dead_before = self._opened

    def cut(self) -> None:
        """Reset all connections on both sides; nobody gets through until `mend`."""
        with self._lock:
            self._down = True
            self.cuts += len(self._pairs)
            for pair in self._pairs:
                for end in pair:
                    _reset(end)
            self._pairs.clear()

    def mend(self) -> None:
        self._down = self._swallows = self._stalled = False

    def close(self) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._silent:
            _reset(end)
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()

    def _start(self, target, *args) -> None:
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._down:
                    _reset(client)
                    continue
                if self._stalled:
                    self._silent.append(client)
                    continue
                number = self._opened
                self._opened += 1
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._pairs.append((client, server))
            self._start(self._pass_on, client, server, number, True)
            self._start(self._pass_on, server, client, number, False)

    def _pass_on(self, source: socket.socket, sink: socket.socket, number: int, from_client: bool) -> None:
        """The other direction ends with this one: that is how HTTP and WebSocket end."""
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if not (from_client and self._swallows) and number >= self._dead_before:
                    sink.sendall(chunk)
            if number < self._dead_before:
                return  # the other side does not even learn of the end
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def open_line(server_port: int) -> Iterator[Line]:
    """A line to this port of this machine, which ends with the block."""
    line = Line(server_port)
    try:
        yield line
    finally:
        line.close()
