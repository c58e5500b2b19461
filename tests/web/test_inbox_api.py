"""A signed-in user's inbox, receipts and preferences over HTTP."""

from typing import Any

import pytest

from chatpush.domain import Content, TenantId, UserId
from chatpush.notify.audience.consents import Evidence
from chatpush.notify.messages.drafts import MessageDraft, Recipient
from chatpush.notify.reading.receipts import Reception
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.web.notifying import notifying, problem

EMMA = {"X-As": "user:emma"}
LIN = {"X-As": "user:lin"}


async def test_inbox_receipts_and_reasons(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        for title in ("one", "two", "three"):
            await room.messages.accept(
                tenant, MessageDraft(to=(Recipient(user=UserId("emma")),), content=Content(title, ""))
            )
            await room.settle()
        page = await (await client.get("/v1/me/inbox?limit=2", headers=EMMA)).json()
        assert [one["title"] for one in page["data"]] == ["three", "two"]
        assert (page["has_more"], page["unread"]) == (True, 3)
        assert {name: page["data"][0][name] for name in ("seen", "clicked", "dismissed", "url", "format")} == {
            "seen": False, "clicked": False, "dismissed": False, "url": None, "format": "plain",
        }  # fmt: skip
        delivery = page["data"][0]["delivery"]
        body = {
            "receipts": [{"delivery": delivery, "kind": "seen"}, {"delivery": "dlv_nope", "kind": "seen"}]
        }
        foreign = await client.post("/v1/me/receipts", json=body, headers=LIN)
        assert await foreign.json() == {"unread": 0}
        assert await (await client.post("/v1/me/receipts", json=body, headers=EMMA)).json() == {"unread": 2}
        assert await (await client.post("/v1/me/receipts", json=body, headers=EMMA)).json() == {"unread": 2}
        why = await (await client.get(f"/v1/me/inbox/{delivery}/why", headers=EMMA)).json()
        assert [one["code"] for one in why["reasons"]] == ["about_you", "for_you"]
        assert (await problem(await client.get(f"/v1/me/inbox/{delivery}/why", headers=LIN), 404))[
            1
        ] == "delivery"
        assert await (await client.post("/v1/me/inbox/read-all", headers=EMMA)).json() == {"unread": 0}
        assert room.publisher.to("emma")[-1] == {"type": "unread", "unread": 0}
        empty = await (await client.get("/v1/me/inbox", headers=LIN)).json()
        assert empty == {"data": [], "has_more": False, "unread": 0}


async def test_marking_all_as_seen_is_a_receipt_for_each(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    heard: list[tuple[str, str]] = []

    async def listener(reception: Reception) -> None:
        heard.append((reception.receipt.kind, reception.receipt.delivery))

    async with notifying(database, vault, still_clock) as (client, room):
        room.receipts.listen(listener)
        for title in ("one", "two"):
            body = {"content": {"title": title}, "to": [{"user": "emma"}]}
            assert (await client.post("/v1/messages", json=body)).status == 202
            await room.settle()
        for _ in range(2):
            await client.post("/v1/me/inbox/read-all", headers=EMMA)
        listed = (await (await client.get("/v1/deliveries?user=emma")).json())["data"]
        assert sorted(heard) == sorted(("seen", one["id"]) for one in listed)
        for one in listed:
            found = await (await client.get(f"/v1/deliveries/{one['id']}")).json()
            assert (found["state"], found["seen_at"] is not None) == ("delivered", True)
            assert [step["verdict"] for step in found["trace"]] == ["sent", "seen"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "receipts"),
        ({"receipts": []}, "receipts"),
        ({"receipts": [{"delivery": "d", "kind": "eaten"}]}, "receipts.0.kind"),
        ({"receipts": [{"kind": "seen"}]}, "receipts.0.delivery"),
        ({"receipts": [{"delivery": "d", "kind": "seen"}] * 201}, "receipts"),
    ],
)
async def test_bad_receipts_name_the_field(
    database: Database, vault: Vault, still_clock: StillClock, body: Any, param: str
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        assert (await problem(await client.post("/v1/me/receipts", json=body, headers=EMMA), 422))[1] == param


async def test_preferences_start_with_defaults_and_change_in_part(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        found = await (await client.get("/v1/me/preferences", headers=EMMA)).json()
        assert found == {
            "categories": {"marketing": False, "alert": True},
            "channels": {"marketing": {"inbox": False}, "alert": {"inbox": True}},
            "quiet_hours": None, "timezone": "UTC", "locale": "en", "personalized": True,
        }  # fmt: skip
        change = {
            "categories": {"marketing": True}, "quiet_hours": {"start": "22:00", "end": "07:00"},
            "consent_text": "Yes, write to me about offers.",
        }  # fmt: skip
        changed = await (await client.put("/v1/me/preferences", json=change, headers=EMMA)).json()
        assert changed["categories"] == {"marketing": True, "alert": True}
        kept = await client.put("/v1/me/preferences", json={"personalized": False}, headers=EMMA)
        assert (await kept.json())["quiet_hours"] == {"start": "22:00", "end": "07:00"}
        cleared = await client.put("/v1/me/preferences", json={"quiet_hours": None}, headers=EMMA)
        assert (await cleared.json())["quiet_hours"] is None
        (entry,) = await room.users.ledger(tenant, UserId("emma"))
        assert (entry.category, entry.granted, entry.via) == ("marketing", True, "preferences")
        assert entry.evidence == Evidence("Yes, write to me about offers.", "127.0.0.1")
        bad = await client.put(
            "/v1/me/preferences", json={"categories": {"transactional": False}}, headers=EMMA
        )
        assert (await problem(bad, 422))[1] == "consents.transactional"


async def test_a_key_has_no_inbox(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        assert (await problem(await client.get("/v1/me/inbox"), 403))[0] == "forbidden"
