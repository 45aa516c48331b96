"""Where a worker listens: addresses as people write them, and bound sockets. Errors name the setting and the cause."""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from voicetrio.core.socket_paths import fits, through_folder
from voicetrio.worker.errors import SetupError

BACKLOG = 100
"""Connections that wait to be accepted. A gateway opens a few and keeps them."""


@contextmanager
def bound_socket(listen: str) -> Iterator[tuple[socket.socket, str]]:
    """A listening socket and its address in the form of `WorkerConfig.listen`, with the port that was really taken.

    A socket file that a dead worker left is replaced; ours is removed at the end. Its path may have any length on Linux.

    Raises:
        SetupError: the address is malformed, taken or not allowed.
    """
    if listen.startswith("unix:"):
        path = listen.removeprefix("unix:").removeprefix("//")
        with _bound_unix(listen, path) as sock:
            yield sock, f"unix:{path}"
    else:
        with _bound_tcp(listen) as sock:
            host, port = sock.getsockname()[:2]
            yield sock, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _bound_tcp(listen: str) -> socket.socket:
    host, separator, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise SetupError(f"worker.listen: {listen!r} is neither host:port nor unix:/path")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise SetupError(f"worker.listen: the host of {listen!r} is not known ({error.strerror})") from error
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise _cannot_listen(listen, error) from error
    sock.setblocking(False)
    return sock


@contextmanager
def _bound_unix(listen: str, path: str) -> Iterator[socket.socket]:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        with _short(path) as address:
            sock.bind(address)
        sock.listen(BACKLOG)
        identity = os.stat(path)
    except (OSError, ValueError) as error:
        sock.close()
        raise _cannot_listen(listen, error) from error
    sock.setblocking(False)
    try:
        yield sock
    finally:
        sock.close()
        # Only if it is still ours: a successor may have put its own there.
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(path), identity):
                os.unlink(path)


def _remove_stale(path: str) -> None:
    """Raises `OSError` when something is there that is not the socket of a dead process."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise FileExistsError(errno.EEXIST, "something that is not a socket is there")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            with _short(path) as address:
                probe.connect(address)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, "another process listens there")


@contextmanager
def _short(path: str) -> Iterator[str]:
    """The same path, or one that a socket's address has room for, inside. Raises `OSError`."""
    if fits(path) or not os.path.isdir("/proc/self/fd"):
        yield path
        return
    folder, name = os.path.split(path)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield through_folder(descriptor, name)
    finally:
        os.close(descriptor)


def _cannot_listen(listen: str, error: Exception) -> SetupError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SetupError(f"worker.listen: cannot listen on {listen!r}: {reason}")
