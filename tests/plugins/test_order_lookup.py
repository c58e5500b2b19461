"""Customers hear of their own orders and of nobody else's, in their language."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chatpush.domain import Event, EventId, TenantId, UserId
from chatpush.errors import NotFound, PluginFailed, Unavailable
from chatpush.plugins import samples
from chatpush.plugins.contracts import Tool
from chatpush.support.assistant.phrases import as_promise
from chatpush.support.assistant.promises import fill, matches
from chatpush.support.assistant.tools import Toolbox, flat, sources_in
from tests.plugins.firstparty import load

TOKEN = "a shared secret"
SHIPPED = {
    "id": "HL-20482", "status": "shipped", "total": "31.40", "currency": "GBP", "carrier": "Royal Mail",
    "tracking_number": "RM1234567GB", "shipped_at": "2026-11-23T09:00:00Z", "eta": "2026-11-26T18:00:00Z",
    "items": [{"id": "85123A", "title": "White Hanging Heart", "quantity": 6, "price": "2.55"},
              {"id": "21754", "title": "Home Building Block", "quantity": 1, "price": "5.95"}],
}  # fmt: skip
PAID: dict[str, Any] = {
    "id": "HL-20490", "status": "paid", "carrier": None, "tracking_number": None, "eta": None, "items": [],
}  # fmt: skip
DELIVERED = {**SHIPPED, "id": "HL-20481", "status": "delivered", "delivered_at": "2026-11-20T10:30:00Z"}


class Shop:
    """An order book that notes what it was asked."""

    def __init__(self) -> None:
        self.orders: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[tuple[str, str]] = []
        self.answer: web.Response | None = None

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.query["user"], request.headers.get("X-Shop-Token", "")))
        if self.answer is not None:
            answer, self.answer = self.answer, None
            return answer
        return web.json_response({"orders": self.orders.get(request.query["user"], [])})


@asynccontextmanager
async def opened(path: str = "", **own: Any) -> AsyncIterator[tuple[Shop, Tool, str]]:
    """Yield a shop, the tool that asks it, and its address."""
    shop = Shop()
    app = web.Application()
    app.router.add_get("/internal/orders", shop.handle)
    app.router.add_get("/elsewhere", shop.handle)
    async with TestServer(app) as server:
        base = str(server.make_url("")).rstrip("/")
        plugins, _ = load("order_lookup", url=base + path, token=TOKEN, **own)
        (tool,) = plugins.tools()
        yield shop, tool, base


async def test_an_order_under_way_is_described_with_an_offer_to_tell() -> None:
    async with opened() as (shop, tool, base):
        shop.orders = {"emma": [SHIPPED, DELIVERED]}
        result = await tool.call(samples.identity("emma"), {})
        assert result.text["en"] == (
            "Your order **HL-20482** is on its way. It holds White Hanging Heart and 1 more.\n\n"
            "- Carrier: Royal Mail\n- Tracking number: RM1234567GB\n- Expected: Thursday, 26 November"
        )
        assert result.text["zh-CN"] == (
            "订单 **HL-20482** 已发货，正在路上。包裹里有「White Hanging Heart」等 2 种商品。\n\n"
            "- 承运商：Royal Mail\n- 运单号：RM1234567GB\n- 预计送达：11月26日（周四）"
        )
        assert [source.url for source in result.sources] == [f"{base}/orders/HL-20482"]
        assert result.facts["HL-20482"]["tracking_number"] == "RM1234567GB"
        assert result.follow is not None
        assert (result.follow.event_type, result.follow.match) == ("order.delivered", {"order": "HL-20482"})
        assert result.follow.offer["en"] == "Shall I tell you when order HL-20482 arrives?"
        offers = result.follow.offer
        assert as_promise(offers["en"], "en") == "I'll tell you when order HL-20482 arrives."
        assert as_promise(offers["zh-CN"], "zh-CN") == "我会在订单 HL-20482 送达时通知您。"
        assert shop.asked == [("emma", TOKEN)]


async def test_the_promise_is_kept_by_the_shops_own_event() -> None:
    async with opened() as (shop, tool, _):
        shop.orders = {"emma": [PAID]}
        follow = (await tool.call(samples.identity("emma"), {})).follow
        assert follow is not None
        assert follow.event_type == "order.shipped"
        properties = {**SHIPPED, "id": PAID["id"], "order": PAID["id"]}
        event = Event(
            TenantId("default"),
            EventId("e"),
            UserId("emma"),
            "order.shipped",
            samples.MOMENT,
            None,
            properties,
        )
        assert matches(follow.match, event)
        assert "HL-20490 is on its way with Royal Mail, tracking number RM1234567GB" in fill(
            follow.done["en"], properties
        )
        assert "HL-20490" in fill(follow.done["zh-CN"], properties)


async def test_nobody_hears_of_anothers_order() -> None:
    async with opened() as (shop, tool, _):
        shop.orders = {"emma": [SHIPPED]}
        for arguments in ({}, {"order": "HL-20482"}, {"order": "HL-20482", "user": "emma"}, {"user": "emma"}):
            with pytest.raises(NotFound):
                await tool.call(samples.identity("lin"), arguments)
        with pytest.raises(NotFound):
            await tool.call(samples.identity("lin&user=emma"), {"order": "HL-20482"})
        assert {user for user, _ in shop.asked} == {"lin", "lin&user=emma"}


async def test_a_named_order_is_the_one_described() -> None:
    async with opened() as (shop, tool, _):
        shop.orders = {"emma": [SHIPPED, PAID, DELIVERED]}
        result = await tool.call(samples.identity("emma"), {"order": "hl-20481"})
        assert result.text["en"].startswith("Your order **HL-20481** has been delivered.")
        assert "Delivered: Friday, 20 November" in result.text["en"]
        assert "Expected" not in result.text["en"]
        assert result.follow is None
        several = await tool.call(samples.identity("emma"), {})
        assert [one.title for one in sources_in(several, "en")] == ["Order HL-20482", "Order HL-20490"]
        assert [one.title for one in sources_in(several, "zh-CN")] == ["订单 HL-20482", "订单 HL-20490"]


@pytest.mark.parametrize(
    ("question", "order"),
    [("where is my order?", None), ("Where's order hl-20481?", "hl-20481"), ("我的快递到哪了", None),
     ("订单HL-20481到哪了", "HL-20481"), ("has my parcel shipped", None), ("我的包裹呢，什么时候到？", None)],
)  # fmt: skip
async def test_questions_find_the_tool_and_the_order(question: str, order: str | None) -> None:
    async with opened() as (_, tool, _base):
        match = Toolbox([tool]).find(question, flat)
        assert match is not None
        assert match.arguments.get("order") == order
        assert match.score > 0.5


async def test_a_shop_in_trouble_is_unavailable() -> None:
    async with opened() as (shop, tool, _):
        for answer in (
            web.Response(status=500), web.Response(status=401), web.Response(text="<html>"),
            web.json_response([]), web.json_response({"orders": None}), web.json_response({"orders": [{}]}),
            web.json_response({"orders": ["x"]}), web.Response(status=302, headers={"Location": "/elsewhere"}),
            web.Response(body=b"{" + b" " * 1_100_000, content_type="application/json"),
        ):  # fmt: skip
            shop.answer = answer
            with pytest.raises(Unavailable):
                await tool.call(samples.identity("emma"), {})
        shop.answer = web.Response(status=404)
        with pytest.raises(NotFound):
            await tool.call(samples.identity("emma"), {})
    with pytest.raises(Unavailable):
        await tool.call(samples.identity("emma"), {})


async def test_odd_orders_are_described_as_far_as_they_go() -> None:
    async with opened() as (shop, tool, _):
        shop.orders = {"emma": [{"id": 7, "status": "lost at sea", "eta": "soon"}]}
        result = await tool.call(samples.identity("emma"), {})
        assert result.text["en"] == "Your order **7** lost at sea.\n\n- Expected: soon"
        assert result.follow is None


async def test_the_address_may_be_the_shops_or_the_order_books() -> None:
    for path in ("", "/", "/internal/orders", "/elsewhere"):
        async with opened(path, order_page="https://shop.example.com/o?id={id}") as (shop, tool, _):
            shop.orders = {"emma": [{**SHIPPED, "id": "a/b&c"}]}
            result = await tool.call(samples.identity("emma"), {})
            assert result.sources[0].url == "https://shop.example.com/o?id=a%2Fb%26c"


@pytest.mark.parametrize(
    "own", [{}, {"url": "https://x"}, {"url": "shop", "token": "t"}, {"url": "https://x", "token": ""}]
)
def test_missing_settings_stop_the_start(own: dict[str, str]) -> None:
    with pytest.raises(PluginFailed, match=r"\[plugins\.settings\.order_lookup\]"):
        load("order_lookup", **own)


def test_the_parameters_are_a_json_schema() -> None:
    plugins, _ = load("order_lookup", url="https://shop.example.com", token="t")
    assert json.loads(json.dumps(plugins.tools()[0].parameters))["type"] == "object"


async def test_pages_list_the_customers_own_orders() -> None:
    shop = Shop()
    app = web.Application()
    app.router.add_get("/internal/orders", shop.handle)
    async with TestServer(app) as server:
        plugins, _ = load("order_lookup", url=str(server.make_url("")).rstrip("/"), token=TOKEN)
        (method,) = plugins.rpc_methods()
        shop.orders = {"emma": [SHIPPED, DELIVERED], "lin": [PAID]}
        listed = await method.call(samples.identity("emma"), {"limit": 1, "user": "lin"})
        assert listed == [
            {"id": "HL-20482", "status": "shipped", "total": "31.40", "currency": "GBP", "carrier": "Royal Mail",
             "tracking_number": "RM1234567GB", "eta": "2026-11-26T18:00:00Z"}
        ]  # fmt: skip
        everything = await method.call(samples.identity("emma"), None)
        assert isinstance(everything, list)
        assert len(everything) == 2
        assert shop.asked == [("emma", TOKEN)] * 2
