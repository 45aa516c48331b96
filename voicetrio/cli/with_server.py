"""What the commands share that talk to a server: the arguments that name one, and the running of a command against it."""

import argparse
import os
import sys
from collections.abc import Awaitable, Callable

import trio

from voicetrio.cli.embedded import open_server
from voicetrio.core.errors import VoicetrioError


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """What every command that talks to a server takes to find one."""
    parser.add_argument(
        "--server", metavar="URL", help="a running server, such as ws://127.0.0.1:8000; without it, the configured one"
    )
    parser.add_argument(
        "--config", metavar="FILE", action="append", default=[], help="settings; may be given again, the last one wins"
    )


def run_with_server(args: argparse.Namespace, command: Callable[[str], Awaitable[int]]) -> int:
    """Run `command(server_url)` to its exit code. A server is started for it if none runs.

    What went wrong outside the command is told in one line. Ctrl-C raises KeyboardInterrupt, alone, for `main`.
    """

    async def main() -> int:
        async with open_server(args.config, args.server, sys.stderr) as url:
            return await command(url)

    interrupted = False
    try:
        return trio.run(main)
    except* KeyboardInterrupt:
        interrupted = True
    except* BrokenPipeError:
        # Whoever read our output has had enough (`| head`). Python must not try to flush the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except* VoicetrioError as group:
        for line in _texts(group):
            print(f"voicetrio: {line}", file=sys.stderr)
    if interrupted:
        raise KeyboardInterrupt
    return 1


def _texts(error: BaseException) -> list[str]:
    if isinstance(error, BaseExceptionGroup):
        return [text for one in error.exceptions for text in _texts(one)]
    return [str(error)]
