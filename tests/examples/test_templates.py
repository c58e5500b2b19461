"""The message templates: chatpush reads them, and each renders in both languages."""

from pathlib import Path
from typing import Any

import pytest

from chatpush.notify.templates.sandbox import compile_parts, render_parts
from chatpush.notify.templates.template_source import check, read_directory
from examples.shop import seeding

TEMPLATES = Path(seeding.__file__).parent / "templates"
ORDER = {
    "order": "HL-20481",
    "total": "22.60",
    "currency": "GBP",
    "count": 3,
    "first_item": "Regency Cakestand 3 Tier",
    "carrier": "Northway Parcel",
    "tracking_number": "NW123456789",
    "eta": "2026-03-09T10:00:00Z",
}
ITEM = {
    "title": "White Metal Lantern",
    "price": "3.39",
    "currency": "GBP",
    "url": "/items/1",
    "image": "/images/1.svg",
}
DATA: dict[str, dict[str, Any]] = {
    "order_paid": ORDER,
    "order_shipped": ORDER,
    "order_delivered": ORDER,
    "back_in_stock": ITEM,
    "promotion": {"shelf": {"en": "Candles & lanterns", "zh-CN": "烛光与灯"}, "titles": ["A", "B"]},
    "weekly_picks": {},
}
PICKS = [{**ITEM, "reason": "Goes with your last order"}] * 2


def test_every_template_is_known_here() -> None:
    assert {path.stem for path in read_directory(TEMPLATES)} == set(DATA)


@pytest.mark.parametrize("name", sorted(DATA))
@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize("customer", ["Emma Clarke", ""])
def test_renders(name: str, locale: str, customer: str) -> None:
    _, sources = read_directory(TEMPLATES)[TEMPLATES / f"{name}.toml"]
    check(sources)
    links = {"url": "http://127.0.0.1:8100/orders/HL-20481", "image": "http://127.0.0.1:8100/images/1.svg"}
    context = {
        "user": {"id": "emma", "name": customer, "attributes": {}},
        "data": links | DATA[name],
        "items": PICKS,
        "locale": locale,
        "timezone": "Europe/London",
    }
    texts = render_parts(compile_parts(sources[locale].parts(), locale), context, 4096, name)
    assert texts["title"].strip()
    assert texts["body"].strip()
    assert not texts["title"].startswith((" ", "，"))
    assert "{" not in "".join(texts.values())
    if name == "order_shipped":
        assert ("9 Mar 2026" if locale == "en" else "2026年3月9日") in texts["body"]


def test_money_stands_in_the_customers_way_of_writing() -> None:
    _, sources = read_directory(TEMPLATES)[TEMPLATES / "order_paid.toml"]
    context = {"user": {"name": "林晓"}, "data": ORDER | {"url": "/", "image": "/"}, "locale": "zh-CN"}
    texts = render_parts(compile_parts(sources["zh-CN"].parts(), "zh-CN"), context, 4096, "order_paid")
    assert texts["title"] == "林晓，订单收到了，谢谢！"
    assert "£22.60" in texts["body"]
