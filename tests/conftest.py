"""For all tests. What they have measured (`record_property`) is shown at the end, also when they pass."""

import signal

import pytest
import trio_asyncio  # noqa: F401 - replaces functions of asyncio, and grpclib takes hold of them when it is imported


def pytest_configure() -> None:
    """A shell starts what it runs in the background with Ctrl-C ignored, and so would be every server of these tests."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    measured = [(report, report.user_properties) for report in reports if report.when == "call"]
    if any(properties for _, properties in measured):
        terminalreporter.section("measured")
    for report, properties in measured:
        for name, value in properties:
            terminalreporter.write_line(f"{report.nodeid.split('::')[-1]}: {name}: {value}")
