"""The client protocol, command by command, without a socket."""

import json
from datetime import timedelta
from functools import partial
from pathlib import Path

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatpush.domain import Identity, Json, TenantId, UserId
from chatpush.log.contract import Cursor
from chatpush.plugins.contracts import Drop
from chatpush.plugins.hooks import hook
from chatpush.plugins.host import Plugins
from chatpush.realtime.leaving import moments, send_away
from chatpush.realtime.moves import Chosen
from tests.clocks import StillClock
from tests.realtime.node import SECRET, Client, MemoryWire, RealtimeNode, realtime_node
from tests.waiting import until

TENANT = TenantId("default")
EMMA = Chosen(UserId("emma"))


def code(reply: dict[str, object]) -> int:
    error = reply.get("error", {})
    assert isinstance(error, dict)
    return int(error.get("code", 0))


async def closed(client: Client) -> int:
    return client.wire.closed.code if client.wire.closed else 0


# -- connecting ------------------------------------------------------------


async def test_connect_tells_the_client_what_it_needs(node: RealtimeNode) -> None:
    client = node.raw_client()
    reply = await client.ask(connect={"token": await node.token("emma"), "name": "js", "version": "1"})
    result = reply["connect"]
    assert (result["ping"], result["pong"], result["client"]) == (25, True, client.session.connection.client)
    personal = result["subs"]["user:emma"]
    assert (personal["recoverable"], personal.get("offset", 0)) == (True, 0)
    assert personal["epoch"]
    assert node.hub.is_online(TENANT, UserId("emma"))


async def test_without_a_token_only_where_it_is_allowed(tmp_path: Path, still_clock: StillClock) -> None:
    async with realtime_node(tmp_path, still_clock, insecure=False) as node:
        client = node.raw_client()
        await client.ask(connect={})
        assert await closed(client) == 3500


async def test_a_token_may_stand_in_emulated_headers(tmp_path: Path, still_clock: StillClock) -> None:
    async with realtime_node(tmp_path, still_clock, insecure=False) as node:
        emma, lin = await node.token("emma"), await node.token("lin")
        client = node.raw_client()
        reply = await client.ask(connect={"headers": {"authorization": f"Bearer {emma}"}})
        assert "user:emma" in reply["connect"]["subs"]
        both = node.raw_client()
        reply = await both.ask(connect={"token": lin, "headers": {"Authorization": f"Bearer {emma}"}})
        assert "user:lin" in reply["connect"]["subs"]
        for headers in (
            {"Authorization": "Bearer nonsense"},
            {"Authorization": f"Basic {emma}"},
            {"X": emma},
        ):
            other = node.raw_client()
            await other.ask(connect={"headers": headers})
            assert await closed(other) == 3500


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "x" * 10_000, "é.è.ê"])
async def test_a_bad_token_closes(node: RealtimeNode, token: str) -> None:
    client = node.raw_client()
    await client.ask(connect={"token": token})
    assert await closed(client) == 3500


async def test_an_expired_token_asks_for_a_fresh_one(node: RealtimeNode, still_clock: StillClock) -> None:
    token = await node.token("emma", ttl=timedelta(minutes=1))
    still_clock.forward(timedelta(minutes=2))
    client = node.raw_client()
    assert code(await client.ask(connect={"token": token})) == 109
    assert await closed(client) == 0


async def test_a_token_of_another_tenant_is_refused(node: RealtimeNode) -> None:
    client = node.raw_client(tenant=TenantId("other"))
    await client.ask(connect={"token": await node.token("emma")})
    assert await closed(client) == 3500


@pytest.mark.parametrize(
    "frame",
    ["", "\n", "[", "null", "[]", "7", '{"id":-1}', '{"id":"x"}', '{"id":1.5}', "[" * 50_000,
     '{"id":1,"subscribe":{"channel":7}}', '{"id":1,"connect":{},"ping":{}}', '{"connect":{}}',
     '{"id":1,"subscribe":{"channel":"news:a"}}', "{}", '{"id":1}', '{"send":{"data":1}}'],
)  # fmt: skip
async def test_a_bad_first_frame_closes(node: RealtimeNode, frame: str) -> None:
    client = node.raw_client()
    await client.session.receive(frame)
    assert await closed(client) == 3501


