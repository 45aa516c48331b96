"""The web application: routes, and nothing that decides.

It is made with what it serves; whoever runs it (Hypercorn, by command line or by us) sees only an ASGI app.
"""

from dataclasses import dataclass
from typing import Any, Protocol, cast

import structlog
from quart import Response, abort, websocket
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIWebsocketConnection

from voicetrio.core.config import SessionConfig, SessionLimits
from voicetrio.gateway.link import Connection, WebSocketLink
from voicetrio.gateway.origin import is_allowed
from voicetrio.gateway.registry import Registry, is_session_id
from voicetrio.session.ports import Recognizer, Synthesizer, Telemetry
from voicetrio.session.session import Ports, Session

log = structlog.get_logger()

_PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class GatewayTelemetry(Telemetry, Protocol):
    def connection_refused(self, why: str) -> None: ...
    def render(self) -> bytes | None:
        """All metrics in Prometheus' text format; None where none are kept."""
        ...


class Workers(Recognizer, Synthesizer, Protocol):
    @property
    def ready(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class House:
    """What the app serves; made by the composition root, for as long as the server runs."""

    registry: Registry
    workers: Workers
    ports: Ports
    telemetry: GatewayTelemetry
    session_config: SessionConfig
    session_limits: SessionLimits
    allowed_origins: tuple[str, ...]
    loopback_only: bool


class Gateway(QuartTrio):
    """The Quart-Trio app. `house` is set by the composition root before the first request and taken away after the last."""

    asgi_websocket_class: type[TrioASGIWebsocketConnection] = Connection
    house: House | None = None

    def in_house(self) -> House:
        assert self.house is not None, "the app is served without its lifespan"
        return self.house


def make_gateway() -> Gateway:
    """The app with its routes. It can be imported anywhere: nothing is started or opened."""
    app = Gateway("voicetrio")

    @app.get("/healthz")
    async def healthz() -> Response:  # noqa: ASYNC124 - Quart runs plain functions in a thread
        return _json('{"status":"ok","service":"voicetrio"}', 200)

    @app.get("/readyz")
    async def readyz() -> Response:  # noqa: ASYNC124
        house = app.in_house()
        if house.registry.going_away:
            return _json('{"status":"stopping"}', 503)
        if not house.workers.ready:
            return _json('{"status":"no worker is ready"}', 503)
        return _json('{"status":"ready"}', 200)

    @app.get("/metrics")
    async def metrics() -> Response:  # noqa: ASYNC124
        text = app.in_house().telemetry.render()
        if text is None:
            return _json('{"status":"metrics need a package: pip install prometheus-client"}', 501)
        return Response(text, content_type=_PROMETHEUS_TEXT)

    @app.get("/")
    async def index() -> Response:  # noqa: ASYNC124
        return _json(
            '{"service":"voicetrio","websocket":"/ws/{session_id}","see":["/healthz","/readyz","/metrics"]}', 200
        )

    @app.websocket("/ws/<session_id>")
    async def session(session_id: str) -> None:
        await _serve_session(app.in_house(), session_id)

    return app


async def _serve_session(house: House, session_id: str) -> None:
    headers = websocket.headers
    origin, host = headers.get("Origin"), headers.get("Host")
    if not is_allowed(origin, host, house.allowed_origins, loopback_only=house.loopback_only):
        house.telemetry.connection_refused("origin")
        abort(403, "this page may not use this server; its operator can allow it with server.allowed_origins")
    if not is_session_id(session_id):
        house.telemetry.connection_refused("bad_session_id")
        abort(400, "a session id is 1 to 128 characters of letters, digits, '-', '_' and '.'")
    if house.registry.has(session_id):
        house.telemetry.connection_refused("in_use")
        abort(409, "this session id has a live connection")
    if house.registry.going_away or house.registry.full:
        await _refuse(house, "going_away" if house.registry.going_away else "overloaded")
        return
    link = WebSocketLink(cast("Any", websocket)._get_current_object())
    session = Session(session_id, link, config=house.session_config, limits=house.session_limits, ports=house.ports)
    with house.registry.entered(session):
        await websocket.accept()
        await session.run()


async def _refuse(house: House, why: str) -> None:
    """Accept and say why: a browser shows nobody the HTTP status of a refused upgrade."""
    house.telemetry.connection_refused(why)
    await websocket.accept()
    text = "the server is stopping" if why == "going_away" else "all places of this server are taken; try again later"
    await websocket.send(f'{{"type":"error","code":"{why}","message":"{text}","recoverable":false}}')
    await websocket.send(f'{{"type":"session.closed","reason":"{why}","total_duration_ms":0,"segments_transcribed":0}}')
    await websocket.close(1001 if why == "going_away" else 1013, why)


def _json(text: str, status: int) -> Response:
    return Response(text, status=status, content_type="application/json", headers={"Cache-Control": "no-store"})
