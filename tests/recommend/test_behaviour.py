"""Events are stored once, sealed, and each is followed by one reaction."""

from datetime import timedelta

import pytest

from chatpush.domain import EventId, TenantId, UserId
from chatpush.recommend.behaviour.behaviour import RECENT_EVENTS
from chatpush.store.database import Database
from tests.recommend.world import World


@pytest.fixture
def database(any_database: Database) -> Database:
    """Everything here holds on both databases."""
    return any_database


async def test_an_event_leaves_one_reaction_and_rings(
    world: World, database: Database, tenant: TenantId
) -> None:
    assert not world.behaviour.bell.is_set()
    recorded = await world.behaviour.record(tenant, [world.event("u1", "order.paid", id="evt_1")])
    assert (recorded.accepted, recorded.duplicates, recorded.dropped) == (1, 0, 0)
    assert world.behaviour.bell.is_set()
    assert [row["event"] for row in await database.read("SELECT event FROM reaction")] == ["evt_1"]


async def test_the_same_id_again_changes_nothing(world: World, database: Database, tenant: TenantId) -> None:
    paid = world.event("u1", "order.paid", id="evt_1", properties={"order": "A1"})
    await world.happened(paid)
    recorded = await world.behaviour.record(tenant, [paid, paid])
    assert (recorded.accepted, recorded.duplicates) == (0, 2)
    assert len(await database.read("SELECT 1 FROM reaction")) == 1


async def test_properties_are_sealed_and_gone_with_the_users_key(
    world: World, database: Database, tenant: TenantId
) -> None:
    await world.happened(world.event("u1", "order.paid", id="evt_1", properties={"order": "canary-771"}))
    rows = await database.read("SELECT properties_sealed FROM event")
    assert b"canary" not in rows[0]["properties_sealed"]
    stored = await world.behaviour.get(tenant, EventId("evt_1"))
    assert stored is not None
    assert stored.properties == {"order": "canary-771"}
    await world.behaviour._vault.forget(tenant, "u1")
    erased = await world.behaviour.get(tenant, EventId("evt_1"))
    assert erased is not None
    assert erased.properties == {}


async def test_double_clicks_and_crawlers_are_noise_but_purchases_never(
    world: World, tenant: TenantId
) -> None:
    twice = [world.event("u1", "view", "a"), world.event("u1", "view", "a")]
    crawler = world.event("u2", "view", "a", properties={"user_agent": "Googlebot/2.1"})
    bought = [world.event("u1", "purchase", "a"), world.event("u1", "purchase", "a")]
    recorded = await world.behaviour.record(tenant, [*twice, crawler, *bought])
    assert (recorded.accepted, recorded.dropped) == (3, 2)


async def test_the_future_is_now(world: World, tenant: TenantId) -> None:
    await world.happened(world.event("u1", "view", "a", ago=timedelta(days=-400), id="evt_1"))
    stored = await world.behaviour.get(tenant, EventId("evt_1"))
    assert stored is not None
    assert stored.at == world.clock.now()


async def test_recent_events_keep_old_dismissals(world: World, tenant: TenantId) -> None:
    await world.happened(world.event("u1", "dismiss", "old", ago=timedelta(days=30)))
    many = [world.event("u1", "view", f"i{n}", ago=timedelta(minutes=n)) for n in range(RECENT_EVENTS + 20)]
    await world.happened(*many)
    events = await world.behaviour.recent(tenant, UserId("u1"))
    assert len(events) == RECENT_EVENTS + 1
    assert events[-1].type == "dismiss"
    assert [event.at for event in events] == sorted((event.at for event in events), reverse=True)


async def test_what_was_muted_and_unmuted_long_ago_is_not_muted(world: World, tenant: TenantId) -> None:
    await world.stock(world.item("lamp"), world.item("rug"))
    day = timedelta(days=1)
    await world.happened(
        world.event("me", "mute", "lamp", ago=3 * day),
        world.event("me", "unmute", "lamp", ago=2 * day),
        *(world.event("me", "click", "rug", ago=timedelta(minutes=n)) for n in range(300)),
    )
    assert "lamp" in await world.picked("me")


async def test_erasing_a_user_takes_events_and_reactions(
    world: World, database: Database, tenant: TenantId
) -> None:
    await world.happened(world.event("u1", "view", "a"), world.event("u2", "view", "a"))
    assert await world.behaviour.erase(tenant, UserId("u1")) == 1
    assert len(await database.read("SELECT 1 FROM event")) == 1
    assert len(await database.read("SELECT 1 FROM reaction")) == 1


async def test_retention_spares_what_nobody_has_reacted_to(world: World, database: Database) -> None:
    await world.happened(world.event("u1", "view", "a", id="evt_1"), world.event("u2", "view", "a"))
    await database.write(lambda tx: tx.execute("DELETE FROM reaction WHERE event = 'evt_1'"))
    world.clock.forward(timedelta(days=731))
    assert await world.behaviour.forget(timedelta(days=730)) == 1
    assert len(await database.read("SELECT 1 FROM event")) == 1
