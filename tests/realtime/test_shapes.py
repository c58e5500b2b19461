"""Subscribers who get something else than everybody: deltas, filters, numbers, other rules."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from centrifuge import Client, DeltaType, Filter, PublicationContext, SubscriptionEventHandler

from chatpush.clock import SystemClock
from chatpush.domain import TenantId, UserId
from chatpush.log.contract import Cursor
from tests.realtime.node import SECRET, RealtimeNode, realtime_node, serving
from tests.waiting import until

TENANT = TenantId("default")


class Heard(SubscriptionEventHandler):
    """Remembers publications."""

    def __init__(self) -> None:
        self.data: list[Any] = []

    async def on_publication(self, ctx: PublicationContext) -> None:
        self.data.append(ctx.pub.data if not isinstance(ctx.pub.data, bytes) else json.loads(ctx.pub.data))


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[tuple[RealtimeNode, str]]:
    """A node on the network."""
    async with realtime_node(tmp_path, SystemClock()) as node, serving(node) as address:
        yield node, f"ws://{address}/connection/websocket"


def state(number: int) -> dict[str, Any]:
    return {"count": number, "rest": ["what does not change", "新闻", *range(60)]}


@pytest.mark.parametrize("use_protobuf", [False, True])
async def test_deltas_for_the_public_client(live: tuple[RealtimeNode, str], use_protobuf: bool) -> None:
    node, url = live
    heard = Heard()
    client = Client(
        url, token=await node.token("emma"), use_protobuf=use_protobuf, proxy=None,
        min_reconnect_delay=0.01, max_reconnect_delay=0.1,
    )  # fmt: skip
    sub = client.new_subscription("diff:a", events=heard, delta=DeltaType.FOSSIL)
    await node.hub.publish(TENANT, "diff:a", state(0))
    await client.connect()
    await sub.subscribe()
    await sub.ready()
    for number in range(1, 4):
        await node.hub.publish(TENANT, "diff:a", state(number))
    await until(lambda: heard.data == [state(1), state(2), state(3)])
    await node.hub.disconnect(TENANT, UserId("emma"), 3011, "force reconnect")
    for number in range(4, 8):
        await node.hub.publish(TENANT, "diff:a", state(number))
    await until(lambda: heard.data[-1:] == [state(7)])
    await node.hub.publish(TENANT, "diff:a", state(8))
    await until(lambda: heard.data == [state(number) for number in range(1, 9)])
    await client.disconnect()


async def test_a_delta_is_sent_only_to_who_asked_and_has_the_base(node: RealtimeNode) -> None:
    reader, other = await node.client("emma"), await node.client("lin")
    assert (await reader.subscribe("asked:a", delta="fossil"))["delta"]
    assert "delta" not in await other.subscribe("asked:a")
    await node.hub.publish(TENANT, "asked:a", state(1), delta=True)
    await node.hub.publish(TENANT, "asked:a", state(2), delta=True)
    await node.hub.publish(TENANT, "asked:a", state(3))
    await node.hub.publish(TENANT, "asked:a", state(4), delta=True, skip_history=True)
    await node.hub.publish(TENANT, "asked:a", state(5), delta=True)
    sizes = [(bool(push["pub"].get("delta")), len(push["pub"]["data"])) for push in reader.wire.pushes()]
    assert [delta for delta, _ in sizes] == [False, True, False, False, False]
    assert sizes[1][1] < 60
    assert json.loads(reader.wire.pushes()[4]["pub"]["data"]) == state(5)
    assert other.wire.data("asked:a") == [state(number) for number in range(1, 6)]


async def test_deltas_that_can_not_be(node: RealtimeNode) -> None:
    client = await node.client("emma")
    assert (await client.subscribe("diff:a", delta="bsdiff"))["error"]["code"] == 107
    both = await client.subscribe("tagged:a", delta="fossil", tf={"key": "a", "cmp": "ex"})
    assert both["error"]["code"] == 107
    assert "delta" not in await client.subscribe("news:a", delta="fossil")


async def test_a_slow_delta_reader_gets_whole_publications_again(node: RealtimeNode) -> None:
    reader = await node.client("emma")
    await reader.subscribe("diff:a", delta="fossil")
    await node.hub.publish(TENANT, "diff:a", state(1))
    reader.wire.slow = True
    for number in (2, 3):
        await node.hub.publish(TENANT, "diff:a", state(number))
    reader.wire.slow = False
    await until(lambda: len(reader.wire.pushes()) == 3)
    await node.hub.publish(TENANT, "diff:a", state(4))
    await until(lambda: len(reader.wire.pushes()) == 4)
    assert [bool(push["pub"].get("delta")) for push in reader.wire.pushes()] == [False, False, False, True]


async def test_a_tag_filter_with_the_public_client(live: tuple[RealtimeNode, str]) -> None:
    node, url = live
    heard = Heard()
    client = Client(
        url, token=await node.token("emma"), proxy=None, min_reconnect_delay=0.01, max_reconnect_delay=0.1
    )
    sub = client.new_subscription(
        "tagged:a", events=heard, tags_filter=Filter.all(Filter.eq("size", "L"), Filter.gt("price", "9"))
    )
    await client.connect()
    await sub.subscribe()
    await sub.ready()

    async def publish(first: int) -> None:
        for number in range(first, first + 4):
            tags = {"size": "L" if number % 2 else "S", "price": "10"}
            await node.hub.publish(TENANT, "tagged:a", number, tags=tags)

    await publish(0)
    await until(lambda: heard.data == [1, 3])
    await node.hub.disconnect(TENANT, UserId("emma"), 3011, "force reconnect")
    await publish(4)
    await until(lambda: heard.data == [1, 3, 5, 7])
    await client.disconnect()


async def test_a_number_instead_of_the_name(node: RealtimeNode) -> None:
    client = await node.client("emma")
    number = (await client.subscribe("tagged:a", flag=1))["id"]
    await node.hub.publish(TENANT, "tagged:a", 1)
    assert client.wire.pushes() == [{"id": number, "pub": {"data": 1, "offset": 1}}]
    assert "id" not in await client.subscribe("news:a", flag=1)


async def test_other_rules_by_a_token(node: RealtimeNode) -> None:
    override = {
        "force_recovery": {"value": True},
        "presence": {"value": False},
        "join_leave": {"value": False},
    }
    claims = {
        "sub": "emma",
        "channel": "room:a",
        "override": override,
        "info": {"a": 1},
        "data": {"hello": 1},
    }
    client, other = await node.client("emma"), await node.client("lin")
    await other.subscribe("room:a")
    result = await client.subscribe("room:a", token=jwt.encode(claims, SECRET))
    assert (result["recoverable"], result["data"]) == (True, {"hello": 1})
    assert other.wire.pushes("join") == []
    assert node.hub.presence_stats(TENANT, "room:a").num_users == 1


async def test_subscriptions_of_the_connection_token(node: RealtimeNode) -> None:
    subs = {
        "private:a": {
            "b64info": "eyJhIjoxfQ==",
            "data": [1],
            "override": {"force_recovery": {"value": False}},
        }
    }
    client = node.raw_client()
    reply = await client.ask(connect={"token": jwt.encode({"sub": "emma", "subs": subs}, SECRET)})
    result = reply["connect"]["subs"]["private:a"]
    assert result["data"] == [1]
    assert "recoverable" not in result
    assert client.session.connection.subs["private:a"].info.chan_info == {"a": 1}
    bad = node.raw_client()
    await bad.ask(
        connect={"token": jwt.encode({"sub": "emma", "subs": {"private:a": {"b64info": "?"}}}, SECRET)}
    )
    assert bad.wire.closed is not None
    assert bad.wire.closed.code == 3500


async def test_nobody_may_connect_where_it_is_allowed(tmp_path: Path) -> None:
    async with realtime_node(
        tmp_path, SystemClock(), insecure=False, allow_anonymous_connect_without_token=True
    ) as node:
        client = await node.client()
        assert "epoch" in await client.subscribe("news:a")
        assert (await client.subscribe("room:a"))["error"]["code"] == 103


async def test_a_missed_publication_is_noticed_and_caught_up(node: RealtimeNode) -> None:
    """The watcher is robbed of a publication, as a node might be of a message from another."""
    client = await node.client("emma")
    await client.subscribe("news:a")
    await node.hub.publish(TENANT, "news:a", 1)
    node.log._watchers.clear()
    await node.hub.publish(TENANT, "news:a", 2)
    assert await node.hub.positions.check() == 0
    assert client.wire.data("news:a") == [1]
    assert await node.hub.positions.check() == 1
    await until(lambda: client.wire.data("news:a") == [1, 2])
    assert await node.hub.positions.check() == 0


async def test_what_was_missed_and_is_gone_is_told(node: RealtimeNode) -> None:
    client = await node.client("emma")
    await client.subscribe("short:a")
    node.log._watchers.clear()
    for number in range(40):
        await node.hub.publish(TENANT, "short:a", number)
        await node.hub.publish(TENANT, "user:emma", number)
    await node.hub.history_remove(TENANT, "user:emma")
    await node.hub.positions.check()
    await node.hub.positions.check()
    await until(lambda: client.wire.closed is not None)
    assert client.wire.closed is not None
    assert client.wire.closed.code == 3010


async def test_only_the_latest_in_a_cache(node: RealtimeNode) -> None:
    for number in range(3):
        await node.hub.publish(TENANT, "cache:a", number)
    client = await node.client("emma")
    result = await client.subscribe("cache:a", recover=True)
    assert (result["recovered"], [pub["data"] for pub in result["publications"]]) == (True, [2])
    again = await node.client("emma")
    result = await again.subscribe("cache:a", recover=True, epoch=result["epoch"], offset=3)
    assert (result["recovered"], result.get("publications")) == (True, None)
    gone = await node.client("emma")
    result = await gone.subscribe("cache:a", recover=True, epoch="another", offset=3)
    assert [pub["data"] for pub in result["publications"]] == [2]


async def test_channels_of_listed_users(node: RealtimeNode) -> None:
    for user, may in (("emma", True), ("lin", True), ("max", False), ("", False)):
        reply = await (await node.client(user)).subscribe("private:talk#emma,lin")
        assert ("epoch" in reply) is may, user


async def test_an_epoch_that_changed_is_told(node: RealtimeNode) -> None:
    client = await node.client("emma")
    await client.subscribe("room:a")
    sub = client.session.connection.subs["room:a"]
    sub.stand_at(Cursor("another", 5))
    await node.hub.positions.check()
    await node.hub.positions.check()
    await until(lambda: client.wire.pushes("unsubscribe"))
    assert client.wire.pushes("unsubscribe")[0]["unsubscribe"]["code"] == 2500
