"""The WebSocket transport over a real loopback server: public clients, raw frames, bad frames."""

import asyncio
import base64
import functools
import json
import os
import random
import socket as sockets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import websockets
from aiohttp import ClientSession
from centrifuge import (
    Client,
    ClientEventHandler,
    PublicationContext,
    ServerPublicationContext,
    SubscribedContext,
    SubscriptionEventHandler,
)
from websockets.asyncio.client import connect
from websockets.typing import Origin, Subprotocol

from chatpush.clock import SystemClock
from chatpush.domain import Identity, Json, TenantId, UserId
from chatpush.web.transports.sockets import Socket
from tests.realtime.node import RealtimeNode, realtime_node, serving
from tests.waiting import until

TENANT = TenantId("default")


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RealtimeNode]:
    async with realtime_node(tmp_path, SystemClock(), allowed_origins=["https://shop.example"]) as node:
        yield node


@pytest.fixture
async def address(node: RealtimeNode) -> AsyncIterator[str]:
    async with serving(node) as address:
        yield address


class Heard(ClientEventHandler, SubscriptionEventHandler):
    """Remembers what the public client tells."""

    def __init__(self) -> None:
        self.data: list[Any] = []
        self.server: list[Any] = []
        self.subscribed: list[SubscribedContext] = []
        self.disconnected: list[int] = []

    async def on_publication(self, ctx: Any) -> None:
        if isinstance(ctx, PublicationContext):
            self.data.append(ctx.pub.data)
        elif isinstance(ctx, ServerPublicationContext):
            self.server.append(ctx.pub.data)

    def subscribed_more_than(self, times: int) -> bool:
        """Whether it was subscribed again."""
        return len(self.subscribed) > times

    async def on_subscribed(self, ctx: Any) -> None:
        if isinstance(ctx, SubscribedContext):
            self.subscribed.append(ctx)

    async def on_disconnected(self, ctx: Any) -> None:
        self.disconnected.append(ctx.code)


async def test_the_public_python_client_works(node: RealtimeNode, address: str) -> None:
    async def echo(identity: Identity, data: Json) -> Json:
        return {"user": identity.subject, "data": data}

    node.hub.rpc.register("echo", echo)
    heard = Heard()
    client = Client(
        f"ws://{address}/connection/websocket", events=heard, token=await node.token("emma"), proxy=None,
        min_reconnect_delay=0.01, max_reconnect_delay=0.1,
    )  # fmt: skip
    sub = client.new_subscription("room:a", events=heard)
    await client.connect()
    await client.ready()
    await sub.subscribe()
    await sub.ready()
    await sub.publish({"n": 1})
    await until(lambda: heard.data == [{"n": 1}])
    presence = await sub.presence()
    assert [info.user for info in presence.clients.values()] == ["emma"]
    assert (await sub.presence_stats()).num_users == 1
    assert (await client.rpc("echo", [1])).data == {"user": "emma", "data": [1]}
    await node.hub.publish(TENANT, "user:emma", {"personal": True})
    await until(lambda: heard.server == [{"personal": True}])
    await client.disconnect()
    await until(lambda: not node.hub.is_online(TENANT, UserId("emma")))


async def test_the_public_client_recovers_after_a_cut(node: RealtimeNode, address: str) -> None:
    heard = Heard()
    client = Client(
        f"ws://{address}/connection/websocket", events=heard, token=await node.token("emma"), proxy=None,
        min_reconnect_delay=0.01, max_reconnect_delay=0.1,
    )  # fmt: skip
    sub = client.new_subscription("news:a", events=heard)
    await client.connect()
    await sub.subscribe()
    await sub.ready()
    history = await node.hub.publish(TENANT, "news:a", 0)
    await until(lambda: heard.data == [0])
    for _ in range(3):
        again = functools.partial(heard.subscribed_more_than, len(heard.subscribed))
        await node.hub.disconnect(TENANT, UserId("emma"), 3011, "force reconnect")
        for _ in range(3):
            await node.hub.publish(TENANT, "news:a", len(heard.data))
            await asyncio.sleep(0)
        await until(again)
    position = await node.hub.publish(TENANT, "news:a", "end")
    await until(lambda: heard.data[-1:] == ["end"])
    assert len(heard.data) == position.offset - history.offset + 1
    assert all(context.recovered for context in heard.subscribed[1:])
    await client.disconnect()


async def test_a_terminal_disconnect_reaches_the_public_client(node: RealtimeNode, address: str) -> None:
    heard = Heard()
    client = Client(f"ws://{address}/connection/websocket", events=heard, token="nonsense", proxy=None)
    await client.connect()
    await until(lambda: heard.disconnected == [3500])


