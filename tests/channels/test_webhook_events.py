"""What happens to messages is told by type, once, and forgotten with the user."""

import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook as Verifier

from chatpush.channels.outgoing import Outgoing
from chatpush.channels.webhook_calls import WebhookCalls
from chatpush.channels.webhook_events import WebhookEvents
from chatpush.channels.webhooks import TYPES, Webhooks
from chatpush.domain import DEFAULT_TENANT, iso
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.web.api import webhooks as api
from tests.channels.peers import Receiver, receiving
from tests.clocks import StillClock
from tests.notify.building import Room
from tests.serving import Served, serving
from tests.waiting import until
from tests.web.harness import Client, serve
from tests.web.notifying import NOUNS, notifying


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@asynccontextmanager
async def telling(directory: Path) -> AsyncIterator[Served]:
    async with serving(directory, channels={"allow_private": True}) as served:
        yield served


def told(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in receiver.heard]


def of(receiver: Receiver, kind: str) -> list[dict[str, Any]]:
    return [one["data"] for one in told(receiver) if one["type"] == kind]


async def test_a_message_is_followed_from_acceptance_to_reading(tmp_path: Path, receiver: Receiver) -> None:
    async with telling(tmp_path) as served:
        made = await served.told("POST", "/v1/webhooks", {"url": receiver.url})
        body = {"to": [{"user": "emma"}], "content": {"title": "T"}, "cancel_key": "order-7"}
        message = (await served.told("POST", "/v1/messages", body))["id"]
        await until(lambda: of(receiver, "delivery.sent"))
        (accepted,), (sent,) = of(receiver, "message.accepted"), of(receiver, "delivery.sent")
        assert (accepted["message"], accepted["cancel_key"]) == (message, "order-7")
        assert (sent["message"], sent["user"], sent["channels"]) == (message, "emma", ["ws"])
        read = {"receipts": [{"delivery": sent["delivery"], "kind": "read"}]}
        await served.told("POST", "/v1/me/receipts", read, user="emma")
        await until(lambda: of(receiver, "message.read"))
        for one in receiver.heard:
            Verifier(made["secret"]).verify(one.body, one.headers)
        assert len({one.headers["webhook-id"] for one in receiver.heard}) == len(receiver.heard)


async def test_what_was_not_sent_is_told_with_its_reason(tmp_path: Path, receiver: Receiver) -> None:
    async with telling(tmp_path) as served:
        wanted = ["delivery.suppressed", "delivery.failed", "message.cancelled"]
        await served.told("POST", "/v1/webhooks", {"url": receiver.url, "types": wanted})
        await served.told(
            "PUT", "/v1/templates/broken", {"locales": {"en": {"title": "{{ nothing }}", "body": ""}}}
        )
        emma = [{"user": "emma"}]
        await served.told(
            "POST", "/v1/messages", {"to": emma, "content": {"title": "Sale"}, "category": "marketing"}
        )
        await served.told("POST", "/v1/messages", {"to": emma, "template": "broken"})
        later = {
            "to": emma,
            "content": {"title": "L"},
            "cancel_key": "k",
            "send_at": iso(datetime.now(UTC) + timedelta(hours=1)),
        }
        await served.told("POST", "/v1/messages", later)
        await served.told("POST", "/v1/messages/cancel", {"cancel_key": "k"})
        await until(lambda: len(receiver.heard) >= 3)
        assert {one["type"] for one in told(receiver)} == set(wanted)
        assert of(receiver, "delivery.suppressed")[0]["reason"] == "no_consent"
        assert "nothing" in of(receiver, "delivery.failed")[0]["reason"]
        assert of(receiver, "message.cancelled")[0]["cancel_key"] == "k"


