"""Lantern Markets' own backend: one page, orders, the pager, the post, and the heartbeat of the market.

What a page asks for is checked here; what it is told comes through chatpush.
"""

import asyncio
import contextlib
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from examples.shop.push import Push, customer_token
from examples.trading.desk import Desk, Refused, Side, Trade
from examples.trading.letters import Letters
from examples.trading.market import INSTRUMENTS, Market
from examples.trading.page import Page
from examples.trading.telling import BOARD, Telling
from examples.trading.traders import TRADERS, Trader

STATIC = Path(__file__).parent / "static"
COOKIE = "lantern_trader"
TICK_SECONDS = 0.25
PAGER_SHOWS = 6
MAIL_HOST = "127.0.0.1"
SHOCKS = {"crash": -0.12, "rally": 0.10}


@dataclass(frozen=True)
class BrokerSettings:
    """Where the desk and chatpush live, and the secrets they share."""

    address: str
    chatpush: str
    secret_key: str
    public_key: str
    token_secret: str
    mail_port: int
    escalate_seconds: int = 12
    tick_seconds: float = TICK_SECONDS


@dataclass
class Broker:
    """What the handlers work with."""

    settings: BrokerSettings
    market: Market = field(default_factory=Market)
    page: Page = field(default_factory=Page)
    letters: Letters = field(default_factory=Letters)
    pagers: dict[str, deque[str]] = field(default_factory=dict)
    desk: Desk = field(init=False)
    telling: Telling = field(init=False)

    def __post_init__(self) -> None:
        self.desk = Desk(self.market)

    async def tick(self) -> None:
        """Let a moment of the market pass and tell who must know."""
        self.market.step()
        for user, standing in self.desk.margin_calls():
            self.telling.margin_call(user, standing)
        await self.telling.quotes(self.market)

    async def beat(self) -> None:
        """Tick for ever, as evenly as it goes."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self.tick()
            due = max(due + self.settings.tick_seconds, loop.time())
            await asyncio.sleep(due - loop.time())

    def account(self, user: str) -> dict[str, Any]:
        """Return what a trader's page shows of the account."""
        standing = self.desk.standing(user)
        return {
            "equity": f"{standing.equity:.2f}",
            "exposure": f"{standing.exposure:.2f}",
            "cash": f"{standing.cash:.2f}",
            "ratio": float(round(standing.ratio, 4)),
            "positions": standing.positions,
            "trades": [_shown(trade) for trade in self.desk.trades(user)],
            "pager": list(self.pagers.get(user, ())),
            "letters": self.letters.of(TRADERS[user].email),
        }


BROKER = web.AppKey("broker", Broker)
routes = web.RouteTableDef()


def build(settings: BrokerSettings) -> web.Application:
    """Put the desk together."""
    app = web.Application(middlewares=[_cautious])
    app[BROKER] = Broker(settings)
    app.cleanup_ctx.append(_open)
    app.add_routes(routes)
    app.router.add_static("/static", STATIC)
    return app


async def _open(app: web.Application) -> AsyncIterator[None]:
    """Hold the line to chatpush and let the market's heart beat."""
    broker = app[BROKER]
    settings = broker.settings
    async with aiohttp.ClientSession() as session:
        push = Push(session, settings.chatpush, settings.secret_key)
        broker.telling = Telling(push, settings.escalate_seconds)
        await broker.telling.introduce(f"{settings.address}/pager")
        await broker.letters.start(MAIL_HOST, settings.mail_port)
        await broker.telling.start()
        heart = asyncio.create_task(broker.beat())
        yield
        heart.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await heart
        await broker.telling.stop()
        await broker.letters.stop()


