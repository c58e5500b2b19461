"""Usage is exact, whoever reports twice, on whatever day."""

import asyncio
from datetime import date, timedelta

import pytest

from chatpush.account.metering import REMEMBER_DAYS, Meter
from chatpush.account.plans import Kind
from chatpush.domain import TenantId, UserId
from chatpush.store.database import Database, Transaction
from tests.clocks import StillClock

TODAY = date(2026, 11, 24)


async def test_a_use_counts_once_by_its_id(meter: Meter, tenant: TenantId) -> None:
    for _ in range(3):
        await meter.record(tenant, Kind.MESSAGES, 1, "dlv_1", "emma")
        await meter.record(tenant, Kind.MODEL_TOKENS, 120, "dlv_1")
    await meter.record(tenant, Kind.MESSAGES, 1, "dlv_2")
    assert await meter.total(tenant, TODAY, TODAY) == {"messages": 2, "model_tokens": 120}
    assert await meter.total(TenantId("other"), TODAY, TODAY) == {}


async def test_uses_are_counted_with_what_they_belong_to(
    meter: Meter, database: Database, tenant: TenantId
) -> None:
    for _ in range(2):
        await database.write(lambda tx: meter.record_in(tx, tenant, Kind.MESSAGES, 50, "page_1"))

    def fails(tx: Transaction) -> None:
        meter.record_in(tx, tenant, Kind.MESSAGES, 1, "dlv_lost")
        raise ValueError("rolled back")

    with pytest.raises(ValueError, match="rolled back"):
        await database.write(fails)
    assert await meter.total(tenant, TODAY, TODAY) == {"messages": 50}


async def test_a_user_is_active_once_a_month(meter: Meter, tenant: TenantId, still_clock: StillClock) -> None:
    await asyncio.gather(*(meter.active(tenant, UserId("emma")) for _ in range(5)))
    await meter.active(tenant, UserId("lin"))
    still_clock.forward(timedelta(days=1))
    await meter.active(tenant, UserId("emma"))
    assert await meter.total(tenant, TODAY, TODAY + timedelta(days=1)) == {"active_users": 2}
    still_clock.forward(timedelta(days=10))
    await meter.active(tenant, UserId("emma"))
    assert await meter.total(tenant, date(2026, 12, 1), date(2026, 12, 31)) == {"active_users": 1}


async def test_folding_changes_no_sum_and_forgets_old_ids(
    meter: Meter, database: Database, tenant: TenantId, still_clock: StillClock
) -> None:
    for day in range(REMEMBER_DAYS + 20):
        await meter.record(tenant, Kind.MESSAGES, day + 1, f"day_{day}")
        if day % 7 == 0:
            await meter.total(tenant, TODAY, TODAY + timedelta(days=day))
        await meter.record(tenant, Kind.MESSAGES, day + 1, f"day_{max(0, day - 3)}")
        still_clock.forward(timedelta(days=1))
    days = await meter.by_day(tenant, TODAY, TODAY + timedelta(days=100))
    assert [kinds["messages"] for kinds in days.values()] == list(range(1, REMEMBER_DAYS + 21))
    left = await database.read("SELECT COUNT(*) AS n, MIN(day) AS oldest FROM usage_event")
    assert left[0]["n"] <= REMEMBER_DAYS + 1


async def test_another_node_folds_to_the_same_sums(
    meter: Meter, database: Database, tenant: TenantId, still_clock: StillClock
) -> None:
    await meter.record(tenant, Kind.MESSAGES, 7, "dlv_1")
    still_clock.forward(timedelta(days=5))
    other = Meter(database, still_clock)
    sums = await asyncio.gather(*(node.total(tenant, TODAY, TODAY) for node in (meter, other, meter, other)))
    assert sums == [{"messages": 7}] * 4