async def test_a_consent_that_changes_is_told_whoever_says_it(tmp_path: Path, receiver: Receiver) -> None:
    async with telling(tmp_path) as served:
        wanted = ["user.consent_changed"]
        await served.told("POST", "/v1/webhooks", {"url": receiver.url, "types": wanted})
        said = {"consents": {"marketing": True}, "consent_text": "Yes to offers."}
        await served.told("PUT", "/v1/users/emma", said)
        await served.told("PUT", "/v1/users/emma", {**said, "locale": "de"})
        closed = {"channels": {"marketing": {"inbox": False}}}
        await served.told("PUT", "/v1/me/preferences", closed, user="emma")
        await until(lambda: len(receiver.heard) == 2)
        ledger = (await served.told("GET", "/v1/users/emma/consents"))["data"]
        heard = sorted(of(receiver, "user.consent_changed"), key=lambda one: one["channel"] or "")
        assert [(one["user"], one["channel"], one["granted"], one["via"]) for one in heard] == [
            ("emma", None, True, "api"), ("emma", "inbox", False, "preferences"),
        ]  # fmt: skip
        assert [(one["category"], one["at"]) for one in heard] == [
            (one["category"], one["at"]) for one in ledger
        ]
        assert not any("message" in one or "text" in one for one in heard)


async def test_every_end_of_a_delivery_is_told(tmp_path: Path, receiver: Receiver) -> None:
    async with telling(tmp_path) as served:
        made = await served.told("POST", "/v1/webhooks", {"url": receiver.url})

        async def send(**more: Any) -> str:
            given = {"to": [{"user": "emma"}], "content": {"title": "T"}, **more}
            body = {name: value for name, value in given.items() if value is not None}
            return str((await served.told("POST", "/v1/messages", body))["id"])

        later = iso(datetime.now(UTC) + timedelta(hours=1))
        waits = await send(send_at=later, collapse_key="eta")
        newer = await send(send_at=later, collapse_key="eta")
        await served.told("PUT", "/v1/templates/a", {"locales": {"en": {"title": "A", "body": ""}}})
        held = await send(content=None, variants=[{"name": "a", "template": "a"}], holdout=0.99)
        shown = await send(collapse_key="price")
        await until(lambda: [one for one in of(receiver, "delivery.sent") if one["message"] == shown])
        current = await send(collapse_key="price")
        await until(lambda: of(receiver, "delivery.replaced"))
        await served.told("POST", f"/v1/messages/{current}/delete", {})
        await served.told("POST", f"/v1/messages/{newer}/delete", {})
        await until(lambda: of(receiver, "delivery.recalled") and of(receiver, "delivery.suppressed"))
        await until(lambda: len(of(receiver, "delivery.cancelled")) == 2)
        stopped = of(receiver, "delivery.cancelled")
        assert {(one["message"], one["reason"], one.get("by")) for one in stopped} == {
            (waits, "collapsed", newer), (newer, "cancelled", None),
        }  # fmt: skip
        (replaced,), (recalled,) = of(receiver, "delivery.replaced"), of(receiver, "delivery.recalled")
        assert (replaced["message"], replaced["by"], recalled["message"]) == (shown, current, current)
        assert {one["user"] for one in (*stopped, replaced, recalled)} == {"emma"}
        await until(lambda: len(of(receiver, "message.recalled")) == 2)
        assert {one["message"] for one in of(receiver, "message.recalled")} == {current, newer}
        (out,) = of(receiver, "delivery.suppressed")
        assert (out["message"], out["reason"]) == (held, "holdout")
        trace = (await served.told("GET", f"/v1/deliveries/{replaced['delivery']}"))["trace"]
        assert trace[-1]["detail"] == {"by": current}
        for one in receiver.heard:
            Verifier(made["secret"]).verify(one.body, one.headers)


