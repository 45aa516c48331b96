"""A pipe that says whether the parent lives. It works where signals do not: a parent killed by SIGKILL tells nobody."""

import os

import trio

from voicetrio.worker.errors import SetupError

STDIN = 0


async def wait_parent_gone() -> None:
    """Until stdin is at its end. Safe to cancel. What is written to it is thrown away.

    Raises:
        SetupError: stdin is a file, so that nothing can be learned from it.
    """
    while True:
        try:
            await trio.lowlevel.wait_readable(STDIN)
        except PermissionError as error:
            raise SetupError("die_with_parent: stdin has to be a pipe that the parent holds open") from error
        # Not by a trio stream: that would make the pipe non-blocking for its other users, too.
        if not os.read(STDIN, 4096):
            return
