"""`GET /v1/sessions`, `GET /v1/workers` and `/sessions`: what goes on here, for the operator, who has the admin key.

Browsers ask for the key by themselves (HTTP Basic: any user name, the key as the password) and send it with what the page
fetches. Programs may send it as a bearer token. It opens nothing but a look: there is no text of anybody in it.

Wrong keys are counted by the address that they come from: ten at once, and then one every six seconds. In between no key
from there is looked at. Other addresses are not concerned, so that nobody can keep the operator out from elsewhere.
"""

import json
import math
import secrets
from collections import Counter

import structlog
import trio
from quart import Response, request

from voicetrio.core.rate_limit import RateLimit
from voicetrio.gateway.house import House
from voicetrio.gateway.pages import give_page

MAX_SHOWN = 1_000
"""Sessions in one answer, the oldest first: more than anybody reads, in about half a megabyte. The rest are counted."""

FAILURES_PER_MINUTE = 10
"""Wrong keys from one address: more than anybody types, and hopeless against 16 characters."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page has no sound, and speaks to nobody but this server."""

_NO_KEY = (
    "this server has no admin key, so nobody may see its sessions; its operator can set one of 16 or more characters with "
    "server.admin_key, server.admin_key_file or VOICETRIO_SERVER__ADMIN_KEY"
)
_WRONG = "send the server's admin key: as a password, with any user name, or as Authorization: Bearer KEY"
_TOO_MANY = "too many wrong keys came from this address; try again in {seconds} s"

log = structlog.get_logger()


def give_sessions(house: House, failures: RateLimit) -> Response:
    """`GET /v1/sessions`."""
    refusal = _refusal(house, failures)
    if refusal is not None:
        status, text, headers = refusal
        return _json(status, {"error": text}, headers)
    return _json(200, sessions_message(house), {})


def give_workers(house: House, failures: RateLimit) -> Response:
    """`GET /v1/workers`: the fleet, as this server knows it."""
    refusal = _refusal(house, failures)
    if refusal is not None:
        status, text, headers = refusal
        return _json(status, {"error": text}, headers)
    workers = [worker.as_message() for worker in house.workers.overview()]
    return _json(200, {"default_model": house.workers.model(), "workers": workers}, {})


async def give_sessions_page(house: House, failures: RateLimit) -> Response:
    """`GET /sessions`."""
    refusal = _refusal(house, failures)
    if refusal is not None:
        status, text, headers = refusal
        response = Response(f"{text}\n", status=status, content_type="text/plain; charset=utf-8", headers=headers)
        response.headers["X-Content-Type-Options"] = "nosniff"
    else:
        response = await give_page(house, "sessions")
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["Permissions-Policy"] = "microphone=()"
        response.headers.pop("ETag", None)
    response.headers["Cache-Control"] = "no-store"
    return response


def sessions_message(house: House) -> dict[str, object]:
    """What the operator is told. It is made in one go: nothing ends, or begins, in the middle of it."""
    registry = house.registry
    overviews = sorted((one.overview() for one in registry.sessions()), key=lambda one: one.age, reverse=True)
    workers = house.workers.overview()
    streams = Counter(one.worker for one in overviews)
    return {
        "sessions": [one.as_message() for one in overviews[:MAX_SHOWN]],
        "more": max(0, len(overviews) - MAX_SHOWN),
        "totals": {
            "sessions": len(overviews),
            "max_sessions": registry.max_sessions,
            "connected": sum(one.connected for one in overviews),
            "away": sum(one.away is not None for one in overviews),
            "workers": len(workers),
            "workers_ready": sum(worker.ready for worker in workers),
            "max_backlog_s": house.session_limits.max_backlog,
            "going_away": registry.going_away,
        },
        "workers": [
            {
                "worker": worker.name,
                "ready": worker.ready,
                "state": worker.state,
                "hears_with": worker.hears_with,
                "stt_slots": worker.stt_slots,
                "streams": streams[worker.name],
                "speaks_with": worker.speaks_with,
                "tts_slots": worker.tts_slots,
            }
            for worker in workers
        ],
    }


def _refusal(house: House, failures: RateLimit) -> tuple[int, str, dict[str, str]] | None:
    """Status, text and headers for somebody who may not look; None for the operator."""
    if not house.admin_key:
        return 403, _NO_KEY, {}
    offered = _offered_key()
    if offered is not None:
        address, now = request.remote_addr or "", trio.current_time()
        wait = failures.would_wait(address, now=now)
        if wait > 0:
            house.telemetry.admin_refused("too_many")
            seconds = math.ceil(wait)
            return 429, _TOO_MANY.format(seconds=seconds), {"Retry-After": str(seconds)}
        if secrets.compare_digest(offered.encode(errors="replace"), house.admin_key.encode()):
            return None
        failures.wait(address, now=now)
        house.telemetry.admin_refused("wrong_key")
        log.warning("wrong_admin_key", address=address)
    # Also to who sent none: it is how a browser learns that it has to ask for one. That counts as no attempt.
    return 401, _WRONG, {"WWW-Authenticate": 'Basic realm="voicetrio", charset="UTF-8"'}


def _offered_key() -> str | None:
    """The password of `Basic`, or the token of `Bearer`; None where the request has neither."""
    authorization = request.authorization
    if authorization is None:
        return "" if "Authorization" in request.headers else None  # one that cannot be read is a wrong one
    if authorization.type == "basic":
        return authorization.password or ""
    return (authorization.token or "").strip()


def _json(status: int, body: dict[str, object], headers: dict[str, str]) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    response = Response(text, status=status, content_type="application/json", headers=headers)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
