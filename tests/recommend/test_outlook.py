"""What to expect of a user, and whom advertising does no good: from deliveries, purchases and a random hold-out."""

from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import pytest

from chatpush.domain import TenantId, User, UserId, to_ms
from chatpush.notify.deciding.experiments import HOLDOUT
from chatpush.recommend.timing.outlook import Outlooks
from chatpush.recommend.timing.restraint import SPARE, Restraint, kind
from chatpush.recommend.timing.timing import Timing
from chatpush.store.database import Row
from tests.recommend.world import World, delivery

DAY = timedelta(days=1)


@pytest.fixture
def restraint(world: World) -> Restraint:
    return Restraint(world.database, world.clock)


@pytest.fixture
def outlooks(world: World, restraint: Restraint) -> Outlooks:
    async def find(tenant: TenantId, users: Iterable[UserId]) -> dict[UserId, User]:
        return {}

    return Outlooks(world.database, Timing(world.database, find, world.clock), restraint, world.clock)


async def test_a_stranger_is_like_everybody_and_never_written_off(
    world: World, outlooks: Outlooks, tenant: TenantId
) -> None:
    found = await outlooks.of(tenant, User(tenant, UserId("new")))
    assert found.opens == pytest.approx(0.2)
    assert found.buying is None
    assert (found.spare, found.messages) == ("", 0)
    assert world.clock.now() <= found.best_at <= world.clock.now() + DAY


async def test_who_opens_everything_and_buys_every_month(
    world: World, outlooks: Outlooks, tenant: TenantId
) -> None:
    now = world.clock.now()
    me = User(tenant, UserId("me"))
    rows = [
        delivery(tenant, me.id, str(n), to_ms(now - n * DAY), to_ms(now - n * DAY) + 60_000)
        for n in range(1, 31)
    ]
    await world.database.write(lambda tx: tx.insert_many("delivery", rows))
    await world.happened(*(world.event("me", "purchase", "mug", ago=(5 + 30 * n) * DAY) for n in range(5)))
    found = await outlooks.of(tenant, me)
    assert found.opens > 0.8
    assert found.buying is not None
    assert found.buying.churn == 0.0
    assert 24 * DAY < found.buying.next_at - now < 26 * DAY


async def test_who_stopped_buying_is_leaving(world: World, outlooks: Outlooks, tenant: TenantId) -> None:
    await world.happened(
        *(world.event("gone", "purchase", "mug", ago=(300 + 20 * n) * DAY) for n in range(5))
    )
    found = await outlooks.of(tenant, User(tenant, UserId("gone")))
    assert found.buying is not None
    assert found.buying.churn > 0.99


def campaign_rows(world: World, users: int, gain: float) -> tuple[list[Row], list[tuple[UserId, int]]]:
    """Return messages to and hold-outs of keen users and of flooded cool ones, and who bought when.

    Writing helps the keen by ``gain`` and does the flooded harm.
    """
    chance = np.random.default_rng(5)
    now, rows, buyers = world.clock.now(), [], []
    sent = to_ms(now - 20 * DAY)
    for number in range(users):
        keen, held = number % 2 == 0, chance.random() < 0.5
        name = UserId(f"{'keen' if keen else 'cool'}{number}")
        history = (40, 35, 30) if keen else (26, 25, 24, 23, 22, 26, 25, 24, 23, 22)
        for place, days in enumerate(history):
            at = to_ms(now - days * DAY)
            opened = at + 60_000 if keen else None
            rows.append(delivery(world.tenant, name, f"{name}-{place}", at, opened, campaign=f"cmp_{place}"))
        more: Row = {"campaign": "cmp_tried", "message": f"msg_{name}"}
        if held:
            more |= {"variant": HOLDOUT, "settled_at": None, "state": "suppressed"}
        rows.append(delivery(world.tenant, name, f"{name}-tried", sent, **more))
        chances = 0.2 + (0.0 if held else gain) if keen else 0.1 + (0.15 if held else 0.0)
        if chance.random() < chances:
            buyers.append((name, sent + 3 * 86_400_000))
    return rows, buyers


async def test_groups_that_are_surely_no_better_off_are_spared(
    world: World, restraint: Restraint, tenant: TenantId
) -> None:
    rows, buyers = campaign_rows(world, 3000, gain=0.2)
    await world.database.write(lambda tx: tx.insert_many("delivery", rows))
    now = to_ms(world.clock.now())
    for start in range(0, len(buyers), 500):
        await world.happened(
            *(
                world.event(name, "purchase", "mug", ago=timedelta(milliseconds=now - at))
                for name, at in buyers[start : start + 500]
            )
        )
    groups = {group.kind: group for group in await restraint.groups(tenant)}
    keen, flooded = groups["keen", "few"], groups["cool", "many"]
    assert keen.low > 0
    assert not keen.spared
    assert flooded.high < 0
    assert flooded.spared
    fresh = [
        delivery(tenant, UserId("tired"), f"tired{n}", now - n * 3_600_000, campaign="c")
        for n in range(1, 12)
    ]
    await world.database.write(lambda tx: tx.insert_many("delivery", fresh))
    assert await restraint.spared(tenant, [UserId("tired"), UserId("keen0"), UserId("new")]) == {
        UserId("tired"): SPARE
    }


async def test_without_a_hold_out_nothing_is_said_and_nobody_spared(
    world: World, restraint: Restraint, tenant: TenantId
) -> None:
    rows = [row for row in campaign_rows(world, 200, 0.2)[0] if row["variant"] != HOLDOUT]
    await world.database.write(lambda tx: tx.insert_many("delivery", rows))
    assert await restraint.groups(tenant) == ()
    assert await restraint.spared(tenant, [UserId("cool1")]) == {}


def test_what_came_after_the_message_says_nothing_about_its_reader_before() -> None:
    got = [{"settled_at": 1000 * n, "opened_at": 1000 * n + 500} for n in range(1, 7)]
    assert kind(got, 8000)[0] == "keen"
    assert kind(got, 800) == ("mild", "few")
    assert kind([{"settled_at": 1000, "opened_at": 9000}] * 30, 8000)[0] == "cool"
