"""`voicetrio config check [FILE...]`: whether settings can be used, and what they change, without starting a server.

It is the very check that `voicetrio serve` makes before it starts anything. The environment counts as it would there: a
variable that wins over a file is seen here first.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator

from voicetrio.cli.checking import check_settings, files_of
from voicetrio.settings import ConfigError, Settings, SettingsTrace

SECRETS = ("admin_key", "api_key", "api_secret", "token")
"""Keys whose values are never shown: this output ends in bug reports."""

ENVIRONMENT = "environment "
"""What the origin of a variable's value begins with."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    config = subparsers.add_parser("config", help="look after settings")
    actions = config.add_subparsers(metavar="ACTION", required=True)
    parser = actions.add_parser("check", help="tell what is wrong with settings, or what they change")
    parser.add_argument("files", nargs="*", metavar="FILE", help="settings, in TOML; the last one wins")
    parser.set_defaults(command=run_check)


def run_check(args: argparse.Namespace) -> int:
    """The exit code: 0, or 2 when the settings cannot be used."""
    try:
        files = files_of(args.files, os.environ)
        trace = check_settings(files, os.environ)
    except ConfigError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 2
    print(_summary(files, trace))
    for line in _changes(trace):
        print(line)
    return 0


def _summary(files: list[str], trace: SettingsTrace) -> str:
    names = [str(file) for file in files]
    if any(origin.startswith(ENVIRONMENT) for origin in trace.origins.values()):
        names.append("the environment")
    if not names:
        return "nothing is set; the defaults are fine"
    count = len(trace.origins)
    return f"{count} {'key' if count == 1 else 'keys'} from {', '.join(names)} {'is' if count == 1 else 'are'} fine"


def _changes(trace: SettingsTrace) -> Iterator[str]:
    """What differs from the defaults, as it would stand in a file, with its source."""
    defaults = Settings()
    for section in Settings.model_fields:
        effective, default = getattr(trace.settings, section), getattr(defaults, section)
        for key in type(effective).model_fields:
            value = getattr(effective, key)
            if value != getattr(default, key):
                yield f"{section}.{key} = {_shown(key, value)}  # {trace.origins[f'{section}.{key}']}"


def _shown(key: str, value: object) -> str:
    # A TOML value of the kinds that settings have is written as in JSON.
    return "(not shown)" if key in SECRETS else json.dumps(value, ensure_ascii=False)