async def test_what_a_campaigns_run_takes_along_is_told(tmp_path: Path, receiver: Receiver) -> None:
    night = {"default_quiet_hours": "00:00-23:59"}
    async with serving(tmp_path, channels={"allow_private": True}, notify=night) as served:
        wanted = ["delivery.cancelled", "message.cancelled", "delivery.suppressed"]
        await served.told("POST", "/v1/webhooks", {"url": receiver.url, "types": wanted})
        for user in range(20):
            await served.told("PUT", f"/v1/users/u{user}", {"topics": ["news"]})
        spec = {
            "name": "News", "content": {"title": "N", "body": ""}, "to": [{"topic": "news"}], "category": "alert",
            "throttle": 1, "trigger": {"kind": "date", "at": "2030-01-01T00:00"},
        }  # fmt: skip
        campaign = (await served.told("POST", "/v1/campaigns", spec))["id"]
        run = (await served.told("POST", f"/v1/campaigns/{campaign}/run"))["id"]

        async def waiting() -> bool:
            return bool((await served.told("GET", "/v1/deliveries?state=scheduled"))["data"])

        await until(waiting)
        ended = await served.told("POST", f"/v1/campaigns/{campaign}/runs/{run}/cancel")
        await until(lambda: len(of(receiver, "delivery.cancelled")) == ended["cancelled"])
        stopped = of(receiver, "delivery.cancelled")
        assert {(one["campaign"], one["reason"]) for one in stopped} == {(campaign, "cancelled")}
        assert {one["campaign"] for one in of(receiver, "message.cancelled")} == {campaign}
        body = {
            "to": [{"user": "emma"}], "content": {"title": "T"}, "category": "alert", "quiet_hours": "skip",
        }  # fmt: skip
        await served.told("POST", "/v1/messages", body)
        (skipped,) = await until(lambda: of(receiver, "delivery.suppressed"))
        assert skipped["reason"] == "quiet_hours"


