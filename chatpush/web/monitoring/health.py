"""Say whether the process lives and whether it can serve.

``/healthz`` answers while the loop turns. ``/readyz`` also asks the database, to
read and (at most once in some seconds) to write, and turns 503 as soon as
draining begins, so that a balancer looks elsewhere; what this node does without,
such as vectors whose endpoint is down, is named in ``without`` and costs it no
traffic.
"""

from collections.abc import Callable

from aiohttp import web

from chatpush import __version__
from chatpush.errors import ChatpushError, StorageFull
from chatpush.store.database import Database
from chatpush.store.probe import WriteProbe
from chatpush.web.http.operations import SERVICES


class Readiness:
    """Whether this node wants traffic."""

    def __init__(self) -> None:
        self.draining = False
        self._optional: dict[str, Callable[[], bool]] = {}

    def also(self, name: str, down: Callable[[], bool]) -> None:
        """Look at something that the node can do without."""
        self._optional[name] = down

    @property
    def without(self) -> list[str]:
        """Return what the node does without now."""
        return sorted(name for name, down in self._optional.items() if down())


def add_health(app: web.Application) -> None:
    """Add the probes."""
    app.router.add_get("/healthz", _alive)
    app.router.add_get("/readyz", _ready)


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok", "version": __version__})


async def _ready(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    readiness, database = services[Readiness], services[Database]
    if isinstance(readiness, Readiness) and readiness.draining:
        return web.json_response({"status": "draining"}, status=503, headers={"Retry-After": "5"})
    try:
        await database.read("SELECT 1 AS one")  # type: ignore[attr-defined]
        if isinstance(probe := services.get(WriteProbe), WriteProbe):
            await probe.check()
    except StorageFull as error:
        later = {"Retry-After": f"{error.retry_after_seconds or 1:.0f}"}
        return web.json_response({"status": "storage", "detail": error.message}, status=503, headers=later)
    except (ChatpushError, OSError) as error:
        return web.json_response({"status": "database", "detail": str(error)}, status=503)
    without = readiness.without if isinstance(readiness, Readiness) else []
    return web.json_response({"status": "ok", **({"without": without} if without else {})})