@routes.get("/")
async def desk_page(request: web.Request) -> web.Response:
    """The trading page, as one of the two traders: ``?as=`` changes who."""
    broker, trader = request.app[BROKER], _trader(request)
    nonce = secrets.token_urlsafe(12)
    settings = broker.settings
    boot = {
        "host": settings.chatpush,
        "key": settings.public_key,
        "locale": trader.locale,
        "token": _token(broker, trader),
    }
    text = broker.page.render(
        trader=trader, traders=list(TRADERS.values()), instruments=INSTRUMENTS, board=broker.market.board(),
        sparks=broker.market.sparks(), account=broker.account(trader.id), boot=boot, channel=BOARD, nonce=nonce,
    )  # fmt: skip
    response = web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})
    response.set_cookie(COOKIE, trader.id, httponly=True, samesite="Strict", path="/")
    push, socket = settings.chatpush, settings.chatpush.replace("http", "ws", 1)
    response.headers["Content-Security-Policy"] = (
        f"default-src 'self'; script-src 'self' {push} 'nonce-{nonce}'; style-src 'self' 'unsafe-inline';"
        f" img-src 'self' data: {push}; font-src 'self' data: {push}; connect-src 'self' {push} {socket};"
        " frame-ancestors 'none'; base-uri 'none'"
    )
    return response


@routes.get("/token")
async def fresh_token(request: web.Request) -> web.Response:
    """Sign a new token when the page's old one has run out."""
    token = _token(request.app[BROKER], _trader(request))
    return web.Response(text=token, headers={"Cache-Control": "no-store"})


@routes.get("/account")
async def account(request: web.Request) -> web.Response:
    """How the trader's account stands now."""
    return web.json_response(request.app[BROKER].account(_trader(request).id))


@routes.post("/orders")
async def order(request: web.Request) -> web.Response:
    """Fill an order, or say why not."""
    broker, trader = request.app[BROKER], _trader(request)
    try:
        asked = await request.json()
        side, quantity = Side(asked["side"]), int(asked["quantity"])
        symbol = str(asked["symbol"])
    except (ValueError, TypeError, KeyError):
        return web.json_response({"refused": "quantity"}, status=422)
    try:
        trade = broker.desk.order(trader.id, symbol, side, quantity)
    except Refused as refusal:
        return web.json_response({"refused": refusal.code}, status=422)
    broker.telling.trade(trade)
    return web.json_response(broker.account(trader.id), status=201)


@routes.post("/market/{mood}")
async def move_market(request: web.Request) -> web.Response:
    """Demo control: let everything fall or rise at once."""
    share = SHOCKS.get(request.match_info["mood"])
    if share is None or request.headers.get("X-Desk") != "demo":
        raise web.HTTPNotFound
    request.app[BROKER].market.shock(share)
    return web.Response(status=204)


@routes.post("/pager/{trader}")
async def page_trader(request: web.Request) -> web.Response:
    """The pager: where chatpush goes when no open page has answered."""
    who = request.match_info["trader"]
    if who not in TRADERS:
        raise web.HTTPNotFound
    try:
        said = str((await request.json())["text"])[:2000]
    except (json.JSONDecodeError, TypeError, KeyError) as error:
        raise web.HTTPBadRequest(text="a pager shows a text") from error
    request.app[BROKER].pagers.setdefault(who, deque(maxlen=PAGER_SHOWS)).appendleft(said)
    return web.json_response({"ok": True})


def _shown(trade: Trade) -> dict[str, Any]:
    return {
        "id": trade.id,
        "symbol": trade.symbol,
        "side": trade.side,
        "quantity": trade.quantity,
        "price": f"{trade.price}",
    }


def _trader(request: web.Request) -> Trader:
    wanted = request.query.get("as") or request.cookies.get(COOKIE, "")
    return TRADERS.get(wanted) or next(iter(TRADERS.values()))


def _token(broker: Broker, trader: Trader) -> str:
    return customer_token(trader.id, trader.name, broker.settings.token_secret)


@web.middleware
async def _cautious(request: web.Request, handler: Any) -> web.StreamResponse:
    """Take orders from our own page alone: other sites can't send JSON without asking first."""
    if request.path == "/orders" and request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    response: web.StreamResponse = await handler(request)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    return response
