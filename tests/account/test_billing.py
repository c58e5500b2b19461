"""Usage and plan together: the bill so far, and quotas that hold."""

from datetime import timedelta
from decimal import Decimal

import pytest

from chatpush.account.audit import Audit
from chatpush.account.billing import REMEMBER_SECONDS, Billing
from chatpush.account.metering import Meter
from chatpush.account.plans import Kind, Standing
from chatpush.account.tenants import Tenants
from chatpush.domain import TenantId
from chatpush.errors import QuotaExceeded
from chatpush.settings import Settings
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock

ENFORCED = Settings.model_validate({"plan": {"enforce": True}})


async def test_the_bill_covers_the_current_period(
    tenants: Tenants, meter: Meter, still_clock: StillClock
) -> None:
    billing = Billing(tenants, meter, Settings(), still_clock)
    acme = (await tenants.create("acme", "Acme", plan="payg")).id
    await meter.record(acme, Kind.MESSAGES, 10_000, "first")
    assert (await billing.bill(acme)).total == Decimal("5.00")
    still_clock.forward(timedelta(days=30))
    await meter.record(acme, Kind.MESSAGES, 2_000, "second")
    bill = await billing.bill(acme)
    assert (bill.total, bill.period.number) == (Decimal("1.00"), 1)


async def test_quotas_hold_between_two_looks_at_the_sums(
    tenants: Tenants, meter: Meter, still_clock: StillClock, tenant: TenantId
) -> None:
    billing = Billing(tenants, meter, ENFORCED, still_clock)
    assert (await billing.allow(tenant, Kind.MESSAGES, 7_000)).standing is Standing.OK
    assert (await billing.allow(tenant, Kind.MESSAGES, 3_000)).standing is Standing.WARN
    with pytest.raises(QuotaExceeded, match="used up"):
        await billing.allow(tenant, Kind.MESSAGES)
    still_clock.forward(timedelta(seconds=REMEMBER_SECONDS))
    await billing.allow(tenant, Kind.MESSAGES)  # nothing of it was recorded after all


async def test_without_enforcement_a_used_up_quota_only_warns(
    tenants: Tenants, meter: Meter, still_clock: StillClock, tenant: TenantId
) -> None:
    billing = Billing(tenants, meter, Settings(), still_clock)
    await meter.record(tenant, Kind.MESSAGES, 20_000, "many")
    assert (await billing.allow(tenant, Kind.MESSAGES)).standing is Standing.WARN


async def test_a_tenants_plan_can_be_set_in_the_file(
    database: Database, vault: Vault, still_clock: StillClock, audit: Audit, meter: Meter, tenant: TenantId
) -> None:
    settings = Settings.model_validate({"plan": {"name": "monthly"}})
    tenants = Tenants(database, vault, still_clock, settings, audit)
    await tenants.start()
    assert (await Billing(tenants, meter, settings, still_clock).bill(tenant)).total == Decimal("49.00")
