"""When no connection can be accepted for want of descriptors: one line in the log now and then, and not ten a second.

trio 0.35 tries again every 0.1 s, and writes each failure with its traceback to a logger of Python's own.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import trio

from voicetrio.gateway.connection_rules import CutTelemetry

INTERVAL = 5.0
"""Seconds between two lines: it goes on, or it is over."""

_LOGGER = "trio.serve_listeners"

log = structlog.get_logger()


class _Warnings(logging.Filter):
    def __init__(self, telemetry: CutTelemetry) -> None:
        super().__init__()
        self._telemetry = telemetry
        self._told_at: float | None = None
        self._failures = 0

    def filter(self, record: logging.LogRecord) -> bool:
        self._telemetry.accept_failed()
        self._failures += 1
        now = trio.current_time()
        if self._told_at is None or now - self._told_at >= INTERVAL:
            error = record.args[0] if isinstance(record.args, tuple) and record.args else "unknown"
            log.warning(
                "no_connection_accepted",
                error=str(error),
                failures=self._failures,
                help="too many files are open; raise the limit (ulimit -n, LimitNOFILE) or lower server.max_sessions",
            )
            self._told_at, self._failures = now, 0
        return False


@contextmanager
def accept_warnings(telemetry: CutTelemetry) -> Iterator[None]:
    """Inside, failures to accept are counted, and told in the log every few seconds."""
    warnings, logger = _Warnings(telemetry), logging.getLogger(_LOGGER)
    logger.addFilter(warnings)
    try:
        yield
    finally:
        logger.removeFilter(warnings)
