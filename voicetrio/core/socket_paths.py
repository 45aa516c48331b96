"""Paths of Unix sockets: those that are too long for the kernel, and those that nobody else should see. Pure.

A socket's address has room for 108 bytes, a zero at the end included (`man 7 unix`; macOS and BSD: 104). Where Linux shows
a process its open folders as paths, any folder can be named shortly by the number of its descriptor.
"""

from pathlib import PurePosixPath

PATH_BYTES_MAX = 103
"""What fits everywhere."""


def fits(path: str) -> bool:
    return len(path.encode(errors="surrogateescape")) <= PATH_BYTES_MAX


def through_folder(folder_descriptor: int, name: str) -> str:
    """A short path for the file `name`, while this process has its folder open. Linux only."""
    return f"/proc/self/fd/{folder_descriptor}/{name}"


def worker_name(address: str) -> str:
    """What the operator knows a worker by: its address, or the name of its socket file. Where that lies is nobody's
    business but this machine's.
    """
    return f"unix:{PurePosixPath(address).name}" if address.startswith("unix:") else address
