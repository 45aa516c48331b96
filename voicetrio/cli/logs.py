"""Where logs go and what they look like: one line per fact, on stderr, for people on a terminal and as JSON elsewhere.

Logs name sessions by their id. They never hold transcripts, spoken texts, audio, tokens or keys: also of an error that
nobody foresaw they tell only where it happened and of what type it was.
"""

import logging
import sys
import traceback
from typing import Protocol

import structlog

_GROUPS_MAX = 8
"""Groups within groups; our nurseries are not nested deeper, and a log line must end."""


class LogChoice(Protocol):
    """The settings' section [log]; not imported, for a worker's process does not read settings."""

    @property
    def level(self) -> str: ...
    @property
    def format(self) -> str: ...


def configure_logging(settings: LogChoice) -> None:
    """For the whole process; call it once, before anything logs."""
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(_where),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[settings.level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _where(exc_info: structlog.typing.ExcInfo) -> str:
    """Frames and types. An error's text and the local variables may hold people's words and audio."""
    return "\n".join(_frames(exc_info[1], depth=0))


def _frames(error: BaseException, *, depth: int) -> list[str]:
    indent = "  " * depth
    lines = [indent + line for entry in traceback.format_tb(error.__traceback__) for line in entry.splitlines()]
    lines.append(f"{indent}{type(error).__module__}.{type(error).__qualname__}")
    if isinstance(error, BaseExceptionGroup) and depth < _GROUPS_MAX:
        for one in error.exceptions:
            lines += _frames(one, depth=depth + 1)
    return lines
