"""The public Python library of the server API, against a real server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import cent
import jwt
import pytest

from chatpush.clock import SystemClock
from chatpush.domain import Identity, Json, TenantId, UserId
from tests.realtime.node import API_KEY, SECRET, Client, RealtimeNode, realtime_node, serving
from tests.waiting import until

TENANT = TenantId("default")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RealtimeNode]:
    async with realtime_node(tmp_path, SystemClock()) as node:
        yield node


@pytest.fixture
async def api(node: RealtimeNode) -> AsyncIterator[cent.AsyncClient]:
    async with serving(node) as address:
        client = cent.AsyncClient(f"http://{address}/api", API_KEY)
        yield client
        await client.close()


def closed(client: Client) -> int:
    return client.wire.closed.code if client.wire.closed else 0


async def test_publications(api: cent.AsyncClient) -> None:
    first = await api.publish(
        cent.PublishRequest(channel="news:a", data={"n": 1}, tags={"a": "b"}, idempotency_key="k")
    )
    again = await api.publish(cent.PublishRequest(channel="news:a", data={"n": 1}, idempotency_key="k"))
    assert (first.offset, again.offset) == (1, 1)
    sent = await api.broadcast(cent.BroadcastRequest(channels=["news:a", "nowhere:a"], data=[2]))
    assert [response.error is None for response in sent.responses] == [True, False]
    found = await api.history(cent.HistoryRequest(channel="news:a", limit=10, reverse=True))
    assert [(pub.offset, pub.data) for pub in found.publications] == [(2, [2]), (1, {"n": 1})]
    since = cent.StreamPosition(offset=1, epoch=found.epoch)
    found = await api.history(cent.HistoryRequest(channel="news:a", limit=10, since=since))
    assert [pub.offset for pub in found.publications] == [2]
    await api.history_remove(cent.HistoryRemoveRequest(channel="news:a"))
    assert (await api.history(cent.HistoryRequest(channel="news:a", limit=10))).publications == []
    with pytest.raises(cent.CentApiResponseError) as failed:
        await api.publish(cent.PublishRequest(channel="nowhere:a", data=1))
    assert failed.value.code == 102


async def test_versions_drop_what_is_stale(api: cent.AsyncClient) -> None:
    async def publish(version: int, epoch: str = "") -> int:
        request = cent.PublishRequest.model_validate(
            {"channel": "news:a", "data": version, "version": version, "version_epoch": epoch}
        )
        return (await api.publish(request)).offset

    assert [await publish(5), await publish(4), await publish(6), await publish(1, "new")] == [1, 1, 2, 3]


async def test_connections(node: RealtimeNode, api: cent.AsyncClient) -> None:
    emma, phone, lin = [await node.client(user) for user in ("emma", "emma", "lin")]
    await api.subscribe(
        cent.SubscribeRequest(
            user="emma", channel="room:a", client=emma.session.connection.client, info={"a": 1}, data=[7],
            override=cent.ChannelOptionsOverride(force_recovery=cent.BoolValue(value=True)),
        )
    )  # fmt: skip
    there = (await api.presence(cent.PresenceRequest(channel="room:a"))).presence
    assert [(info.user, info.chan_info) for info in there.values()] == [("emma", {"a": 1})]
    assert emma.wire.pushes("subscribe")[0]["subscribe"]["data"] == [7]
    assert (await api.presence_stats(cent.PresenceStatsRequest(channel="room:a"))).num_clients == 1
    assert (await api.channels(cent.ChannelsRequest(pattern="room:*"))).channels.keys() == {"room:a"}
    await api.unsubscribe(cent.UnsubscribeRequest(user="emma", channel="room:a"))
    assert emma.wire.pushes("unsubscribe")[0]["unsubscribe"]["code"] == 2000
    await api.refresh(cent.RefreshRequest(user="lin", expire_at=2**31))
    assert lin.wire.pushes("refresh")[0]["refresh"]["expires"]
    spared = [phone.session.connection.client]
    await api.disconnect(cent.DisconnectRequest(user="emma", whitelist=spared))
    assert [closed(one) for one in (emma, phone, lin)] == [3503, 0, 0]
    reason = cent.Disconnect(code=4500, reason="bye")
    await api.disconnect(
        cent.DisconnectRequest.model_validate({"user": "", "all_users": True, "disconnect": reason})
    )
    assert [closed(one) for one in (phone, lin)] == [4500, 4500]
    info = await api.info(cent.InfoRequest())
    assert (info.nodes[0].num_clients, info.nodes[0].version) == (0, "test")


async def test_a_session_by_its_name(node: RealtimeNode, api: cent.AsyncClient) -> None:
    emma, other = await node.client("emma"), await node.client("emma")
    name = node.hub.emulation.add(emma.session)
    request = {"user": "", "channel": "room:a", "session": name}
    await api.subscribe(cent.SubscribeRequest.model_validate(request))
    assert ("room:a" in emma.session.connection.subs, "room:a" in other.session.connection.subs) == (
        True,
        False,
    )


async def test_recover_since(node: RealtimeNode, api: cent.AsyncClient) -> None:
    first = await api.publish(cent.PublishRequest(channel="private:a", data=1))
    await api.publish(cent.PublishRequest(channel="private:a", data=2))
    emma = await node.client("emma")
    since = cent.StreamPosition(offset=1, epoch=first.epoch)
    await api.subscribe(cent.SubscribeRequest(user="emma", channel="private:a", recover_since=since))
    await until(lambda: emma.wire.data("private:a") == [2])


async def test_what_no_log_keeps_is_shown_once(node: RealtimeNode, api: cent.AsyncClient) -> None:
    emma = await node.client("emma")
    await emma.subscribe("news:a")
    for _ in range(2):
        await api.publish(
            cent.PublishRequest(channel="news:a", data=1, skip_history=True, idempotency_key="k")
        )
    assert emma.wire.data("news:a") == [1]


@pytest.mark.parametrize("parallel", [False, True])
async def test_a_batch(node: RealtimeNode, api: cent.AsyncClient, parallel: bool) -> None:
    requests: list[Any] = [cent.PublishRequest(channel="news:a", data=number) for number in range(3)]
    reply = await api.batch(cent.BatchRequest(requests=[*requests, cent.InfoRequest()], parallel=parallel))
    assert sorted(result.offset for result in reply.replies[:3]) == [1, 2, 3]  # type: ignore[attr-defined]


async def test_blocks_and_revocations(node: RealtimeNode, api: cent.AsyncClient) -> None:
    async def comes(**claims: Any) -> bool:
        client = node.raw_client()
        token = jwt.encode({"sub": "emma", **claims}, SECRET, algorithm="HS256")
        await client.ask(connect={"token": token})
        client.session.ended()
        return not closed(client)

    now = int(node.clock.now().timestamp())
    await api.block_user(cent.BlockUserRequest(user="emma", expire_at=now + 3600))
    assert not await comes()
    await api.unblock_user(cent.UnblockUserRequest(user="emma"))
    assert await comes()
    await api.revoke_token(cent.RevokeTokenRequest(uid="t1", expire_at=now + 3600))
    assert [await comes(jti="t1"), await comes(jti="t2")] == [False, True]
    with pytest.raises(cent.CentApiResponseError) as refused:
        await api.invalidate_user_tokens(cent.InvalidateUserTokensRequest(user="emma", channel="news:a"))
    assert refused.value.code == 108
    assert await comes(iat=now - 5)
    await api.invalidate_user_tokens(cent.InvalidateUserTokensRequest(user="emma", issued_before=now))
    assert [await comes(iat=now - 5), await comes(iat=now + 5)] == [False, True]


async def test_rpc_and_a_wrong_key(node: RealtimeNode, api: cent.AsyncClient) -> None:
    async def echo(identity: Identity, data: Json) -> Json:
        return [identity.subject, data]

    node.hub.rpc.register("echo", echo)
    async with serving(node) as address:
        wrong = cent.AsyncClient(f"http://{address}/api", "wrong")
        with pytest.raises(cent.CentUnauthorizedError):
            await wrong.info(cent.InfoRequest())
        await wrong.close()
    assert not node.hub.is_online(TENANT, UserId("emma"))