async def test_what_is_too_late_is_told(
    any_database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with (
        receiving() as receiver,
        room_with_hooks(any_database, vault, still_clock) as (client, hooked, room, _, events),
    ):
        await hooked.post("/v1/webhooks", json={"url": receiver.url})
        at = iso(still_clock.now() + timedelta(minutes=1))
        body = {"to": [{"user": "emma"}], "content": {"title": "T"}, "ttl": 30, "send_at": at}
        message = (await (await client.post("/v1/messages", json=body)).json())["id"]
        still_clock.forward(timedelta(seconds=91))  # the outbox was busy
        await room.settle()
        await events.turn()
        outgoing = Outgoing(allow_private=True)
        await WebhookCalls(any_database, vault, still_clock, outgoing).turn()
        await outgoing.close()
        (late,) = of(receiver, "delivery.expired")
        assert (late["message"], late["user"], late["reason"]) == (message, "emma", "expired")


async def test_an_erased_users_calls_are_erased(tmp_path: Path, receiver: Receiver) -> None:
    async with telling(tmp_path) as served:
        await served.told("POST", "/v1/webhooks", {"url": receiver.url})
        for user in ("emma", "lin"):
            await served.told("POST", "/v1/messages", {"to": [{"user": user}], "content": {"title": "T"}})
        await until(lambda: len(of(receiver, "delivery.sent")) == 2)
        await served.told("DELETE", "/v1/users/emma")
        rows = await served.chatpush.database.read("SELECT * FROM webhook_call WHERE user_id <> ''")
        assert {row["user_id"] for row in rows} == {"lin"}
        attempts = await served.chatpush.database.read("SELECT call FROM webhook_attempt")
        calls = await served.chatpush.database.read("SELECT id FROM webhook_call")
        assert {row["call"] for row in attempts} <= {row["id"] for row in calls}


@asynccontextmanager
async def room_with_hooks(
    database: Database, vault: Vault, clock: StillClock
) -> AsyncIterator[tuple[Client, Client, Room, Webhooks, WebhookEvents]]:
    """Yield clients of messages and of webhooks, and what stands behind them; bells ring on the loop alone."""
    rung: list[threading.Thread] = []
    outgoing = Outgoing(allow_private=True)
    calls = WebhookCalls(database, vault, clock, outgoing)
    hooks = Webhooks(database, vault, clock, calls.ring, allow_private=True)
    events = WebhookEvents(database, hooks)
    async with (
        notifying(database, vault, clock) as (client, room),
        serve([*NOUNS, api.routes], {**room.services(), Webhooks: hooks}) as hooked,
    ):
        room.happenings.told_by(hooks.wants, lambda: rung.append(threading.current_thread()))
        yield client, hooked, room, hooks, events
    assert set(rung) <= {threading.main_thread()}
    assert rung


async def test_nobody_asked_nothing_written_and_nothing_is_told_twice(
    any_database: Database, vault: Vault, still_clock: StillClock
) -> None:
    body = {"to": [{"user": "emma"}], "content": {"title": "T"}}
    async with room_with_hooks(any_database, vault, still_clock) as (client, hooked, room, hooks, events):
        await client.post("/v1/messages", json=body)
        await room.settle()
        assert await any_database.read("SELECT * FROM happening") == []
        answer = await hooked.post(
            "/v1/webhooks", json={"url": "http://x.example/", "types": ["delivery.sent"]}
        )
        assert answer.status == 201
        await client.post("/v1/messages", json=body)
        await room.settle()
        rows = await any_database.read("SELECT * FROM happening")
        assert [row["type"] for row in rows] == ["delivery.sent"]
        # Two nodes come for the same page; the second finds nothing left to take off the list.
        await events._tell(DEFAULT_TENANT, rows)
        await events._tell(DEFAULT_TENANT, rows)
        assert len(await any_database.read("SELECT * FROM webhook_call")) == 1
        assert await events.turn() is None
        assert not hooks.wants(DEFAULT_TENANT, "message.accepted")


async def test_what_is_about_an_erased_user_is_not_told(
    any_database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with room_with_hooks(any_database, vault, still_clock) as (client, hooked, room, _, events):
        await hooked.post("/v1/webhooks", json={"url": "http://x.example/"})
        await client.post("/v1/messages", json={"to": [{"user": "emma"}], "content": {"title": "T"}})
        await room.settle()
        await client.delete("/v1/users/emma")
        await events.turn()
        rows = await any_database.read("SELECT type, user_id FROM webhook_call")
        assert rows == [{"type": "message.accepted", "user_id": ""}]


async def test_a_consent_of_an_erased_user_is_not_told(
    any_database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with room_with_hooks(any_database, vault, still_clock) as (client, hooked, _, _, events):
        await hooked.post("/v1/webhooks", json={"url": "http://x.example/"})
        for user in ("emma", "lin"):
            await client.put(f"/v1/users/{user}", json={"consents": {"marketing": True}})
        await client.delete("/v1/users/emma")
        waiting = await any_database.read("SELECT * FROM happening")
        assert {row["user_id"] for row in waiting} == {"lin"}
        assert not any("emma" in str(row) for row in waiting)
        await events.turn()
        assert await any_database.read("SELECT * FROM happening") == []
        rows = await any_database.read("SELECT type, user_id FROM webhook_call")
        assert rows == [{"type": "user.consent_changed", "user_id": "lin"}]


async def test_what_was_written_down_while_its_user_was_erased_goes_when_it_is_due(
    any_database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with room_with_hooks(any_database, vault, still_clock) as (client, hooked, _, _, events):
        await hooked.post("/v1/webhooks", json={"url": "http://x.example/"})
        await client.put("/v1/users/emma", json={"consents": {"marketing": True}})
        await events.turn()
        # Here nothing has the calls erased, as if this one had come just after that.
        await client.delete("/v1/users/emma")
        assert len(await any_database.read("SELECT * FROM webhook_call")) == 1
        outgoing = Outgoing(allow_private=True)
        await WebhookCalls(any_database, vault, still_clock, outgoing).turn()
        await outgoing.close()
        assert await any_database.read("SELECT * FROM webhook_call") == []
        assert await any_database.read("SELECT * FROM webhook_attempt") == []


def test_every_type_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/reach-people-who-are-away.md").read_text()
    missing = [one for one in TYPES if f"`{one}`" not in page]
    assert not missing
