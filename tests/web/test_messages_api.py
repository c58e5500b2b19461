"""Messages over HTTP: sending, looking, cancelling, and everything one can get wrong."""

from typing import Any

import pytest

from chatpush.domain import TenantId, UserId
from chatpush.notify.audience.users import UserChange
from chatpush.notify.templates.template_source import LocaleSource
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.web.notifying import notifying, problem

HELLO = {"title": "Hello", "body": "How are you?"}


async def test_a_message_is_accepted_delivered_and_explained(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        await room.templates.put(
            tenant, "paid", {"en": LocaleSource("Paid {{ total|money('EUR') }}", "")}, trusted=True
        )
        sent = await client.post(
            "/v1/messages", json={"template": "paid", "to": [{"user": "emma"}], "data": {"total": 3}}
        )
        assert sent.status == 202
        accepted = await sent.json()
        assert accepted["status"] == "accepted"
        await room.settle()
        found = await (await client.get(f"/v1/messages/{accepted['id']}")).json()
        assert (found["status"], found["counts"], found["template"]) == ("completed", {"sent": 1}, "paid@1")
        (delivery,) = found["deliveries"]
        assert (delivery["user"], delivery["state"], delivery["reason"]) == ("emma", "sent", None)
        why = await (await client.get(f"/v1/deliveries/{delivery['id']}")).json()
        assert why["trace"][0]["detail"]["because"] == "transactional"
        assert room.publisher.to("emma")[0]["title"] == "Paid €3.00"


async def test_lists_page_by_stripe_cursors(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        ids: list[str] = []
        for _ in range(3):
            sent = await client.post("/v1/messages", json={"content": HELLO, "to": [{"user": "emma"}]})
            ids.insert(0, (await sent.json())["id"])
        first = await (await client.get("/v1/messages?limit=2")).json()
        assert ([one["id"] for one in first["data"]], first["has_more"]) == (ids[:2], True)
        rest = await (await client.get(f"/v1/messages?limit=2&starting_after={ids[1]}")).json()
        assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (ids[2:], False)
        both = await client.get(f"/v1/messages?starting_after={ids[0]}&ending_before={ids[1]}")
        assert await problem(both, 422) == ("invalid_input", "ending_before")
        listed = await (await client.get("/v1/deliveries?user=emma&state=queued&limit=100")).json()
        assert len(listed["data"]) == 3


async def test_send_at_takes_instants_zones_and_the_recipients_time(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        await room.users.put(tenant, UserId("lin"), UserChange(timezone="Asia/Shanghai"))
        due = []
        for when in (
            {"send_at": "2026-12-01T09:00:00+08:00"},
            {"send_at": "2026-12-01T09:00", "tz": "Europe/London"},
            {"send_at": "2026-12-01T09:00", "tz": "recipient"},
        ):
            sent = await client.post("/v1/messages", json={"content": HELLO, "to": [{"user": "lin"}], **when})
            found = await (await client.get(f"/v1/messages/{(await sent.json())['id']}")).json()
            due.append((found["deliveries"][0]["state"], found["deliveries"][0]["due_at"]))
        assert due == [
            ("scheduled", "2026-12-01T01:00:00.000Z"),
            ("scheduled", "2026-12-01T09:00:00.000Z"),
            ("scheduled", "2026-12-01T01:00:00.000Z"),
        ]


async def test_cancel_by_key_and_by_id(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        body = {"content": HELLO, "to": [{"user": "emma"}], "cancel_key": "cart:1"}
        first = await (await client.post("/v1/messages", json=body)).json()
        second = await (await client.post("/v1/messages", json=body)).json()
        by_id = await client.post("/v1/messages/cancel", json={"id": first["id"]})
        assert await by_id.json() == {"cancelled": 1}
        by_key = await client.post("/v1/messages/cancel", json={"cancel_key": "cart:1"})
        assert await by_key.json() == {"cancelled": 1}
        await room.settle()
        assert room.publisher.all == []
        found = await (await client.get(f"/v1/messages/{second['id']}")).json()
        assert (found["status"], found["deliveries"][0]["reason"]) == ("cancelled", "cancelled")
        unknown = await client.post("/v1/messages/cancel", json={"id": "msg_nope"})
        assert await problem(unknown, 404) == ("not_found", "id")
        neither = await client.post("/v1/messages/cancel", json={})
        assert await problem(neither, 422) == ("invalid_input", "cancel_key")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"to": []}, "to"),
        ({"to": "emma"}, "to"),
        ({"to": [{}]}, "to.0"),
        ({"to": [{"user": "a", "topic": "b"}]}, "to.0"),
        ({"to": [{"topic": "nope"}]}, "to.topic"),
        ({"to": [{"segment": "nope"}]}, "to.segment"),
        ({"to": [{"topic": "x", "data": {"a": 1}}]}, "to.0.data"),
        ({"to": [{"user": "has space"}]}, "to[0].user"),
        ({"to": [{"user": f"u{n}"} for n in range(1001)]}, "to"),
        ({"content": None}, "template"),
        ({"template": "nope"}, "template"),
        ({"content": None, "template": "nope"}, "template"),
        ({"content": {"body": "no title"}}, "content.title"),
        ({"content": {**HELLO, "url": "javascript:alert(1)"}}, "content.url"),
        ({"content": {**HELLO, "actions": [{"id": "x", "label": "y", "url": "data:x"}]}}, "content.actions.0.url"),
        ({"content": {**HELLO, "format": "hologram"}}, "content.format"),
        ({"priority": "urgent"}, "priority"),
        ({"category": "spam"}, "category"),
        ({"quiet_hours": "maybe"}, "quiet_hours"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": "soon"}, "ttl"),
        ({"channels": ["pigeon"]}, "channels"),
        ({"channels": []}, "channels"),
        ({"locale": "??"}, "locale"),
        ({"send_at": "tomorrow"}, "send_at"),
        ({"send_at": "2020-01-01T00:00:00Z"}, "send_at"),
        ({"send_at": "2026-12-01T09:00"}, "send_at"),
        ({"send_at": "2026-12-01T09:00", "tz": "Mars/Olympus"}, "tz"),
        ({"tz": "recipient"}, "tz"),
        ({"colour": "red"}, "colour"),
    ],
)  # fmt: skip
async def test_bad_messages_name_the_field(
    database: Database, vault: Vault, still_clock: StillClock, change: dict[str, Any], param: str
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        body = {"content": HELLO, "to": [{"user": "emma"}], **change}
        assert (await problem(await client.post("/v1/messages", json=body), 422))[1] == param
        assert await room.database.read("SELECT 1 FROM message") == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff\xfe", b"[" * 100_000])
async def test_bodies_that_are_no_message(
    database: Database, vault: Vault, still_clock: StillClock, body: bytes
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        await problem(await client.post("/v1/messages", data=body), 422)


async def test_text_that_is_no_unicode_is_refused(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        body = b'{"to": [{"user": "emma"}], "content": {"title": "\\ud800", "body": ""}}'
        await problem(await client.post("/v1/messages", data=body), 422)


async def test_unknown_ids_are_not_found(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        for path in ("/v1/messages/msg_x", "/v1/messages/msg_x/deliveries", "/v1/deliveries/dlv_x"):
            assert (await problem(await client.get(path), 404))[0] == "not_found"


async def test_users_cannot_send(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        refused = await client.post("/v1/messages", json={}, headers={"X-As": "user:emma"})
        assert (await problem(refused, 403))[0] == "forbidden"