async def test_connecting_twice_closes(node: RealtimeNode) -> None:
    client = await node.client("emma")
    await client.ask(connect={})
    assert await closed(client) == 3501


async def test_several_commands_in_a_frame_are_answered_in_order(node: RealtimeNode) -> None:
    client = node.raw_client()
    commands = [
        {"id": 1, "connect": {}},
        {"id": 2, "subscribe": {"channel": "news:a"}},
        {"id": 3, "ping": {}},
    ]
    await client.session.receive("\n".join(json.dumps(command) for command in commands) + "\n")
    assert [message["id"] for message in client.wire.messages] == [1, 2, 3]


async def test_a_user_has_a_limit_of_connections(tmp_path: Path, still_clock: StillClock) -> None:
    async with realtime_node(tmp_path, still_clock, max_connections_per_user=2) as node:
        clients = [await node.client("emma") for _ in range(3)]
        assert [await closed(client) for client in clients] == [0, 0, 3504]
        clients[0].session.ended()
        assert await closed(await node.client("emma")) == 0


async def test_channels_of_the_token_are_subscribed(node: RealtimeNode) -> None:
    client = node.raw_client()
    token = await node.token("emma", channels=("private:a",))
    reply = await client.ask(connect={"token": token})
    assert set(reply["connect"]["subs"]) == {"user:emma", "private:a"}
    await node.hub.publish(TENANT, "private:a", {"n": 1})
    assert client.wire.data("private:a") == [{"n": 1}]
    foreign = node.raw_client()
    assert code(await foreign.ask(connect={"token": await node.token("lin", channels=("user:emma",))})) == 103


async def test_server_side_subscriptions_recover_at_connect(node: RealtimeNode) -> None:
    client = node.raw_client()
    first = (await client.ask(connect={"token": await node.token("emma")}))["connect"]["subs"]["user:emma"]
    client.session.ended()
    await node.hub.publish(TENANT, "user:emma", {"n": 1})
    again = node.raw_client()
    place = {"recover": True, "epoch": first["epoch"], "offset": first.get("offset", 0)}
    reply = await again.ask(connect={"token": await node.token("emma"), "subs": {"user:emma": place}})
    result = reply["connect"]["subs"]["user:emma"]
    assert (result["recovered"], result["offset"]) == (True, 1)
    assert again.wire.data("user:emma") == [{"n": 1}]


# -- subscribing -------------------------------------------------------------


async def test_permissions_of_subscribe(node: RealtimeNode) -> None:
    anonymous, emma = await node.client(), await node.client("emma")
    assert code(await emma.ask(subscribe={"channel": "nowhere:a"})) == 102
    assert code(await emma.ask(subscribe={"channel": "plain"})) == 103
    assert code(await emma.ask(subscribe={"channel": ""})) == 107
    assert code(await emma.ask(subscribe={"channel": "news:" + "x" * 300})) == 107
    assert code(await emma.ask(subscribe={"channel": "news:a\nb"})) == 107
    assert code(await emma.ask(subscribe={"channel": "private:a"})) == 103
    assert code(await emma.ask(subscribe={"channel": "user:lin"})) == 103
    assert code(await emma.ask(subscribe={"channel": "user:emma"})) == 105
    assert code(await emma.ask(subscribe={"channel": "news:team#lin,ann"})) == 103
    assert code(await emma.ask(subscribe={"channel": "private:team#lin,emma"})) == 0
    assert code(await anonymous.ask(subscribe={"channel": "open:a"})) == 103
    assert code(await anonymous.ask(subscribe={"channel": "user:"})) == 103
    assert code(await anonymous.ask(subscribe={"channel": "news:a"})) == 0
    assert code(await anonymous.ask(subscribe={"channel": "news:a"})) == 105


