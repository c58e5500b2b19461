"""Messages to very many: one row, fetched by whoever comes."""

from datetime import timedelta
from typing import Any

import pytest

from chatpush.domain import TenantId, UserId
from chatpush.notify.deciding.ruling import Rules
from chatpush.notify.messages import broadcasts
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.web.harness import Client
from tests.web.notifying import notifying

SALE = {"title": "Sale", "body": "Everything must go"}


@pytest.fixture
def database(any_database: Database) -> Database:
    """Broadcasts are read from each kind of database."""
    return any_database


async def inbox(client: Client, user: str) -> tuple[list[str], int]:
    """Return (titles, unread) of a user's inbox."""
    answer = await client.get("/v1/me/inbox?limit=100", headers={"X-As": f"user:{user}"})
    page = await answer.json()
    return [item["title"] for item in page["data"]], page["unread"]


async def send(client: Client, **more: Any) -> str:
    """Send a broadcast and return its id."""
    body = {"content": SALE, "to": [{"all": True}], **more}
    answer = await client.post("/v1/messages", json=body)
    accepted = await answer.json()
    assert answer.status == 202, accepted
    return str(accepted["id"])


async def deliveries(client: Client, message: str) -> dict[str, str]:
    """Return user → state of a message."""
    found = await (await client.get(f"/v1/messages/{message}")).json()
    return {one["user"]: one["state"] for one in found["deliveries"]}


async def test_a_broadcast_is_one_row_until_somebody_comes(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with notifying(database, vault, still_clock, read_from_users=0) as (client, room):
        await room.users.ensure(tenant, [UserId(f"u{number}") for number in range(20)])
        room.online.add("u3")
        message = await send(client)
        await room.settle()
        assert await deliveries(client, message) == {"u3": "sent"}
        (pushed,) = room.publisher.to("u3")
        assert (pushed["title"], pushed["unread"]) == ("Sale", 1)
        assert await inbox(client, "u7") == (["Sale"], 1)
        assert await inbox(client, "u7") == (["Sale"], 1)
        assert await deliveries(client, message) == {"u3": "sent", "u7": "sent"}
        found = await (await client.get(f"/v1/messages/{message}")).json()
        assert (found["status"], found["fan_out"], found["counts"]) == ("open", "read", {"sent": 2})
        item = (await (await client.get("/v1/me/inbox", headers={"X-As": "user:u7"})).json())["data"][0]
        receipts = {"receipts": [{"delivery": item["delivery"], "kind": "clicked"}]}
        answer = await client.post("/v1/me/receipts", json=receipts, headers={"X-As": "user:u7"})
        assert await answer.json() == {"unread": 0}
        room.broadcasts.arrived(tenant, UserId("u9"))
        await room.settle()
        assert room.publisher.to("u9")[0]["title"] == "Sale"


async def test_consent_caps_and_ttl_count_when_it_is_read(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    rules = Rules(marketing_cap=1)
    async with notifying(database, vault, still_clock, read_from_users=0, rules=rules) as (client, room):
        for user, agrees in (("yes", True), ("no", False), ("late", True)):
            await client.put(f"/v1/users/{user}", json={"consents": {"marketing": agrees}})
        first = await send(client, category="marketing", ttl=3600)
        still_clock.forward(timedelta(seconds=1))
        second = await send(client, category="marketing", ttl=7 * 86400)
        assert await inbox(client, "yes") == (["Sale"], 1)
        assert await inbox(client, "no") == ([], 0)
        assert await deliveries(client, first) == {"yes": "sent", "no": "suppressed"}
        assert await deliveries(client, second) == {"yes": "scheduled", "no": "suppressed"}
        still_clock.forward(timedelta(hours=25))
        assert await inbox(client, "late") == (["Sale"], 1)
        assert "late" not in await deliveries(client, first)
        await room.settle()
        assert await inbox(client, "yes") == (["Sale", "Sale"], 2)


async def test_members_of_a_topic_at_the_time_and_nobody_else(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock, read_from_users=0) as (client, room):
        await client.put("/v1/topics/vip/members", json={"users": ["in"]})
        await client.put("/v1/users/out", json={})
        message = await send(client, to=[{"topic": "vip"}], send_at="2026-11-24T13:00:00Z")
        assert await inbox(client, "in") == ([], 0)
        still_clock.forward(timedelta(hours=1))
        await room.settle()
        still_clock.forward(timedelta(minutes=1))
        await client.put("/v1/topics/vip/members", json={"users": ["later"]})
        assert await inbox(client, "in") == (["Sale"], 1)
        assert await inbox(client, "out") == ([], 0)
        assert await inbox(client, "later") == ([], 0)
        assert await deliveries(client, message) == {"in": "sent"}


async def test_a_cancelled_broadcast_reaches_nobody_else(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock, read_from_users=0) as (client, _):
        await client.put("/v1/users/early", json={})
        await client.put("/v1/users/late", json={})
        message = await send(client, cancel_key="sale")
        assert await inbox(client, "early") == (["Sale"], 1)
        await client.post("/v1/messages/cancel", json={"cancel_key": "sale"})
        assert await inbox(client, "late") == ([], 0)
        found = await (await client.get(f"/v1/messages/{message}")).json()
        assert found["status"] == "cancelled"


async def test_a_repeated_key_is_the_same_broadcast(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock, read_from_users=0) as (client, _):
        await client.put("/v1/users/emma", json={})
        body = {"content": SALE, "to": [{"all": True}]}
        ids = set()
        for _ in range(2):
            answer = await client.post("/v1/messages", json=body, headers={"Idempotency-Key": "k"})
            ids.add((await answer.json())["id"])
        assert len(ids) == 1
        assert await inbox(client, "emma") == (["Sale"], 1)


async def test_a_crowd_that_comes_is_looked_after_together(
    database: Database,
    vault: Vault,
    still_clock: StillClock,
    tenant: TenantId,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcasts, "BREATH_SECONDS", 0.3)  # longer than all of them take to come
    users = [UserId(f"u{number}") for number in range(20)]
    asked = 0
    read = database.read

    async def counted(sql: str, **params: Any) -> Any:
        nonlocal asked
        asked += "SELECT MAX(seq)" in sql
        return await read(sql, **params)

    async with notifying(database, vault, still_clock, read_from_users=0) as (_, room):
        await room.users.ensure(tenant, users)
        monkeypatch.setattr(database, "read", counted)
        await room.broadcasts.start()
        for user in users:
            room.broadcasts.arrived(tenant, user)
            for _ in range(4):  # a turn of its own asks three times
                await read("SELECT 1 AS one")
        await room.broadcasts.stop()
        assert 0 < asked < 5
