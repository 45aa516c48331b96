"""Where the workers of this machine listen: socket files in a folder that only this user can enter."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from voicetrio.core.errors import VoicetrioError

_CHOSEN = ("TMPDIR", "TEMP", "TMP")
"""Environment variables by which operators choose where temporary files belong."""

_USUAL = ("/tmp", "/var/tmp")
_SHARED_MEMORY = "/dev/shm"
"""Container runtimes leave it writable where all else is read-only."""


class SocketFolderError(VoicetrioError):
    """There is no folder for the sockets of local workers."""


@contextmanager
def private_sockets(count: int) -> Iterator[list[str]]:
    """Addresses of socket files that do not exist yet, in a folder of our own that is removed afterwards.

    Their names differ: the operator knows a worker by the name of its socket file. Without workers nothing is made.

    Raises:
        SocketFolderError: no folder can be written to; it names those that were tried.
    """
    if count == 0:
        yield []
        return
    folder = _make_folder()
    names = ["worker.sock", *(f"worker-{number}.sock" for number in range(2, count + 1))]
    try:
        yield [f"unix:{folder / name}" for name in names]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_folder() -> Path:
    tried: list[str] = []
    for parent in dict.fromkeys(_parents()):
        try:
            return Path(tempfile.mkdtemp(prefix="voicetrio-", dir=parent))  # mode 0700
        except OSError as error:
            tried.append(f"{parent} ({errno.errorcode.get(error.errno or 0, 'error')})")
    raise SocketFolderError(
        f"local workers need a folder for their sockets, and none of these can be written to: {', '.join(tried)}. "
        "Set TMPDIR to a folder that can, such as a tmpfs; workers.addresses alone (with workers.local = false) needs none"
    )


def _parents() -> Iterator[str]:
    """In which folders ours may be, the best ones first."""
    yield from (os.path.abspath(os.environ[name]) for name in _CHOSEN if os.environ.get(name))
    yield from _USUAL
    if os.environ.get("XDG_RUNTIME_DIR"):
        yield os.environ["XDG_RUNTIME_DIR"]
    yield _SHARED_MEMORY
