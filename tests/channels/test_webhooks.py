"""Webhooks against a receiver that fails in every way."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from chatpush.channels.outgoing import Outgoing
from chatpush.channels.webhook_calls import WebhookCalls
from chatpush.channels.webhooks import Webhooks
from chatpush.domain import TenantId
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from chatpush.web.api import webhooks
from tests.channels.peers import Receiver, receiving
from tests.clocks import StillClock
from tests.web.harness import Client, serve
from tests.web.notifying import problem


@dataclass(slots=True)
class Setting:
    """Everything a test needs."""

    client: Client
    receiver: Receiver
    hooks: Webhooks
    calls: WebhookCalls
    clock: StillClock

    async def made(self, **more: Any) -> dict[str, Any]:
        """Return a new webhook at the receiver."""
        answer = await self.client.post("/v1/webhooks", json={"url": self.receiver.url, **more})
        assert answer.status == 201, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found

    async def settle(self) -> None:
        """Make the calls that are due."""
        while await self.calls.turn() == 0:
            pass

    async def told(self, webhook: str) -> dict[str, Any]:
        """Return the one call of a webhook."""
        page = await (await self.client.get(f"/v1/webhooks/{webhook}/calls")).json()
        (one,) = page["data"]
        found: dict[str, Any] = one
        return found


@pytest.fixture
async def setting(database: Database, vault: Vault) -> AsyncIterator[Setting]:
    # Receivers check that a timestamp is of now.
    clock = StillClock(datetime.now(UTC))
    outgoing = Outgoing(allow_private=True, seconds=0.5)
    calls = WebhookCalls(database, vault, clock, outgoing)
    hooks = Webhooks(database, vault, clock, calls.ring, allow_private=True)
    async with receiving() as receiver, serve(webhooks.routes, {Webhooks: hooks}) as client:
        yield Setting(client, receiver, hooks, calls, clock)
    await outgoing.close()


async def test_an_event_is_signed_and_told_once(setting: Setting, tenant: TenantId) -> None:
    made = await setting.made(types=["message.seen"])
    await setting.hooks.emit(tenant, "message.seen", {"delivery": "dlv_1"})
    await setting.hooks.emit(tenant, "message.clicked", {"delivery": "dlv_1"})
    await setting.settle()
    (heard,) = setting.receiver.heard
    event = Verifier(made["secret"]).verify(heard.body, heard.headers)
    assert (event["type"], event["data"]) == ("message.seen", {"delivery": "dlv_1"})
    told = await setting.told(made["id"])
    assert (told["id"], told["state"]) == (heard.headers["webhook-id"], "delivered")
    assert told["attempts"][0]["status"] == 204
    listed = await (await setting.client.get("/v1/webhooks")).json()
    assert "secret" not in listed["data"][0]


async def test_every_kind_of_failure_is_tried_again_under_the_same_id(setting: Setting) -> None:
    made = await setting.made()
    setting.receiver.answers = [
        lambda: web.Response(status=500),
        lambda: web.Response(status=302, headers={"Location": setting.receiver.url}),
        ConnectionResetError,
        lambda: web.Response(status=429, headers={"Retry-After": "20000"}),
        lambda: web.Response(status=404),
    ]
    await setting.client.post(f"/v1/webhooks/{made['id']}/test")
    await setting.settle()
    statuses: list[int] = []
    for wait in (6, 400, 2000, 20_001, 20_000):
        statuses.append(len(setting.receiver.heard))
        setting.clock.forward(timedelta(seconds=wait))
        await setting.settle()
    assert statuses == [1, 2, 3, 4, 5]
    told = await setting.told(made["id"])
    assert [one["status"] for one in told["attempts"]] == [500, 302, None, 429, 404, 204]
    assert told["state"] == "delivered"
    assert len({heard.headers["webhook-id"] for heard in setting.receiver.heard}) == 1


async def test_it_ends_after_three_days_and_can_be_told_again(setting: Setting) -> None:
    made = await setting.made()
    setting.receiver.answers = [lambda: web.Response(status=503)] * 10
    await setting.client.post(f"/v1/webhooks/{made['id']}/test")
    for _ in range(12):
        await setting.settle()
        setting.clock.forward(timedelta(hours=27))
    told = await setting.told(made["id"])
    assert (told["state"], len(told["attempts"]), told["next_at"]) == ("failed", 10, None)
    answer = await setting.client.post(f"/v1/webhooks/{made['id']}/calls/{told['id']}/replay")
    assert answer.status == 202
    await setting.settle()
    assert (await setting.told(made["id"]))["state"] == "delivered"
    missing = await setting.client.post(f"/v1/webhooks/{made['id']}/calls/evt_none/replay")
    assert await problem(missing, 404) == ("not_found", "id")


async def test_gone_switches_it_off(setting: Setting, tenant: TenantId) -> None:
    made = await setting.made()
    setting.receiver.answers = [lambda: web.Response(status=410)]
    await setting.client.post(f"/v1/webhooks/{made['id']}/test")
    await setting.settle()
    (one,) = (await (await setting.client.get("/v1/webhooks")).json())["data"]
    assert (one["enabled"], "410" in one["problem"]) == (False, True)
    assert await setting.hooks.emit(tenant, "message.seen", {}) == 0
    await setting.client.put(f"/v1/webhooks/{made['id']}", json={"enabled": True})
    assert await setting.hooks.emit(tenant, "message.seen", {}) == 1


async def test_a_new_secret_signs_beside_the_old_one_for_a_day(setting: Setting) -> None:
    made = await setting.made()
    fresh = (await (await setting.client.post(f"/v1/webhooks/{made['id']}/rotate")).json())["secret"]
    await setting.client.post(f"/v1/webhooks/{made['id']}/test")
    await setting.settle()
    heard = setting.receiver.heard[0]
    for secret in (made["secret"], fresh):
        assert Verifier(secret).verify(heard.body, heard.headers)["type"] == "webhook.test"
    setting.clock.forward(timedelta(hours=25))
    await setting.client.post(f"/v1/webhooks/{made['id']}/test")
    await setting.settle()
    signatures = setting.receiver.heard[1].headers["webhook-signature"]
    assert len(signatures.split()) == 1


async def test_a_forged_body_is_noticed(setting: Setting) -> None:
    made = await setting.made()
    await setting.client.post(f"/v1/webhooks/{made['id']}/test")
    await setting.settle()
    heard = setting.receiver.heard[0]
    forged = json.dumps({"type": "message.seen"}).encode()
    with pytest.raises(WebhookVerificationError):
        Verifier(made["secret"]).verify(forged, heard.headers)


async def test_addresses_inside_are_refused(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    hooks = Webhooks(database, vault, still_clock, lambda: None)
    async with serve(webhooks.routes, {Webhooks: hooks}) as client:
        for url in ("https://169.254.169.254/latest", "https://[::ffff:127.0.0.1]/"):
            assert (await problem(await client.post("/v1/webhooks", json={"url": url}), 403))[1] == "url"
        for url in ("http://example.com/", "https://u:p@example.com/", "nonsense"):
            assert (await problem(await client.post("/v1/webhooks", json={"url": url}), 422))[1] == "url"
        wrong = await client.post("/v1/webhooks", json={"url": "https://example.com", "types": ["x"]})
        assert (await problem(wrong, 422))[1] == "types"


async def test_deleted_ones_hear_nothing_more(setting: Setting, tenant: TenantId) -> None:
    made = await setting.made()
    await setting.hooks.emit(tenant, "message.seen", {})
    assert (await setting.client.delete(f"/v1/webhooks/{made['id']}")).status == 204
    await setting.settle()
    assert setting.receiver.heard == []
    assert (await setting.client.delete(f"/v1/webhooks/{made['id']}")).status == 404
