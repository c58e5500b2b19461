"""Usage and deeds leave in the shapes others ingest, and stay here while nobody takes them."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chatpush.domain import TenantId
from chatpush.errors import PluginFailed, Unavailable
from chatpush.plugins import samples
from chatpush.plugins.contracts import Exporter, Record
from tests.plugins.firstparty import load
from tests.serving import serving
from tests.waiting import until

USAGE = Record(
    "acme/messages/2026-11-24/7", "usage.messages", TenantId("acme"), "acme", samples.MOMENT, {"quantity": 7}
)
DEED = Record(
    "aud_1", "audit.key.revoke", TenantId("acme"), "key_1", samples.MOMENT, {"who": "person:ada", "subject": "key_1"}
)  # fmt: skip


class Receiver:
    """A server that notes what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, str], Any]] = []
        self.statuses: list[int] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.heard.append((request.path, dict(request.headers), json.loads(await request.read())))
        status = self.statuses.pop(0) if self.statuses else 200
        headers = {"Location": "/elsewhere"} if 300 <= status < 400 else {}
        return web.Response(status=status, headers=headers)


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.handle)
    async with TestServer(app) as server:
        yield receiver, str(server.make_url("")).rstrip("/")


def exporter(name: str, **own: Any) -> Exporter:
    (found,) = load(name, **own)[0].exporters()
    return found


async def test_cloud_events_go_as_batches_with_all_that_version_1_0_asks_for() -> None:
    async with listening() as (receiver, url):
        await exporter("cloud_events", url=url + "/in", token="t0k").export([USAGE, DEED])
        [(path, headers, events)] = receiver.heard
    assert (path, headers["Content-Type"]) == ("/in", "application/cloudevents-batch+json")
    assert headers["Authorization"] == "Bearer t0k"
    assert events[0] == {
        "specversion": "1.0", "id": USAGE.id, "source": "/chatpush/acme", "type": "com.chatpush.usage.messages",
        "subject": "acme", "time": "2026-11-24T12:00:00.000Z", "datacontenttype": "application/json",
        "data": {"quantity": 7},
    }  # fmt: skip
    assert [one["type"] for one in events] == ["com.chatpush.usage.messages", "com.chatpush.audit.key.revoke"]


async def test_cloud_events_can_be_chosen_and_kept_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    told = exporter("cloud_events", file=str(file), types=["audit"])
    for _ in range(2):
        await told.export([USAGE, DEED])
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["aud_1", "aud_1"]
    assert oct(os.stat(file).st_mode & 0o777) == "0o600"
    with pytest.raises(OSError, match="No such file"):
        await exporter("cloud_events", file=str(tmp_path / "missing" / "x")).export([DEED])


async def test_openmeter_and_lago_get_usage_in_their_shapes_and_nothing_else() -> None:
    async with listening() as (receiver, url):
        for system in ("openmeter", "lago"):
            told = exporter("usage_export", system=system, url=url + "/", token="k", customers={"acme": "c1"})
            await told.export([USAGE, DEED])
            await told.export([DEED])
        (meter, lago) = receiver.heard
    assert (meter[0], meter[1]["Content-Type"]) == ("/api/v1/events", "application/cloudevents-batch+json")
    assert meter[2] == [
        {
            "specversion": "1.0", "id": USAGE.id, "source": "chatpush", "type": "messages", "subject": "c1",
            "time": "2026-11-24T12:00:00.000Z", "data": {"quantity": 7},
        }
    ]  # fmt: skip
    assert lago[0] == "/api/v1/events/batch"
    assert lago[2] == {
        "events": [
            {
                "transaction_id": USAGE.id, "external_subscription_id": "c1", "code": "messages",
                "timestamp": 1795521600, "properties": {"quantity": 7},
            }
        ]
    }  # fmt: skip
    assert lago[1]["Authorization"] == "Bearer k"


