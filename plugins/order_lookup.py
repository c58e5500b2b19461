"""Tell customers where their own orders are, from the shop's order book.

The shop answers ``GET <url>?user=<id>`` with that customer's orders, newest
first; the header ``X-Shop-Token`` proves that we ask. The user is the one who
is signed in. Neither the words of a question nor a language model can ask for
somebody else's. Pages list the same orders with the rpc method ``orders``.

    [plugins.settings.order_lookup]
    url = "https://shop.example.com/internal/orders"
    token = "a secret the shop knows too"
    # order_page = "https://shop.example.com/orders/{id}"
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
from pydantic import BaseModel, ConfigDict, Field

from chatpush.domain import Identity, Json
from chatpush.errors import NotFound, Unavailable
from chatpush.plugins.contracts import Follow, RpcMethod, TitledSource, Tool, ToolResult
from chatpush.plugins.hooks import hook

PATH = "/internal/orders"
SECONDS = 5
MOST_SHOWN = 3
MOST_LISTED = 20
LISTED = ("id", "status", "total", "currency", "carrier", "tracking_number", "eta")
LARGEST_ANSWER = 1_000_000

STATUS = {
    "placed": {"en": "has been placed and waits for its payment", "zh-CN": "已下单，等待付款"},
    "paid": {"en": "is paid and being packed", "zh-CN": "已付款，正在打包"},
    "shipped": {"en": "is on its way", "zh-CN": "已发货，正在路上"},
    "delivered": {"en": "has been delivered", "zh-CN": "已送达"},
    "cancelled": {"en": "was cancelled", "zh-CN": "已取消"},
}
LABELS = {
    "en": {"carrier": "Carrier", "tracking_number": "Tracking number", "eta": "Expected",
           "delivered_at": "Delivered"},
    "zh-CN": {"carrier": "承运商", "tracking_number": "运单号", "eta": "预计送达", "delivered_at": "送达时间"},
}  # fmt: skip
FOLLOWS = {
    "delivered": (
        {"en": "Shall I tell you when order {id} arrives?", "zh-CN": "需要我在订单 {id} 送达时通知您吗？"},
        {"en": "Good news: your order {order} has been delivered.", "zh-CN": "好消息：您的订单 {order} 已经送达。"},
    ),
    "shipped": (
        {"en": "Shall I tell you when order {id} is on its way?", "zh-CN": "需要我在订单 {id} 发货时通知您吗？"},
        {
            "en": "Your order {order} is on its way with {carrier}, tracking number {tracking_number}.",
            "zh-CN": "您的订单 {order} 已经发货，由 {carrier} 承运，运单号 {tracking_number}。",
        },
    ),
}  # fmt: skip


class Settings(BaseModel):
    """What must be set in ``[plugins.settings.order_lookup]``."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(pattern=r"^https?://", description="Address of the shop's order book.")
    token: str = Field(min_length=1, description="The X-Shop-Token the shop expects.")
    order_page: str = Field("", description="A customer's page of an order, with {id}.")


class OrderStatus:
    """The tool the assistant calls."""

    name = "order_status"
    description = "Look up the signed-in customer's own orders: status, carrier, tracking number, arrival."
    questions: Mapping[str, list[str]] = {
        "en": [
            "Where is my order?", "Where is my parcel?", "When will my order arrive?", "Track my order",
            "Has my order shipped yet?", "What is the status of order HL-20481?", "My package has not arrived",
        ],
        "zh-CN": [
            "我的快递到哪了", "我的订单到哪了", "我的包裹什么时候到", "查一下我的订单", "订单发货了吗", "物流信息",
            "订单 HL-20481 的状态", "怎么还没收到货",
        ],
    }  # fmt: skip
    slots: Mapping[str, str] = {"order": r"(?<![A-Za-z0-9])([A-Za-z]{1,4}-\d{3,12})(?![A-Za-z0-9-])"}
    parameters: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "order": {
                "type": "string",
                "description": "The order's number, such as HL-20481",
                "x-ask": {"en": "Order number, such as HL-20481", "zh": "订单号，如 HL-20481"},
            }
        },
        "additionalProperties": False,
    }

    def __init__(self, url: str, token: str, order_page: str) -> None:
        self._url = url
        self._token = token
        self._order_page = order_page

    async def call(self, identity: Identity, arguments: Mapping[str, Any]) -> ToolResult:
        """Return the order asked for, or the latest ones that are under way."""
        orders = await self.orders_of(identity.user)
        wanted = str(arguments.get("order") or "").upper().lstrip("#")
        if wanted:
            orders = [order for order in orders if str(order["id"]).upper() == wanted]
            if not orders:
                raise NotFound(f"this customer has no order {wanted}")
        if not orders:
            raise NotFound("this customer has no orders")
        under_way = [order for order in orders if order.get("status") in ("placed", "paid", "shipped")]
        shown = (under_way or orders[:1])[:MOST_SHOWN]
        return ToolResult(
            text={locale: "\n\n".join(describe(order, locale) for order in shown) for locale in LABELS},
            facts={str(order["id"]): order for order in shown},
            sources=tuple(
                TitledSource(
                    {"en": f"Order {order['id']}", "zh": f"订单 {order['id']}"},
                    self._order_page.replace("{id}", quote(str(order["id"]), safe="")),
                )
                for order in shown
            ),
            follow=follow(shown[0]),
        )

    async def orders_of(self, user: str) -> list[dict[str, Any]]:
        """Return a customer's orders, newest first.

        Raises:
            Unavailable: the shop does not answer.
        """
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
                session.get(
                    self._url,
                    params={"user": user},
                    headers={"X-Shop-Token": self._token},
                    allow_redirects=False,  # the token is for this address only
                ) as answer,
            ):
                if answer.status == 404:
                    return []
                if answer.status != 200:
                    raise Unavailable(f"the shop's order book answered {answer.status}")
                if (answer.content_length or 0) > LARGEST_ANSWER:
                    raise Unavailable("the shop's order book answered too much")
                orders = (await answer.json())["orders"]
                return [order for order in orders if order["id"]]
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"the shop's order book can't be read: {type(error).__name__}") from error


