"""Tenants are apart, and each has a secret of its own."""

import pytest

from chatpush.account.audit import Audit
from chatpush.account.tenants import Tenants
from chatpush.domain import DEFAULT_TENANT, TenantId
from chatpush.errors import Conflict, InvalidInput, NotFound
from chatpush.settings import Settings
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock


async def test_the_default_tenant_exists_and_keeps_its_secret(
    tenants: Tenants, database: Database, vault: Vault, still_clock: StillClock, audit: Audit
) -> None:
    secret = await tenants.secret_of(DEFAULT_TENANT)
    assert len(secret) >= 43
    again = Tenants(database, vault, still_clock, Settings(), audit)
    await again.start()
    assert await again.secret_of(DEFAULT_TENANT) == secret
    assert [tenant.id for tenant in await again.list()] == [DEFAULT_TENANT]
    stored = await database.read("SELECT token_secret_sealed FROM tenant")
    assert secret.encode() not in stored[0]["token_secret_sealed"]


async def test_the_settings_win_for_the_default_tenant_only(
    database: Database, vault: Vault, still_clock: StillClock, audit: Audit
) -> None:
    settings = Settings.model_validate(
        {"client": {"token": {"hmac_secret_key": "from-the-file"}}, "plan": {"name": "yearly"}}
    )
    tenants = Tenants(database, vault, still_clock, settings, audit)
    await tenants.start()
    await tenants.create("acme", "Acme")
    assert await tenants.secret_of(DEFAULT_TENANT) == "from-the-file"
    assert await tenants.secret_of(TenantId("acme")) != "from-the-file"
    assert (await tenants.get(DEFAULT_TENANT)).plan == "yearly"


async def test_tenants_are_made_once(tenants: Tenants) -> None:
    acme = await tenants.create("acme", " Acme Ltd ", plan="payg", region="eu")
    assert (acme.name, acme.plan, acme.region) == ("Acme Ltd", "payg", "eu")
    with pytest.raises(Conflict):
        await tenants.create("acme", "Another")
    assert (await tenants.get(TenantId("acme"))).name == "Acme Ltd"


@pytest.mark.parametrize(
    ("tenant", "name", "plan", "param"),
    [("Acme", "A", "trial", "id"), ("", "A", "trial", "id"), ("a:b", "A", "trial", "id"),
     ("acme", " ", "trial", "name"), ("acme", "x" * 201, "trial", "name"), ("acme", "A", "gold", "plan")],
)  # fmt: skip
async def test_bad_tenants_are_refused(
    tenants: Tenants, tenant: str, name: str, plan: str, param: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await tenants.create(tenant, name, plan=plan)
    assert caught.value.param == param


async def test_unknown_tenants_are_not_found(tenants: Tenants) -> None:
    nobody = TenantId("nobody")
    with pytest.raises(NotFound):
        await tenants.get(nobody)
    with pytest.raises(NotFound):
        await tenants.secret_of(nobody)
    with pytest.raises(NotFound):
        await tenants.change_plan(nobody, "payg")


async def test_changing_the_plan_starts_its_periods_anew(tenants: Tenants, still_clock: StillClock) -> None:
    await tenants.create("acme", "Acme")
    still_clock.forward(still_clock.moment - still_clock.moment.replace(hour=0))
    changed = await tenants.change_plan(TenantId("acme"), "monthly")
    assert (changed.plan, changed.plan_since) == ("monthly", still_clock.moment)
    with pytest.raises(InvalidInput, match="trial, payg"):
        await tenants.change_plan(TenantId("acme"), "gold")
