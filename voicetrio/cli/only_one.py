"""One process serves: what several would have to share, nobody shares yet.

Sessions, their tokens, the rooms of LiveKit tokens and every limit are kept in the memory of the process that has them.
An ASGI server that starts several processes gives each connection to any of them: a client that comes back would not find
its session, two could have one id, and one room could be given to two people. So the second process refuses to start.

Processes that one ASGI server has started have the same parent. A name that depends on it is claimed by whoever is first,
and the kernel frees it when that process is gone, however it ends.
"""

import fcntl
import multiprocessing
import os
import platform
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voicetrio.core.errors import VoicetrioError

ADVICE = (
    "voicetrio serves with one process: sessions, rooms and limits are in its memory, and another process would not know "
    "them. Start the ASGI server with one worker (hypercorn -w 1, which is its default), or use `voicetrio serve`. More "
    "speech than one process can hear is for more speech workers (workers.more, workers.addresses), not for more of these"
)


class AnotherProcess(VoicetrioError):
    """The ASGI server has started this application in another process already."""


@contextmanager
def only_process() -> Iterator[None]:
    """Held by the one process of those with our parent that serves. A process that nobody has started as one of several
    is never refused: two servers on one machine are two servers.

    Raises:
        AnotherProcess: another one holds it.
    """
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        yield
        return
    with _claim(_name_of(parent.pid)):
        yield


def _name_of(parent: int) -> str:
    """Unlike that of any other process, also in another container and after process ids have begun anew."""
    try:
        # Field 22 of /proc/PID/stat: the time since boot at which it has started. Its name, field 2, may have spaces.
        started = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[19]
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        started = namespace = ""
    return f"voicetrio-serves-{os.getuid()}-{parent}-{started}-{namespace}"


@contextmanager
def _claim(name: str) -> Iterator[None]:
    if platform.system() == "Linux":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
            try:
                held.bind(f"\0{name}")  # an abstract name: no file, nothing to clean up
            except OSError:
                raise AnotherProcess(ADVICE) from None
            yield
        return
    with Path(tempfile.gettempdir(), name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AnotherProcess(ADVICE) from None
        yield
