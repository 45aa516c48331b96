"""Who the session is: its id, which an agent may give it, and how it is welcomed under it.

An id that begins with `new_` is temporary: the client made it up, and the agent names the dialog with its first answer
(`session_info`). From then on that is the session's id, in the registry and in the logs, if a session can be called so. What
the agent is asked by is its own business, and kept apart: it gets back what it has said, whatever that is.

Clients of that protocol send a message at once, and take the first thing they get for the agent's answer. So the welcome
of a temporary session waits until it is clear that this is not such a client: for half a second, or for the first thing
it sends. If that is a `user_message`, the welcome follows the first event of the answer.
"""

import re
from collections.abc import Callable

import trio

from voicetrio.session.log import SessionLog
from voicetrio.session.ports import DialogId, JsonNull

TEMPORARY = "new_"

WELCOME_PATIENCE = 0.5
"""Seconds that a temporary session waits for a first message before it says welcome."""

_SESSION_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def is_session_id(text: str) -> bool:
    """1 to 128 characters of letters, digits, `-`, `_` and `.`: harmless in logs, paths and URLs."""
    return _SESSION_ID.fullmatch(text) is not None


def _kind(dialog_id: DialogId) -> str:
    """Of what type of JSON it is: the name itself may be anything, and does not go into a log."""
    match dialog_id:
        case str():
            return "string"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case list():
            return "array"
        case dict():
            return "object"
        case JsonNull.NULL:
            return "null"


def is_temporary(session_id: str) -> bool:
    return session_id.startswith(TEMPORARY)


class Identity:
    def __init__(
        self,
        session_id: str,
        *,
        claim: Callable[[str], bool],
        welcome: Callable[[], None],
        log: SessionLog,
    ) -> None:
        """`claim` asks for an id of its own, and says whether it can be had; `welcome` tells it to the client."""
        self._session_id = session_id
        self._dialog_id: DialogId | None = None if is_temporary(session_id) else session_id
        self._claim = claim
        self._welcome = welcome
        self._log = log
        self._greeted = trio.Event()
        self._answered = trio.Event()
        self._by_text = False

    @property
    def session_id(self) -> str:
        return self._session_id

    @property
    def dialog_id(self) -> DialogId | None:
        """What the agent knows the dialog by; None while it has not named it."""
        return self._dialog_id

    def adopt(self, dialog_id: DialogId) -> str | None:
        """The agent says that this is the dialog's name, and is asked by it from now on. Returns why the session is not
        called so, too, for the client.
        """
        if not isinstance(dialog_id, str) or not is_session_id(dialog_id):
            return self._keep_apart(dialog_id)
        self._log.told(f"🆔 Received session_info chunk: session_id={dialog_id}")
        if dialog_id == self._dialog_id:
            return None
        self._dialog_id = dialog_id
        if dialog_id == self._session_id:
            return None
        if not self._claim(dialog_id):
            self._log.warning("session_id_taken", wanted=dialog_id)
            return (
                "the agent's session_info names a session that somebody else is connected to; this one goes on in that "
                "dialog, under its own id"
            )
        self._log.told(f"Session ID updated: {self._session_id} -> {dialog_id}")
        self._session_id = dialog_id
        self._log.rename(dialog_id)
        return None

    def _keep_apart(self, dialog_id: DialogId) -> str | None:
        """A name that is the agent's alone: any JSON will do for that, and little of it for a path, a log or a registry."""
        if type(dialog_id) is type(self._dialog_id) and dialog_id == self._dialog_id:
            return None
        self._dialog_id = dialog_id
        self._log.warning("dialog_named_apart", kind=_kind(dialog_id))
        return (
            "the agent's session_info names its dialog by what no session can be called: an id is 1 to 128 characters of "
            "letters, digits, '-', '_' and '.'. The dialog goes on under that name, the session under its own id."
        )

    # -- the welcome --------------------------------------------------------------------------------------------------

    def greeted(self, *, by_text: bool) -> None:
        """The client has sent something; `by_text`: a message for the agent."""
        if self._greeted.is_set():
            return
        self._by_text = by_text
        self._greeted.set()
        if not by_text:
            self._welcome()

    def answered(self) -> None:
        """Something of an answer was posted, or its end."""
        if not self._answered.is_set():
            self._answered.set()
            self._welcome()

    async def welcome_late(self) -> None:
        """For a session that is temporary."""
        if self._dialog_id is not None:
            return
        with trio.move_on_after(WELCOME_PATIENCE):
            await self._greeted.wait()
        if self._by_text:
            await self._answered.wait()
        self._welcome()
