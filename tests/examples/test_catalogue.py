"""The data set becomes a shop: real prices, no junk, every customer's baskets."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from examples.shop.catalogue import Catalogue, load
from examples.shop.people import CUSTOMERS


def test_items_have_a_title_a_price_and_a_place(catalogue: Catalogue) -> None:
    assert len(catalogue.items) > 2700
    for item in catalogue.items.values():
        assert item.price > 0
        assert item.title[0].isupper() or not item.title[0].isalpha()
        assert item.stock >= 0
        assert {"en", "zh-CN"} <= set(item.kind.name)


def test_a_known_item_is_as_the_data_says(catalogue: Catalogue) -> None:
    item = catalogue.items["85123A"]
    assert item.title == "White Hanging Heart T-Light Holder"
    assert str(item.price) == "2.95"
    assert item.department.id == "light"
    assert item.buyers == 185


@pytest.mark.parametrize(
    "junk", ["POST", "D", "M", "BANK CHARGES", "AMAZONFEE", "S", "C2", "DOT", "GIFT_0001_40"]
)
def test_what_is_not_goods_is_dropped(catalogue: Catalogue, junk: str) -> None:
    assert junk not in catalogue.items


def test_corrections_are_no_titles(catalogue: Catalogue) -> None:
    titles = {item.title.lower() for item in catalogue.items.values()}
    assert titles.isdisjoint({"amazon", "damages", "check", "found", "faulty", "?", "manual"})


def test_purchases_are_sales_to_known_customers(catalogue: Catalogue) -> None:
    assert len(catalogue.purchases) > 30_000
    assert max(Counter(purchase.id for purchase in catalogue.purchases).values()) == 1
    for purchase in catalogue.purchases:
        assert purchase.quantity > 0
        assert purchase.item in catalogue.items
        assert not purchase.invoice.startswith("C")
        assert purchase.user


def test_demo_customers_stand_for_real_ones(catalogue: Catalogue) -> None:
    bought = Counter(purchase.user for purchase in catalogue.purchases)
    for person in CUSTOMERS.values():
        assert (bought[person.id] > 10) == bool(person.stands_for)


def test_dates_move_by_whole_weeks_into_the_last_one(catalogue: Catalogue) -> None:
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    moved = load(now=now)
    first, last = moved.purchases[0], max(purchase.at for purchase in moved.purchases)
    assert now - timedelta(weeks=1) < last <= now
    assert (first.at - catalogue.purchases[0].at) % timedelta(weeks=1) == timedelta()


def test_bought_together_never_offers_what_is_sold_out_or_the_item_itself(catalogue: Catalogue) -> None:
    for item in catalogue.popular[:200]:
        others = catalogue.bought_with(item, 5)
        assert len(others) == 5
        assert item not in others
        assert all(other.stock for other in others)
        assert len({other.id for other in others}) == 5


def test_the_green_teacup_goes_with_the_pink_one(catalogue: Catalogue) -> None:
    green = catalogue.items["22697"]
    assert green.title == "Green Regency Teacup and Saucer"
    assert any("Regency Teacup" in other.title for other in catalogue.bought_with(green))


@pytest.mark.parametrize(
    ("words", "found"), [("lantern", "Lantern"), ("white LANTERN", "White Metal Lantern"), ("提灯", "")]
)
def test_search_finds_by_title_and_by_chinese_kind(catalogue: Catalogue, words: str, found: str) -> None:
    results = catalogue.search(words)
    assert results
    assert any(found in item.title for item in results)


def test_texts_say_only_what_the_data_knows(catalogue: Catalogue) -> None:
    item = catalogue.items["22423"]
    assert (
        item.text()
        == "From our Kitchen & baking shelf. Chosen by 138 customers this winter, sent to 7 countries."
    )
    assert "138 位顾客" in item.text("zh-CN")
