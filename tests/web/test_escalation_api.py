"""Channels one after the other until a receipt."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from chatpush.channel_settings import ChannelLimit
from chatpush.domain import OutgoingMessage
from chatpush.errors import InvalidSettings, NotFound, Unavailable
from chatpush.notify.sending.away import Away
from chatpush.plugins.contracts import Sent
from chatpush.plugins.hooks import hook
from chatpush.plugins.host import Plugins
from chatpush.store.database import Database
from chatpush.store.vault import Vault
from tests.clocks import StillClock
from tests.notify.building import Room
from tests.notify.following import Follower, followed
from tests.web.harness import Client
from tests.web.notifying import notifying

RISK = {"title": "Margin call", "body": ""}


@pytest.fixture
def database(any_database: Database) -> Database:
    """Chains run over each kind of database."""
    return any_database


class Post:
    """A channel that fails as told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent: list[str] = []
        self.failing: Exception | None = None

    async def send(self, message: OutgoingMessage, address: str) -> Sent:
        if self.failing is not None:
            raise self.failing
        self.sent.append(address)
        return Sent()


class Posts:
    """Brings two of them."""

    def __init__(self) -> None:
        self.push, self.mail = Post("push"), Post("mail")

    @hook
    def register_channels(self) -> list[Any]:
        return [self.push, self.mail]


@asynccontextmanager
async def chained(
    database: Database, vault: Vault, clock: StillClock
) -> AsyncIterator[tuple[Client, Room, Posts]]:
    """Yield a client, its room, and the channels; emma has an address on each."""
    posts = Posts()
    async with notifying(database, vault, clock, plugins=Plugins({"posts": posts})) as (client, room):
        body = {"endpoints": {"push": ["p1"], "mail": ["emma@example.com"]}}
        await client.put("/v1/users/emma", json=body)
        yield client, room, posts


async def send(client: Client, channels: list[str], **more: Any) -> str:
    """Send to emma by a chain and return the message's id."""
    body = {"content": RISK, "to": [{"user": "emma"}], "channels": channels, "escalate_after": 60, **more}
    answer = await client.post("/v1/messages", json=body)
    assert answer.status == 202, await answer.text()
    return str((await answer.json())["id"])


async def delivery(client: Client, message: str) -> dict[str, Any]:
    """Return the message's one delivery with its trace."""
    (one,) = (await (await client.get(f"/v1/messages/{message}")).json())["deliveries"]
    found: dict[str, Any] = await (await client.get(f"/v1/deliveries/{one['id']}")).json()
    return found


