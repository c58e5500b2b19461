"""Occasions: who is told of a change, once, and who is not."""

from datetime import timedelta

import pytest

from chatpush.domain import Event, UserId
from chatpush.recommend.behaviour.occasions import Occasions
from tests.recommend.world import PRICE, World


@pytest.fixture
def occasions(world: World) -> Occasions:
    recommender = world.recommender
    return Occasions(
        world.catalogue._database, world.behaviour, world.catalogue, recommender.again, recommender.training,
        world.clock,
    )  # fmt: skip


async def found(world: World, user: str, kind: str) -> list[Event]:
    return [one for one in await world.behaviour.recent(world.tenant, UserId(user)) if one.type == kind]


async def test_back_in_stock_tells_those_who_looked_and_nobody_else(
    world: World, occasions: Occasions
) -> None:
    await world.stock(world.item("lamp", stock=0, tags=("light",)), world.item("bowl"))
    day = timedelta(days=1)
    await world.happened(
        world.event("looked", "view", "lamp", ago=day),
        world.event("carted", "cart", "lamp", ago=day),
        world.event("long-ago", "view", "lamp", ago=timedelta(days=90)),
        world.event("other", "view", "bowl", ago=day),
        world.event("bought", "view", "lamp", ago=2 * day),
        world.event("bought", "purchase", "lamp", ago=day),
        world.event("muted", "view", "lamp", ago=2 * day),
        world.event("muted", "mute", properties={"tag": "light"}),
        world.event("dismissed", "view", "lamp", ago=2 * day),
        world.event("dismissed", "dismiss", "lamp", ago=day),
    )
    await world.stock(world.item("lamp", stock=5, tags=("light",)))
    assert await occasions.changes() == 2
    assert await occasions.changes() == 0
    for user in ("looked", "carted"):
        (event,) = await found(world, user, "item.back_in_stock")
        assert (event.item, event.properties) == ("lamp", {"before": "0", "after": "5"})


async def test_each_price_drop_is_told_once_and_a_rise_is_not(world: World, occasions: Occasions) -> None:
    await world.stock(world.item("lamp", price=PRICE))
    await world.happened(world.event("me", "view", "lamp", ago=timedelta(hours=1)))
    for price, told in ((PRICE - 2, 1), (PRICE, 1), (PRICE - 2, 2)):
        world.clock.forward(timedelta(minutes=1))
        await world.stock(world.item("lamp", price=price))
        await occasions.changes()
        assert len(await found(world, "me", "item.price_drop")) == told


async def test_sold_out_again_before_anybody_was_told(world: World, occasions: Occasions) -> None:
    await world.stock(world.item("lamp", stock=0))
    await world.happened(world.event("me", "view", "lamp", ago=timedelta(hours=1)))
    await world.stock(world.item("lamp", stock=1))
    await world.stock(world.item("lamp", stock=0))
    assert await occasions.changes() == 0


async def test_a_cart_left_alone_is_found_once(world: World, occasions: Occasions) -> None:
    await world.stock(world.item("lamp"), world.item("bowl"))
    hour = timedelta(hours=1)
    await world.happened(
        world.event("left", "cart", "lamp", ago=6 * hour),
        world.event("left", "cart", "bowl", ago=5 * hour),
        world.event("paid", "cart", "lamp", ago=6 * hour),
        world.event("paid", "purchase", "lamp", ago=5 * hour),
        world.event("still-there", "cart", "lamp", ago=hour),
        world.event("last-week", "cart", "lamp", ago=150 * hour),
    )
    assert await occasions.look(world.tenant) == 1
    assert await occasions.look(world.tenant) == 0
    (event,) = await found(world, "left", "cart.abandoned")
    assert event.item == "bowl"


async def test_what_runs_out_is_due_and_a_quiet_customer_is_noticed(
    world: World, occasions: Occasions
) -> None:
    await world.stock(world.item("coffee"), world.item("sofa"))
    day = timedelta(days=1)
    for n in range(4):
        await world.happened(
            *(world.event(f"u{n}", "purchase", "coffee", ago=(30 + 20 * k) * day) for k in range(4))
        )
        await world.happened(world.event(f"u{n}", "purchase", "sofa", ago=95 * day))
    await world.happened(world.event("u0", "purchase", "coffee", ago=2 * day))
    await world.recommender.training.refit(world.tenant)
    await occasions.look(world.tenant)
    assert len(await found(world, "u1", "item.due")) == 1
    assert await found(world, "u0", "item.due") == []
    assert not any(one.item == "sofa" for one in await found(world, "u1", "item.due"))
    world.clock.forward(timedelta(days=16))
    await occasions.look(world.tenant)
    assert len(await found(world, "u0", "user.lapsed")) == 0


async def test_a_user_gone_quiet_for_twice_the_usual_pause(world: World, occasions: Occasions) -> None:
    await world.stock(world.item("tea"))
    day = timedelta(days=1)
    await world.happened(
        *(world.event("gone", "purchase", "tea", ago=(45 + 20 * k) * day) for k in range(3)),
        *(world.event("here", "purchase", "tea", ago=(5 + 20 * k) * day) for k in range(3)),
        world.event("once", "purchase", "tea", ago=45 * day),
    )
    await occasions.look(world.tenant)
    assert len(await found(world, "gone", "user.lapsed")) == 1
    assert not await found(world, "here", "user.lapsed")
    assert not await found(world, "once", "user.lapsed")
