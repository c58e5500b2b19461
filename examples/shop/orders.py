"""Orders: placed, paid, shipped, delivered.

Each step is recorded once and reported to chatpush as an event in the same
transaction, so that an order which is marked as shipped is always told to its
customer, even if chatpush or the shop was down at that moment.
"""

import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from sqlite3 import Row
from typing import Any

from examples.shop.bodies import item_card
from examples.shop.catalogue import CURRENCY, Catalogue
from examples.shop.people import CUSTOMERS, Customer
from examples.shop.reports import Reports
from examples.shop.shipping import route_to
from examples.shop.storage import Storage

STEPS = ("placed", "paid", "shipped", "delivered")
FIRST_NUMBER = 20481
_SHOWN = 3


class WrongStep(Exception):
    """An order can't go there from where it is."""


@dataclass(frozen=True)
class OrderLine:
    """A number of one item, at the price of that day."""

    item: str
    title: str
    quantity: int
    price: Decimal

    @property
    def total(self) -> Decimal:
        """What the line costs."""
        return self.price * self.quantity


@dataclass(frozen=True)
class Order:
    """What a customer bought, and how far it got."""

    id: str
    customer: str
    country: str
    lines: list[OrderLine]
    goods: Decimal
    delivery: Decimal
    status: str
    carrier: str
    tracking_number: str
    placed_at: datetime
    paid_at: datetime | None
    shipped_at: datetime | None
    delivered_at: datetime | None
    eta: datetime | None

    @property
    def total(self) -> Decimal:
        """Goods and delivery."""
        return self.goods + self.delivery

    @property
    def next_step(self) -> str | None:
        """What can happen next."""
        return dict(pairwise(STEPS)).get(self.status)

    def when(self, step: str) -> datetime | None:
        """When the order took a step, if it has."""
        moments = {
            "placed": self.placed_at,
            "paid": self.paid_at,
            "shipped": self.shipped_at,
            "delivered": self.delivered_at,
        }
        return moments[step]

    def as_json(self) -> dict[str, Any]:
        """Return the order for an assistant or a message."""
        moments = ("placed_at", "paid_at", "shipped_at", "delivered_at", "eta")
        return {
            "id": self.id,
            "status": self.status,
            "items": [
                {"id": line.item, "title": line.title, "quantity": line.quantity, "price": str(line.price)}
                for line in self.lines
            ],
            "delivery": str(self.delivery),
            "total": str(self.total),
            "currency": CURRENCY,
            "carrier": self.carrier or None,
            "tracking_number": self.tracking_number or None,
            **{name: _iso(getattr(self, name)) for name in moments},
        }


class Orders:
    """The order book."""

    def __init__(self, storage: Storage, catalogue: Catalogue, reports: Reports, address: str) -> None:
        self._storage = storage
        self._catalogue = catalogue
        self._reports = reports
        self._address = address

    def place(self, customer: Customer, basket: dict[str, int]) -> Order:
        """Record a paid order of the basket: the demo's card is always good.

        Raises:
            WrongStep: the basket is empty.
        """
        lines = [
            self._line(item, quantity) for item, quantity in basket.items() if item in self._catalogue.items
        ]
        if not lines:
            raise WrongStep("an empty basket can't be ordered")
        goods = sum((line.total for line in lines), Decimal(0))
        now = datetime.now(UTC)
        with self._storage.together():
            order_id = f"HL-{FIRST_NUMBER + self._storage.rows('SELECT count(*) FROM orders')[0][0]}"
            self._storage.run(
                "INSERT INTO orders (id, customer, country, lines, goods, delivery, status, placed_at)"
                " VALUES (?, ?, ?, ?, ?, ?, 'placed', ?)",
                order_id, customer.id, customer.country, _pack(lines), str(goods),
                str(route_to(customer.country).price(goods)), now.isoformat(),
            )  # fmt: skip
            for line in lines:
                self._reports.purchase(customer.id, order_id, line.item, line.quantity, line.price)
            return self._take_step(order_id, "paid", now)

    def advance(self, order_id: str, step: str) -> Order:
        """Record the next step of an order.

        Raises:
            WrongStep: there is no such order, or another step comes first.
        """
        with self._storage.together():
            return self._take_step(order_id, step, datetime.now(UTC))

    def find(self, order_id: str) -> Order | None:
        """Return one order."""
        rows = self._storage.rows("SELECT * FROM orders WHERE id = ?", order_id)
        return _order(rows[0]) if rows else None

    def of_customer(self, customer: str) -> list[Order]:
        """Return a customer's orders, newest first."""
        sql = "SELECT * FROM orders WHERE customer = ? ORDER BY placed_at DESC, id DESC"
        return [_order(row) for row in self._storage.rows(sql, customer)]

    def latest(self, limit: int = 50) -> list[Order]:
        """Return everybody's orders, newest first."""
        sql = "SELECT * FROM orders ORDER BY placed_at DESC, id DESC LIMIT ?"
        return [_order(row) for row in self._storage.rows(sql, limit)]

    def _line(self, item_id: str, quantity: int) -> OrderLine:
        item = self._catalogue.items[item_id]
        return OrderLine(item.id, item.title, quantity, item.price)

    def _take_step(self, order_id: str, step: str, now: datetime) -> Order:
        order = self.find(order_id)
        if order is None or order.next_step != step:
            raise WrongStep(f"order {order_id} can't become {step}")
        changes: dict[str, str] = {"status": step, f"{step}_at": now.isoformat()}
        if step == "shipped":
            route = route_to(order.country)
            tracking = f"{route.prefix}{secrets.randbelow(10**9):09d}"
            changes |= {
                "carrier": route.carrier,
                "tracking_number": tracking,
                "eta": route.expected(now).isoformat(),
            }
        columns = ", ".join(f"{name} = ?" for name in changes)
        self._storage.run(f"UPDATE orders SET {columns} WHERE id = ?", *changes.values(), order_id)
        changed = self.find(order_id)
        assert changed is not None
        self._reports.order(changed.customer, f"order.{step}", self._properties(changed), now)
        return changed

    def _properties(self, order: Order) -> dict[str, Any]:
        """Return what a message about the order needs to know."""
        first = order.lines[0]
        cards = [item_card(self._catalogue.items[line.item], self._address) for line in order.lines[:_SHOWN]]
        return order.as_json() | {
            "items": cards,
            "order": order.id,
            "count": sum(line.quantity for line in order.lines),
            "first_item": first.title,
            "url": f"{self._address}/orders/{order.id}",
            "image": f"{self._address}/images/{first.item}.svg",
            "name": CUSTOMERS[order.customer].first_name if order.customer in CUSTOMERS else "",
        }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None


def _pack(lines: list[OrderLine]) -> str:
    return json.dumps([[line.item, line.title, line.quantity, str(line.price)] for line in lines])


def _order(row: Row) -> Order:
    lines = [
        OrderLine(item, name, quantity, Decimal(price))
        for item, name, quantity, price in json.loads(row["lines"])
    ]
    return Order(
        id=row["id"],
        customer=row["customer"],
        country=row["country"],
        lines=lines,
        goods=Decimal(row["goods"]),
        delivery=Decimal(row["delivery"]),
        status=row["status"],
        carrier=row["carrier"],
        tracking_number=row["tracking_number"],
        placed_at=datetime.fromisoformat(row["placed_at"]),
        paid_at=_moment(row["paid_at"]),
        shipped_at=_moment(row["shipped_at"]),
        delivered_at=_moment(row["delivered_at"]),
        eta=_moment(row["eta"]),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
