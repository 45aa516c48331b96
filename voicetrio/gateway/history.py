"""`GET /v1/sessions/{session_id}/history`: what was said in a live session, as written, as spoken and as heard.

It is for whoever owns the session: the bearer of its resume token. Ids are no secret, and what people say is.
"""

import json

from quart import Response, request

from voicetrio.gateway.house import House

_SCHEME = "bearer "


def give_history(house: House, session_id: str) -> Response:
    session = house.registry.find(session_id)
    if session is None:
        return _answer(404, {"error": "no live session has this id; the history of a session goes with it"})
    authorization = request.headers.get("Authorization", "")
    token = authorization[len(_SCHEME) :].strip() if authorization.lower().startswith(_SCHEME) else ""
    if house.registry.resumable(session_id, token) is None:
        return _answer(
            401, {"error": "send the session's resume token, from session.created: Authorization: Bearer TOKEN"}
        )
    return _answer(200, session.history.as_message(session.session_id))


def _answer(status: int, body: dict[str, object]) -> Response:
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    text = json.dumps(body, ensure_ascii=False)
    return Response(text, status=status, content_type="application/json", headers=headers)
