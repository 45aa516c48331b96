"""The `voicetrio` command. Each subcommand is a file of its own, imported here and nowhere else."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from voicetrio.cli.output import accept_any_text

_INTERRUPTED = 130
"""The exit code of a program that Ctrl-C has ended, by the shells' convention."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:2] == ["worker", "--child"]:
        from voicetrio.cli.child_worker import run_child

        return run_child(words[2])
    parser = argparse.ArgumentParser(prog="voicetrio", description="A self-hosted real-time voice server.")
    parser.add_argument("--version", action="version", version=f"voicetrio {version('voicetrio')}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    from voicetrio.cli import bench, config_check, say, serve, talk, token, transcribe, worker, workers

    for command in (serve, worker, workers, transcribe, say, talk, token, bench, config_check):
        command.add_parser(subparsers)
    accept_any_text(sys.stdout)
    args = parser.parse_args(words)
    try:
        code: int = args.command(args)
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


if __name__ == "__main__":
    sys.exit(main())
