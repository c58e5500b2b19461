"""Orders take their steps once, in order, and report each."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from examples.shop.catalogue import Catalogue
from examples.shop.orders import Orders, WrongStep
from examples.shop.people import CUSTOMERS
from examples.shop.reports import Reports
from examples.shop.shipping import CHINA, UNITED_KINGDOM, route_to
from examples.shop.storage import Storage

EMMA, LIN = CUSTOMERS["emma"], CUSTOMERS["linxiao"]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "shop.db")


@pytest.fixture
def orders(storage: Storage, catalogue: Catalogue) -> Orders:
    return Orders(storage, catalogue, Reports(storage), "http://shop")


def _reported(storage: Storage) -> list[dict[str, object]]:
    return [json.loads(row["body"]) for row in storage.rows("SELECT body FROM reports ORDER BY number")]


def test_an_order_is_placed_paid_and_reported(orders: Orders, storage: Storage) -> None:
    order = orders.place(EMMA, {"85123A": 2, "22423": 1, "gone": 1})
    assert order.status == "paid"
    assert order.goods == Decimal("18.65")
    assert order.total == Decimal("22.60")
    events = _reported(storage)
    assert [event["type"] for event in events] == ["purchase", "purchase", "order.paid"]
    assert events[-1]["id"] == f"{order.id}-order.paid"
    properties = events[-1]["properties"]
    assert isinstance(properties, dict)
    assert properties["url"] == f"http://shop/orders/{order.id}"
    assert properties["order"] == order.id


def test_steps_come_in_order_and_once(orders: Orders, storage: Storage) -> None:
    order = orders.place(EMMA, {"85123A": 1})
    with pytest.raises(WrongStep):
        orders.advance(order.id, "delivered")
    shipped = orders.advance(order.id, "shipped")
    assert shipped.carrier == "Northway Parcel"
    assert shipped.tracking_number.startswith("NW")
    with pytest.raises(WrongStep):
        orders.advance(order.id, "shipped")
    assert orders.advance(order.id, "delivered").next_step is None
    types = [event["type"] for event in _reported(storage)]
    assert types == ["purchase", "order.paid", "order.shipped", "order.delivered"]


def test_a_refused_step_reports_nothing(orders: Orders, storage: Storage) -> None:
    with pytest.raises(WrongStep):
        orders.advance("HL-1", "shipped")
    with pytest.raises(WrongStep):
        orders.place(EMMA, {})
    assert _reported(storage) == []


def test_customers_see_their_own_orders_newest_first(orders: Orders) -> None:
    first, second = orders.place(EMMA, {"85123A": 1}), orders.place(EMMA, {"22423": 1})
    orders.place(LIN, {"22423": 1})
    assert [order.id for order in orders.of_customer("emma")] == [second.id, first.id]
    assert len(orders.latest()) == 3


def test_an_order_survives_a_restart(
    orders: Orders, storage: Storage, tmp_path: Path, catalogue: Catalogue
) -> None:
    placed = orders.advance(orders.place(LIN, {"22423": 4}).id, "shipped")
    storage.close()
    again = Storage(tmp_path / "shop.db")
    assert Orders(again, catalogue, Reports(again), "http://shop").find(placed.id) == placed


def test_an_order_as_json_holds_what_an_assistant_needs(orders: Orders) -> None:
    told = orders.advance(orders.place(LIN, {"22423": 1}).id, "shipped").as_json()
    assert told["status"] == "shipped"
    assert told["carrier"] == CHINA.carrier
    assert told["total"] == "25.70"
    assert told["eta"].endswith("Z")
    assert told["delivered_at"] is None
    assert told["items"] == [
        {"id": "22423", "title": "Regency Cakestand 3 Tier", "quantity": 1, "price": "12.75"}
    ]


def test_delivery_charges_and_days() -> None:
    assert UNITED_KINGDOM.price(Decimal("39.99")) == Decimal("3.95")
    assert UNITED_KINGDOM.price(Decimal(40)) == 0
    friday = datetime(2026, 3, 6, 9, tzinfo=UTC)
    assert UNITED_KINGDOM.expected(friday) == datetime(2026, 3, 12, 9, tzinfo=UTC)
    assert route_to("JP").carrier == "Northway World"
