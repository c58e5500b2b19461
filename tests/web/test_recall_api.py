"""Taking messages back: from the queue, from inboxes, from screens."""

from typing import Any

import pytest

from chatpush.domain import TenantId, UserId
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.web.harness import Client
from tests.web.notifying import notifying, problem

HELLO = {"title": "Hello", "body": ""}


@pytest.fixture
def database(any_database: Database) -> Database:
    """Messages are taken back on each kind of database."""
    return any_database


async def send(client: Client, *users: str, **more: Any) -> str:
    """Send to users and return the message's id."""
    body = {"content": HELLO, "to": [{"user": user} for user in users], **more}
    return str((await (await client.post("/v1/messages", json=body)).json())["id"])


async def inbox(client: Client, user: str, query: str = "") -> dict[str, Any]:
    """Return a user's inbox."""
    answer = await client.get(f"/v1/me/inbox?limit=100{query}", headers={"X-As": f"user:{user}"})
    page: dict[str, Any] = await answer.json()
    return page


async def test_a_deleted_message_leaves_inbox_and_screen_and_a_tombstone(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        message = await send(client, "emma", "lin")
        other = await send(client, "emma")
        await room.settle()
        answer = await client.post(f"/v1/messages/{message}/delete", json={})
        assert (answer.status, await answer.json()) == (202, {"id": message, "status": "deleted"})
        await room.settle()
        page = await inbox(client, "emma")
        assert [item["message"] for item in page["data"]] == [other]
        assert page["unread"] == 1
        last = room.publisher.to("emma")[-1]
        assert (last["type"], last["unread"]) == ("message.deleted", 1)
        shown = next(one for one in room.publisher.to("emma") if one["message"] == message)
        assert last["delivery"] == shown["delivery"]
        tombs = await inbox(client, "emma", "&deleted=true")
        assert {"delivery": shown["delivery"], "deleted": True} in tombs["data"]
        rows = await room.database.read("SELECT content_sealed FROM inbox_item WHERE deleted_at IS NOT NULL")
        assert [bytes(row["content_sealed"]) for row in rows] == [b"", b""]
        found = await (await client.get(f"/v1/messages/{message}")).json()
        assert found["status"] == "deleted"
        assert {one["reason"] for one in found["deliveries"]} == {"recalled"}
        why = await client.get(f"/v1/me/inbox/{shown['delivery']}/why", headers={"X-As": "user:emma"})
        assert why.status == 404


async def test_what_waits_is_not_sent_after_a_delete(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        message = await send(client, "emma")
        await client.post(f"/v1/messages/{message}/delete", json={})
        await room.settle()
        assert room.publisher.to("emma") == []
        missing = await client.post("/v1/messages/msg_none/delete", json={})
        assert await problem(missing, 404) == ("not_found", "id")


async def test_only_from_some_users(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        message = await send(client, "emma", "lin")
        await room.settle()
        await client.post(f"/v1/messages/{message}/delete", json={"to": [{"user": "lin"}]})
        assert len((await inbox(client, "emma"))["data"]) == 1
        assert (await inbox(client, "lin"))["data"] == []
        late = await send(client, "emma", "lin")
        answer = await client.post("/v1/messages/cancel", json={"id": late, "to": [{"user": "emma"}]})
        assert await answer.json() == {"cancelled": 1}
        await room.settle()
        assert len((await inbox(client, "emma"))["data"]) == 1
        assert len((await inbox(client, "lin"))["data"]) == 1


async def test_a_broadcast_is_taken_back_from_those_who_read_it_and_kept_from_the_others(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with notifying(database, vault, still_clock, read_from_users=0) as (client, room):
        await room.users.ensure(tenant, [UserId(name) for name in ("early", "late", "spared")])
        body = {"content": HELLO, "to": [{"all": True}]}
        message = (await (await client.post("/v1/messages", json=body)).json())["id"]
        await client.post("/v1/messages/cancel", json={"id": message, "to": [{"user": "spared"}]})
        assert len((await inbox(client, "early"))["data"]) == 1
        assert (await inbox(client, "spared"))["data"] == []
        await client.post(f"/v1/messages/{message}/delete", json={})
        await room.settle()
        assert (await inbox(client, "early"))["data"] == []
        assert (await inbox(client, "late"))["data"] == []


async def test_many_users_are_done_page_by_page(
    database: Database,
    vault: Vault,
    still_clock: StillClock,
    tenant: TenantId,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatpush.notify.messages.recall.PAGE", 2)
    async with notifying(database, vault, still_clock) as (client, room):
        names = [f"u{number}" for number in range(5)]
        message = await send(client, *names)
        await room.settle()
        await client.post(f"/v1/messages/{message}/delete", json={})
        await room.settle()
        assert [room.publisher.to(name)[-1]["type"] for name in names] == ["message.deleted"] * 5
