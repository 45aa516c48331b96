"""A voicetrio server that has keys for a LiveKit server, at whose address nobody listens. With the instant engines."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.end_to_end.processes import ServerProcess, running_server

LIVEKIT_URL = "ws://127.0.0.1:9"  # the port of `discard`, which nobody runs any more


@contextmanager
def livekit_process(folder: Path) -> Iterator[ServerProcess]:
    with running_server(
        folder,
        "config/bench.toml",
        environment={
            "VOICETRIO_LIVEKIT__URL": LIVEKIT_URL,
            "VOICETRIO_LIVEKIT__API_KEY": "test-key",
            "VOICETRIO_LIVEKIT__API_SECRET": "a-secret-of-the-tests-which-is-long-enough",
        },
    ) as process:
        yield process
