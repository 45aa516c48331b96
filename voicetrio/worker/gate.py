"""Whether calls are let in, and how many are inside. It lets a worker finish what it has begun before it ends."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from voicetrio.core.errors import WorkerUnavailable


class Gate:
    """Closed at first. Counting is done in single steps, so no call slips through a gate that is being shut."""

    def __init__(self) -> None:
        self._closed_because: str | None = "this worker is still loading its engines"
        self.draining = False
        """Whether it was open, and is closed for good."""
        self._inside = 0
        self._left = trio.Event()

    @property
    def is_open(self) -> bool:
        return self._closed_because is None

    @property
    def inside(self) -> int:
        """Calls that have entered and not left."""
        return self._inside

    def open(self) -> None:
        self._closed_because = None

    def close(self, because: str) -> None:
        """New calls are refused with this text; those inside go on."""
        self._closed_because = because
        self.draining = True

    def look(self) -> None:
        """For those who only ask a question, and are not waited for. Raises `WorkerUnavailable` before the gate opens."""
        if self._closed_because is not None and not self.draining:
            raise WorkerUnavailable(self._closed_because)

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Raises:
        WorkerUnavailable: the gate is closed.
        """
        if self._closed_because is not None:
            raise WorkerUnavailable(self._closed_because)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            if self._inside == 0:
                self._left.set()

    async def wait_empty(self) -> None:
        """Until nobody is inside; for a gate that is closed."""
        while self._inside > 0:
            self._left = trio.Event()
            await self._left.wait()
