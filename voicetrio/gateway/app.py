"""The web application: routes, and nothing that decides.

It is made with what it serves; whoever runs it (Hypercorn, by command line or by us) sees only an ASGI app.
"""

from quart import Response
from quart_trio import QuartTrio
from quart_trio.asgi import TrioASGIWebsocketConnection

from voicetrio.core.rate_limit import RateLimit
from voicetrio.gateway.entrance import serve_connection
from voicetrio.gateway.history import give_history
from voicetrio.gateway.house import House
from voicetrio.gateway.link import Connection
from voicetrio.gateway.livekit import give_token, give_token_of_the_document
from voicetrio.gateway.operator import FAILURES_PER_MINUTE, give_sessions, give_sessions_page, give_workers
from voicetrio.gateway.pages import give_file, give_page, wants_html

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
    async def index() -> Response:
        if wants_html():
            response = await give_page(app.in_house(), "index")
        else:
            response = _json(
                '{"service":"voicetrio","websocket":"/ws/{session_id}","see":["/healthz","/readyz","/metrics"]}', 200
            )
        response.headers["Vary"] = "Accept"
        return response

    @app.get("/isolation")
    async def isolation() -> Response:
        return await give_page(app.in_house(), "isolation")

    @app.get("/web/<path:path>")
    async def web(path: str) -> Response:
        return await give_file(path)

    wrong_keys = RateLimit(FAILURES_PER_MINUTE)

    @app.get("/sessions")
    async def sessions_page() -> Response:
        return await give_sessions_page(app.in_house(), wrong_keys)

    @app.get("/v1/sessions")
    async def sessions() -> Response:  # noqa: ASYNC124
        return give_sessions(app.in_house(), wrong_keys)

    @app.get("/v1/workers")
    async def workers() -> Response:  # noqa: ASYNC124
        return give_workers(app.in_house(), wrong_keys)

    @app.get("/v1/sessions/<session_id>/history")
    async def history(session_id: str) -> Response:  # noqa: ASYNC124
        return give_history(app.in_house(), session_id)

    @app.route("/v1/livekit/token", methods=["POST", "OPTIONS"])
    @app.route("/api/v2/sandbox/connection-details", methods=["POST", "OPTIONS"])
    async def livekit_token() -> Response:
        return await give_token(app.in_house())

    @app.route("/api/token", methods=["GET", "POST", "OPTIONS"])
    async def token() -> Response:
        return await give_token_of_the_document(app.in_house())

    @app.websocket("/ws/<session_id>")
    async def session(session_id: str) -> None:
        await serve_connection(app.in_house(), session_id)

    return app


def _json(text: str, status: int) -> Response:
    return Response(text, status=status, content_type="application/json", headers={"Cache-Control": "no-store"})