async def test_pings_and_pongs(tmp_path: Path) -> None:
    async with (
        realtime_node(tmp_path, SystemClock(), ping_interval_seconds=0.5, pong_timeout_seconds=0.4) as node,
        serving(node) as address,
        connect(f"ws://{address}/connection/websocket", proxy=None) as socket,
    ):
        await socket.send('{"id":1,"connect":{}}')
        await socket.recv()
        assert await socket.recv() == "{}"
        await socket.send("{}")
        assert await socket.recv() == "{}"
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 3012


@pytest.mark.parametrize(
    ("frame", "code"),
    [("nonsense", 3501), ("", 3501), ("[" * 30_000, 3501), (b"\x00\x01", 3506), ("x" * 70_000, 1009),
     ('{"id":1,"connect":{"token":"x"}}', 3500), ('{"id":1,"history":{"channel":"a"}}', 3501)],
)  # fmt: skip
async def test_bad_frames_get_their_close_code(address: str, frame: str | bytes, code: int) -> None:
    async with connect(f"ws://{address}/connection/websocket", proxy=None) as socket:
        await socket.send(frame)
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        assert socket.close_code == code


@pytest.mark.parametrize(
    "frame", [b"\xff" * 20, b"\x05\x08", b"\x02\xff\xff", b"", b"\x02\x08\x01\x02\x08\x01\xff", b"\x80" * 30]
)
async def test_bad_frames_in_protobuf_are_told_so(address: str, frame: bytes) -> None:
    url = f"ws://{address}/connection/websocket"
    async with connect(url, subprotocols=[Subprotocol("centrifuge-protobuf")], proxy=None) as socket:
        await socket.send(frame)
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 3501


async def test_names_of_channels_have_limits(node: RealtimeNode, address: str) -> None:
    async with connect(f"ws://{address}/connection/websocket", proxy=None) as socket:
        await socket.send('{"id":1,"connect":{}}')
        await socket.recv()
        codes = []
        for name in ("news:" + "a" * 250, "news:" + "a" * 251, "", "news:\u0007", "nowhere:a"):
            await socket.send(json.dumps({"id": 2, "subscribe": {"channel": name}}))
            reply = json.loads(await socket.recv())
            codes.append(reply.get("error", {}).get("code"))
        assert codes == [None, 107, 107, 107, 102]


def frame_of(payload: bytes, first: int = 0x81, masked: bool = True) -> bytes:
    mask = b"abcd" if masked else b""
    length = len(payload)
    head = bytes((first, length | (0x80 if masked else 0))) if length < 126 else b""
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if masked else payload
    return head + mask + body


async def raw_socket(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /connection/websocket HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@pytest.mark.parametrize(
    ("bad", "code"),
    [(frame_of(b"\xff\xfe"), 1007), (frame_of(b"{}", 0xC1), 1002), (frame_of(b"{}", 0x83), 1002),
     (frame_of(b"x" * 100, 0x09), 1002), (b"\x81\xff" + b"\xff" * 8 + b"abcd", 1009)],
)  # fmt: skip
async def test_broken_framing_is_closed_by_the_book(address: str, bad: bytes, code: int) -> None:
    reader, writer = await raw_socket(address)
    writer.write(bad)
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer[:1] == b"\x88"
    assert int.from_bytes(answer[2:4], "big") == code
    writer.close()


async def test_a_fragmented_command_is_understood(address: str) -> None:
    reader, writer = await raw_socket(address)
    writer.write(frame_of(b'{"id":1,', 0x01) + frame_of(b"ping", 0x89) + frame_of(b'"connect":{}}', 0x80))
    assert await reader.readexactly(6) == b"\x8a\x04ping"
    head = await reader.readexactly(2)
    length = int.from_bytes(await reader.readexactly(2), "big") if head[1] == 126 else head[1]
    assert json.loads(await reader.readexactly(length))["connect"]["pong"] is True
    writer.close()


async def test_random_bytes_never_hurt(node: RealtimeNode, address: str) -> None:
    dice = random.Random(7)

    async def attack(count: int) -> None:
        _, writer = await raw_socket(address)
        try:
            for _ in range(count):
                writer.write(
                    frame_of(dice.randbytes(dice.randrange(120)), dice.choice((0x81, 0x82, 0x01, 0x80)))
                )
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    for _ in range(10):
        await asyncio.gather(*(attack(20) for _ in range(20)))
    await until(lambda: node.hub.counts().connections == 0)
    async with connect(f"ws://{address}/connection/websocket", proxy=None) as socket:
        await socket.send('{"id":1,"connect":{}}')
        assert json.loads(await socket.recv())["id"] == 1


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://shop.example", 101), ("https://evil.example", 403), ("https://shop.example.evil.example", 403),
     ("http://shop.example", 403), ("null", 403), ("https://shop.example:444", 403)],
)  # fmt: skip
async def test_foreign_pages_are_refused(address: str, origin: str, status: int) -> None:
    headers = {
        "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(b"0" * 16).decode(), "Origin": origin,
    }  # fmt: skip
    async with (
        ClientSession() as http,
        http.get(f"http://{address}/connection/websocket", headers=headers) as r,
    ):
        assert r.status == status


