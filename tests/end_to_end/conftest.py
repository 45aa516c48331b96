"""Servers for the tests: `server` and `exact_server` are shared by all that leave them as they were; `start_server`
gives a test one of its own. What tests have measured (`record_property`) is shown at the end, also when they pass."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .processes import ServerProcess

StartServer = Callable[..., ServerProcess]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """As `make run` starts it: pocketsphinx hears, espeak-ng speaks. It has to survive all its tests, and to end well."""
    yield from _shared(ServerProcess(tmp_path_factory.mktemp("server"), "config/default.toml"))


@pytest.fixture(scope="session")
def exact_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """With the instant engine, whose words are checksums of half seconds: it shows each sample that is lost."""
    yield from _shared(ServerProcess(tmp_path_factory.mktemp("exact"), "config/bench.toml"))


def _shared(process: ServerProcess) -> Iterator[ServerProcess]:
    try:
        process.wait_listening()
        yield process
        process.stop()
    finally:
        process.kill()


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    measured = [(report, report.user_properties) for report in reports if report.when == "call"]
    if any(properties for _, properties in measured):
        terminalreporter.section("measured")
    for report, properties in measured:
        for name, value in properties:
            terminalreporter.write_line(f"{report.nodeid.split('::')[-1]}: {name}: {value}")
