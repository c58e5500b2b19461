"""Items come in whole, and what changed about them is told."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from chatpush.domain import ItemId, TenantId
from chatpush.errors import NotFound
from chatpush.store.database import Database
from tests.recommend.world import World


@pytest.fixture
def database(any_database: Database) -> Database:
    """Everything here holds on both databases."""
    return any_database


async def test_an_item_comes_back_as_it_went_in(world: World, tenant: TenantId) -> None:
    lamp = world.item(
        "lamp", title="灯 Lamp", text="warm", price=Decimal("12.50"), currency="GBP", stock=3,
        url="/lamp", image="/lamp.svg", tags=("home", "light"), attributes={"brand": "Lux", "watts": 7},
        valid_from=world.clock.now(), valid_to=world.clock.now() + timedelta(days=3), language="zh-CN",
    )  # fmt: skip
    await world.stock(lamp)
    assert await world.catalogue.get(tenant, ItemId("lamp")) == lamp


async def test_the_last_of_one_id_wins(world: World, tenant: TenantId) -> None:
    imported = await world.catalogue.upsert(
        tenant, [world.item("a", title="old"), world.item("a", title="new")]
    )
    assert imported.items == 1
    assert (await world.catalogue.get(tenant, ItemId("a"))).title == "new"


async def test_changes_of_price_and_stock_are_told(world: World, tenant: TenantId) -> None:
    await world.stock(world.item("a", price=Decimal(10), stock=0), world.item("b", price=Decimal(1), stock=5))
    imported = await world.catalogue.upsert(
        tenant, [world.item("a", price=Decimal("8.5"), stock=4), world.item("b", price=Decimal(1), stock=0)]
    )
    assert [(c.item, c.kind, c.before, c.after) for c in imported.changes] == [
        ("a", "price_drop", "10", "8.5"),
        ("a", "back_in_stock", "0", "4"),
        ("b", "sold_out", "5", "0"),
    ]


async def test_other_tenants_see_nothing(world: World) -> None:
    await world.stock(world.item("a"))
    with pytest.raises(NotFound, match="no item 'a'"):
        await world.catalogue.get(TenantId("other"), ItemId("a"))
    assert not (await world.catalogue.shelf(TenantId("other"))).items


async def test_the_shelf_follows_changes_and_old_ones_stay_as_they_were(
    world: World, tenant: TenantId
) -> None:
    await world.stock(world.item("a"))
    before = await world.catalogue.shelf(tenant)
    await world.stock(world.item("b"))
    after = await world.catalogue.shelf(tenant)
    assert set(before.items) == {"a"}
    assert set(after.items) == {"a", "b"}
    assert after.version > before.version


async def test_another_nodes_change_is_seen_within_half_a_minute(world: World, tenant: TenantId) -> None:
    await world.stock(world.item("a"))
    await world.catalogue.shelf(tenant)
    other = World(world.catalogue._database, world.behaviour._vault, world.clock, tenant)
    await other.stock(world.item("b"))
    world.clock.forward(timedelta(seconds=31))
    assert set((await world.catalogue.shelf(tenant)).items) == {"a", "b"}


async def test_what_did_not_change_is_not_read_again(world: World, tenant: TenantId) -> None:
    await world.stock(*(world.item(f"i{n}") for n in range(1200)))
    before = await world.catalogue.shelf(tenant)
    world.clock.forward(timedelta(seconds=31))
    after = await world.catalogue.shelf(tenant)
    assert len(after.items) == 1200
    assert (after.items is before.items, after.version) == (True, before.version)


async def test_two_changes_within_a_millisecond_are_both_seen(world: World, tenant: TenantId) -> None:
    for title in ("one", "two", "three"):
        await world.stock(world.item("a", title=title))
        assert (await world.catalogue.shelf(tenant)).items[ItemId("a")].title == title


async def test_whoever_asks_while_the_shelf_is_filled_gets_the_new_one(
    world: World, tenant: TenantId
) -> None:
    await world.stock(world.item("mug", stock=0))
    await world.catalogue.shelf(tenant)
    await world.stock(world.item("mug", stock=5))
    shelves = await asyncio.gather(*(world.catalogue.shelf(tenant) for _ in range(3)))
    assert [shelf.items[ItemId("mug")].stock for shelf in shelves] == [5, 5, 5]


async def test_an_import_that_changes_nothing_is_no_new_shelf(world: World, tenant: TenantId) -> None:
    await world.stock(world.item("a"), world.item("b"))
    before = await world.catalogue.shelf(tenant)
    await world.stock(world.item("a"))
    assert (await world.catalogue.shelf(tenant)).version == before.version
