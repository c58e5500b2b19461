"""Many messages gathered into one."""

from datetime import timedelta
from typing import Any

import pytest

from chatpush.domain import TenantId
from chatpush.notify.templates.template_source import LocaleSource
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.web.harness import Client
from tests.web.notifying import notifying, problem


@pytest.fixture
def database(any_database: Database) -> Database:
    """Digests gather on each kind of database."""
    return any_database


async def send(client: Client, who: str, number: int, **digest: Any) -> None:
    """Send one of many."""
    body = {
        "template": "news",
        "data": {"n": number},
        "to": [{"user": who}],
        "digest": {"key": "news", "window": 600, **digest},
    }
    answer = await client.post("/v1/messages", json=body)
    assert answer.status == 202, await answer.text()


async def test_a_fixed_window_gathers_and_sends_one(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        words = "{% for one in digest.items %}{{ one.n }} {% endfor %}"
        await room.templates.put(
            tenant, "news", {"en": LocaleSource("{{ digest.count }} new", words)}, trusted=True
        )
        for number in range(3):
            await send(client, "emma", number)
            await room.settle()
            still_clock.forward(timedelta(minutes=3))
        await send(client, "lin", 9)
        assert room.publisher.to("emma") == []
        still_clock.forward(timedelta(minutes=1))
        await room.settle()
        (one,) = room.publisher.to("emma")
        assert (one["title"], one["body"].strip()) == ("3 new", "0 1 2")
        listed = await (await client.get("/v1/deliveries?user=emma&limit=10")).json()
        assert [(row["state"], row["reason"]) for row in listed["data"]] == [
            ("suppressed", "digested"), ("suppressed", "digested"), ("sent", None),
        ]  # fmt: skip
        await send(client, "emma", 7)
        still_clock.forward(timedelta(minutes=10))
        await room.settle()
        assert [one["title"] for one in room.publisher.to("emma")] == ["3 new", "1 new"]
        assert [one["title"] for one in room.publisher.to("lin")] == ["1 new"]


async def test_a_sliding_window_waits_for_quiet_and_a_full_one_goes_at_once(
    database: Database, vault: Vault, still_clock: StillClock, tenant: TenantId
) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        await room.templates.put(tenant, "news", {"en": LocaleSource("{{ digest.count }}", "")}, trusted=True)
        for number in range(3):
            await send(client, "emma", number, sliding=True)
            still_clock.forward(timedelta(minutes=8))
            await room.settle()
        assert room.publisher.to("emma") == []
        still_clock.forward(timedelta(minutes=2))
        await room.settle()
        assert room.publisher.to("emma")[0]["title"] == "3"
        for number in range(4):
            await send(client, "lin", number, max_items=4)
        await room.settle()
        assert [one["title"] for one in room.publisher.to("lin")] == ["4"]


async def test_literal_words_are_listed(database: Database, vault: Vault, still_clock: StillClock) -> None:
    async with notifying(database, vault, still_clock) as (client, room):
        for title in ("Ann liked it", "Ben liked it"):
            body = {
                "content": {"title": title},
                "to": [{"user": "emma"}],
                "digest": {"key": "likes", "window": 60},
            }
            await client.post("/v1/messages", json=body)
        still_clock.forward(timedelta(minutes=1))
        await room.settle()
        (one,) = room.publisher.to("emma")
        assert (one["title"], one["body"]) == ("Ann liked it (+1)", "Ann liked it\nBen liked it")


async def test_what_is_no_digest_is_refused(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with notifying(database, vault, still_clock) as (client, _):
        for digest in ({"key": "k", "window": 0}, {"key": "k", "window": 60, "max_items": 1}):
            body = {"content": {"title": "x"}, "to": [{"user": "emma"}], "digest": digest}
            answer = await client.post("/v1/messages", json=body)
            assert (await problem(answer, 422))[1].startswith("digest.")
