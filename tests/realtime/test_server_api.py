"""The realtime server API over a real loopback server."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import ClientSession

from chatpush.clock import SystemClock
from chatpush.domain import Identity, Json, TenantId, UserId
from tests.realtime.node import API_KEY, SECRET, RealtimeNode, realtime_node, serving
from tests.waiting import until

TENANT = TenantId("default")


class Api:
    """A backend that calls the API."""

    def __init__(self, node: RealtimeNode, http: ClientSession, url: str) -> None:
        self.node, self.http, self.url = node, http, url
        self.status = 0

    async def __call__(
        self, method: str, body: Any = None, key: str = API_KEY, raw: bytes | None = None
    ) -> Any:
        options: dict[str, Any] = {"data": raw} if raw is not None else {"json": body or {}}
        async with self.http.post(f"{self.url}/{method}", headers={"X-API-Key": key}, **options) as response:
            self.status = response.status
            return await response.json()


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with (
        realtime_node(tmp_path, SystemClock()) as node, serving(node) as address, ClientSession() as http
    ):  # fmt: skip
        yield Api(node, http, f"http://{address}/api")


async def test_publish_and_history(api: Api) -> None:
    first = (await api("publish", {"channel": "news:a", "data": {"n": 1}, "tags": {"a": "b"}}))["result"]
    assert (first["offset"], bool(first["epoch"])) == (1, True)
    b64 = base64.b64encode(b'{"n":2}').decode()
    await api("publish", {"channel": "news:a", "b64data": b64})
    found = (await api("history", {"channel": "news:a", "limit": 10}))["result"]
    assert [pub["data"] for pub in found["publications"]] == [{"n": 1}, {"n": 2}]
    assert (found["publications"][0]["tags"], found["offset"]) == ({"a": "b"}, 2)
    since = {"offset": 1, "epoch": first["epoch"]}
    found = (await api("history", {"channel": "news:a", "limit": -1, "since": since}))["result"]
    assert [pub["offset"] for pub in found["publications"]] == [2]
    assert await api("history_remove", {"channel": "news:a"}) == {"result": {}}
    assert (await api("history", {"channel": "news:a", "limit": 10}))["result"]["publications"] == []
    lost = await api("history", {"channel": "news:a", "limit": 1, "since": {"offset": 1, "epoch": "x"}})
    assert lost["error"]["code"] == 112


async def test_an_idempotency_key_publishes_once(api: Api) -> None:
    body = {"channel": "news:a", "data": 1, "idempotency_key": "k"}
    assert await api("publish", body) == await api("publish", body)
    assert (await api("history", {"channel": "news:a"}))["result"]["offset"] == 1


async def test_broadcast_answers_for_each_channel(api: Api) -> None:
    reply = await api("broadcast", {"channels": ["news:a", "nowhere:a", "news:b"], "data": 1})
    responses = reply["result"]["responses"]
    assert [response.get("error", {}).get("code", 0) for response in responses] == [0, 102, 0]


async def test_presence_channels_and_info(api: Api) -> None:
    for user in ("emma", "lin"):
        client = await api.node.client(user)
        await client.subscribe("room:a")
    there = (await api("presence", {"channel": "room:a"}))["result"]["presence"]
    assert {info["user"] for info in there.values()} == {"emma", "lin"}
    assert (await api("presence_stats", {"channel": "room:a"}))["result"] == {
        "num_clients": 2,
        "num_users": 2,
    }
    assert (await api("presence", {"channel": "news:a"}))["error"]["code"] == 108
    assert (await api("channels", {"pattern": "room:*"}))["result"] == {
        "channels": {"room:a": {"num_clients": 2}}
    }
    node = (await api("info"))["result"]["nodes"][0]
    assert (node["num_clients"], node["num_users"], node["num_channels"], node["num_subs"]) == (2, 2, 3, 4)


async def test_moving_connections(api: Api) -> None:
    client = await api.node.client("emma")
    assert await api("subscribe", {"user": "emma", "channel": "news:a"}) == {"result": {}}
    await api("publish", {"channel": "news:a", "data": 1})
    assert client.wire.data("news:a") == [1]
    assert await api("unsubscribe", {"user": "emma", "channel": "news:a"}) == {"result": {}}
    assert await api("refresh", {"user": "emma", "expire_at": 4_000_000_000}) == {"result": {}}
    assert client.wire.pushes("refresh")[0]["refresh"]["expires"] is True
    spared = {"user": "emma", "whitelist": [client.session.connection.client]}
    await api("disconnect", spared)
    assert client.wire.closed is None
    await api("disconnect", {"user": "emma", "disconnect": {"code": 4501, "reason": "bye"}})
    closed = await until(lambda: client.wire.closed)
    assert closed is not None
    assert (closed.code, closed.reason) == (4501, "bye")
    other = await api.node.client("lin")
    await api("refresh", {"user": "lin", "expired": True})
    assert other.wire.closed is not None
    assert other.wire.closed.code == 3005


async def test_connections_by_their_labels(api: Api) -> None:
    async def labelled(user: str, **labels: str) -> Any:
        claims = {"sub": user, "labels": labels} if labels else {"sub": user}
        client = api.node.raw_client()
        await client.ask(connect={"token": jwt.encode(claims, SECRET, algorithm="HS256")})
        return client

    web, phone, plain = (
        await labelled("emma", kind="web", build="9"),
        await labelled("emma", kind="phone", build="10"),
        await labelled("emma"),
    )
    newer = {"key": "build", "cmp": "gte", "val": "10"}
    await api("subscribe", {"user": "emma", "channel": "news:a", "label_filter": newer})
    assert [bool(one.wire.pushes("subscribe")) for one in (web, phone, plain)] == [False, True, False]
    await api("unsubscribe", {"all_users": True, "channel": "news:a", "label_filter": newer})
    assert phone.wire.pushes("unsubscribe")
    kinds = {"key": "kind", "cmp": "in", "vals": ["web", "desktop"]}
    await api("refresh", {"all_users": True, "label_filter": kinds, "expire_at": 2**32})
    assert [bool(one.wire.pushes("refresh")) for one in (web, phone, plain)] == [True, False, False]
    either = {"op": "or", "nodes": [kinds, {"key": "kind", "cmp": "nex"}]}
    await api("disconnect", {"user": "emma", "label_filter": either})
    assert [one.wire.closed is not None for one in (web, phone, plain)] == [True, False, True]
    moved = jwt.encode({"sub": "emma", "labels": {"kind": "web"}}, SECRET, algorithm="HS256")
    await phone.ask(refresh={"token": moved})
    await api("disconnect", {"user": "emma", "label_filter": kinds})
    assert phone.wire.closed is not None


@pytest.mark.parametrize("labels", [[1], {"a": 1}, {"a": "x" * 200}, {str(n): "" for n in range(40)}])
async def test_a_token_with_labels_that_can_not_be(api: Api, labels: Any) -> None:
    client = api.node.raw_client()
    await client.ask(connect={"token": jwt.encode({"sub": "emma", "labels": labels}, SECRET)})
    assert client.wire.closed is not None
    assert client.wire.closed.code == 3500


async def test_rpc(api: Api) -> None:
    async def whoami(identity: Identity, data: Json) -> Json:
        return {"kind": identity.kind, "data": data}

    api.node.hub.rpc.register("whoami", whoami)
    reply = await api("rpc", {"method": "whoami", "params": {"a": 1}})
    assert reply == {"result": {"data": {"kind": "key", "data": {"a": 1}}}}
    assert (await api("rpc", {"method": "unknown"}))["error"]["code"] == 104


@pytest.mark.parametrize("parallel", [True, False])
async def test_batch(api: Api, parallel: bool) -> None:
    commands: list[Any] = [
        {"publish": {"channel": "news:a", "data": 1}}, {"publish": {"channel": "nowhere:a", "data": 1}},
        {"surprise": {}}, {"info": {}}, {}, {"publish": {"channel": 7}},
    ]  # fmt: skip
    replies = (await api("batch", {"commands": commands, "parallel": parallel}))["replies"]
    assert replies[0]["publish"]["offset"] == 1
    assert [reply.get("error", {}).get("code", 0) for reply in replies] == [0, 102, 104, 0, 107, 107]


async def test_the_older_form_by_lines(api: Api) -> None:
    lines = b'{"method":"publish","params":{"channel":"news:a","data":1}}\n{"method":"info"}'
    headers = {"Authorization": f"apikey {API_KEY}"}
    async with api.http.post(api.url, data=lines, headers=headers) as response:
        answers = (await response.text()).split("\n")
    assert len(answers) == 2
    assert '"offset":1' in answers[0]


async def test_bad_keys(api: Api) -> None:
    for key in ("", "wrong", "sk_unknown", "ключ"):
        await api("info", key=key) if key.isascii() else None
        assert api.status in (0, 401)
    async with api.http.post(f"{api.url}/publish", data=b"{}") as response:
        assert response.status == 401


async def test_scopes_of_secret_keys(api: Api) -> None:
    assert "result" in await api("info", key="sk_reader")
    denied = await api("publish", {"channel": "news:a", "data": 1}, key="sk_reader")
    assert denied["error"]["code"] == 103


@pytest.mark.parametrize(
    ("method", "body", "status", "code"),
    [("publish", b"nonsense", 400, 400), ("publish", b"[]", 400, 400), ("publish", b"{}", 400, 400),
     ("publish", b'{"channel":7,"data":1}', 400, 400), ("publish", b"[" * 50_000, 400, 400),
     ("publish", b'{"channel":"news:a"}', 200, 107), ("publish", b'{"channel":"news:a","b64data":"?"}', 200, 107),
     ("publish", b'{"channel":"news:a","b64data":"AAAA"}', 200, 107),
     ("publish", b'{"channel":"news:a","data":"\xff"}', 200, 107),
     ("publish", b'{"channel":"","data":1}', 200, 107), ("broadcast", b'{"channels":[],"data":1}', 200, 107),
     ("disconnect", b"{}", 200, 107), ("disconnect", b'{"user":"a","disconnect":{"code":7}}', 200, 107),
     ("disconnect", b'{"user":"a","label_filter":{"key":"a","cmp":"like"}}', 200, 107),
     ("disconnect", b'{"label_filter":{"key":"a","cmp":"ex"}}', 200, 107), ("batch", b"{}", 400, 400),
     ("surprise", b"{}", 404, 404), ("history", b'{"channel":"nowhere:a"}', 200, 102)],
)  # fmt: skip
async def test_bad_requests(api: Api, method: str, body: bytes, status: int, code: int) -> None:
    reply = await api(method, raw=body)
    assert (api.status, reply["error"]["code"]) == (status, code)


async def test_a_publish_reaches_a_personal_channel(api: Api) -> None:
    client = await api.node.client("emma")
    await api("publish", {"channel": "user:emma", "data": {"type": "unread", "unread": 2}})
    assert client.wire.data("user:emma") == [{"type": "unread", "unread": 2}]
    assert api.node.hub.is_online(TENANT, UserId("emma"))
