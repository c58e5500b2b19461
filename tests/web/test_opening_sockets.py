"""Opening a WebSocket in front of aiohttp: the same answers, origins and keys as behind it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, WSServerHandshakeError

from chatpush.clock import SystemClock
from chatpush.domain import DEFAULT_TENANT
from chatpush.web.transports.websocket import accepted
from tests.realtime.node import RealtimeNode, realtime_node
from tests.waiting import until
from tests.web.test_front import ORIGIN, listening

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RealtimeNode]:
    async with realtime_node(tmp_path, SystemClock(), allowed_origins=[ORIGIN]) as node:
        yield node


@pytest.mark.parametrize("protobuf", [False, True])
@pytest.mark.parametrize("query", ["", "?key=pk_good"])
async def test_a_socket_is_opened_and_served(node: RealtimeNode, query: str, protobuf: bool) -> None:
    protocols = ["centrifuge-protobuf"] if protobuf else []
    async with listening(node) as port, ClientSession() as http:
        url = f"ws://127.0.0.1:{port}/connection/websocket{query}"
        async with http.ws_connect(url, protocols=protocols, headers={"Origin": ORIGIN}) as socket:
            assert socket.protocol == (protocols[0] if protobuf else None)
            if protobuf:
                return
            await socket.send_str('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"news:a"}}')
            replies = [line for _ in range(2) for line in (await socket.receive_str()).split("\n")]
            assert [json.loads(line)["id"] for line in replies] == [1, 2]
            await node.hub.publish(DEFAULT_TENANT, "news:a", 1)
            assert json.loads(await socket.receive_str())["push"]["pub"]["data"] == 1


async def test_commands_behind_the_handshake_are_heard(node: RealtimeNode) -> None:
    async with listening(node) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        command = b'{"id":1,"connect":{}}'
        writer.write(
            f"GET /connection/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            f"Connection: keep-alive, Upgrade\r\nCookie: a=b\r\n"
            f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            + bytes((0x81, 0x80 | len(command), 0, 0, 0, 0))
            + command
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
        assert b"aiohttp" not in head
        assert (await reader.readexactly(2))[0] == 0x81
        writer.close()
        await until(lambda: node.hub.counts().connections == 0)


@pytest.mark.parametrize(
    ("query", "origin", "status"),
    [("", "https://evil.example", 403), ("?key=pk_good", "https://evil.example", 403)],
)
async def test_who_may_not_is_told_by_aiohttp(
    node: RealtimeNode, query: str, origin: str, status: int
) -> None:
    async with listening(node) as port, ClientSession() as http:
        url = f"ws://127.0.0.1:{port}/connection/websocket{query}"
        with pytest.raises(WSServerHandshakeError) as refused:
            await http.ws_connect(url, headers={"Origin": origin})
        assert refused.value.status == status
        async with http.get(f"http://127.0.0.1:{port}/connection/websocket") as response:
            assert response.status == 400
        own = {"Origin": f"http://127.0.0.1:{port}"}
        async with http.ws_connect(url, headers=own) as socket:
            assert not socket.closed


async def test_a_node_that_goes_accepts_nobody(node: RealtimeNode) -> None:
    async with listening(node) as port, ClientSession() as http:
        await node.hub.drain()
        with pytest.raises(WSServerHandshakeError) as refused:
            await http.ws_connect(f"ws://127.0.0.1:{port}/connection/websocket")
        assert refused.value.status == 503


@pytest.mark.parametrize(
    "headers",
    [
        ("h2c", "Upgrade", "13", KEY, ""), ("websocket", "close", "13", KEY, ""),
        ("websocket", "Upgrade", "12", KEY, ""), ("websocket", "Upgrade", "13", "short", ""),
        ("websocket", "Upgrade", "13", KEY[:-2], ""), ("websocket", "Upgrade", "13", "é" * 24, ""),
    ],
)  # fmt: skip
def test_what_is_no_handshake(headers: tuple[str, str, str, str, str]) -> None:
    assert accepted(*headers) is None
