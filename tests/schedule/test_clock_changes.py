"""Clocks that change in three zones, driven tick by tick: nothing fires twice, nothing is missed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from chatpush.domain import TenantId
from chatpush.notify.listing import Window
from chatpush.schedule.triggers import upcoming
from tests.clocks import StillClock
from tests.schedule.building import Office, spec

CHANGES = {
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Europe/London": ("2026-03-29", "2026-10-25"),
    "Australia/Sydney": ("2026-10-04", "2026-04-05"),
}
"""Zone → the day on which its clocks go forward, and the one on which they go back."""
DAYS = 3
STEP = timedelta(minutes=10)
CASES = [(zone, forward, back) for zone, (forward, back) in CHANGES.items()]


async def fired(office: Office, campaign: str) -> list[datetime]:
    found = await office.runs.of_campaign(office.tenant, campaign, Window(100))
    return sorted(run.due_at for run in found.data)


async def drive(office: Office, clock: StillClock, day: str) -> tuple[datetime, datetime]:
    """Let the three days around a change pass, in small steps, with a machine that is off now and then."""
    begun = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(days=1)
    until = begun + timedelta(days=DAYS)
    while clock.now() < until:
        await office.runs.tick()
        await office.settle()
        clock.forward(STEP)
    await office.runs.tick()
    await office.settle()
    return begun, until


@pytest.mark.parametrize(("zone", "forward", "back"), CASES, ids=list(CHANGES))
@pytest.mark.parametrize("back_again", [False, True], ids=["forward", "back"])
async def test_daily_times_fire_once_a_local_day_and_hourly_ones_once_an_hour(
    office: Office, still_clock: StillClock, tenant: TenantId, zone: str, forward: str, back: str,
    back_again: bool,
) -> None:  # fmt: skip
    day = back if back_again else forward
    still_clock.set(datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(days=1))
    where = ZoneInfo(zone)

    async def campaign(cron: str) -> str:
        trigger = {"kind": "cron", "cron": cron, "timezone": zone}
        return (await office.campaigns.create(tenant, spec(trigger=trigger, overlap="allow"))).id

    daily = [await campaign(f"30 {hour} * * *") for hour in (1, 2, 9)]
    hourly = await campaign("0 * * * *")
    begun, until = await drive(office, still_clock, day)

    for one, hour in zip(daily, (1, 2, 9), strict=True):
        local = [at.astimezone(where) for at in await fired(office, one)]
        days = [at.date() for at in local]
        assert len(set(days)) == len(days) == DAYS
        assert (days[-1] - days[0]).days == DAYS - 1  # no day is missing
        # Only a time that does not exist is shown differently, at the jump: an hour later.
        odd = [at for at in local if (at.hour, at.minute) != (hour, 30)]
        assert len(odd) <= (0 if back_again or hour == 9 else 1)
        assert all(f"{at:%Y-%m-%d %M}" == f"{day} 00" for at in odd)
    real = (until - begun) // timedelta(hours=1)
    moments = await fired(office, hourly)
    assert len(moments) == len(set(moments)) == real
    assert len(office.got("ann")) == real + DAYS * len(daily)


@pytest.mark.parametrize(("zone", "forward", "back"), CASES, ids=list(CHANGES))
async def test_a_machine_that_slept_through_the_change_makes_up_for_one_firing(
    office: Office, still_clock: StillClock, tenant: TenantId, zone: str, forward: str, back: str
) -> None:
    for day in sorted((forward, back)):
        midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        still_clock.set(midnight - timedelta(hours=3))
        trigger = {"kind": "cron", "cron": "30 2 * * *", "timezone": zone}
        made = await office.campaigns.create(tenant, spec(trigger=trigger, name=day))
        expected = upcoming(made.definition.trigger, still_clock.now(), 2)
        still_clock.set(midnight + timedelta(hours=20))
        await office.runs.tick()
        await office.settle()
        assert await fired(office, made.id) == [expected[0].at]
        still_clock.set(midnight + timedelta(hours=1))  # and somebody sets the clock back
        await office.runs.tick()
        still_clock.set(expected[1].at)
        await office.runs.tick()
        await office.settle()
        assert await fired(office, made.id) == [slot.at for slot in expected]
        await office.campaigns.delete(tenant, made.id)
