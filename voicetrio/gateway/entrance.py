"""The door of `/ws/{session_id}`: who may come in, as whom, and how a connection ends.

A connection is a task here; a session lives in the registry. The task brings its connection to the session, waits until
the session does not use it any more, and closes it with the code it is told.
"""

from typing import Any, cast

import trio
from quart import abort, websocket

from voicetrio.core.messages import REQUEST_ID_CHARS
from voicetrio.gateway.house import House
from voicetrio.gateway.link import WebSocketLink
from voicetrio.gateway.origin import is_allowed
from voicetrio.gateway.registry import new_resume_token
from voicetrio.session.endings import DISCONNECTED, GOING_AWAY
from voicetrio.session.identity import is_session_id
from voicetrio.session.line import SpeechReceived
from voicetrio.session.session import Session

_CLOSE_TIMEOUT = 1.0
"""Seconds to hand over a close frame. A client that does not read would hold it, and the connection is cut then."""

_REFUSALS = {
    "going_away": (1001, "the server is stopping"),
    "overloaded": (1013, "all places of this server are taken; try again later"),
    "address_full": (
        1013,
        "as many sessions as one address may have come from this one; close one, or try again later",
    ),
    "session_over": (1000, "this session has just ended; open another one"),
}


async def serve_connection(house: House, session_id: str) -> None:
    """Serve one WebSocket to its end."""
    _check_origin(house)
    if not is_session_id(session_id):
        house.telemetry.connection_refused("bad_session_id")
        abort(400, "a session id is 1 to 128 characters of letters, digits, '-', '_' and '.'")
    received, speech = _received(house), _speech_received(house)
    token, address = websocket.args.get("resume", ""), websocket.remote_addr or ""
    registry = house.registry
    session = registry.resumable(session_id, token)
    if session is not None:
        await websocket.accept()
        if registry.resumable(session_id, token) is not session:
            await _refuse(house, "session_over", accepted=True)
            return
        registry.bring_back(session, address)
    else:
        _check_free(house, session_id, token)
        refusal = _no_place(house, address)
        if refusal is not None:
            await _refuse(house, refusal)
            return
        session = Session(
            session_id,
            config=house.session_config,
            limits=house.session_limits,
            ports=house.ports,
            resume_token=new_resume_token(),
            claim=registry.claim,
        )
        registry.start(session, address)
        received = speech = None
        await _accept_for(session)
    await _serve(house, session, received, speech)


def _check_free(house: House, session_id: str, token: str) -> None:
    """Refuse who may not open a session with this id. One that waits for its client is in nobody's way."""
    if house.registry.is_live(session_id):
        house.telemetry.connection_refused("in_use")
        abort(409, "this session id has a live connection")
    if token and house.registry.find(session_id) is not None:
        house.telemetry.connection_refused("wrong_token")
        abort(403, "this resume token is not that of the session that waits; without one, a new session begins")


def _no_place(house: House, address: str) -> str | None:
    """Why there is no place for one more session from there."""
    if house.registry.going_away:
        return "going_away"
    if house.registry.full:
        return "overloaded"
    return "address_full" if house.registry.full_for(address) else None


async def _accept_for(session: Session) -> None:
    """Let its client in; where that fails, nobody would ever come for the session."""
    accepted = False
    try:
        await websocket.accept()
        accepted = True
    finally:
        if not accepted:
            session.end(DISCONNECTED)


async def _serve(house: House, session: Session, received: int | None, speech: SpeechReceived | None) -> None:
    link = WebSocketLink(cast("Any", websocket)._get_current_object())
    if session.over:
        await _refuse(house, "session_over", accepted=True)
        return
    attachment = session.attach(link, received=received, speech=speech)
    link.on_pong = attachment.pong
    try:
        await attachment.over.wait()
    except trio.Cancelled:
        # Only the end of the server cancels a connection: the session says goodbye on it, within its own limits.
        session.end(GOING_AWAY)
        raise
    finally:
        with trio.move_on_after(house.session_limits.farewell + _CLOSE_TIMEOUT, shield=True) as patience:
            await attachment.over.wait()
            if attachment.verdict is not None:
                patience.deadline = trio.current_time() + _CLOSE_TIMEOUT
                await link.close(attachment.verdict.code, attachment.verdict.reason)


def _check_origin(house: House) -> None:
    origin, host = websocket.headers.get("Origin"), websocket.headers.get("Host")
    if not is_allowed(origin, host, house.allowed_origins, loopback_only=house.loopback_only):
        house.telemetry.connection_refused("origin")
        abort(403, "this page may not use this server; its operator can allow it with server.allowed_origins")


def _received(house: House) -> int | None:
    """How many text frames a client that comes back says it has."""
    text = websocket.args.get("received")
    if text is None:
        return None
    return _count(house, text, "received: must be the number of text frames received, without session.created and pong")


def _speech_received(house: House) -> SpeechReceived | None:
    """What a client that comes back says it has of the server's speech."""
    request_id, samples = websocket.args.get("utterance"), websocket.args.get("samples")
    if request_id is None and samples is None:
        return None
    if request_id is None or len(request_id) > REQUEST_ID_CHARS:
        house.telemetry.connection_refused("bad_request")
        abort(
            400, f"utterance: must be the request_id, of at most {REQUEST_ID_CHARS} characters, that samples is about"
        )
    return SpeechReceived(
        request_id, _count(house, samples or "", "samples: must be how many samples of the utterance were received")
    )


def _count(house: House, text: str, rule: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        house.telemetry.connection_refused("bad_request")
        abort(400, rule)
    return int(text)


async def _refuse(house: House, why: str, *, accepted: bool = False) -> None:
    """Accept and say why: a browser shows nobody the HTTP status of a refused upgrade."""
    house.telemetry.connection_refused(why)
    if not accepted:
        await websocket.accept()
    code, text = _REFUSALS[why]
    await websocket.send(f'{{"type":"error","code":"{why}","message":"{text}","recoverable":false}}')
    await websocket.send(f'{{"type":"session.closed","reason":"{why}","total_duration_ms":0,"segments_transcribed":0}}')
    await websocket.close(code, why)
