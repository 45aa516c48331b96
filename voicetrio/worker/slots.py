"""How many calls may be served at once. No clock and no queue: whoever finds no slot is told so at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from voicetrio.core.errors import WorkerBusy
from voicetrio.worker.errors import SetupError


class Slots:
    """A counter that is taken and given back in single steps, so that no two calls can take the last slot."""

    def __init__(self, kind: str, total: int) -> None:
        """`kind` is the section of the settings, "stt" or "tts". Raises `SetupError` for less than one slot."""
        if total < 1:
            raise SetupError(f"{kind}.slots: there must be at least 1, not {total}")
        self.kind = kind
        self.total = total
        self._in_use = 0

    @property
    def in_use(self) -> int:
        return self._in_use

    @contextmanager
    def take(self) -> Iterator[None]:
        """One slot for as long as the block lives, however it ends.

        Raises:
            WorkerBusy: none is free. Nothing was taken.
        """
        if self._in_use >= self.total:
            raise WorkerBusy(f"all {self.total} {self.kind} slots of this worker are in use; try another worker")
        self._in_use += 1
        try:
            yield
        finally:
            self._in_use -= 1
