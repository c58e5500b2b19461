"""The best hour: the user's own, drawn towards everybody's, in the user's zone."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from chatpush.domain import QuietHours, TenantId, User, UserId
from chatpush.recommend.timing import Timing
from tests.recommend.world import World

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def timing(world: World) -> Timing:
    async def find(tenant: TenantId, users: Iterable[UserId]) -> dict[UserId, User]:
        return {user: world.users[user] for user in users if user in world.users}

    return Timing(world.behaviour._database, find, world.clock)


def person(world: World, name: str, zone: str, quiet: QuietHours | None = None) -> User:
    world.users[name] = User(world.tenant, UserId(name), timezone=zone, quiet_hours=quiet)
    return world.users[name]


async def look(world: World, user: User, hour: int, days: int, minute: int = 20) -> None:
    """Let a user click every day at a local hour."""
    zone = ZoneInfo(user.timezone)
    for back in range(1, days + 1):
        local = (world.clock.now().astimezone(zone) - timedelta(days=back)).replace(hour=hour, minute=minute)
        await world.happened(world.event(user.id, "click", ago=world.clock.now() - local.astimezone(UTC)))


@pytest.mark.parametrize("zone", ["Europe/London", "Asia/Shanghai", "America/New_York", "Asia/Kolkata"])
async def test_a_regular_readers_own_hour(world: World, timing: Timing, tenant: TenantId, zone: str) -> None:
    me = person(world, "me", zone)
    await look(world, me, 21, 30)
    best = await timing.best(tenant, me, NOW)
    local = best.astimezone(ZoneInfo(zone))
    assert (local.hour, local.minute) == (21, 0)
    assert NOW <= best <= NOW + timedelta(days=1)


async def test_a_newcomer_gets_everybodys_hour_in_their_own_zone(
    world: World, timing: Timing, tenant: TenantId
) -> None:
    for n in range(40):
        await look(world, person(world, f"u{n}", "Europe/London"), 7, 3)
    newcomer = person(world, "new", "Asia/Tokyo")
    best = await timing.best(tenant, newcomer, NOW)
    assert best.astimezone(ZoneInfo("Asia/Tokyo")).hour == 7


async def test_one_click_at_night_does_not_make_a_night_owl(
    world: World, timing: Timing, tenant: TenantId
) -> None:
    me = person(world, "me", "UTC")
    await look(world, me, 3, 1)
    assert (await timing.best(tenant, me, NOW)).hour != 3


async def test_without_any_events_a_waking_hour(world: World, timing: Timing, tenant: TenantId) -> None:
    best = await timing.best(tenant, person(world, "me", "America/New_York"), NOW)
    assert 9 <= best.astimezone(ZoneInfo("America/New_York")).hour <= 21


async def test_quiet_hours_are_left_out(world: World, timing: Timing, tenant: TenantId) -> None:
    me = person(world, "me", "UTC", QuietHours("20:00", "08:00"))
    await look(world, me, 21, 30)
    assert 8 <= (await timing.best(tenant, me, NOW)).hour < 20


async def test_what_comes_later_does_not_change_the_answer(
    world: World, timing: Timing, tenant: TenantId
) -> None:
    me = person(world, "me", "UTC")
    await look(world, me, 18, 10)
    before = await timing.best(tenant, me, NOW)
    world.clock.forward(timedelta(hours=3))
    await world.happened(*(world.event("me", "click", ago=timedelta(minutes=n)) for n in range(60)))
    assert await timing.best(tenant, me, NOW) == before


async def test_many_users_get_an_hour_each(world: World, timing: Timing, tenant: TenantId) -> None:
    early, late = person(world, "early", "UTC"), person(world, "late", "UTC")
    await look(world, early, 8, 20)
    await look(world, late, 22, 20)
    best = await timing.best_many(tenant, [early, late], NOW)
    assert (best[early.id].hour, best[late.id].hour) == (8, 22)
