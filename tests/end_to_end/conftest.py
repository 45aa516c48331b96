"""Servers for the tests: `server` and `exact_server` are shared by all that leave them as they were; `start_server`
gives a test one of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .processes import ServerProcess, running_server

StartServer = Callable[..., ServerProcess]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """As `make run` starts it: pocketsphinx hears, espeak-ng speaks. It has to survive all its tests, and to end well."""
    with running_server(tmp_path_factory.mktemp("server"), "config/default.toml") as process:
        yield process


@pytest.fixture(scope="session")
def exact_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """With the instant engine, whose words are checksums of half seconds: it shows each sample that is lost."""
    with running_server(tmp_path_factory.mktemp("exact"), "config/bench.toml") as process:
        yield process


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts a server that the test may treat as it likes; what is left of it is killed in the end."""
    started: list[ServerProcess] = []

    def start(*configs: str, environment: dict[str, str] | None = None) -> ServerProcess:
        folder = tmp_path / str(len(started))
        started.append(ServerProcess(folder, *(configs or ("config/default.toml",)), environment=environment))
        started[-1].wait_listening()
        return started[-1]

    try:
        yield start
    finally:
        for process in started:
            process.kill()