async def test_subscription_tokens(node: RealtimeNode, still_clock: StillClock) -> None:
    emma = await node.client("emma")
    good = await node.sub_token("emma", "private:a", timedelta(minutes=5))
    assert code(await emma.ask(subscribe={"channel": "private:b", "token": good})) == 103
    others = await node.sub_token("lin", "private:a")
    assert code(await emma.ask(subscribe={"channel": "private:a", "token": others})) == 103
    assert code(await emma.ask(subscribe={"channel": "private:a", "token": "nonsense"})) == 103
    connection_token = await node.token("emma")
    assert code(await emma.ask(subscribe={"channel": "private:a", "token": connection_token})) == 103
    stolen = await node.sub_token("emma", "user:lin")
    assert code(await emma.ask(subscribe={"channel": "user:lin", "token": stolen})) == 103
    result = await emma.subscribe("private:a", token=good)
    assert (result["expires"], result["ttl"]) == (True, 300)
    await emma.ask(unsubscribe={"channel": "private:a"})
    still_clock.forward(timedelta(minutes=6))
    assert code(await emma.ask(subscribe={"channel": "private:a", "token": good})) == 109


async def test_channels_are_limited(tmp_path: Path, still_clock: StillClock) -> None:
    async with realtime_node(tmp_path, still_clock, max_channels=2) as node:
        client = await node.client()
        replies = [await client.ask(subscribe={"channel": f"news:{n}"}) for n in range(3)]
        assert [code(reply) for reply in replies] == [0, 0, 106]


async def test_what_is_not_supported_is_refused_clearly(node: RealtimeNode) -> None:
    stranger = node.raw_client()
    assert code(await stranger.ask(connect={"dict": "d1"})) == 108
    assert "connect" in await stranger.ask(connect={})
    client = await node.client("emma")
    for more in ({"type": 1}, {"key": "a"}, {"removed": True}):
        assert code(await client.ask(publish={"channel": "open:a", "data": 1, **more})) == 108
    assert code(await client.ask(sub_refresh={"channel": "news:a", "token": "x", "type": 2})) == 108
    assert code(await client.ask(subscribe={"channel": "news:a", "type": 1})) == 108
    assert code(await client.ask(subscribe={"channel": "news:a", "tf": {"key": "a", "cmp": "ex"}})) == 103


async def test_recovery_and_its_limits(node: RealtimeNode) -> None:
    client = await node.client("emma")
    start = await client.subscribe("short:a")
    await client.ask(unsubscribe={"channel": "short:a"})
    for number in range(3):
        await node.hub.publish(TENANT, "short:a", number)
    place = {"recover": True, "epoch": start["epoch"], "offset": start.get("offset", 0)}
    result = await client.subscribe("short:a", **place)
    assert (result["recovered"], result["was_recovering"], result["offset"]) == (True, True, 3)
    assert [pub["data"] for pub in result["publications"]] == [0, 1, 2]
    await client.ask(unsubscribe={"channel": "short:a"})
    await node.hub.publish(TENANT, "short:a", 3)
    result = await client.subscribe("short:a", **place)
    assert (result.get("recovered"), result.get("publications"), result["offset"]) == (None, None, 4)
    await client.ask(unsubscribe={"channel": "short:a"})
    assert code(await client.ask(subscribe={"channel": "short:a", "flag": 2, **place})) == 112
    assert code(await client.ask(subscribe={"channel": "short:a"})) == 0


async def test_recovery_from_the_start_is_history_then_live(node: RealtimeNode) -> None:
    client = await node.client()
    await node.hub.publish(TENANT, "news:a", 1)
    await client.subscribe("news:a", recover=True)
    await node.hub.publish(TENANT, "news:a", 2)
    assert client.wire.data("news:a") == [1, 2]


async def test_a_long_recovery_goes_on_after_the_reply(node: RealtimeNode) -> None:
    client = await node.client()
    start = await client.subscribe("news:a")
    await client.ask(unsubscribe={"channel": "news:a"})
    for number in range(90):
        await node.hub.publish(TENANT, "news:a", number)
    client.wire.messages.clear()
    result = await client.subscribe("news:a", recover=True, epoch=start["epoch"], offset=0)
    assert result["recovered"]
    await until(lambda: len(client.wire.data("news:a")) == 90)
    assert client.wire.data("news:a") == list(range(90))


