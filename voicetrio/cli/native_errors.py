"""What can go wrong between a client and its server, in words for the person at the terminal.

ServerUnreachable, SessionRefused   there is no session
ConnectionCut                       the connection broke; the session may live on, see `resuming.py`
ConnectionLost                      all other ends before `session.closed` came
SessionFailed                       the server says so
"""

from voicetrio.core.errors import VoicetrioError

NORMAL_CLOSE_CODES = (1000, 1005)
"""Done, and closed without a code: all other codes tell of trouble."""

CUT_CLOSE_CODES = (None, 1001, 1005, 1006, 1012, 1014)
"""Without `session.closed` before them, these tell of something in the middle that gave up (broken, going away, closed
without a code, restarting, bad gateway), and not of a decision about the session: its client may return. By any other
code somebody has judged: 4409, another connection has taken the session over."""


class ServerUnreachable(VoicetrioError):
    """No voicetrio server answers at the address, or it is none."""


class SessionRefused(VoicetrioError):
    """The server answered the upgrade with an HTTP error. `status` is its number."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class ConnectionLost(VoicetrioError):
    """The connection ended, or fell silent, before `session.closed` came."""


class ConnectionCut(ConnectionLost):
    """It ended without a judgement on the session, which may be waiting for us."""


class SessionGone(ConnectionLost):
    """The server does not have the session any more that we came back to, or not all that we need of it."""


class SessionFailed(VoicetrioError):
    """The server said, in an `error` message, that it cannot do what was asked."""


def connection_ended(code: int | None, reason: str) -> ConnectionLost:
    """The error for a connection that was closed with `code` before `session.closed` came; None: it just broke."""
    # 1006 is never sent: it is what stands for a connection that broke.
    if code in (None, 1006):
        return ConnectionCut("the connection to the server was lost")
    kind = ConnectionCut if code in CUT_CLOSE_CODES else ConnectionLost
    return kind(f"the server closed the connection ({describe_close(code, reason)})")


def describe_close(code: int | None, reason: str) -> str:
    meaning = {
        1000: "done",
        1001: "server going away",
        1009: "message too large",
        1011: "a fault in the server",
        1012: "server restarting",
        1013: "overloaded",
        4401: "not authorised",
        4408: "timed out",
        4409: "taken over by another connection",
    }.get(code or 0, "")
    return ", ".join(part for part in (f"code {code}", meaning, reason) if part)
