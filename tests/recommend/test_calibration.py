"""What the send-time model said is held against what readers then opened."""

from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import pytest

from chatpush.domain import TenantId, User, UserId, to_ms
from chatpush.recommend.timing.calibration import Calibration
from tests.recommend.world import World, delivery

OPENED_AFTER_MS = 60_000


@pytest.fixture
def calibration(world: World) -> Calibration:
    async def find(tenant: TenantId, users: Iterable[UserId]) -> dict[UserId, User]:
        return {user: User(tenant, user, timezone="UTC") for user in users}

    return Calibration(world.database, find, world.clock)


async def sent(world: World, days: range, seed: int, *, changed: bool = False) -> None:
    """Let each reader open every message with a chance of their own, or the opposite one."""
    chance = np.random.default_rng(seed)
    rows = []
    for number in range(30):
        share = 0.8 if (number % 2 == 0) is not changed else 0.1
        for day in days:
            at = to_ms(world.clock.now().replace(hour=9) - timedelta(days=day))
            seen = at + OPENED_AFTER_MS if chance.random() < share else None
            rows.append(delivery(world.tenant, UserId(f"u{number}"), f"{number}-{day}", at, seen))
    await world.database.write(lambda tx: tx.insert_many("delivery", rows))


async def test_chances_hold_while_habits_do(world: World, calibration: Calibration, tenant: TenantId) -> None:
    await sent(world, range(1, 50), 1)
    bins = await calibration.of(tenant)
    assert len(bins) == 7
    assert sum(one.messages for one in bins) >= 150
    assert [one.said for one in bins] == sorted(one.said for one in bins)
    assert all(abs(one.said - one.opened) < 0.2 for one in bins)
    assert bins[0].opened < 0.3
    assert bins[-1].opened > 0.6


async def test_a_world_that_changed_is_seen(world: World, calibration: Calibration, tenant: TenantId) -> None:
    await sent(world, range(8, 50), 1)
    await sent(world, range(1, 8), 2, changed=True)
    bins = await calibration.of(tenant)
    assert bins[0].opened > bins[0].said + 0.3
    assert bins[-1].opened < bins[-1].said - 0.3


async def test_with_few_messages_nothing_is_said(
    world: World, calibration: Calibration, tenant: TenantId
) -> None:
    await sent(world, range(1, 3), 1)
    assert await calibration.of(tenant) == ()