@pytest.mark.parametrize("recover", [True, False])
async def test_what_is_published_during_the_subscribe_comes_once(
    node: RealtimeNode, monkeypatch: pytest.MonkeyPatch, recover: bool
) -> None:
    client = await node.client()
    start = await client.subscribe("news:a")
    await client.ask(unsubscribe={"channel": "news:a"})
    await node.hub.publish(TENANT, "news:a", 1)
    method = "after" if recover else "top"
    read = getattr(node.log, method)

    async def slow(*arguments: object) -> object:
        """A read in whose middle others publish, as when it comes from disk."""
        monkeypatch.setattr(node.log, method, read)
        await node.hub.publish(TENANT, "news:a", 2)
        answer = await read(*arguments)
        await node.hub.publish(TENANT, "news:a", 3)
        await node.hub.publish(TENANT, "news:a", 4)
        return answer

    monkeypatch.setattr(node.log, method, slow)
    place = {"recover": True, "epoch": start["epoch"], "offset": 0} if recover else {}
    await client.subscribe("news:a", **place)
    await node.hub.publish(TENANT, "news:a", 5)
    expected = [1, 2, 3, 4, 5] if recover else [3, 4, 5]
    await until(lambda: len(client.wire.data("news:a")) >= len(expected))
    assert client.wire.data("news:a") == expected


async def test_cache_recovery_brings_the_latest(node: RealtimeNode) -> None:
    client = await node.client("emma")
    for number in range(5):
        await node.hub.publish(TENANT, "cache:a", number)
    result = await client.subscribe("cache:a", recover=True)
    assert (result["recovered"], [pub["data"] for pub in result["publications"]]) == (True, [4])
    await client.ask(unsubscribe={"channel": "cache:a"})
    again = await client.subscribe("cache:a", recover=True, epoch=result["epoch"], offset=result["offset"])
    assert (again["recovered"], again.get("publications")) == (True, None)


async def test_channels_without_history_show_no_position(node: RealtimeNode) -> None:
    client = await node.client("emma")
    result = await client.subscribe("open:a", recover=True)
    assert "offset" not in result
    assert "epoch" not in result
    await node.hub.publish(TENANT, "open:a", 1)
    assert client.wire.pushes() == [{"channel": "open:a", "pub": {"data": 1}}]


async def test_unsubscribe_ends_the_stream(node: RealtimeNode) -> None:
    client = await node.client()
    await client.subscribe("news:a")
    assert (await client.ask(unsubscribe={"channel": "news:a"}))["unsubscribe"] == {}
    assert (await client.ask(unsubscribe={"channel": "news:never"}))["unsubscribe"] == {}
    assert code(await client.ask(unsubscribe={})) == 107
    await node.hub.publish(TENANT, "news:a", 1)
    assert client.wire.data("news:a") == []


async def test_a_subscription_expires_unless_refreshed(node: RealtimeNode, still_clock: StillClock) -> None:
    clients = [await node.client("emma"), await node.client("emma")]
    for client in clients:
        token = await node.sub_token("emma", "private:a", timedelta(minutes=1))
        await client.subscribe("private:a", token=token)
    still_clock.forward(timedelta(seconds=59))
    longer = await node.sub_token("emma", "private:a", timedelta(hours=1))
    reply = await clients[0].ask(sub_refresh={"channel": "private:a", "token": longer})
    assert reply["sub_refresh"] == {"expires": True, "ttl": 3600}
    still_clock.forward(timedelta(seconds=10))
    node.hub._heartbeat.sweep()
    assert clients[1].wire.pushes("unsubscribe") == []
    for client in clients:
        await client.session.receive("{}")  # answers the ping of the first sweep
    still_clock.forward(timedelta(seconds=20))
    node.hub._heartbeat.sweep()
    assert clients[1].wire.pushes("unsubscribe")[0]["unsubscribe"]["code"] == 2501
    assert clients[0].wire.pushes("unsubscribe") == []
    assert code(await clients[0].ask(sub_refresh={"channel": "news:a", "token": longer})) == 107
    assert code(await clients[0].ask(sub_refresh={"channel": "private:a", "token": token})) == 110


