"""A session that outlives its connection: when that is cut, we come back over a new one, and both sides go on.

    await run_resumable(url, session_id, talk, on_cut=tell)

                  ┌── talk(session) ── ConnectionCut ──> wait ── connect with the ticket ──┐
    connect ──────┴───────────────────────────<─────────────────────────────────────────────┘

`talk` is called once per connection, and keeps in its own object what outlives a connection. Whatever it starts ends
with it, so nothing of an old connection can meet a new one.
"""

from collections.abc import Awaitable, Callable

import trio

from voicetrio.cli.native_client import NativeSession, open_native_session
from voicetrio.cli.native_errors import ConnectionCut, ConnectionLost, ServerUnreachable, SessionRefused
from voicetrio.cli.ticket import ResumeTicket

RETRY_S = 0.2
"""Seconds before the first attempt, doubled before each further one: what cut the connection may need a moment."""

RETRY_S_MAX = 2.0
"""Seconds before an attempt at most: of the usual grace of 15, no more shall be slept away."""

ATTEMPT_S = 3.0
"""Seconds for one attempt to connect: something in the middle that accepts and says nothing must not take them all."""

GRACE_MARGIN_S = 1.0
"""Seconds of the server's grace that are left to it: its clock may have started before ours, and the connection has to
be made."""


async def run_resumable(
    url: str,
    session_id: str,
    talk: Callable[[NativeSession, ResumeTicket], Awaitable[None]],
    *,
    on_cut: Callable[[], None],
) -> None:
    """Call `talk` with the session until it returns; again, with a new connection, after each ConnectionCut it raises.

    After a resume its first message is `session.created` with `next_audio_ms`, where the audio goes on. `on_cut` is
    called when a session is about to be resumed.

    Raises:
        ServerUnreachable, SessionRefused: there is no session; `talk` has not been called.
        ConnectionLost: the session cannot be resumed, or not in time; or `talk` raised it.
    """
    ticket = ResumeTicket()
    cut: ConnectionCut | None = None
    delay_s, deadline = RETRY_S, 0.0
    while True:
        session = None
        try:
            connect_s = None if cut is None else min(ATTEMPT_S, deadline - trio.current_time())
            async with open_native_session(url, session_id, ticket=ticket, connect_s=connect_s) as session:
                await talk(session, ticket)
                return
        except ConnectionCut as error:
            if not ticket.valid:
                raise
            assert ticket.limits is not None
            # A connection that brought no session back is one more attempt, and no new cut.
            if cut is None or (session is not None and session.created):
                cut = error
                delay_s = RETRY_S
                deadline = trio.current_time() + ticket.limits.resume_grace_s - GRACE_MARGIN_S
                on_cut()
        except ServerUnreachable:
            if cut is None:
                raise
        except SessionRefused as error:
            if cut is None:
                raise
            raise ConnectionLost(f"{cut}, and could not be resumed: {error}") from None
        if trio.current_time() + delay_s > deadline:
            raise ConnectionLost(f"{cut}, and could not be resumed in time")
        await trio.sleep(delay_s)
        delay_s = min(2 * delay_s, RETRY_S_MAX)
