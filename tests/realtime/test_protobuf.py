"""Protobuf: the same bytes as Google's own implementation, and a session over a real client."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from centrifuge import Client, PublicationContext, SubscriptionEventHandler
from centrifuge.protocol import client_pb2
from google.protobuf.json_format import MessageToDict, ParseDict
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from websockets.asyncio.client import connect

from chatpush.clock import SystemClock
from chatpush.domain import Identity, Json, TenantId, UserId
from chatpush.realtime.protocol import codec, frames, protobuf
from tests.realtime.node import RealtimeNode, realtime_node, serving
from tests.waiting import until

TENANT = TenantId("default")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RealtimeNode]:
    async with realtime_node(tmp_path, SystemClock()) as node:
        yield node


class Heard(SubscriptionEventHandler):
    """Remembers publications."""

    def __init__(self) -> None:
        self.data: list[Any] = []

    async def on_publication(self, ctx: PublicationContext) -> None:
        self.data.append(ctx.pub.data)


async def test_the_public_client_speaks_protobuf(node: RealtimeNode) -> None:
    async def echo(identity: Identity, data: Json) -> Json:
        return {"user": identity.subject, "data": data}

    node.hub.rpc.register("echo", echo)
    heard, older = Heard(), Heard()
    async with serving(node) as address:
        options: dict[str, Any] = {"proxy": None, "min_reconnect_delay": 0.01, "max_reconnect_delay": 0.1}
        url = f"ws://{address}/connection/websocket"
        binary = Client(url, use_protobuf=True, token=await node.token("emma"), **options)
        text = Client(url, token=await node.token("lin"), **options)
        sub, other = (
            binary.new_subscription("room:a", events=heard),
            text.new_subscription("room:a", events=older),
        )
        for client, each in ((binary, sub), (text, other)):
            await client.connect()
            await each.subscribe()
            await each.ready()
        await sub.publish(b'{"n": 1}')
        await other.publish({"n": 2})
        await until(lambda: [json.loads(data) for data in heard.data] == [{"n": 1}, {"n": 2}])
        await until(lambda: older.data == [{"n": 1}, {"n": 2}])
        presence = await sub.presence()
        assert sorted(info.user for info in presence.clients.values()) == ["emma", "lin"]
        assert json.loads((await binary.rpc("echo", b"[1]")).data) == {"user": "emma", "data": [1]}
        await node.hub.disconnect(TENANT, UserId("emma"), 3011, "force reconnect")
        await until(lambda: node.hub.presence_stats(TENANT, "room:a").num_users == 2)
        await node.hub.publish(TENANT, "room:a", {"n": 3})
        await until(lambda: [json.loads(data)["n"] for data in heard.data][-1:] == [3])
        await binary.disconnect()
        await text.disconnect()


async def test_a_connection_speaks_one_language(node: RealtimeNode) -> None:
    async with serving(node) as address:
        url = f"ws://{address}/connection/websocket"
        async with connect(url, subprotocols=["centrifuge-protobuf"], proxy=None) as socket:  # type: ignore[list-item]
            await socket.send("{}")
            await socket.wait_closed()
        assert socket.close_code == 3506
        async with connect(url, proxy=None) as socket:
            await socket.send(b"\x00")
            await socket.wait_closed()
        assert socket.close_code == 3506


@pytest.mark.parametrize(
    "frame", [b"", b"\x05\x08", b"\x01\xff", b"\x02\x08\xff", b"\x03\x22\x01\x0a", b"\x80" * 20]
)
def test_a_broken_frame_is_told_apart(frame: bytes) -> None:
    with pytest.raises(codec.BadFrame):
        codec.decode_protobuf(frame)


def test_depth_is_bounded() -> None:
    node = b""
    for _ in range(protobuf.DEEPEST + 2):
        node = b"\x32" + protobuf.varint(len(node)) + node
    with pytest.raises(protobuf.Malformed):
        protobuf.decode(node, frames.FilterNode)


@given(st.binary(max_size=200))
def test_random_bytes_are_a_command_or_malformed(data: bytes) -> None:
    try:
        protobuf.decode(data, frames.Command)
    except protobuf.Malformed:
        return


COMMANDS: list[dict[str, Any]] = [
    {"id": 1, "connect": {"token": "t", "name": "js", "subs": {"a:b": {"recover": True, "offset": 7, "epoch": "x"}}}},
    {"id": 2**32 - 1, "subscribe": {"channel": "新闻:a", "flag": 3, "delta": "fossil", "tf": {
        "op": "and", "nodes": [{"key": "k", "cmp": "in", "vals": ["", "b"]}, {"op": "not", "nodes": [{"key": "z"}]}]}}},
    {"id": 3, "history": {"channel": "a", "limit": -1, "since": {"offset": 2**62}, "reverse": True}},
    {"id": 4, "ping": {}}, {"id": 5, "presence_stats": {"channel": "c"}}, {},
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_read_as_google_writes_them(command: dict[str, Any]) -> None:
    theirs = ParseDict(command, client_pb2.Command()).SerializeToString()
    ours = protobuf.decode(theirs, frames.Command)
    assert ours == codec.decode(json.dumps(command))[0]
    assert client_pb2.Command.FromString(protobuf.encode(ours)) == ParseDict(command, client_pb2.Command())


def test_replies_are_read_by_google() -> None:
    who = frames.ClientInfo("emma", "c1", Raw(b'{"a":1}'))
    publication = frames.Publication(Raw(b"[1]"), who, 9, {"k": "v", "": "w"}, True, 77)
    result = frames.SubscribeResult(True, 5, True, "e", [publication], True, 9, True)
    for reply in (
        frames.Reply(id=3, subscribe=result),
        frames.Reply(push=frames.Push(channel="a", pub=publication)),
        frames.Reply(push=frames.Push(id=4, join=frames.Presence(who))),
        frames.Reply(id=1, connect=frames.ConnectResult("c", "v", subs={"a": result}, ping=25, pong=True)),
        frames.Reply(id=2, error=frames.Error(100, "no", True)),
        frames.Reply(id=6, presence=frames.PresenceResult({"c1": who})),
        frames.Reply(push=frames.Push(refresh=frames.Refreshed(True, 9))),
    ):
        theirs = client_pb2.Reply.FromString(protobuf.encode(reply))
        shown = MessageToDict(theirs, preserving_proto_field_name=True)
        assert shown.keys() == json.loads(codec.encode(reply)).keys()
        assert theirs == client_pb2.Reply.FromString(theirs.SerializeToString())
    assert theirs.push.refresh.ttl == 9


async def test_a_frame_is_encoded_once_for_each_language(node: RealtimeNode) -> None:
    frame = codec.push(frames.Push(channel="a"))
    twins = await asyncio.gather(*(asyncio.to_thread(frame.in_protobuf) for _ in range(3)))
    assert all(twin is frame.in_protobuf() for twin in twins[-1:])