# -- channels ---------------------------------------------------------------------


async def test_publish_needs_permission_and_data(node: RealtimeNode) -> None:
    emma, lin = await node.client("emma"), await node.client("lin")
    await lin.subscribe("open:a")
    assert (await emma.ask(publish={"channel": "open:a", "data": {"x": 1}}))["publish"] == {}
    pub = lin.wire.pushes()[0]["pub"]
    assert (pub["data"], pub["info"]["user"]) == ({"x": 1}, "emma")
    assert code(await emma.ask(publish={"channel": "open:a"})) == 107
    assert code(await emma.ask(publish={"channel": "news:a", "data": 1})) == 103
    assert code(await emma.ask(publish={"channel": "nowhere:a", "data": 1})) == 102
    assert code(await emma.ask(publish={"channel": "user:emma", "data": 1})) == 103
    assert code(await emma.ask(publish={"channel": "room:a", "data": 1})) == 103
    await emma.subscribe("room:a")
    assert code(await emma.ask(publish={"channel": "room:a", "data": 1})) == 0
    anonymous = await node.client()
    assert code(await anonymous.ask(publish={"channel": "open:a", "data": 1})) == 103


async def test_newlines_in_data_do_not_break_the_stream(node: RealtimeNode) -> None:
    client = await node.client()
    await client.subscribe("news:a")
    await node.hub.publish(TENANT, "news:a", b'{\n  "a": "b\\nc"\n}')
    assert client.wire.data("news:a") == [{"a": "b\nc"}]


async def test_plugins_filter_what_clients_publish(tmp_path: Path, still_clock: StillClock) -> None:
    class Polite:
        @hook
        async def filter_publication(self, channel: str, data: bytes, user: str) -> bytes | Drop | None:
            if b"rude" in data:
                return Drop("be polite")
            return data.replace(b"cat", b"dog") if b"cat" in data else None

    async with realtime_node(tmp_path, still_clock, Plugins({"polite": Polite()})) as node:
        emma = await node.client("emma")
        await emma.subscribe("open:a")
        reply = await emma.ask(publish={"channel": "open:a", "data": "rude"})
        assert reply["error"] == {"code": 103, "message": "be polite"}
        await emma.ask(publish={"channel": "open:a", "data": "cat"})
        await emma.ask(publish={"channel": "open:a", "data": "cow"})
        assert emma.wire.data("open:a") == ["dog", "cow"]


async def test_history(node: RealtimeNode) -> None:
    client = await node.client("emma")
    for number in range(5):
        position = await node.hub.publish(TENANT, "news:a", number)
    assert code(await client.ask(history={"channel": "news:a", "limit": 2})) == 103
    await client.subscribe("news:a")
    assert code(await client.ask(history={"channel": "open:a", "limit": 2})) == 108
    reply = (await client.ask(history={"channel": "news:a", "limit": 2}))["history"]
    assert ([pub["data"] for pub in reply["publications"]], reply["offset"]) == ([0, 1], 5)
    only_top = (await client.ask(history={"channel": "news:a"}))["history"]
    assert only_top == {"epoch": position.epoch, "offset": 5}
    since = {"offset": 3, "epoch": position.epoch}
    reply = (await client.ask(history={"channel": "news:a", "limit": -1, "since": since}))["history"]
    assert [pub["data"] for pub in reply["publications"]] == [3, 4]
    reply = (await client.ask(history={"channel": "news:a", "limit": 1, "reverse": True}))["history"]
    assert [pub["data"] for pub in reply["publications"]] == [4]
    since = {"offset": 3, "epoch": "other"}
    assert code(await client.ask(history={"channel": "news:a", "limit": 1, "since": since})) == 112


