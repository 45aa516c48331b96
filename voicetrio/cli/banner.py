"""What `voicetrio serve` tells its operator once it serves: where the page is, and what else there is to do."""

import os
import shutil
import sys
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path

from voicetrio.core.origins import bracketed, is_loopback, reachable_host

_DEFAULT = ("127.0.0.1", 8000)


def banner(host: str, port: int) -> str:
    """`host` and `port` are those of the listening socket."""
    here = reachable_host(host)
    place = f"{bracketed(here)}:{port}"
    server = "" if (here, port) == _DEFAULT else f" --server ws://{place}"
    command = _own_command()
    return "\n".join(
        [
            f"voicetrio {version('voicetrio')} is listening on http://{bracketed(host)}:{port}",
            f"  talk to it     open http://{place}/ in a browser on this machine, and press the button",
            *_elsewhere(host, port),
            f"  for programs   ws://{place}/ws/my-session",
            f"  try it         {command} transcribe FILE{server}",
            f"                 {command} say 'Hello there.' -o hello.wav{server}",
            f"  look at it     http://{place}/readyz   http://{place}/metrics   http://{place}/sessions",
            "  stop it        Ctrl-C",
        ]
    )


def _elsewhere(host: str, port: int) -> list[str]:
    """What other machines can do. There is no TLS here, and without it browsers give a page no microphone."""
    if is_loopback(host):
        return []
    named = "NAME-OF-THIS-MACHINE" if ip_address(host).is_unspecified else bracketed(host)
    return [
        f"                 other machines reach http://{named}:{port}/, but browsers give a page",
        "                 the microphone only over https: put a proxy with TLS in front",
    ]


def _own_command() -> str:
    """How a person calls `voicetrio` from here: by its name if the shell finds it, else by its path."""
    beside = Path(sys.executable).with_name("voicetrio")
    if shutil.which("voicetrio") is not None or not beside.exists():
        return "voicetrio"
    return os.path.relpath(beside) if beside.is_relative_to(Path.cwd()) else str(beside)