def describe(order: Mapping[str, Any], locale: str) -> str:
    """Return an order as a short text in Markdown."""
    status = STATUS.get(str(order.get("status")), {}).get(locale) or str(order.get("status"))
    chinese = locale == "zh-CN"
    head = f"订单 **{order['id']}** {status}。" if chinese else f"Your order **{order['id']}** {status}."
    if goods := contents(order, chinese=chinese):
        head += goods
    arrived = order.get("status") == "delivered"
    rows = []
    for key, label in LABELS[locale].items():
        value = order.get(key)
        if not value or key == ("eta" if arrived else "delivered_at"):
            continue
        shown = day(str(value), chinese=chinese) if key in ("eta", "delivered_at") else str(value)
        rows.append(f"- {label}{'：' if chinese else ': '}{shown}")
    return "\n".join([head, *([""] if rows else []), *rows])


def contents(order: Mapping[str, Any], *, chinese: bool) -> str:
    """Name the first thing in the parcel, and how many more there are."""
    titles = [str(item.get("title", "")) for item in order.get("items") or [] if item.get("title")]
    if not titles:
        return ""
    more = len(titles) - 1
    if chinese:
        return f"包裹里有「{titles[0]}」" + (f"等 {len(titles)} 种商品。" if more else "。")
    return f" It holds {titles[0]}" + (f" and {more} more." if more else ".")


def day(text: str, *, chinese: bool) -> str:
    """Return a date as people say it; a text that is no date stays as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if chinese:
        return f"{moment.month}月{moment.day}日（周{'一二三四五六日'[moment.weekday()]}）"
    return f"{moment:%A}, {moment.day} {moment:%B}"


def follow(order: Mapping[str, Any]) -> Follow | None:
    """Return the event worth waiting for: its dispatch, then its arrival."""
    step = {"placed": "shipped", "paid": "shipped", "shipped": "delivered"}.get(str(order.get("status")))
    if step is None:
        return None
    offer, done = FOLLOWS[step]
    offers = {locale: text.replace("{id}", str(order["id"])) for locale, text in offer.items()}
    return Follow(f"order.{step}", {"order": order["id"]}, offers, done)


class Orders:
    """The method that pages call to list the customer's own orders."""

    name = "orders"

    def __init__(self, lookup: OrderStatus) -> None:
        self._lookup = lookup

    async def call(self, identity: Identity, data: Json) -> Json:
        """Return the signed-in customer's orders, newest first; ``data`` may ask for fewer by ``limit``."""
        asked = data.get("limit") if isinstance(data, dict) else None
        limit = asked if isinstance(asked, int) and 0 < asked < MOST_LISTED else MOST_LISTED
        orders = await self._lookup.orders_of(identity.user)
        return [{key: order.get(key) for key in LISTED} for order in orders[:limit]]


@hook
def register_tools(settings: dict[str, Any]) -> list[Tool]:
    """Return the order tool."""
    return [_lookup(settings)]


@hook
def register_rpc(settings: dict[str, Any]) -> list[RpcMethod]:
    """Return the method for pages."""
    return [Orders(_lookup(settings))]


def _lookup(settings: dict[str, Any]) -> OrderStatus:
    base = settings["url"].rstrip("/").removesuffix(PATH)
    url = f"{base}{PATH}" if urlsplit(base).path == "" else settings["url"]
    return OrderStatus(url, settings["token"], settings["order_page"] or f"{base}/orders/{{id}}")