async def test_presence_joins_and_leaves(node: RealtimeNode) -> None:
    emma, lin = await node.client("emma"), await node.client("lin")
    await emma.subscribe("room:a")
    assert code(await lin.ask(presence={"channel": "room:a"})) == 103
    await lin.subscribe("room:a")
    there = (await lin.ask(presence={"channel": "room:a"}))["presence"]["presence"]
    assert {info["user"] for info in there.values()} == {"emma", "lin"}
    assert (await lin.ask(presence_stats={"channel": "room:a"}))["presence_stats"] == {
        "num_clients": 2, "num_users": 2,
    }  # fmt: skip
    assert [push["join"]["info"]["user"] for push in emma.wire.pushes("join")] == ["lin"]
    lin.session.ended()
    assert [push["leave"]["info"]["user"] for push in emma.wire.pushes("leave")] == ["lin"]
    assert code(await emma.ask(presence={"channel": "news:a"})) == 108


@pytest.mark.logs("a command failed")
async def test_rpc_and_send(node: RealtimeNode) -> None:
    async def greet(identity: Identity, data: Json) -> Json:
        return {"hello": identity.subject, "got": data}

    async def fail(identity: Identity, data: Json) -> Json:
        raise ValueError("secret detail")

    node.hub.rpc.register("greet", greet)
    node.hub.rpc.register("fail", fail)
    emma = await node.client("emma")
    reply = await emma.ask(rpc={"method": "greet", "data": [1]})
    assert reply["rpc"]["data"] == {"hello": "emma", "got": [1]}
    assert code(await emma.ask(rpc={"method": "unknown"})) == 104
    failed = await emma.ask(rpc={"method": "fail"})
    assert failed["error"] == {"code": 100, "message": "internal server error", "temporary": True}
    assert code(await emma.ask(surprise={})) == 104
    await emma.session.receive('{"send":{"data":{"x":1}}}')
    assert await emma.ask(send={"data": 1}) == {}
    assert await closed(emma) == 0


# -- lifetime ------------------------------------------------------------------------


async def test_pings_want_pongs(node: RealtimeNode, still_clock: StillClock) -> None:
    alive, dead = await node.client("emma"), await node.client("lin")
    for _ in range(3):
        still_clock.forward(timedelta(seconds=25))
        node.hub._heartbeat.sweep()
        await alive.session.receive("{}")
        still_clock.forward(timedelta(seconds=9))
        node.hub._heartbeat.sweep()
    assert {} in alive.wire.messages
    assert await closed(alive) == 0
    assert await closed(dead) == 3012
    assert not node.hub.is_online(TENANT, UserId("lin"))


async def test_a_silent_socket_is_closed(node: RealtimeNode, still_clock: StillClock) -> None:
    client = node.raw_client()
    still_clock.forward(timedelta(seconds=11))
    node.hub._heartbeat.sweep()
    assert await closed(client) == 3502


async def test_a_connection_expires_unless_refreshed(node: RealtimeNode, still_clock: StillClock) -> None:
    async def soon(user: str) -> str:
        return await node.token(user, ttl=timedelta(minutes=1))

    clients = [node.raw_client() for _ in range(3)]
    for client in clients:
        reply = await client.ask(connect={"token": await soon("emma")})
        assert (reply["connect"]["expires"], reply["connect"]["ttl"]) == (True, 60)
    fresh = await node.token("emma", ttl=timedelta(hours=1))
    reply = await clients[0].ask(refresh={"token": fresh})
    assert (reply["refresh"]["expires"], reply["refresh"]["ttl"]) == (True, 3600)
    await clients[2].ask(refresh={"token": await soon("lin")})
    assert await closed(clients[2]) == 3500
    still_clock.forward(timedelta(seconds=86))
    node.hub._heartbeat.sweep()
    assert [await closed(client) for client in clients[:2]] == [0, 3005]
    stale = await node.token("emma", ttl=timedelta(seconds=1))
    still_clock.forward(timedelta(seconds=5))
    await clients[0].ask(refresh={"token": stale})
    assert await closed(clients[0]) == 3005


