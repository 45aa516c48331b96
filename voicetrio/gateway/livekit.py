"""Tokens for LiveKit rooms, over HTTP: LiveKit's standard endpoint, and `/api/token` of `livekit-room-isolation`.

    POST /v1/livekit/token                       201 {"server_url", "participant_token", ...}
    POST /api/v2/sandbox/connection-details      the same, where LiveKit's clients look for a sandbox
    GET, POST /api/token                         200 with each name that older clients look for

Both understand the fields of both. What is wrong is told as `{"error": text}`; no text holds a key or a token.
"""

import json
import math
from collections.abc import Callable
from typing import Any

import trio
from quart import Response, request
from werkzeug.exceptions import HTTPException

from voicetrio.core.errors import VoicetrioError
from voicetrio.core.rooms import RoomRefused, RoomTaken
from voicetrio.core.token_request import BadTokenRequest, IssuedToken, parse_request
from voicetrio.gateway.cors import cors_headers, is_served, preflight
from voicetrio.gateway.house import House, TokenDesk

BODY_BYTES_MAX = 16_384
"""Of a request: twice what its fields may have together."""

BODY_TIMEOUT = 10.0
"""Seconds for it to come: it fits in a few packets."""

_NOT_CONFIGURED = (
    "this server has no LiveKit keys: its operator can set livekit.url, livekit.api_key and livekit.api_secret, "
    "or VOICETRIO_LIVEKIT__URL, VOICETRIO_LIVEKIT__API_KEY and VOICETRIO_LIVEKIT__API_SECRET in the environment"
)
_FOREIGN_PAGE = "this page may not use this server; its operator can allow it with server.allowed_origins"


class _TooLarge(VoicetrioError):
    """More than anybody needs to say."""


class _TooSlow(VoicetrioError):
    """The body did not come."""


async def give_token(house: House) -> Response:
    """LiveKit's standard endpoint."""
    if request.method == "OPTIONS":
        return preflight(house, "POST, OPTIONS")
    return await _give(house, 201, _standard)


async def give_token_of_the_document(house: House) -> Response:
    """`/api/token`, also with its fields in the URL."""
    if request.method == "OPTIONS":
        return preflight(house, "GET, POST, OPTIONS")
    return await _give(house, 200, _document)


async def _give(house: House, status: int, answer: Callable[[TokenDesk, IssuedToken], dict[str, str]]) -> Response:
    if not is_served(house):
        return _refuse(house, 403, "origin", _FOREIGN_PAGE)
    desk = house.tokens
    if desk is None:
        return _refuse(house, 503, "not_configured", _NOT_CONFIGURED)
    wait = desk.wait(request.remote_addr or "")
    if wait > 0:
        seconds = math.ceil(wait)
        text = f"too many tokens for this address: come back in {seconds} s, or have livekit.tokens_per_minute raised"
        return _refuse(house, 429, "rate_limited", text, {"Retry-After": str(seconds)})
    try:
        issued = desk.issue(parse_request(await _fields(), agent_name=desk.agent_name))
    except BadTokenRequest as error:
        return _refuse(house, 400, "bad_request", str(error))
    except RoomRefused as error:
        return _refuse(house, 403, "room_refused", str(error))
    except RoomTaken as error:
        return _refuse(house, 409, "room_taken", str(error))
    except _TooLarge:
        return _refuse(house, 413, "too_large", f"the body must have at most {BODY_BYTES_MAX} bytes")
    except _TooSlow:
        return _refuse(house, 408, "too_slow", f"the body must come within {BODY_TIMEOUT:g} s")
    house.telemetry.token_request("issued")
    return _json(house, status, answer(desk, issued), {})


def _standard(desk: TokenDesk, issued: IssuedToken) -> dict[str, str]:
    """The first two are LiveKit's; its clients leave alone what they do not know."""
    return {
        "server_url": desk.server_url,
        "participant_token": issued.token,
        "room_name": issued.room,
        "participant_identity": issued.identity,
        "participant_name": issued.name,
    }


def _document(desk: TokenDesk, issued: IssuedToken) -> dict[str, str]:
    """What the document's widget reads, and LiveKit's `useToken` (`accessToken`) and `agent-starter` (`serverUrl`, ...)."""
    return {
        "token": issued.token,
        "accessToken": issued.token,
        "participantToken": issued.token,
        "url": desk.server_url,
        "serverUrl": desk.server_url,
        "roomName": issued.room,
        "identity": issued.identity,
        "participantName": issued.name,
    }


async def _fields() -> list[tuple[str, Any]]:
    """Names and values, as they came; a name may be there twice. Raises: BadTokenRequest, _TooLarge, _TooSlow."""
    if request.method != "POST":
        return list(request.args.items(multi=True))
    body = await _body()
    if not body.strip():
        return []
    pairs: list[tuple[str, Any]] = []
    try:
        # The outermost object is the last to be made; those in it become dicts on the way.
        document = json.loads(body, object_pairs_hook=lambda found: _remember(pairs, found))
    except (ValueError, RecursionError):
        raise BadTokenRequest("the body is no JSON") from None
    if not isinstance(document, dict):
        raise BadTokenRequest("the body must be a JSON object")
    return pairs


def _remember(pairs: list[tuple[str, Any]], found: list[tuple[str, Any]]) -> dict[str, Any]:
    pairs[:] = found
    return dict(found)


async def _body() -> bytes:
    if (request.content_length or 0) > BODY_BYTES_MAX:
        raise _TooLarge
    body = b""
    with trio.move_on_after(BODY_TIMEOUT) as patience:
        try:
            async for part in request.body:
                body += part
                if len(body) > BODY_BYTES_MAX:
                    raise _TooLarge
        except HTTPException:  # Quart's own limit was met in one go
            raise _TooLarge from None
    if patience.cancelled_caught:
        raise _TooSlow
    return body


def _refuse(house: House, status: int, outcome: str, text: str, headers: dict[str, str] | None = None) -> Response:
    house.telemetry.token_request(outcome)
    return _json(house, status, {"error": text}, headers or {})


def _json(house: House, status: int, body: dict[str, str], headers: dict[str, str]) -> Response:
    own = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **cors_headers(house), **headers}
    text = json.dumps(body, ensure_ascii=False)
    return Response(text, status=status, content_type="application/json", headers=own)
