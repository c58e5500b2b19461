"""Hearth & Lantern's own backend: pages, orders and a word to chatpush.

It runs beside chatpush and stays open without it: picks fall back to what is
popular, events wait. Secrets come from the environment, never from the command
line, where other users of the machine could read them.
"""

import argparse
import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp import web

from examples.shop import office, storefront
from examples.shop.catalogue import Catalogue, load
from examples.shop.help import Help
from examples.shop.keys import (
    CATALOGUE,
    HELP,
    NONCE,
    ORDERS,
    PUSH,
    RENDERING,
    REPORTS,
    SETTINGS,
    VISIT,
    VISITS,
    ShopSettings,
)
from examples.shop.orders import Orders
from examples.shop.push import Push
from examples.shop.rendering import Rendering
from examples.shop.reports import Reports
from examples.shop.storage import Storage
from examples.shop.visits import Visits

_COOKIE = "hearth_visit"
_COOKIE_DAYS = 30
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
STATIC = Path(__file__).parent / "static"


def build(settings: ShopSettings, catalogue: Catalogue | None = None) -> web.Application:
    """Put the shop together."""
    app = web.Application(middlewares=[_visiting, _cautious])
    storage = Storage(settings.database)
    reports = Reports(storage)
    catalogue = catalogue or load(now=datetime.now(UTC))
    app[SETTINGS] = settings
    app[CATALOGUE] = catalogue
    app[REPORTS] = reports
    app[ORDERS] = Orders(storage, catalogue, reports, settings.address)
    app[VISITS] = Visits(storage)
    app[RENDERING] = Rendering()
    app[HELP] = Help()
    app.cleanup_ctx.append(_line_to_chatpush)
    app.on_cleanup.append(_closing(storage))
    app.add_routes(storefront.routes)
    app.add_routes(office.routes)
    app.router.add_static("/static", STATIC)
    return app


async def _line_to_chatpush(app: web.Application) -> AsyncIterator[None]:
    """Hold one HTTP session and one reporter for the shop's whole life."""
    settings = app[SETTINGS]
    async with aiohttp.ClientSession() as session:
        app[PUSH] = Push(session, settings.chatpush, settings.secret_key)
        reporter = asyncio.create_task(app[REPORTS].send_for_ever(app[PUSH]))
        yield
        reporter.cancel()
        with suppress(asyncio.CancelledError):
            await reporter


def _closing(storage: Storage) -> Callable[[web.Application], Awaitable[None]]:
    async def close(_: web.Application) -> None:
        storage.close()

    return close


@web.middleware
async def _visiting(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find the visit by its cookie before, and keep it after, each page."""
    if request.path.startswith(("/static/", "/images/", "/internal/")):
        return await handler(request)
    visits = request.app[VISITS]
    visit = visits.open(request.cookies.get(_COOKIE), request.headers.get("Accept-Language", ""))
    request[VISIT] = visit
    try:
        response = await handler(request)
    except web.HTTPRedirection as redirection:
        response = web.Response(
            status=redirection.status, headers={"Location": redirection.headers["Location"]}
        )
    except web.HTTPNotFound:
        response = storefront.not_found(request)
    visits.keep(visit)
    # Lax keeps other sites from posting our forms in the visitor's name.
    response.set_cookie(
        _COOKIE, visit.id, max_age=_COOKIE_DAYS * 86_400, httponly=True, samesite="Lax", path="/"
    )
    return response


@web.middleware
async def _cautious(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Say on every page what the browser may load: the shop's own things and chatpush."""
    response = await handler(request)
    push = request.app[SETTINGS].chatpush
    socket = push.replace("http", "ws", 1)
    nonce = request.get(NONCE, "")
    script = f"'self' {push}" + (f" 'nonce-{nonce}'" if nonce else "")
    response.headers.setdefault(
        "Content-Security-Policy",
        f"default-src 'self'; script-src {script}; style-src 'self' 'unsafe-inline'; img-src 'self' data: {push};"
        f" font-src 'self' data: {push}; connect-src 'self' {push} {socket}; frame-ancestors 'none'; base-uri 'none'",
    )
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response


@dataclass(frozen=True)
class _Arguments:
    host: str
    port: int
    chatpush: str
    database: Path


def _arguments() -> _Arguments:
    parser = argparse.ArgumentParser(description="Run the example shop.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--chatpush", default="http://127.0.0.1:8000", help="where chatpush runs")
    parser.add_argument("--database", type=Path, default=Path("shop.db"))
    return _Arguments(**vars(parser.parse_args()))


def main() -> None:
    """Serve until told to stop."""
    given = _arguments()
    settings = ShopSettings(
        address=f"http://{given.host}:{given.port}",
        chatpush=given.chatpush.rstrip("/"),
        database=given.database,
        secret_key=os.environ.get("SHOP_SECRET_KEY", ""),
        public_key=os.environ.get("SHOP_PUBLIC_KEY", ""),
        token_secret=os.environ.get("SHOP_TOKEN_SECRET", ""),
        internal_token=os.environ.get("SHOP_INTERNAL_TOKEN", ""),
    )
    web.run_app(build(settings), host=given.host, port=given.port, print=None, shutdown_timeout=2)


if __name__ == "__main__":
    main()