async def test_floods_are_slowed_and_then_closed(tmp_path: Path, still_clock: StillClock) -> None:
    async with realtime_node(tmp_path, still_clock, commands_per_second=5) as node:
        client = await node.client("emma")
        replies = [await client.ask(ping={}) for _ in range(11)]
        assert [code(reply) for reply in replies] == [0] * 10 + [111]
        assert replies[-1]["error"]["temporary"] is True
        still_clock.forward(timedelta(seconds=1))
        assert code(await client.ask(ping={})) == 0
        for _ in range(200):
            await client.ask(ping={})
        assert await closed(client) == 3013


async def test_one_user_has_one_rate_over_all_connections(tmp_path: Path, still_clock: StillClock) -> None:
    async with realtime_node(tmp_path, still_clock, user_commands_per_second=3) as node:
        first, second, other = [await node.client(user) for user in ("emma", "emma", "lin")]
        replies = [await client.ask(ping={}) for client in (first, second) for _ in range(4)]
        assert [code(reply) for reply in replies] == [0] * 6 + [111] * 2
        assert code(await other.ask(ping={})) == 0
        still_clock.forward(timedelta(seconds=1))
        assert [code(await client.ask(ping={})) for client in (first, second)] == [0, 0]
        for client in (first, second):
            client.session.ended()
        again = await node.client("emma")  # whoever has left is forgotten, and starts anew
        assert [code(await again.ask(ping={})) for _ in range(6)] == [0] * 6


# -- slow readers --------------------------------------------------------------------


async def test_a_slow_reader_catches_up_without_loss(node: RealtimeNode) -> None:
    client = await node.client("emma", wire=(wire := MemoryWire()))
    await client.subscribe("news:a")
    await node.hub.publish(TENANT, "news:a", 0)
    wire.slow = True
    for number in range(1, 30):
        await node.hub.publish(TENANT, "news:a", number)
    assert wire.data("news:a") == [0]
    wire.slow = False
    await until(lambda: len(wire.data("news:a")) == 30)
    await node.hub.publish(TENANT, "news:a", 30)
    assert wire.data("news:a") == list(range(31))


async def test_a_reader_slower_than_retention_is_told(node: RealtimeNode) -> None:
    client = await node.client("emma", wire=(wire := MemoryWire()))
    await client.subscribe("short:a")
    wire.slow = True
    for number in range(10):
        await node.hub.publish(TENANT, "short:a", number)
    wire.slow = False
    await until(lambda: wire.pushes("unsubscribe"))
    assert wire.pushes("unsubscribe")[0] == {
        "channel": "short:a", "unsubscribe": {"code": 2500, "reason": "insufficient state"},
    }  # fmt: skip
    assert code(await client.ask(subscribe={"channel": "short:a"})) == 0


async def test_latest_skips_and_disconnect_closes(node: RealtimeNode) -> None:
    client = await node.client("emma", wire=(wire := MemoryWire()))
    await client.subscribe("latest:a")
    wire.slow = True
    for number in range(5):
        await node.hub.publish(TENANT, "latest:a", number, key="price" if number % 2 else "stock")
    wire.slow = False
    await until(lambda: wire.data("latest:a"))
    assert wire.data("latest:a") == [3, 4]
    await client.subscribe("strict:a")
    wire.slow = True
    await node.hub.publish(TENANT, "strict:a", 1)
    await until(lambda: wire.closed)
    assert await closed(client) == 3008


# -- the server's hand -----------------------------------------------------------------


async def test_the_server_moves_connections(node: RealtimeNode) -> None:
    client = await node.client("emma")
    await node.hub.publish(TENANT, "private:a", 1)
    since = Cursor((await node.hub.history(TENANT, "private:a", 0)).epoch, 0)
    assert await node.hub.moves.subscribe(TENANT, EMMA, "private:a", recover_since=since) == 1
    push = client.wire.pushes("subscribe")[0]
    assert (push["channel"], push["subscribe"]["recoverable"]) == ("private:a", True)
    await until(lambda: client.wire.data("private:a") == [1])
    await node.hub.publish(TENANT, "private:a", 2)
    assert client.wire.data("private:a") == [1, 2]
    assert await node.hub.moves.unsubscribe(TENANT, EMMA, "private:a") == 1
    assert client.wire.pushes("unsubscribe")[0]["unsubscribe"]["code"] == 2000
    assert await node.hub.disconnect(TENANT, UserId("emma")) == 1
    assert await closed(client) == 3503
    assert node.hub.counts().connections == 0
    assert node.hub.counts().channels == 0


