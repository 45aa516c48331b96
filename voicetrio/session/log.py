"""A session's log. All parts of a session share one, so that all of its lines have the id that the session has now."""

from typing import Any

import structlog


class SessionLog:
    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger().bind(session_id=session_id)

    def rename(self, session_id: str) -> None:
        """From now on under this id."""
        self._session_id = session_id
        self._log = self._log.bind(session_id=session_id)

    def debug(self, event: str, **facts: Any) -> None:
        """A change or a decision inside the session, some for each sentence. Never one per frame."""
        self._log.debug(event, **facts)

    def info(self, event: str, **facts: Any) -> None:
        self._log.info(event, **facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._log.warning(event, **facts)

    def error(self, event: str, **facts: Any) -> None:
        self._log.error(event, **facts)

    def exception(self, event: str) -> None:
        """With the traceback of the exception that is being handled."""
        self._log.exception(event)

    def told(self, text: str) -> None:
        """A line in the words of `gateway-auto-session`: operators look for them with grep."""
        self._log.info(f"[{self._session_id}] {text}")
