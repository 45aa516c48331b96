"""Whether a process is doing something, by the kernel's own books.

A thread that decodes cannot send heartbeats, and one beside it that could would say nothing about it. But whoever works
uses the processor, waits for one, or waits for a disk; a process that is stopped, or whose threads wait for each other,
does none of these, however long it is looked at.
"""

from pathlib import Path

_RUNNABLE, _ON_DISK = "R", "D"
_STATE, _USER_TICKS, _SYSTEM_TICKS = 0, 11, 12
"""Places in /proc/PID/stat behind the command's name, see proc_pid_stat(5)."""


class Activity:
    """Of one process. Linux only: elsewhere nothing is known, and every process counts as one that works."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc") / str(pid)
        self._known = self._folder.exists()
        self._ticks = 0

    def look(self) -> bool:
        """Whether it has used the processor since the last look, or one of its threads wants to, or waits for a disk.

        Some 20 us for each of its threads.
        """
        if not self._known:
            return True
        try:
            whole = _fields(self._folder / "stat")
            before, self._ticks = self._ticks, int(whole[_USER_TICKS]) + int(whole[_SYSTEM_TICKS])
            if self._ticks > before:
                return True
            return any(
                _fields(thread / "stat")[_STATE] in (_RUNNABLE, _ON_DISK)
                for thread in (self._folder / "task").iterdir()
            )
        except OSError:
            return True  # it, or one of its threads, has just ended: no hang, and its pipe tells the rest


def _fields(path: Path) -> list[str]:
    # The command's name stands in parentheses, and may have some of its own, and spaces.
    return path.read_text().rpartition(")")[2].split()