async def test_tenants_do_not_meet(node: RealtimeNode) -> None:
    emma = await node.client("emma")
    other = node.raw_client(tenant=TenantId("other"))
    token = await node.tokens.issue_connection(TenantId("other"), UserId("emma"), None)
    await other.ask(connect={"token": token})
    await node.hub.publish(TenantId("other"), "user:emma", "theirs")
    assert (emma.wire.data("user:emma"), other.wire.data("user:emma")) == ([], ["theirs"])
    assert await node.hub.disconnect(TENANT, UserId("emma"), client=other.session.connection.client) == 0


async def test_listeners_hear_of_first_and_last_connections(node: RealtimeNode) -> None:
    heard: list[str] = []
    node.hub.on_connect.append(lambda tenant, user: heard.append(f"+{user}"))
    node.hub.on_disconnect.append(lambda tenant, user: heard.append(f"-{user}"))
    first, second = await node.client("emma"), await node.client("emma")
    await node.client()
    first.session.ended()
    assert heard == ["+emma"]
    second.session.ended()
    second.session.ended()
    assert heard == ["+emma", "-emma"]


async def test_skipped_history_reaches_only_who_is_there(node: RealtimeNode) -> None:
    client = await node.client()
    await client.subscribe("news:a")
    position = await node.hub.publish(TENANT, "news:a", "passing", skip_history=True)
    assert position.offset == 0
    await node.hub.publish(TENANT, "news:a", "kept")
    assert [push["pub"] for push in client.wire.pushes()] == [
        {"data": "passing"},
        {"data": "kept", "offset": 1},
    ]


@given(st.integers(0, 4000), st.one_of(st.just(0.0), st.floats(0.001, 60)))
def test_goodbyes_are_spread_over_the_window(count: int, within: float) -> None:
    planned = moments(count, within)
    window = min(within, count / 500)
    assert (len(planned), planned) == (count, sorted(planned))
    assert all(0 <= moment <= window for moment in planned)
    if count > 500 and window > 0:  # by chance, not in step: no tenth of the window is without a goodbye
        assert {int(10 * moment / window) for moment in planned} >= set(range(10))


async def test_goodbyes_come_in_no_order_a_crowd_could_keep() -> None:
    said: list[int] = []
    await send_away([partial(said.append, number) for number in range(100)], 0.0)
    assert sorted(said) == list(range(100))
    assert said != list(range(100))


async def test_draining_sends_everybody_away(node: RealtimeNode) -> None:
    clients = [await node.client("emma"), node.raw_client()]
    await node.hub.drain()
    assert [await closed(client) for client in clients] == [3001, 3001]
    assert node.hub.full()


async def test_a_plugin_answers_calls_with_the_tokens_meta(tmp_path: Path, still_clock: StillClock) -> None:
    class Whoami:
        name = "whoami"

        async def call(self, identity: Identity, data: Json) -> Json:
            return [identity.user, identity.meta, data]

    class Plugin:
        @hook
        def register_rpc(self) -> list[Whoami]:
            return [Whoami()]

    plugins = Plugins({"mine": Plugin()})
    async with realtime_node(tmp_path, still_clock, plugins) as node:
        client = node.raw_client()
        await client.ask(connect={"token": jwt.encode({"sub": "emma", "meta": {"vip": True}}, SECRET)})
        reply = await client.ask(rpc={"method": "whoami", "data": 1})
        assert reply["rpc"]["data"] == ["emma", {"vip": True}, 1]
        assert "meta" not in json.dumps(client.wire.messages[0])