async def test_the_own_page_may_connect(address: str) -> None:
    async with connect(
        f"ws://{address}/connection/websocket", origin=Origin(f"http://{address}"), proxy=None
    ) as socket:
        await socket.send('{"id":1,"connect":{}}')
        assert "connect" in json.loads(await socket.recv())


async def test_the_key_picks_the_tenant(node: RealtimeNode, address: str) -> None:
    token = await node.tokens.issue_connection(TenantId("other"), UserId("emma"), None)
    async with connect(f"ws://{address}/connection/websocket?key=pk_other", proxy=None) as socket:
        await socket.send(json.dumps({"id": 1, "connect": {"token": token}}))
        assert "connect" in json.loads(await socket.recv())
        assert node.hub.is_online(TenantId("other"), UserId("emma"))
        assert not node.hub.is_online(TENANT, UserId("emma"))
    with pytest.raises(websockets.InvalidStatus):
        await connect(f"ws://{address}/connection/websocket?key=pk_unknown", proxy=None)


async def test_a_plain_request_is_answered_plainly(address: str) -> None:
    async with ClientSession() as http, http.get(f"http://{address}/connection/websocket") as response:
        assert response.status == 400


async def test_a_full_node_says_when_to_come_back(tmp_path: Path) -> None:
    async with realtime_node(tmp_path, SystemClock(), max_connections=1) as node, serving(node) as address:
        url = f"ws://{address}/connection/websocket"
        async with connect(url, proxy=None):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await connect(url, proxy=None)
            assert refused.value.response.status_code == 503
            assert int(refused.value.response.headers["Retry-After"]) > 0
        await until(lambda: node.hub.counts().connections == 0)
        async with connect(url, proxy=None):
            pass


async def test_shutdown_tells_everybody(node: RealtimeNode) -> None:
    async with serving(node) as address:
        socket = await connect(f"ws://{address}/connection/websocket", proxy=None)
        await socket.send('{"id":1,"connect":{}}')
        await socket.recv()
    with pytest.raises(websockets.ConnectionClosed):
        await socket.recv()
    assert socket.close_code == 3001


def most_unsent(node: RealtimeNode) -> int:
    """Return the most bytes that wait here for any client."""
    wires = [cast(Socket, connection.wire)._transport for connection in node.hub._registry.open]
    return max(wire.get_write_buffer_size() for wire in wires if wire is not None)


async def test_a_reader_that_stops_reading_loses_nothing(node: RealtimeNode, address: str) -> None:
    """Its memory here stays small, and when it reads again everything is there, in order."""
    host, port = address.split(":")
    narrow = sockets.create_connection((host, int(port)))
    narrow.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 65_536)
    narrow.setblocking(False)
    async with connect(
        f"ws://{address}/connection/websocket", sock=narrow, proxy=None, max_queue=2
    ) as socket:
        await socket.send('{"id":1,"connect":{}}')
        await socket.recv()
        await socket.send('{"id":2,"subscribe":{"channel":"news:a"}}')
        await socket.recv()
        for number in range(90):
            await node.hub.publish(TENANT, "news:a", {"n": number, "text": "x" * 100_000})
            assert most_unsent(node) < 1_000_000
        found: list[int] = []
        while len(found) < 90:
            for line in str(await socket.recv()).split("\n"):
                message = json.loads(line)
                if message:
                    found.append(message["push"]["pub"]["data"]["n"])
                else:  # a ping; this machine is busy
                    await socket.send("{}")
        assert found == list(range(90))


async def test_a_client_that_never_reads_its_replies_is_closed(tmp_path: Path) -> None:
    async with (
        realtime_node(
            tmp_path,
            SystemClock(),
            commands_per_second=100_000,
            ping_interval_seconds=0.5,
            pong_timeout_seconds=0.5,
        ) as node,
        serving(node) as address,
    ):
        for number in range(50):
            await node.hub.publish(TENANT, "news:a", {"n": number, "text": "x" * 20_000})
        reader, writer = await raw_socket(address)
        writer.write(frame_of(b'{"id":1,"connect":{}}'))
        writer.write(frame_of(b'{"id":2,"subscribe":{"channel":"news:a"}}'))
        ask = frame_of(b'{"id":3,"history":{"channel":"news:a","limit":50}}')
        try:
            for _ in range(50):
                writer.write(ask)
                await writer.drain()
        except ConnectionError:
            pass
        await until(lambda: node.hub.counts().connections == 0)
        writer.transport.abort()
        assert reader is not None
