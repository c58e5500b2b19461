"""Keys and usage over HTTP."""

from decimal import Decimal

from chatpush.account.billing import Billing
from chatpush.account.keys import Keys
from chatpush.account.metering import Meter
from chatpush.account.plans import Kind
from chatpush.account.tenants import Tenants
from chatpush.domain import DEFAULT_TENANT, Identity, IdentityKind, Role, TenantId, UserId
from chatpush.settings import Settings
from chatpush.store.database import Database
from chatpush.support.model.budget import Budget, Tokens
from chatpush.web.api import keys as keys_api
from chatpush.web.api import usage as usage_api
from chatpush.writer_settings import ModelPrice, Writer
from tests.clocks import StillClock
from tests.web.harness import KEY, NOBODY, person, serve


async def test_a_key_is_issued_listed_and_revoked(keys: Keys) -> None:
    async with serve(keys_api.routes, {Keys: keys}) as client:
        answer = await client.post("/v1/keys", json={"name": "server", "scopes": ["messages:write"]})
        assert answer.status == 201
        issued = await answer.json()
        assert await keys.find(issued["key"])
        listed = (await (await client.get("/v1/keys")).json())["data"]
        assert [key["id"] for key in listed] == [issued["id"]]
        assert "key" not in listed[0]
        assert issued["key"].endswith(listed[0]["hint"])
        assert (await client.delete(f"/v1/keys/{issued['id']}")).status == 204
        assert await keys.find(issued["key"]) is None
        assert (await client.delete("/v1/keys/key_no")).status == 404


async def test_bad_keys_are_problems(keys: Keys) -> None:
    async with serve(keys_api.routes, {Keys: keys}) as client:
        for body in (
            {},
            {"name": "a", "scopes": ["nope"]},
            {"name": "a", "kind": "xk"},
            {"name": "a", "x": 1},
        ):
            answer = await client.post("/v1/keys", json=body)
            assert answer.status == 422
            assert answer.content_type == "application/problem+json"


async def test_keys_are_for_administrators_and_keys_with_the_scope(keys: Keys) -> None:
    small = Identity(DEFAULT_TENANT, IdentityKind.KEY, "key_1", frozenset({"keys:write"}))
    for identity, body, status in (
        (NOBODY, {"name": "a", "kind": "pk"}, 401),
        (person(Role.EDITOR), {"name": "a", "kind": "pk"}, 403),
        (person(Role.ADMIN), {"name": "a", "scopes": ["*"]}, 201),
        (small, {"name": "a", "kind": "pk"}, 201),
        (small, {"name": "a", "scopes": ["*"]}, 403),
    ):
        async with serve(keys_api.routes, {Keys: keys}, identity) as client:
            assert (await client.post("/v1/keys", json=body)).status == status


async def test_a_tenant_never_sees_anothers_keys(keys: Keys) -> None:
    issued = await keys.issue(TenantId("other"), "theirs", scopes=["*"])
    async with serve(keys_api.routes, {Keys: keys}, KEY) as client:
        assert (await (await client.get("/v1/keys")).json())["data"] == []
        assert (await client.delete(f"/v1/keys/{issued.key.id}")).status == 404


async def test_usage_comes_by_day_with_the_bill(
    tenants: Tenants, meter: Meter, still_clock: StillClock, tenant: TenantId, any_database: Database
) -> None:
    await tenants.change_plan(tenant, "payg")
    await meter.record(tenant, Kind.MESSAGES, 3000, "many")
    price = ModelPrice(model="m", input_per_million=Decimal(2), output_per_million=Decimal("0.5"))
    budget = Budget(any_database, still_clock, Writer(prices=[price], daily_money_per_tenant=Decimal(3)))
    await budget.spend(tenant, UserId("ada"), "m", Tokens(1000, 200))
    services = {
        Meter: meter, Billing: Billing(tenants, meter, Settings(), still_clock), Budget: budget
    }  # fmt: skip
    async with serve(usage_api.routes, services) as client:
        shown = await (await client.get("/v1/usage")).json()
        assert shown["model"] == {
            "currency": "USD", "daily_tokens": 0, "daily_money": "3",
            "days": [
                {"day": "2026-11-24", "model": "m", "input_tokens": 1000, "output_tokens": 200, "money": "0.0021"}
            ],
        }  # fmt: skip
        assert shown["days"] == [{"day": "2026-11-24", "used": {"messages": 3000}}]
        assert shown["bill"]["total"] == "1.50"
        assert (shown["bill"]["first"], shown["bill"]["last"]) == ("2026-11-24", "2026-12-23")
        answer = await client.get("/v1/usage", params={"first": "2026-11-01", "last": "2026-11-23"})
        assert (await answer.json())["used"] == {}
        for bad in (
            {"first": "2026-11-02", "last": "2026-11-01"},
            {"first": "1999-01-01"},
            {"first": "soon"},
        ):
            assert (await client.get("/v1/usage", params=bad)).status == 422
