"""Waiting for what nobody tells: in another process, in its log, in its metrics."""

from collections.abc import Callable

import trio

from .processes import START_S

_POLL_S = 0.02
"""Between two looks: short against anything that is waited for, and 50 requests a second at most."""


async def until(holds: Callable[[], bool], *, within: float = START_S) -> None:
    """Wait for a condition that takes a file or a request to be looked at. `within` seconds."""
    with trio.fail_after(within):
        while True:
            if await trio.to_thread.run_sync(holds):
                return
            await trio.sleep(_POLL_S)
