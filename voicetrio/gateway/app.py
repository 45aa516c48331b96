"""The web application: routes, and nothing that decides.

It is made with what it serves; whoever runs it (Hypercorn, by command line or by us) sees only an ASGI app.
"""

from quart import Response
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIWebsocketConnection

from voicetrio.gateway.entrance import serve_connection
from voicetrio.gateway.history import give_history
from voicetrio.gateway.house import House
from voicetrio.gateway.link import Connection

_PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


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

    @app.get("/v1/sessions/<session_id>/history")
    async def history(session_id: str) -> Response:  # noqa: ASYNC124
        return give_history(app.in_house(), session_id)

    @app.websocket("/ws/<session_id>")
    async def session(session_id: str) -> None:
        await serve_connection(app.in_house(), session_id)

    return app


def _json(text: str, status: int) -> Response:
    return Response(text, status=status, content_type="application/json", headers={"Cache-Control": "no-store"})