async def test_the_next_channel_comes_when_no_receipt_does(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        message = await send(client, ["ws", "push", "mail"])
        await room.settle()
        assert len(room.publisher.to("emma")) == 1
        assert (posts.push.sent, posts.mail.sent) == ([], [])
        found = await delivery(client, message)
        assert (found["state"], found["reason"]) == ("sent", "awaiting_receipt")
        still_clock.forward(timedelta(seconds=61))
        await room.settle()
        assert (posts.push.sent, posts.mail.sent) == (["p1"], [])
        still_clock.forward(timedelta(seconds=61))
        await room.settle()
        still_clock.forward(timedelta(seconds=61))
        await room.settle()
        assert (posts.push.sent, posts.mail.sent) == (["p1"], ["emma@example.com"])
        assert len(room.publisher.to("emma")) == 1
        found = await delivery(client, message)
        assert (found["state"], found["reason"]) == ("sent", None)
        ways = [step["detail"]["channels"] for step in found["trace"] if step["verdict"] == "sent"]
        assert ways == [["ws"], ["push"], ["mail"]]


async def test_the_first_receipt_ends_the_chain(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        message = await send(client, ["ws", "push", "mail"])
        await room.settle()
        still_clock.forward(timedelta(seconds=61))
        await room.settle()
        found = await delivery(client, message)
        given = {"receipts": [{"delivery": found["id"], "kind": "delivered"}]}
        await client.post("/v1/me/receipts", json=given, headers={"X-As": "user:emma"})
        still_clock.forward(timedelta(seconds=120))
        await room.settle()
        assert (posts.push.sent, posts.mail.sent) == (["p1"], [])
        assert (await delivery(client, message))["state"] == "delivered"


async def test_a_channel_that_refuses_or_has_no_address_passes_on_at_once(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        posts.push.failing = ValueError("no such device")
        message = await send(client, ["push", "mail"])
        await room.settle()
        assert posts.mail.sent == ["emma@example.com"]
        letters = await (await client.get(f"/v1/dead-letters?message={message}")).json()
        (one,) = letters["data"]
        assert (one["channel"], one["user"]) == ("push", "emma")
        assert "no such device" in one["reason"]
        posts.push.failing = None
        await client.put("/v1/users/emma", json={"endpoints": {"push": []}})
        await send(client, ["push", "mail"])
        await room.settle()
        assert (posts.push.sent, len(posts.mail.sent)) == ([], 2)


async def test_a_channel_that_is_down_is_tried_again_before_the_next(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        posts.push.failing = Unavailable("down")
        await send(client, ["push", "mail"])
        await room.settle()
        assert posts.mail.sent == []
        for _ in range(6):
            still_clock.forward(timedelta(hours=1))
            await room.settle()
        assert posts.mail.sent == ["emma@example.com"]


async def test_cancelling_and_the_ttl_end_a_chain(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        message = await send(client, ["ws", "mail"])
        late = await send(client, ["ws", "mail"], ttl=30)
        await room.settle()
        await client.post("/v1/messages/cancel", json={"id": message})
        still_clock.forward(timedelta(seconds=61))
        await room.settle()
        assert posts.mail.sent == []
        assert (await delivery(client, late))["reason"] == "expired"


async def test_exporters_are_told_where_a_chain_goes_on_and_what_is_sent_again(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        follower = Follower()
        exports = followed(room, still_clock, follower)
        posts.push.failing = ValueError("no such device")
        sent = await send(client, ["ws", "push", "mail"])
        await room.settle()
        due = still_clock.now() + timedelta(seconds=60)
        still_clock.forward(timedelta(seconds=61))
        await room.settle()
        (dead,) = (await (await client.get("/v1/dead-letters")).json())["data"]
        posts.push.failing = None
        await client.post(f"/v1/dead-letters/{dead['id']}/redrive")
        await room.settle()
        still_clock.forward(timedelta(seconds=20))
        await exports.turn()
        told = [one for one in follower.records if one.subject == dead["delivery"]]
        assert [(one.type.removeprefix("delivery."), one.data.get("next")) for one in told] == [
            ("accepted", None), ("sent", None), ("escalating", "push"), ("escalating", "mail"), ("sent", None),
            ("redriven", None), ("sent", None), ("escalating", "mail"),
        ]  # fmt: skip
        first, second = told[2:4]
        assert (first.data["reason"], first.data["until"]) == ("awaiting_receipt", due.isoformat())
        assert (second.data["reason"], told[5].data["channel"]) == ("channel_failed", "push")
        assert {one.data["message"] for one in told} == {sent}
        shown = await (await client.get(f"/v1/deliveries/{dead['delivery']}")).json()
        assert [one["verdict"] for one in shown["trace"] if one["step"] == "redrive"] == ["queued"]


async def test_an_address_its_provider_forgot_is_forgotten(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        posts.push.failing = NotFound("the subscription has ended")
        await send(client, ["push"])
        await room.settle()
        user = await (await client.get("/v1/users/emma")).json()
        assert user["endpoints"] == {"mail": 1}


async def test_a_channel_has_its_own_places_and_pace() -> None:
    slow, quick = Post("slow"), Post("quick")
    slow.concurrency = 0  # type: ignore[attr-defined]
    quick.per_second = 0.1  # type: ignore[attr-defined]
    away = Away([slow, quick])
    assert away.busy_seconds(["slow"]) == 2.0
    assert not away.busy_seconds(["quick"])
    pace = away._paces["quick"]
    await pace.wait()
    assert away.busy_seconds(["quick"]) > 9


async def test_the_operators_limits_win_and_must_name_a_channel() -> None:
    quick = Post("quick")
    quick.concurrency, quick.per_second = 5, 0.1  # type: ignore[attr-defined]
    away = Away([quick], limits={"quick": ChannelLimit(concurrency=7, per_second=0)})
    assert away._each == {"quick": 7}
    await away._paces["quick"].wait()
    assert not away.busy_seconds(["quick"])
    with pytest.raises(InvalidSettings, match=r"channels\.limits\.smoke: .*quick"):
        Away([quick], limits={"smoke": ChannelLimit()})


async def test_a_provider_that_wants_to_be_left_alone_is(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        posts.push.failing = Unavailable("slow down", retry_after_seconds=900)
        first = await send(client, ["push"])
        await room.settle()
        found = await delivery(client, first)
        assert (found["state"], found["reason"]) == ("queued", "channel_unavailable")
        posts.push.failing = None
        still_clock.forward(timedelta(seconds=890))
        await room.settle()
        assert posts.push.sent == []
        still_clock.forward(timedelta(seconds=20))
        await room.settle()
        assert posts.push.sent == ["p1"]


async def test_one_providers_word_holds_for_all_its_addresses(
    database: Database, vault: Vault, still_clock: StillClock
) -> None:
    async with chained(database, vault, still_clock) as (client, room, posts):
        posts.push.one_provider = True  # type: ignore[attr-defined]
        posts.push.failing = Unavailable("slow down", retry_after_seconds=900)
        await send(client, ["push"])
        await room.settle()
        posts.push.failing = None
        second = await send(client, ["push"])
        await room.settle()
        found = await delivery(client, second)
        assert (found["reason"], found["attempts"]) == ("channels_busy", 0)
        assert posts.push.sent == []
