"""The best hour: the user's own, drawn towards everybody's, in the user's zone."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from chatpush.domain import QuietHours, TenantId, User, UserId, to_ms
from chatpush.recommend.timing.timing import Timing
from tests.recommend.world import World, delivery

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def timing(world: World) -> Timing:
    async def find(tenant: TenantId, users: Iterable[UserId]) -> dict[UserId, User]:
        return {user: world.users[user] for user in users if user in world.users}

    return Timing(world.database, find, world.clock)


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


async def test_the_installations_quiet_hours_count_for_who_named_none(world: World, tenant: TenantId) -> None:
    async def nobody(tenant: TenantId, users: Iterable[UserId]) -> dict[UserId, User]:
        return {user: world.users[user] for user in users if user in world.users}

    timing = Timing(world.database, nobody, world.clock, quiet_hours=QuietHours("20:00", "08:00"))
    me = person(world, "me", "UTC")
    await look(world, me, 21, 30)
    assert 8 <= (await timing.best(tenant, me, NOW)).hour < 20


async def told(world: World, user: User, hour: int, opened_after: timedelta | None) -> None:
    """Let a message reach a user at an hour of each of the last 20 days."""
    rows = []
    for back in range(1, 21):
        at = (NOW - timedelta(days=back)).replace(hour=hour)
        seen = None if opened_after is None else to_ms(at + opened_after)
        rows.append(delivery(world.tenant, user.id, f"{user.id}{hour}{back}", to_ms(at), seen))
    await world.database.write(lambda tx: tx.insert_many("delivery", rows))


async def test_receipts_teach_which_hours_are_answered(
    world: World, timing: Timing, tenant: TenantId
) -> None:
    me = person(world, "me", "UTC")
    await told(world, me, 9, None)
    await told(world, me, 19, timedelta(minutes=5))
    chances, tries = await timing.chances(tenant, me)
    assert chances[0, 19] > 0.7
    assert chances[0, 9] < 0.15
    assert 25 < tries < 40
    assert (await timing.best(tenant, me, NOW)).hour == 19


async def test_what_is_seen_much_later_says_when_the_reader_comes_by(
    world: World, timing: Timing, tenant: TenantId
) -> None:
    me = person(world, "me", "UTC")
    await told(world, me, 9, timedelta(hours=8))
    chances, _ = await timing.chances(tenant, me)
    assert chances[0].argmax() == 17
    assert chances[0, 9] < 0.15


async def test_what_may_still_be_opened_is_no_failure(world: World, timing: Timing, tenant: TenantId) -> None:
    me = person(world, "me", "UTC")
    row = delivery(tenant, me.id, "just", to_ms(NOW - timedelta(minutes=20)), None)
    await world.database.write(lambda tx: tx.insert("delivery", row))
    assert (await timing.chances(tenant, me))[1] == 0


async def test_now_and_then_another_hour_is_tried_the_same_all_day(world: World, tenant: TenantId) -> None:
    async def nobody(tenant: TenantId, users: Iterable[UserId]) -> dict[UserId, User]:
        return {}

    timing = Timing(world.database, nobody, world.clock, exploration=1.0)
    crowd = [person(world, f"u{n}", "UTC") for n in range(40)]
    first, again = [await timing.best_many(tenant, crowd, NOW) for _ in range(2)]
    assert first == again
    assert len({at.hour for at in first.values()}) > 5