@pytest.mark.parametrize("name", ["cloud_events", "usage_export"])
@pytest.mark.parametrize("status", [302, 400, 401, 429, 500])
async def test_a_refusal_leaves_the_records_here(name: str, status: int) -> None:
    async with listening() as (receiver, url):
        receiver.statuses = [status]
        told = exporter(name, url=url)
        with pytest.raises(Unavailable, match=str(status)):
            await told.export([USAGE])
        assert len(receiver.heard) == 1, "a redirect is not followed"
        await told.export([USAGE])
    with pytest.raises(Unavailable, match="ClientConnectorError"):
        await told.export([USAGE])


@pytest.mark.parametrize(
    ("name", "own", "words"),
    [
        ("cloud_events", {"url": "ftp://x"}, "is not http:// or https://"),
        ("usage_export", {"url": "x"}, "is not http:// or https://"),
        ("usage_export", {"system": "stripe"}, "system: Input should be 'openmeter' or 'lago'"),
    ],
)
def test_wrong_settings_stop_the_start(name: str, own: dict[str, Any], words: str) -> None:
    with pytest.raises(PluginFailed, match=words):
        load(name, **own)


async def test_a_message_that_was_sent_is_told_with_the_tenants_usage(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    module = load("cloud_events")[1]
    module.Settings.model_fields["file"].default = str(file)
    module.Settings.model_rebuild(force=True)
    async with serving(tmp_path, plugins={"cloud_events": module}) as served:
        content = {"title": "Shipped", "body": "On its way"}
        await served.told("POST", "/v1/messages", {"to": [{"user": "emma"}], "content": content})

        async def told() -> list[dict[str, Any]]:
            await served.chatpush.exports.turn()
            lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
            events = [json.loads(line) for line in lines]
            return [one for one in events if one["type"] == "com.chatpush.usage.messages"]

        (event,) = await until(told)
        assert (event["data"]["quantity"], event["subject"]) == (1, "default")
        assert "emma" not in file.read_text(encoding="utf-8")


async def test_a_deliverys_steps_are_told_if_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatpush.account.exports.SETTLED", timedelta())
    file = tmp_path / "events.jsonl"
    module = load("cloud_events")[1]
    module.Settings.model_fields["file"].default = str(file)
    module.Settings.model_fields["types"].default = ["delivery"]
    module.Settings.model_rebuild(force=True)
    async with serving(tmp_path, plugins={"cloud_events": module}) as served:
        content = {"title": "Shipped", "body": "On its way"}
        sent = await served.told("POST", "/v1/messages", {"to": [{"user": "emma"}], "content": content})
        await served.told(
            "POST", "/v1/messages", {"to": [{"user": "emma"}], "content": content, "category": "marketing"}
        )

        async def inbox() -> list[dict[str, Any]]:
            return list((await served.told("GET", "/v1/me/inbox", user="emma"))["data"])

        async def told(count: int) -> list[dict[str, Any]]:
            await served.chatpush.exports.turn()
            lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
            events = [json.loads(line) for line in lines]
            return events if len(events) >= count else []

        (item,) = await until(inbox)
        await until(lambda: told(4))  # a page may have it before it is noted as sent
        receipt = {"receipts": [{"delivery": item["delivery"], "kind": "clicked"}]}
        await served.told("POST", "/v1/me/receipts", receipt, user="emma")

        events = await until(lambda: told(5))
    own = [one for one in events if one["subject"] == item["delivery"]]
    assert [one["type"] for one in own] == [
        "com.chatpush.delivery.accepted", "com.chatpush.delivery.sent", "com.chatpush.delivery.clicked"
    ]  # fmt: skip
    assert {one["data"]["message"] for one in own} == {sent["id"]}
    (other,) = [one for one in events if one["type"] == "com.chatpush.delivery.suppressed"]
    assert (other["data"]["reason"], other["data"]["user"]) == ("no_consent", "emma")
