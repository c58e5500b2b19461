"""Say whether the process lives, whether it can serve, and hand out the widget.

``/healthz`` answers while the loop turns. ``/readyz`` also asks the database,
and turns 503 as soon as draining begins, so that a balancer looks elsewhere.
"""

import hashlib
from pathlib import Path

from aiohttp import web

from chatpush import __version__
from chatpush.errors import ChatpushError
from chatpush.store.database import Database
from chatpush.web.operations import SERVICES

WIDGET = Path(__file__).parent / "static" / "widget.js"


class Readiness:
    """Whether this node wants traffic."""

    def __init__(self) -> None:
        self.draining = False


def add_health(app: web.Application) -> None:
    """Add the probes and the widget's one file."""
    app.router.add_get("/healthz", _alive)
    app.router.add_get("/readyz", _ready)
    app.router.add_get("/widget.js", _widget)


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok", "version": __version__})


async def _ready(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    readiness, database = services[Readiness], services[Database]
    if isinstance(readiness, Readiness) and readiness.draining:
        return web.json_response({"status": "draining"}, status=503, headers={"Retry-After": "5"})
    try:
        await database.read("SELECT 1 AS one")  # type: ignore[attr-defined]
    except (ChatpushError, OSError) as error:
        return web.json_response({"status": "database", "detail": str(error)}, status=503)
    return web.json_response({"status": "ok"})


async def _widget(request: web.Request) -> web.Response:
    """Serve the widget with an ETag, so that pages ask often and load seldom."""
    content = WIDGET.read_bytes()
    etag = hashlib.sha256(content).hexdigest()[:16]
    headers = {
        "Cache-Control": "public, max-age=300",
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    if request.headers.get("If-None-Match") == f'"{etag}"':
        return web.Response(status=304, headers=headers)
    response = web.Response(body=content, content_type="text/javascript", charset="utf-8", headers=headers)
    response.etag = etag
    response.enable_compression()
    return response
