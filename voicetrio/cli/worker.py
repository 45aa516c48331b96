"""`voicetrio worker`: a worker process of its own, on this machine or another."""

import argparse
import os
import sys
from dataclasses import replace

from voicetrio.cli.checking import checked_settings, files_of
from voicetrio.cli.compose import worker_config
from voicetrio.cli.logs import configure_logging
from voicetrio.settings import ConfigError
from voicetrio.worker.server import run


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("worker", help="run a speech worker for gateways on this or other machines")
    parser.add_argument("--config", metavar="FILE", action="append", default=[], help="settings; the last file wins")
    parser.add_argument("--listen", metavar="ADDRESS", help="host:port or unix:/path; default: worker.listen")
    parser.set_defaults(command=run_worker)


def run_worker(args: argparse.Namespace) -> int:
    """Returns the exit code: 0 after an orderly end, 2 for a configuration that cannot be used."""
    try:
        settings = checked_settings(files_of(args.config, os.environ), os.environ, worker_only=True)
    except ConfigError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 2
    configure_logging(settings.log)
    config = worker_config(settings, listen=settings.worker.listen)
    return run(replace(config, listen=args.listen) if args.listen else config)
